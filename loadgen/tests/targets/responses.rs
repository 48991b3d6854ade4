//! What servers answer to an upgrade request, and what they require of it.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};
use wss_model::RunResult;

use crate::common::{self, BOUND, Ended, peer, run};

/// A server that reads the request head and answers with `answer`.
fn server(answer: impl Fn(&str, TcpStream) + Send + Sync + 'static) -> SocketAddr {
    peer::tcp(move |mut stream| {
        if let Some(head) = peer::read_head(&mut stream) {
            answer(&head, stream);
        }
    })
}

/// The value of a field of a head.
fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// The response that accepts an upgrade.
fn accepted(head: &str) -> String {
    let accept = derive_accept_key(field(head, "sec-websocket-key").unwrap().as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

/// Writes parts of a response with a pause after each, then echoes.
fn accept_and_echo(mut stream: TcpStream, parts: &[&str]) {
    for part in parts {
        stream.write_all(part.as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    peer::echo(&mut WebSocket::from_raw_socket(stream, Role::Server, None));
}

/// Two connections with a few messages each.
fn load(server: SocketAddr, extra: &[&str]) -> Ended {
    let url = format!("ws://{server}/");
    let load = ["--connections", "2", "--connect-rate", "max", "--rate", "200/s", "--warmup", "0s"];
    run(&[&[url.as_str()], &load[..], &["--duration", "300ms"], extra].concat())
}

fn assert_measured(result: &RunResult) {
    common::assert_no_errors(result);
    assert_eq!(result.echo.as_ref().unwrap().received, 60);
}

/// Asserts that no connection is upgraded, and that the error contains these parts and no control character.
fn assert_refused(server: SocketAddr, extra: &[&str], parts: &[&str]) {
    let ended = load(server, extra);
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    let text = ended.stderr.lines().last().unwrap();
    for part in [&["no connection succeeded"], parts].concat() {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

#[test]
fn informational_responses_are_skipped() {
    let server = server(|head, stream| {
        let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
        accept_and_echo(stream, &["HTTP/1.1 100 Continue\r\n\r\n", hints, &accepted(head)]);
    });
    assert_measured(&load(server, &[]).result());
}

#[test]
fn a_response_may_arrive_in_parts_and_together() {
    let server = server(|head, stream| {
        let accepted = accepted(head);
        let (first, last) = accepted.split_at(accepted.len() - 2);
        accept_and_echo(stream, &[&format!("HTTP/1.1 102 Processing\r\n\r\n{first}"), last]);
    });
    assert_measured(&load(server, &[]).result());
}

#[test]
fn a_redirection_is_named_with_its_location() {
    let server = server(|_, mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 302 Found\r\nLocation: wss://other.test/ws/\r\nContent-Length: 0\r\n\r\n");
    });
    assert_refused(server, &[], &["302 Found", "(Location: wss://other.test/ws/)", "give that URL"]);
}

#[test]
fn a_page_is_shown_as_text() {
    let server = server(|_, mut stream| {
        let page = "<html><head><style>p { color: red }</style></head><p>No such\x1b[31m page</p></html>";
        let length = page.len();
        let head = format!("HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\r\n");
        let _ = stream.write_all(head.as_bytes());
        std::thread::sleep(Duration::from_millis(50));
        let _ = stream.write_all(page.as_bytes());
        // The connection stays open.
        peer::stay_silent(stream);
    });
    assert_refused(server, &[], &["404 Not Found", "(\"No such\\x1b[31m page\")", "check the path"]);
}

#[test]
fn a_body_without_end_does_not_delay_the_reason() {
    let server = server(|_, mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\nno subprotocol");
        peer::stay_silent(stream);
    });
    assert_refused(server, &["--handshake-timeout", &format!("{}s", BOUND.as_secs())], &["no subprotocol", "--header"]);
}

#[test]
fn a_folded_field_is_refused_by_its_name() {
    let server = server(|_, mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nX-Folded: a\r\n b\r\n\r\n");
    });
    assert_refused(server, &[], &["field X-Folded is folded over several lines"]);
}

#[test]
fn a_server_that_requires_a_token_is_measurable() {
    let server = server(|head, mut stream| match field(head, "authorization") {
        Some("Bearer secret") => accept_and_echo(stream, &[&accepted(head)]),
        _ => {
            let challenge = "WWW-Authenticate: Bearer realm=\"x\"\r\nContent-Length: 0\r\n\r\n";
            let _ = stream.write_all(format!("HTTP/1.1 401 Unauthorized\r\n{challenge}").as_bytes());
        }
    });
    assert_refused(server, &[], &["401 Unauthorized", "it asks for Bearer realm", "--bearer-file"]);
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (token, fields) = (write("token", "secret\n"), write("fields", "Authorization: Bearer secret\n"));
    for option in [
        ["--bearer-file".to_owned(), token],
        ["--header".to_owned(), format!("@{fields}")],
        ["--header".to_owned(), "Authorization: Bearer secret".to_owned()],
    ] {
        let result = load(server, &[&option[0], &option[1]]).result();
        assert_measured(&result);
        assert!(!serde_json::to_string(&result).unwrap().contains("Bearer secret"), "{:?}", result.config.request);
    }
}

#[test]
fn a_server_that_requires_origin_host_and_cookie_is_measurable() {
    let server = server(|head, mut stream| {
        let given = ["origin", "host", "cookie"].map(|name| field(head, name));
        if given == [Some("https://example.org"), Some("example.org"), Some("a=1; b=2")] {
            return accept_and_echo(stream, &[&accepted(head)]);
        }
        let chunked = "Transfer-Encoding: chunked\r\n\r\n10\r\nOrigin required.\r\n0\r\n\r\n";
        let _ = stream.write_all(format!("HTTP/1.1 403 Forbidden\r\n{chunked}").as_bytes());
    });
    assert_refused(server, &[], &["403 Forbidden", "(\"Origin required.\")", "--origin"]);
    let given = ["--origin", "https://example.org", "--host", "example.org", "--cookie", "a=1", "--cookie", "b=2"];
    assert_measured(&load(server, &given).result());
}
