//! Servers that redirect the upgrade request (`--follow`).

use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio_tungstenite::tungstenite;

use crate::common::peer::{self, Authority};
use crate::common::{assert_no_errors, run, wssbench};

/// A server that answers each request with this status and Location, and counts them.
fn redirecting(status: u16, location: &str) -> (SocketAddr, Arc<AtomicUsize>) {
    let (answer, asked) = (format!("HTTP/1.1 {status} Moved\r\n{location}Content-Length: 0\r\n\r\n"), Arc::default());
    let count = Arc::<AtomicUsize>::clone(&asked);
    let server = peer::tcp(move |mut stream| {
        if peer::read_head(&mut stream).is_some() {
            count.fetch_add(1, Ordering::Relaxed);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (server, asked)
}

fn location(url: &str) -> String {
    format!("Location: {url}\r\n")
}

const LOAD: [&str; 6] = ["--connections", "4", "--duration", "200ms", "--warmup", "0s"];

/// Runs against a URL, which must fail.
fn refusal(url: &str, follow: &str) -> String {
    wssbench(&[&["run", url, "--follow", follow], &LOAD[..]].concat()).refusal()
}

#[test]
fn connections_go_where_the_redirections_end() {
    let echo = peer::websocket(|mut socket| peer::echo(&mut socket));
    for status in [301, 302, 303, 307, 308] {
        let (second, asked_second) = redirecting(status, &location(&format!("http://{echo}/chat?token=secret#part")));
        let (first, asked_first) = redirecting(status, &location(&format!("//{second}/")));
        let url = format!("ws://{first}/start");
        let result = run(&[&[url.as_str(), "--follow", "2"], &LOAD[..]].concat()).result();
        assert_no_errors(&result);
        // Once each, and the secret of the Location stays out of the result.
        assert_eq!([asked_first, asked_second].map(|asked| asked.load(Ordering::Relaxed)), [1, 1]);
        assert_eq!(result.target.redirected_from.as_deref(), Some(url.as_str()));
        assert_eq!(result.target.url, format!("ws://{echo}/chat?(redacted)"));
        assert_eq!(result.config.url.as_deref(), Some(url.as_str()));
        assert_eq!(result.config.request.follow, 2);
    }
}

#[test]
fn a_redirection_may_add_tls_but_not_remove_it() {
    let authority = Authority::new("127.0.0.1");
    let (wss, ca) = (authority.serve(peer::wss_echo), authority.ca_argument());
    let (server, _) = redirecting(301, &location(&format!("https://{wss}/")));
    let url = format!("ws://{server}/");
    let result = run(&[&[url.as_str(), "--follow", "1", "--ca", &ca], &LOAD[..]].concat()).result();
    assert_no_errors(&result);
    assert_eq!(result.target.url, format!("wss://{wss}/"));
    assert!(result.handshake.client_cost.is_some());
    let printed = wssbench(&[&["run", url.as_str(), "--follow", "1", "--ca", &ca], &LOAD[..]].concat());
    assert!(printed.stdout.contains(&format!("redirected from {url} to wss://{wss}/")), "{printed}");

    let plain = authority.serve(|mut stream| {
        if peer::read_head(&mut stream).is_some() {
            let _ = stream.write_all(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/?token=secret\r\n\r\n");
        }
    });
    let url = format!("wss://{plain}/");
    let text = wssbench(&[&["run", url.as_str(), "--follow", "1", "--ca", &ca], &LOAD[..]].concat()).refusal();
    assert!(
        text.contains("redirects to ws://127.0.0.1:1/?(redacted), which has no TLS") && !text.contains("secret"),
        "{text}"
    );
}

#[test]
fn redirections_that_cannot_be_followed_are_errors() {
    let (loops, _) = redirecting(302, &location("/"));
    let (without, _) = redirecting(307, "");
    let (invalid, _) = redirecting(302, &location("ftp://127.0.0.1/"));
    let (other, _) = redirecting(302, &location(&format!("ws://{loops}/")));
    for (server, follow, part) in [
        (loops, "0", "302 Moved instead of 101 Switching Protocols (Location: /); give that URL, or add --follow 1"),
        (loops, "3", "which redirected before; fix the loop on the server"),
        (without, "1", "redirects without a Location"),
        (invalid, "1", "redirects to a Location that is not the URL of a WebSocket (its scheme is ftp)"),
        (other, "1", "which redirected before"),
    ] {
        let text = refusal(&format!("ws://{server}/"), follow);
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    let echo = peer::websocket(|mut socket| peer::echo(&mut socket));
    let (last, _) = redirecting(302, &location(&format!("ws://{echo}/")));
    let (first, _) = redirecting(302, &location(&format!("ws://{last}/")));
    let text = refusal(&format!("ws://{first}/"), "1");
    assert!(text.contains("which is more than --follow 1 allows; raise it"), "{text}");
}

#[test]
fn another_server_gets_no_credentials() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let echo = peer::tcp(move |stream| {
        let seen = Arc::clone(&seen);
        #[allow(clippy::result_large_err)] // the type of the error is tungstenite's
        let accepted = tungstenite::accept_hdr(stream, |request: &http::Request<()>, response| {
            seen.lock().unwrap().push(request.headers().clone());
            Ok(response)
        });
        if let Ok(mut socket) = accepted {
            peer::echo(&mut socket);
        }
    });
    let (server, _) = redirecting(302, &location(&format!("ws://{echo}/")));
    let url = format!("ws://{server}/");
    let fields = ["--header", "Authorization: Basic c2VjcmV0", "--cookie", "a=secret", "--header", "X-Other: kept"];
    let result =
        run(&[&[url.as_str(), "--follow", "1", "--host", "example.org"], &fields[..], &LOAD].concat()).result();
    assert_no_errors(&result);
    let heads = heads.lock().unwrap();
    // The search, and the connections of the run.
    assert_eq!(heads.len(), 5);
    for head in heads.iter() {
        assert!(!head.contains_key("authorization") && !head.contains_key("cookie"), "{head:?}");
        assert_eq!((&head["x-other"], &head["host"]), (&"kept".parse().unwrap(), &echo.to_string().parse().unwrap()));
    }
}
