//! Servers that `--server` starts.

use std::path::Path;
use std::process::Command;

use wss_analysis::comparison::Comparison;
use wss_analysis::metric::Metric;
use wss_model::store;

use super::common::peer::{Authority, nobody};
use super::common::{CLOSED, SHORT, left_out, run, wssbench};
use super::{path, place, text};

/// A server in Python with its certificate, in a folder of its own; `None` where there is no Python.
fn python_server(authority: &Authority) -> Option<String> {
    if Command::new("python3").arg("--version").output().is_err() {
        left_out("python3 is not installed");
        return None;
    }
    let certificate = authority.folder().join("server.pem");
    let key = authority.folder().join("server.key");
    authority.write_files(&certificate, &key);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/custom-target/server.py");
    let port = nobody().port();
    Some(format!("python3 {} {} {} {port}", script.display(), certificate.display(), key.display()))
}

#[test]
fn compares_any_server_that_prints_where_it_listens() {
    let _place = place();
    let authority = Authority::new("localhost");
    let Some(server) = python_server(&authority) else { return };
    let (ca, folder) = (authority.ca_argument(), tempfile::tempdir().unwrap());
    let out = path(&folder, "servers.json");
    let arm = format!("--a=--server '{server}' --ca {ca}");
    let usual = ["ab", "--workloads=handshake,echo", "--trial=300ms", "--blocks=1", "--out", text(&out)];
    let ended = wssbench(&[&usual[..], &[&arm, "--b="]].concat());
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
    let comparison = store::read::<Comparison>(&out).unwrap();
    assert_eq!(comparison.b.label, "defaults");
    for trial in &comparison.blocks[0].trials {
        let metric = |workload: usize, metric| trial.workloads[workload].metrics[&metric];
        assert!(!trial.workloads.iter().any(|workload| workload.failed), "{trial:?}");
        assert!(metric(0, Metric::ServerCpuHandshakeUs).is_some_and(|us| us > 0.0), "{trial:?}");
        assert!(metric(1, Metric::EchoServerRssBytes).is_some_and(|bytes| bytes > 1e6), "{trial:?}");
    }
    let result = run(&[&["--server", &server, "--ca", &ca, "--connections=2"], &CLOSED[..], &SHORT].concat()).result();
    assert_eq!((result.target.command.as_deref(), result.target.embedded), (Some(server.as_str()), false));
    let end = result.server.unwrap();
    assert!(end.engine.is_none() && end.cpus.is_some() && end.cpu_utilization > 0.0, "{end:?}");
    assert!(result.echo.unwrap().server_cpu_ns.is_some_and(|ns| ns > 0.0));
}

#[test]
fn reports_a_server_that_does_not_listen() {
    let _place = place();
    let refusal = |arguments: &[&str]| wssbench(&[&["run"], arguments].concat()).refusal();
    assert!(refusal(&["--server", "/nowhere/server"]).contains("cannot start the server `/nowhere/server`"));
    let sentence = refusal(&["--server", "sh -c 'echo no certificate >&2; exit 3'"]);
    assert!(sentence.contains("exited with code 3 before it listened: no certificate"), "{sentence}");
    let url = format!("ws://{}/", nobody());
    let sentence = refusal(&["--server", "true", "--at", &url]);
    assert!(sentence.contains("exited with code 0 before it listened"), "{sentence}");
    assert!(refusal(&["--server", "true", "--server-engine=epoll"]).contains("--server-engine"));
}
