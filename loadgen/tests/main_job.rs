//! The main job on the embedded server: every engine over every layer, and what the options promise.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

mod common;

use common::{CLOSED, ENGINES, SHORT, assert_no_errors, run, samples, start_in, wssbench};
use wss_model::run_result::NegotiatedCount;
use wss_model::{EngineKind, Layer, Mode, Rate, RunResult};

/// A short run without errors, in which both ends agree on what was negotiated.
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
        assert!(result.valid, "{layer} {engine}: {:?}", result.invalid_because);
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
fn uring_runs_every_layer_without_an_error() {
    every_layer(EngineKind::Uring);
}

#[test]
fn epoll_runs_every_layer_without_an_error() {
    every_layer(EngineKind::Epoll);
}

#[test]
fn tokio_uring_runs_every_layer_without_an_error() {
    every_layer(EngineKind::TokioUring);
}

#[test]
fn the_two_ends_may_have_different_engines() {
    for (server, client) in ENGINES.iter().flat_map(|server| ENGINES.map(|client| (*server, client))) {
        if server == client {
            continue;
        }
        let arguments = ["--connections", "4", "--server-engine", server, "--client-engine", client];
        let result = sound(&[&CLOSED[..], &arguments].concat());
        assert_rings_are_told(&result);
        assert_eq!((result.server.unwrap().engine_name(), result.client.engine_name()), (server, client));
    }
}

/// Of each phase, both ends' rings, if they have any that somebody counts.
fn assert_rings_are_told(result: &RunResult) {
    let counts = |engine: Option<EngineKind>| engine == Some(EngineKind::Uring);
    let ends = (counts(result.client.engine), counts(result.server.as_ref().unwrap().engine));
    let phases = [Some(&result.handshake.rings), result.echo.as_ref().map(|echo| &echo.rings)];
    for (index, io) in phases.into_iter().flatten().enumerate() {
        assert_eq!((io.client.is_some(), io.server.is_some()), ends, "{io:?}");
        for side in [&io.client, &io.server].into_iter().flatten() {
            let totals = &side.totals;
            assert!(totals.enters > 0 && totals.submissions > 0 && totals.completions > 0, "{side:?}");
            assert!(totals.buffers_low_water <= totals.buffers, "{side:?}");
            let told = (side.completions_per_enter, side.enters_per_handshake, side.enters_per_message);
            match told {
                (Some(_), Some(_), None) => assert_eq!(index, 0, "{side:?}"),
                (Some(_), None, Some(_)) => assert_eq!(index, 1, "{side:?}"),
                _ => panic!("{side:?}"),
            }
        }
    }
}

#[test]
fn what_the_rings_did_is_told_of_each_end_and_phase_that_has_one() {
    for engine in ENGINES {
        for mode in ["echo", "handshake"] {
            let arguments = ["--connections", "4", "--mode", mode, "--engine", engine];
            let result = sound(&[&CLOSED[..], &arguments].concat());
            assert_rings_are_told(&result);
            assert_eq!(wss_report::terminal(&result, wss_report::Style { verbose: true, ..Default::default() }).contains("\nRings "), engine == "uring");
        }
    }
}

#[test]
fn an_open_loop_plans_what_was_asked_and_no_more() {
    let result = sound(&["--connections", "5", "--connect-rate", "100/s", "--rate", "1k/s"]);
    let echo = result.echo.unwrap();
    assert_eq!((result.handshake.planned, echo.planned, echo.received), (5, 1000, 1000));
    assert_eq!(samples(&echo.lateness), 1000);
    assert!(echo.response.mean >= echo.service.mean, "response starts no later than service");
}

#[test]
fn poisson_arrivals_come_at_the_rate_on_average_and_not_evenly() {
    let arguments = ["--connections", "10", "--rate", "1k/s", "--arrivals", "poisson", "--connect-rate", "200/s"];
    let echo = sound(&arguments).echo.unwrap();
    // Six standard deviations of a Poisson number of mean 1,000; exactly 1,000 is what even arrivals give.
    assert!((810..=1190).contains(&echo.planned) && echo.planned != 1000, "{} planned", echo.planned);
}

#[test]
fn two_runs_with_the_same_seed_plan_the_same_and_another_seed_plans_otherwise() {
    let planned = |seed: &str| {
        let arguments = ["--connections", "4", "--rate", "2k/s", "--arrivals", "poisson", "--seed", seed];
        sound(&arguments).echo.unwrap().planned
    };
    let first = planned("11");
    assert_eq!(planned("11"), first);
    assert_ne!(planned("12"), first);
}

#[test]
fn handshakes_are_counted_at_both_ends_with_and_without_a_first_echo() {
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
fn a_server_that_is_asked_to_close_first_does_so_on_every_engine() {
    let rings = [("uring", "wss"), ("uring", "tls"), ("uring", "ws"), ("tokio-uring", "tls"), ("tokio-uring", "ws")];
    for (engine, layer) in rings.into_iter().chain([("epoll", "wss")]) {
        let arguments = ["--mode", "handshake", "--server-closes", "--engine", engine, "--layer", layer];
        let result = sound(&[&CLOSED[..], &["--connect-concurrency", "4"], &arguments].concat());
        assert!(result.handshake.completed > 4 && result.config.server_closes);
    }
}

#[test]
fn eight_messages_in_flight_come_back_in_order() {
    for engine in ENGINES {
        let arguments = ["--connections", "3", "--in-flight", "8", "--size", "1000", "--engine", engine];
        let result = sound(&[&CLOSED[..], &arguments].concat());
        assert!(result.valid, "{:?}", result.invalid_because);
        assert!(result.echo.unwrap().received > 24);
    }
}

#[test]
fn a_message_of_a_mebibyte_comes_back_byte_for_byte() {
    let uring = ["wss", "ws", "tls", "tcp"].map(|layer| ("uring", layer));
    let others = [("epoll", "wss"), ("tokio-uring", "wss"), ("tokio-uring", "tls"), ("epoll", "tcp")];
    for (engine, layer) in uring.into_iter().chain(others) {
        let arguments = ["--connections", "4", "--size", "1MiB", "--engine", engine, "--layer", layer];
        let result = sound(&[&CLOSED[..], &arguments].concat());
        assert!(result.echo.unwrap().received >= 4);
    }
}

#[test]
fn each_version_of_tls_is_the_one_that_was_asked_for() {
    for (asked, label) in [("1.2", "TLSv1.2"), ("1.3", "TLSv1.3")] {
        let result = sound(&[&CLOSED[..], &["--connections", "4", "--tls", asked]].concat());
        let [only] = &result.negotiated[..] else { panic!("{:?}", result.negotiated) };
        assert_eq!((only.negotiated.version.as_str(), only.count), (label, 4));
        assert_eq!((only.negotiated.kind.as_str(), only.negotiated.certificate.as_str()), ("full", "ecdsa-p256"));
    }
}

#[test]
fn the_warm_up_is_measured_apart() {
    let mut arguments = vec!["--warmup", "300ms", "--duration", "300ms", "--connections", "4"];
    arguments.extend(["--rate", "1k/s", "--connect-rate", "max"]);
    let result = run(&arguments).result();
    assert_no_errors(&result);
    let (opened, warmed) = (result.warmup.handshake.unwrap(), result.warmup.echo.unwrap());
    assert_eq!((opened.completed, warmed.received), (4, 300));
    assert_eq!(result.echo.unwrap().received, 300);
}

#[test]
fn the_file_of_a_result_is_what_json_prints_and_what_the_committed_schema_says() {
    let schema = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/schema/wssbench.run-2.json");
    let schema: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for mode in ["echo", "handshake"] {
        let ended = run(&[&SHORT[..], &["--connections", "4", "--mode", mode]].concat());
        let result = ended.result();
        let path = ended.folder.path().join(wss_model::store::default_path(&result.id));
        assert_eq!(wss_model::store::read(&path).unwrap(), result);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), ended.stdout, "the file and --json");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing lies beside it");
        let printed: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        let wrong: Vec<String> = validator.iter_errors(&printed).map(|error| error.to_string()).collect();
        assert_eq!(wrong, Vec::<String>::new());
    }
}

#[test]
fn the_table_names_the_file_and_has_no_line_over_80_columns() {
    for mode in ["echo", "handshake"] {
        let ended = wssbench(&[&["run", "--connections", "4", "--mode", mode], &SHORT[..]].concat());
        assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
        let (table, file) = ended.stdout.rsplit_once("\nresult: ").unwrap_or_else(|| panic!("{ended}"));
        let result = wss_model::store::read(&ended.folder.path().join(file.trim_end())).unwrap();
        assert_eq!(table, wss_report::terminal(&result, wss_report::Style::default()), "the report is made from the file alone");
        assert!(table.contains("Handshakes:") && table.contains("VALID"), "{table}");
        for line in table.lines() {
            assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
        }
    }
}

#[test]
fn out_and_subprotocol_and_seed_are_taken_as_given() {
    let ended =
        run(&[&SHORT[..], &CLOSED, &["-c", "2", "--out", "new/folder/a.json", "--subprotocol", "chat"]].concat());
    let result = ended.result();
    assert_no_errors(&result);
    assert_eq!(wss_model::store::read(&ended.folder.path().join("new/folder/a.json")).unwrap(), result);
    assert!(!ended.folder.path().join("results").exists());
    assert_eq!(result.config.subprotocol.as_deref(), Some("chat"));
}

#[test]
fn a_file_of_options_is_obeyed_and_the_command_line_wins_over_it() {
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
