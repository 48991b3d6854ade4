use std::collections::BTreeSet;

use super::*;

#[test]
fn empty_file_and_empty_command_line_are_equal() {
    assert_eq!(toml::from_str::<RunConfig>("").unwrap(), RunConfig::default());
}

#[test]
fn round_trips_through_toml_and_json() {
    let config = RunConfig {
        url: Some("wss://127.0.0.1:1/".to_owned()),
        connect_rate: Rate::Max,
        client_cpus: Some("0,2-3".parse().unwrap()),
        tls: TlsOptions { tls_version: Some(TlsVersion::V1_2), ..TlsOptions::default() },
        ..RunConfig::default()
    };
    assert_eq!(toml::from_str::<RunConfig>(&toml::to_string(&config).unwrap()).unwrap(), config);
    assert_eq!(serde_json::from_str::<RunConfig>(&serde_json::to_string(&config).unwrap()).unwrap(), config);
}

#[test]
fn rejects_unknown_keys_in_every_table() {
    for text in ["speed = 1", "[tls]\nspeed = 1", "[limits]\nspeed = 1", "[trust]\nspeed = 1"] {
        let error = toml::from_str::<RunConfig>(text).unwrap_err().to_string();
        assert!(error.contains("speed"), "{error}");
    }
}

#[test]
fn rejects_values_that_no_run_can_have() {
    let error = |change: fn(&mut RunConfig)| {
        let mut config = RunConfig::default();
        change(&mut config);
        config.check().unwrap_err().to_string()
    };
    assert!(error(|c| c.connections = 0).contains("--connections is 0"));
    assert!(error(|c| c.size = Size(0)).contains("--size is 0"));
    assert!(error(|c| c.duration = HumanDuration::from_secs(0)).contains("--duration is 0"));
    assert!(
        error(|c| {
            c.url = Some("ws://127.0.0.1:1/".to_owned());
            c.server_threads = Some(2);
        })
        .contains("--server-threads applies only to the embedded server")
    );
    assert_eq!(RunConfig::default().check(), Ok(()));
}

#[test]
fn rejects_tls_options_on_layers_without_tls() {
    let changes: [fn(&mut RunConfig); 6] = [
        |config| config.tls.suite = Some(tls::Suite::Aes128Gcm),
        |config| config.tls.mtls = true,
        |config| config.tls.key_log = Some("keys".into()),
        |config| config.trust.insecure = true,
        |config| config.trust.ca = Some("ca.pem".into()),
        |config| config.client_provider = Some(ProviderKind::Ring),
    ];
    for change in changes {
        for layer in [Layer::Ws, Layer::Tcp] {
            let mut config = RunConfig { layer: Some(layer), ..RunConfig::default() };
            change(&mut config);
            let error = config.check().unwrap_err().to_string();
            assert!(error.contains(&format!("requires TLS, but the layer is {layer}; remove --")), "{error}");
            (config.layer, config.url) = (None, Some(format!("{layer}://127.0.0.1:1")));
            assert!(config.check().is_err(), "{layer}");
        }
    }
    // --cost-split changes nothing about the connection.
    let mut config = RunConfig { layer: Some(Layer::Ws), ..RunConfig::default() };
    config.tls.cost_split = Some(tls::CostSplit::All);
    assert_eq!(config.check(), Ok(()));
}

#[test]
fn cpu_list_parses_ranges_and_rejects_other_text() {
    assert_eq!("0,2-4".parse::<CpuList>().unwrap().0, BTreeSet::from([0, 2, 3, 4]));
    for text in ["", "a", "3-1", "0-5000", "1,,2"] {
        assert!(text.parse::<CpuList>().is_err(), "{text:?} was accepted");
    }
}
