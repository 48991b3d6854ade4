use super::*;

#[test]
fn rejects_more_connections_than_files_or_ports() {
    let config = RunConfig { connections: 10_000_000, ..RunConfig::default() };
    let error = check_resources(&config, peak_connections(&config), &[], true).unwrap_err().to_string();
    assert!(error.contains("10000000 connections require") && error.contains("at most"), "{error}");
}

#[test]
fn several_addresses_multiply_the_ports() {
    let [a, b]: [SocketAddr; 2] = ["192.0.2.1:443".parse().unwrap(), "192.0.2.2:443".parse().unwrap()];
    let config = RunConfig::default();
    let check = |connections, addresses: &[SocketAddr]| check_ports(&config, connections, addresses, 100);
    let needed = |connections| Err(PreflightError::Ports { connections, ports: 100 });
    assert_eq!((check(100, &[a]), check(101, &[a])), (Ok(()), needed(101)));
    assert_eq!((check(200, &[a, b]), check(201, &[a, b])), (Ok(()), needed(101)));
    // One of them is listed twice and gets two of three connections.
    assert_eq!((check(150, &[a, b, a]), check(151, &[a, b, a])), (Ok(()), needed(101)));
    assert_eq!((check(100, &[]), check(101, &[])), (Ok(()), needed(101)));

    let closing = |rate| RunConfig {
        mode: Mode::Handshake,
        connect_rate: Rate::PerSecond(rate),
        url: Some("tls://example.org/".to_owned()),
        ..RunConfig::default()
    };
    let check = |rate, addresses: &[SocketAddr]| check_ports(&closing(rate), 1, addresses, 600);
    assert_eq!((check(10.0, &[a]), check(20.0, &[a, b])), (Ok(()), Ok(())));
    assert_eq!(check(11.0, &[a]), Err(PreflightError::TimeWait { rate: 11.0, ports: 600, highest: 10.0 }));
    assert_eq!(check(21.0, &[a, b]), Err(PreflightError::TimeWait { rate: 21.0, ports: 600, highest: 20.0 }));
}

#[test]
fn rejects_messages_that_exceed_memory() {
    let config = RunConfig { connections: 1000, size: wss_model::Size(1 << 40), ..RunConfig::default() };
    let error = check_resources(&config, peak_connections(&config), &[], true).unwrap_err().to_string();
    assert!(error.contains("MiB of memory"), "{error}");
}

#[test]
fn rejects_times_and_rates_beyond_the_clock() {
    let message = |change: fn(&mut RunConfig)| {
        let mut config = RunConfig::default();
        change(&mut config);
        check_times(&config).unwrap_err().to_string()
    };
    let long = HumanDuration::from_secs(u64::MAX / 2);
    assert!(check_times(&RunConfig::default()).is_ok());
    assert_eq!(LONGEST.to_string(), "1year");
    assert!(
        message(|config| config.rate = Rate::PerSecond(1e-300))
            .contains("--rate is too low: each connection would send less than once a year")
    );
    assert!(message(|config| config.connect_rate = Rate::PerSecond(1e300)).contains("at most 10M/s"));
    let mut config = RunConfig { warmup: long, ..RunConfig::default() };
    assert!(check_times(&config).unwrap_err().to_string().contains("--warmup"));
    (config.warmup, config.limits.close_timeout) = (HumanDuration::from_secs(0), long);
    assert!(check_times(&config).unwrap_err().to_string().contains("--close-timeout"));
}

#[test]
fn peak_of_handshakes_at_a_rate_is_bounded_by_the_timeout() {
    let config = RunConfig { mode: Mode::Handshake, connect_rate: Rate::PerSecond(100.0), ..RunConfig::default() };
    assert_eq!(peak_connections(&config), 1000);
}
