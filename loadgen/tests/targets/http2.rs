//! WebSockets over HTTP/2 (RFC 8441): Node.js and HAProxy, with and without TLS.

use std::process::Command;

use wss_model::config::HttpVersion;
use wss_model::run_result::Ending;

use crate::common::peer::{self, Authority};
use crate::common::{ENGINES, assert_no_errors, left_out, run, wssbench};
use crate::daemon::{Daemon, program};
use crate::subject::assert_all_clean;

/// Echoes WebSocket frames over HTTP/2 alone, with and without TLS. Usage: CERTIFICATE KEY WSS_PORT WS_PORT.
const NODE: &str = r"
const http2 = require('http2'), fs = require('fs');
const [cert, key, wss, ws] = process.argv.slice(1);
const settings = { enableConnectProtocol: true };

function frame(first, payload) {
  const length = payload.length;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65536 ? 4 : 10);
  head[0] = first;
  head[1] = length < 126 ? length : length < 65536 ? 126 : 127;
  if (head.length === 4) head.writeUInt16BE(length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, payload]);
}

function echo(stream, headers) {
  stream.on('error', () => {});
  const asked = headers[':method'] === 'CONNECT' && headers[':protocol'] === 'websocket' &&
    headers['sec-websocket-version'] === '13' && headers['sec-websocket-key'] === undefined;
  if (!asked || headers['x-forbidden']) {
    stream.respond({ ':status': 403, 'content-type': 'text/plain' });
    return stream.end('Not for you.');
  }
  const protocol = headers['sec-websocket-protocol'];
  stream.respond(protocol ? { ':status': 200, 'sec-websocket-protocol': protocol } : { ':status': 200 });
  let buffer = Buffer.alloc(0);
  stream.on('data', (chunk) => {
    buffer = Buffer.concat([buffer, chunk]);
    for (;;) {
      if (buffer.length < 14 && buffer.length < 6 + (buffer[1] & 127)) return;
      let length = buffer[1] & 127, at = 2;
      if (length === 126) { length = buffer.readUInt16BE(2); at = 4; }
      else if (length === 127) { length = Number(buffer.readBigUInt64BE(2)); at = 10; }
      if (buffer.length < at + 4 + length) return;
      const mask = buffer.subarray(at, at + 4), payload = Buffer.from(buffer.subarray(at + 4, at + 4 + length));
      for (let i = 0; i < length; i++) payload[i] ^= mask[i & 3];
      const first = buffer[0];
      buffer = buffer.subarray(at + 4 + length);
      stream.write(frame(first, payload));
      if ((first & 15) === 8) return stream.end();
    }
  });
}

const secure = http2.createSecureServer({ cert: fs.readFileSync(cert), key: fs.readFileSync(key), settings });
for (const [server, port] of [[secure, wss], [http2.createServer({ settings }), ws]]) {
  server.on('stream', echo);
  server.on('sessionError', () => {});
  server.listen(Number(port), '127.0.0.1');
}
";

/// A running server of Node.js.
struct Node {
    _daemon: Daemon,
    wss: String,
    ws: String,
    ca: String,
    _authority: Authority,
}

impl Node {
    fn start() -> Option<Self> {
        let program = program("node")?;
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("127.0.0.1");
        let file = |name: &str| folder.path().join(name);
        authority.write_files(&file("server.pem"), &file("server.key"));
        let (wss, ws) = (peer::nobody(), peer::nobody());
        let mut command = Command::new(program);
        command.arg("-e").arg(NODE).args([file("server.pem"), file("server.key")] as [_; 2]);
        command.args([wss.port().to_string(), ws.port().to_string()]);
        let daemon = Daemon::start(command, &[wss, ws]);
        let (wss, ws) = (format!("wss://{wss}/chat?room=1"), format!("ws://{ws}/"));
        Some(Self { _daemon: daemon, wss, ws, ca: authority.ca_argument(), _authority: authority })
    }
}

#[test]
fn nodes_http2_server() {
    let Some(node) = Node::start() else { return left_out("Node.js is not installed") };
    let (ca, more) = (&node.ca, ["--http", "2", "--subprotocol", "chat", "--header", "X-Name: value"]);
    assert_measurable(&[&[node.wss.as_str(), "--ca", ca], &more[..]].concat());
    assert_measurable(&[&[node.ws.as_str()], &more[..]].concat());
}

#[test]
fn messages_may_exceed_the_windows_of_both_ends() {
    let Some(node) = Node::start() else { return left_out("Node.js is not installed") };
    for target in [&[node.wss.as_str(), "--ca", &node.ca][..], &[&node.ws]] {
        for size in ["125B", "126B", "65536B", "256KiB", "3MiB"] {
            let load = ["--http", "2", "--connections", "2", "--rate", "max", "--duration", "300ms", "--warmup", "0s"];
            let result = run(&[target, &load, &["--connect-rate", "max", "--size", size]].concat()).result();
            assert_no_errors(&result);
        }
    }
}

#[test]
fn every_engine_speaks_it() {
    let Some(node) = Node::start() else { return left_out("Node.js is not installed") };
    for engine in ENGINES {
        let load =
            ["--http", "2", "--connections", "8", "--connect-rate", "max", "--rate", "400/s", "--in-flight", "4"];
        let short = ["--size", "20KB", "--duration", "300ms", "--client-engine", engine];
        let result = run(&[&[node.wss.as_str(), "--ca", &node.ca], &load[..], &short].concat()).result();
        assert_no_errors(&result);
        assert!(result.endings.iter().all(|count| count.ending == Ending::Clean), "{engine}: {:?}", result.endings);
    }
}

#[test]
fn a_result_says_what_the_handshake_consists_of() {
    let Some(node) = Node::start() else { return left_out("Node.js is not installed") };
    let load = ["--http", "2", "--mode", "handshake", "--connect-rate", "50/s", "--duration", "1s", "--warmup", "0s"];
    let observed = ["--kernel-clock", "all", "--resume", "50%"];
    let result = run(&[&[node.wss.as_str(), "--ca", &node.ca], &load[..], &observed].concat()).result();
    assert_no_errors(&result);
    assert_eq!((result.target.http, result.config.request.http), (Some(HttpVersion::Http2), HttpVersion::Http2));
    // Preface, SETTINGS, the server's SETTINGS, and the request: at least one round trip more than with HTTP/1.1.
    let flights = result.handshake.flights.as_ref().unwrap();
    assert!(flights.round_trips >= flights.tls_round_trips + 1.0, "{flights:?}");
    assert!(result.handshake.bytes_sent_mean.unwrap() > flights.tls_bytes_sent + 24.0);
    let kinds: Vec<&str> = result.negotiated.iter().map(|kind| kind.negotiated.kind.as_str()).collect();
    assert!(kinds.contains(&"full") && kinds.contains(&"resumed"), "{kinds:?}");
    let clock = result.handshake.kernel_clock.as_ref().unwrap();
    if clock.problem.is_none() {
        assert!(clock.upgrade.is_some() && clock.first_echo.is_some(), "{clock:?}");
        assert_eq!(clock.contradictory, 0, "{clock:?}");
    }
    let printed = wssbench(&[&["run", node.ws.as_str()], &load[..]].concat());
    assert!(printed.stdout.contains(" over HTTP/2 "), "{printed}");
}

#[test]
fn a_server_that_speaks_only_http_2_is_named() {
    let Some(node) = Node::start() else { return left_out("Node.js is not installed") };
    let load = ["--connections", "1", "--duration", "200ms", "--warmup", "0s"];
    for (target, part) in [
        (&[node.ws.as_str()][..], "the server speaks only HTTP/2 on this port; add --http 2"),
        (&[&node.wss, "--ca", &node.ca], "the server speaks only HTTP/2; add --http 2"),
        (&[&node.wss, "--ca", &node.ca, "--alpn", "http/1.1"], "use --http 2 if it speaks only HTTP/2"),
    ] {
        let text = wssbench(&[&["run"], target, &load].concat()).refusal();
        assert!(text.contains(part), "{target:?}: {text}");
    }
    let forbidden = ["--http", "2", "--header", "X-Forbidden: 1"];
    let text = wssbench(&[&["run", node.ws.as_str()], &load[..], &forbidden].concat()).refusal();
    let part = "the server responded with 403 instead of 200 (\"Not for you.\"); check what the server requires";
    assert!(text.contains(part), "{text}");
}

#[test]
fn a_server_without_http_2_is_named() {
    let authority = Authority::new("127.0.0.1");
    let (wss, ca) = (format!("wss://{}/", authority.serve(peer::wss_echo)), authority.ca_argument());
    let ws = format!("ws://{}/", peer::websocket(|mut socket| peer::echo(&mut socket)));
    let load = ["--http", "2", "--connections", "1", "--duration", "200ms", "--warmup", "0s"];
    for (target, part) in [
        (&[wss.as_str(), "--ca", &ca][..], "the server does not select HTTP/2 (ALPN h2)"),
        (&[&ws], "closed the connection instead of answering in HTTP/2"),
        (&[&wss.replace("wss", "ws")], "the server speaks TLS on this port; use wss://"),
    ] {
        let text = wssbench(&[&["run"], target, &load].concat()).refusal();
        assert!(text.contains(part), "{target:?}: {text}");
    }
}

/// Measures an echo server in both modes. Nothing fails, and every connection ends cleanly.
fn assert_measurable(target: &[&str]) {
    for load in [
        &["--mode", "handshake", "--connect-rate", "100/s", "--duration", "500ms", "--warmup", "0s"][..],
        &["--mode", "handshake", "--connect-rate", "max", "--duration", "300ms", "--warmup", "0s"],
        &["--connections", "100", "--connect-rate", "max", "--rate", "500/s", "--duration", "500ms"],
    ] {
        let result = run(&[target, load].concat()).result();
        assert!(assert_all_clean(&result) > 0 && result.handshake.completed > 0);
    }
}

/// HAProxy translates the extended CONNECT of its client to the upgrade of HTTP/1.1.
#[test]
fn haproxy() {
    let Some(program) = program("haproxy") else { return left_out("HAProxy is not installed") };
    let upstream = peer::websocket(|mut socket| peer::echo(&mut socket));
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("127.0.0.1");
    let [certificate, key] = ["server.pem", "server.key"].map(|name| folder.path().join(name));
    authority.write_files(&certificate, &key);
    let both = [certificate, key].map(|file| std::fs::read_to_string(file).unwrap());
    std::fs::write(folder.path().join("both.pem"), both.concat()).unwrap();
    let (wss, ws) = (peer::nobody(), peer::nobody());
    let configuration = format!(
        "global\n  maxconn 4000\n\
         defaults\n  mode http\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n  timeout tunnel 30s\n\
         frontend wss\n  bind {wss} ssl crt both.pem alpn h2,http/1.1\n  default_backend echo\n\
         frontend ws\n  bind {ws}\n  default_backend echo\n\
         backend echo\n  server one {upstream}\n"
    );
    std::fs::write(folder.path().join("haproxy.cfg"), configuration).unwrap();
    let mut command = Command::new(program);
    command.args(["-db", "-f", "haproxy.cfg"]).current_dir(folder.path());
    let _haproxy = Daemon::start(command, &[wss, ws]);
    let (wss, ws, ca) = (format!("wss://{wss}/"), format!("ws://{ws}/"), authority.ca_argument());
    // The same ports serve both versions, by ALPN or by the preface.
    for options in [&["--http", "2"][..], &["--kernel-clock", "all"]] {
        assert_measurable(&[&[wss.as_str(), "--ca", &ca], options].concat());
        assert_measurable(&[&[ws.as_str()], options].concat());
    }
}

/// Compression is negotiated in the fields of the CONNECT as in those of an upgrade.
#[test]
fn compression_works_over_http2() {
    let Some(program) = program("haproxy") else { return left_out("HAProxy is not installed") };
    let (server, ws) = (peer::nobody(), peer::nobody());
    let mut serve = Command::new(env!("CARGO_BIN_EXE_wssbench"));
    serve.args(["serve", "--layer=ws", "--deflate", "--listen", &server.to_string()]);
    let _server = Daemon::start(serve, &[server]);
    let folder = tempfile::tempdir().unwrap();
    let configuration = format!(
        "defaults\n  mode http\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n\
         listen ws\n  bind {ws}\n  server one {server}\n"
    );
    std::fs::write(folder.path().join("haproxy.cfg"), configuration).unwrap();
    let mut command = Command::new(program);
    command.args(["-db", "-f", "haproxy.cfg"]).current_dir(folder.path());
    let _haproxy = Daemon::start(command, &[ws]);
    let url = format!("ws://{ws}/");
    let load =
        ["--connections", "4", "--connect-rate", "max", "--rate", "200/s", "--duration", "300ms", "--size", "2KiB"];
    let result = run(&[&[url.as_str(), "--http", "2", "--deflate"], &load[..]].concat()).result();
    assert_no_errors(&result);
    assert!(result.compression.is_some());
}

/// With GOAWAY, the generator asks the server to end TCP. These do.
#[test]
fn the_server_may_be_asked_to_close() {
    let Some(node) = Node::start() else { return left_out("Node.js is not installed") };
    let load =
        ["--http", "2", "--mode", "handshake", "--server-closes", "--connect-rate", "50/s", "--duration", "300ms"];
    for target in [&[node.wss.as_str(), "--ca", &node.ca][..], &[&node.ws]] {
        let result = run(&[target, &load].concat()).result();
        assert_no_errors(&result);
        let endings: Vec<Ending> = result.endings.iter().map(|count| count.ending).collect();
        assert_eq!(endings, [Ending::Clean], "{target:?}");
    }
}
