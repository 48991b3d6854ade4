//! The main job on the embedded server: every engine over every layer, and the effect of the options.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

mod common;

use common::{CLOSED, ENGINES, SHORT, assert_no_errors, assert_only_disturbed, run, samples, start_in, wssbench};
use wss_model::disturbance::PhaseDisturbance;
use wss_model::run_result::NegotiatedCount;
use wss_model::{EngineKind, Layer, Mode, Rate, RunResult};

/// A short run without errors whose two ends agree on what was negotiated.
fn sound(arguments: &[&str]) -> RunResult {
    let ended = run(&[&SHORT, arguments].concat());
    let result = ended.result();
    assert_no_errors(&result);
    let sorted = |counts: &[NegotiatedCount]| {
        let mut counts = counts.to_vec();
        counts.sort_by(|a, b| a.negotiated.cmp(&b.negotiated));
        counts
    };
    let server = result.server_negotiated.as_deref().expect("the embedded server has an admin endpoint");
    assert_eq!(sorted(&result.negotiated), sorted(server), "{arguments:?}");
    assert!(result.target.embedded);
    result
}

fn every_layer(engine: EngineKind) {
    for layer in [Layer::Wss, Layer::Ws, Layer::Tls, Layer::Tcp] {
        let result =
            sound(&[&CLOSED[..], &["--connections", "8", "--layer", layer.name(), "--engine", engine.name()]].concat());
        assert_only_disturbed(&result.invalid_because);
        assert_eq!((result.handshake.planned, result.handshake.completed), (8, 8));
        assert_eq!(result.negotiated.is_empty(), !layer.has_tls());
        assert_eq!(result.verify.as_deref(), layer.has_tls().then_some("full"));
        assert_eq!(samples(&result.handshake.upgrade), if layer.has_websocket() { 8 } else { 0 });
        assert_eq!(samples(&result.handshake.tls), if layer.has_tls() { 8 } else { 0 });
        assert!(result.target.url.starts_with(&format!("{layer}://127.0.0.1:")), "{}", result.target.url);
        assert_eq!((result.client.engine, result.server.unwrap().engine), (Some(engine), Some(engine)));
    }
}

#[test]
fn uring_runs_every_layer() {
    every_layer(EngineKind::Uring);
}

#[test]
fn epoll_runs_every_layer() {
    every_layer(EngineKind::Epoll);
}

#[test]
fn tokio_uring_runs_every_layer() {
    every_layer(EngineKind::TokioUring);
}

#[test]
fn ends_may_use_different_engines() {
    for (server, client) in ENGINES.iter().flat_map(|server| ENGINES.map(|client| (*server, client))) {
        if server == client {
            continue;
        }
        let arguments = ["--connections", "4", "--server-engine", server, "--client-engine", client];
        let result = sound(&[&CLOSED[..], &arguments].concat());
        assert_rings(&result);
        assert_eq!((result.server.unwrap().engine_name(), result.client.engine_name()), (server, client));
    }
}

/// Asserts that each phase has the counters of both ends' rings, for engines that count them.
fn assert_rings(result: &RunResult) {
    let counts = |engine: Option<EngineKind>| engine == Some(EngineKind::Uring);
    let ends = (counts(result.client.engine), counts(result.server.as_ref().unwrap().engine));
    let phases = [Some(&result.handshake.rings), result.echo.as_ref().map(|echo| &echo.rings)];
    for (index, rings) in phases.into_iter().flatten().enumerate() {
        assert_eq!((rings.client.is_some(), rings.server.is_some()), ends, "{rings:?}");
        for end in [&rings.client, &rings.server].into_iter().flatten() {
            let totals = &end.totals;
            assert!(totals.enters > 0 && totals.submissions > 0 && totals.completions > 0, "{end:?}");
            assert!(totals.buffers_low_water <= totals.buffers, "{end:?}");
            match (end.completions_per_enter, end.enters_per_handshake, end.enters_per_message) {
                (Some(_), Some(_), None) => assert_eq!(index, 0, "{end:?}"),
                (Some(_), None, Some(_)) => assert_eq!(index, 1, "{end:?}"),
                _ => panic!("{end:?}"),
            }
        }
    }
}

#[test]
fn ring_counters_are_reported_per_end_and_phase() {
    for engine in ENGINES {
        for mode in ["echo", "handshake"] {
            let arguments = ["--connections", "4", "--mode", mode, "--engine", engine];
            let result = sound(&[&CLOSED[..], &arguments].concat());
            assert_rings(&result);
            assert_eq!(
                wss_report::terminal(&result, wss_report::Style { verbose: true, ..Default::default() })
                    .contains("\nRings "),
                engine == "uring"
            );
        }
    }
}

#[test]
fn open_loop_plans_the_requested_number() {
    let result = sound(&["--connections", "5", "--connect-rate", "100/s", "--rate", "1k/s"]);
    let echo = result.echo.unwrap();
    assert_eq!((result.handshake.planned, echo.planned, echo.received), (5, 1000, 1000));
    assert_eq!(samples(&echo.lateness), 1000);
    assert!(echo.response.mean >= echo.service.mean, "response includes service");
}

#[test]
fn poisson_arrivals_average_the_rate() {
    let arguments = ["--connections", "10", "--rate", "1k/s", "--arrivals", "poisson", "--connect-rate", "200/s"];
    let echo = sound(&arguments).echo.unwrap();
    // Six standard deviations around the mean of 1,000. Exactly 1,000 would be even arrivals.
    assert!((810..=1190).contains(&echo.planned) && echo.planned != 1000, "{} planned", echo.planned);
}

#[test]
fn plan_depends_on_the_seed_only() {
    let planned = |seed: &str| {
        let arguments = ["--connections", "4", "--rate", "2k/s", "--arrivals", "poisson", "--seed", seed];
        sound(&arguments).echo.unwrap().planned
    };
    let first = planned("11");
    assert_eq!(planned("11"), first);
    assert_ne!(planned("12"), first);
}

#[test]
fn handshake_mode_works_with_and_without_first_echo() {
    for layer in ["wss", "tcp"] {
        for first_echo in [true, false] {
            let mut arguments = vec!["--mode", "handshake", "--layer", layer, "--connect-rate", "100/s"];
            if !first_echo {
                arguments.push("--no-first-echo");
            }
            let result = sound(&arguments);
            assert!(result.echo.is_none());
            assert_eq!(result.handshake.planned, 100);
            assert_eq!(samples(&result.handshake.first_echo), if first_echo { 100 } else { 0 });
        }
    }
}

#[test]
fn server_closes_first_on_every_engine() {
    let combinations =
        [("uring", "wss"), ("uring", "tls"), ("uring", "ws"), ("tokio-uring", "tls"), ("tokio-uring", "ws")];
    for (engine, layer) in combinations.into_iter().chain([("epoll", "wss")]) {
        let arguments = ["--mode", "handshake", "--server-closes", "--engine", engine, "--layer", layer];
        let result = sound(&[&CLOSED[..], &["--connect-concurrency", "4"], &arguments].concat());
        assert!(result.handshake.completed > 4 && result.config.server_closes);
    }
}

#[test]
fn eight_messages_in_flight() {
    for engine in ENGINES {
        let arguments = ["--connections", "3", "--in-flight", "8", "--size", "1000", "--engine", engine];
        let result = sound(&[&CLOSED[..], &arguments].concat());
        assert_only_disturbed(&result.invalid_because);
        assert!(result.echo.unwrap().received > 24);
    }
}

#[test]
fn messages_of_one_mebibyte() {
    let uring = ["wss", "ws", "tls", "tcp"].map(|layer| ("uring", layer));
    let others = [("epoll", "wss"), ("tokio-uring", "wss"), ("tokio-uring", "tls"), ("epoll", "tcp")];
    for (engine, layer) in uring.into_iter().chain(others) {
        let arguments = ["--connections", "4", "--size", "1MiB", "--engine", engine, "--layer", layer];
        let result = sound(&[&CLOSED[..], &arguments].concat());
        assert!(result.echo.unwrap().received >= 4);
    }
}

#[test]
fn negotiates_the_requested_tls_version() {
    for (requested, label) in [("1.2", "TLSv1.2"), ("1.3", "TLSv1.3")] {
        let result = sound(&[&CLOSED[..], &["--connections", "4", "--tls", requested]].concat());
        let [only] = &result.negotiated[..] else { panic!("{:?}", result.negotiated) };
        assert_eq!((only.negotiated.version.as_str(), only.count), (label, 4));
        assert_eq!((only.negotiated.kind.as_str(), only.negotiated.certificate.as_str()), ("full", "ecdsa-p256"));
    }
}

#[test]
fn warm_up_is_reported_separately() {
    let mut arguments = vec!["--warmup", "300ms", "--duration", "300ms", "--connections", "4"];
    arguments.extend(["--rate", "1k/s", "--connect-rate", "max"]);
    let result = run(&arguments).result();
    assert_no_errors(&result);
    let (opened, warmed) = (result.warmup.handshake.unwrap(), result.warmup.echo.unwrap());
    assert_eq!((opened.completed, warmed.received), (4, 300));
    assert_eq!(result.echo.unwrap().received, 300);
}

#[test]
fn warm_up_respects_the_requested_connect_rate() {
    let result =
        run(&["--warmup", "100ms", "--duration", "100ms", "--connections", "40", "--connect-rate", "50/s"]).result();
    let opened = result.warmup.handshake.unwrap();
    assert_eq!(opened.completed, 40);
    assert!(opened.rate_per_s < 60.0, "{}", opened.rate_per_s);
}

#[test]
fn phase_lasts_as_requested_however_rare_its_events_are() {
    let lasted = |disturbance: &Option<PhaseDisturbance>| {
        let thread = disturbance.as_ref().unwrap().client[0];
        assert!((1_950_000_000..5_000_000_000).contains(&thread.elapsed_ns), "{thread:?}");
    };
    let rare = ["--warmup", "0s", "--duration", "2s", "--connect-rate", "1/s"];
    let result = run(&[&rare[..], &["--connections", "1", "--rate", "1/s"]].concat()).result();
    let echo = result.echo.unwrap();
    assert_eq!((echo.planned, echo.received), (2, 2));
    lasted(&echo.disturbance);
    let result = run(&[&rare[..], &["--mode", "handshake"]].concat()).result();
    assert_eq!(result.handshake.completed, 2);
    lasted(&result.handshake.disturbance);
}

#[test]
fn json_output_matches_file_and_schema() {
    let schema = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/schema/wssbench.run-2.json");
    let schema: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for mode in ["echo", "handshake"] {
        let ended = run(&[&SHORT[..], &["--connections", "4", "--mode", mode]].concat());
        let result = ended.result();
        let path = ended.folder.path().join(wss_model::store::default_path::<RunResult>(&result.id));
        assert_eq!(wss_model::store::read::<RunResult>(&path).unwrap(), result);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), ended.stdout, "the file and --json");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no other file");
        let printed: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        let wrong: Vec<String> = validator.iter_errors(&printed).map(|error| error.to_string()).collect();
        assert_eq!(wrong, Vec::<String>::new());
    }
}

#[test]
fn report_names_the_file_and_fits_80_columns() {
    for mode in ["echo", "handshake"] {
        let ended = wssbench(&[&["run", "--connections", "4", "--mode", mode], &SHORT[..]].concat());
        assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
        let (table, file) = ended.stdout.rsplit_once("\nresult: ").unwrap_or_else(|| panic!("{ended}"));
        let result: RunResult = wss_model::store::read(&ended.folder.path().join(file.trim_end())).unwrap();
        assert_eq!(
            table,
            wss_report::terminal(&result, wss_report::Style::default()),
            "the report depends on the file only"
        );
        assert!(table.contains("Handshakes:") && table.contains("VALID"), "{table}");
        for line in table.lines() {
            assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
        }
    }
}

#[test]
fn out_and_subprotocol_are_respected() {
    let ended =
        run(&[&SHORT[..], &CLOSED, &["-c", "2", "--out", "new/folder/a.json", "--subprotocol", "chat"]].concat());
    let result = ended.result();
    assert_no_errors(&result);
    assert_eq!(wss_model::store::read::<RunResult>(&ended.folder.path().join("new/folder/a.json")).unwrap(), result);
    assert!(!ended.folder.path().join("results").exists());
    assert_eq!(result.config.subprotocol.as_deref(), Some("chat"));
}

#[test]
fn command_line_overrides_the_config_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = "mode = \"handshake\"\nlayer = \"tls\"\nwarmup = \"0s\"\nduration = \"1s\"\nconnect_rate = \"50/s\"\n\
                [limits]\nhandshake_timeout = \"7s\"\n[tls]\ntls_version = \"1.2\"\n";
    std::fs::write(folder.path().join("run.toml"), file).unwrap();
    let arguments = ["run", "--json", "--config", "run.toml", "--connect-rate", "80/s", "--tls", "1.3"];
    let result = start_in(folder, &arguments).end_within(common::BOUND).result();
    assert_no_errors(&result);
    let config = &result.config;
    assert_eq!(
        (config.mode, config.layer, config.connect_rate),
        (Mode::Handshake, Some(Layer::Tls), Rate::PerSecond(80.0))
    );
    assert_eq!(config.limits.handshake_timeout.to_string(), "7s");
    assert_eq!(result.handshake.planned, 80);
    assert!(result.negotiated.iter().all(|entry| entry.negotiated.version == "TLSv1.3"));
}
