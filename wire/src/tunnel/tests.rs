//! What proxies may answer, over an in-memory stream. The targets of `loadgen` go through real proxies.

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::*;

/// Opens a tunnel to a proxy that answers `answers` in turn, each to one message. Returns the result and what it received.
async fn open(kind: ProxyKind, credentials: bool, answers: &[&[u8]]) -> (Result<(), TunnelError>, Vec<u8>) {
    let (mut client, mut proxy) = duplex(1 << 16);
    let credentials = credentials.then(|| Credentials { user: "user".to_owned(), password: "pass word".to_owned() });
    let tunnel = Tunnel { kind, end: TunnelEnd::Name("example.org".to_owned(), 443), credentials };
    let proxy = async move {
        let mut received = Vec::new();
        for answer in answers {
            received.reserve(4096);
            if proxy.read_buf(&mut received).await.unwrap() == 0 {
                break;
            }
            proxy.write_all(answer).await.unwrap();
        }
        drop(proxy);
        received
    };
    tokio::join!(
        async {
            let opened = tunnel.open(&mut client, 4096).await;
            drop(client);
            opened
        },
        proxy
    )
}

#[tokio::test]
async fn http_sends_the_name_and_the_credentials() {
    let (opened, request) =
        open(ProxyKind::Http, true, &[b"HTTP/1.0 200 Connection established\r\nVia: x\r\n\r\n"]).await;
    opened.unwrap();
    let expected = "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\
                    Proxy-Authorization: Basic dXNlcjpwYXNzIHdvcmQ=\r\n\r\n";
    assert_eq!(String::from_utf8(request).unwrap(), expected);
}

#[tokio::test]
async fn http_refusals_name_their_cause_and_a_cure() {
    let challenge = b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"p\"\r\n\
                      Content-Length: 0\r\n\r\n";
    let forbidden =
        b"HTTP/1.1 403 Filtered\r\nContent-Type: text/html\r\nContent-Length: 23\r\n\r\n<p>Not on the list.</p>";
    for (answer, kind, parts) in [
        (&challenge[..], ErrorKind::ProxyRefused, ["407 Proxy Authentication Required", "--proxy-auth-file"]),
        (&forbidden[..], ErrorKind::ProxyRefused, ["403 Filtered (\"Not on the list.\")", "allow the host"]),
        (
            b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
            ErrorKind::ProxyRefused,
            ["502 Bad Gateway", "reaches the server"],
        ),
        (b"HTTP/1.1 200 OK\r\n\r\nmore", ErrorKind::Malformed, ["before the tunnel was used", "--proxy"]),
        (b"\x15\x03\x03\0\x02\x02\x46", ErrorKind::Malformed, ["does not speak HTTP/1.1", "scheme and port"]),
        (b"HTTP/1.1 200", ErrorKind::Eof, ["closed the connection", "example.org:443"]),
        (b"", ErrorKind::Eof, ["closed the connection", "check its log"]),
    ] {
        let error = open(ProxyKind::Http, false, &[answer]).await.0.unwrap_err();
        let text = error.to_string();
        assert!(error.kind() == kind && parts.iter().all(|part| text.contains(part)), "{text}");
    }
}

#[tokio::test]
async fn socks5_sends_the_name_and_the_credentials() {
    let done = b"\x05\0\0\x01\x7f\0\0\x01\0\x01";
    let (opened, request) = open(ProxyKind::Socks5h, false, &[b"\x05\0", done]).await;
    opened.unwrap();
    assert!(request.ends_with(b"\x05\x01\0\x03\x0bexample.org\x01\xbb"), "{}", request.escape_ascii());
    let (opened, request) = open(ProxyKind::Socks5h, true, &[b"\x05\x02", b"\x01\0", done]).await;
    opened.unwrap();
    assert!(request.windows(16).any(|part| part == b"\x01\x04user\x09pass word"), "{}", request.escape_ascii());
}

#[tokio::test]
async fn socks5_refusals_name_their_cause_and_a_cure() {
    let reply = |code: u8| [5, code, 0, 1, 0, 0, 0, 0, 0, 0];
    let (not_allowed, unreachable) = (reply(2), reply(5));
    for (credentials, answers, kind, parts) in [
        (false, &[&b"\x05\xff"[..]][..], ErrorKind::ProxyRefused, ["none of the methods", "--proxy-auth-file"]),
        (
            true,
            &[b"\x05\x02", b"\x01\x01"],
            ErrorKind::ProxyRefused,
            ["the user name or the password", "--proxy-auth-file"],
        ),
        (false, &[b"\x05\0", &not_allowed], ErrorKind::ProxyRefused, ["its rules", "allow the host"]),
        (false, &[b"\x05\0", &unreachable], ErrorKind::ProxyRefused, ["refused", "reaches the server"]),
        (
            false,
            &[b"HTTP/1.1 400 Bad Request\r\n\r\n"],
            ErrorKind::Malformed,
            ["does not speak SOCKS5", "scheme and port"],
        ),
        (false, &[b"\x05"], ErrorKind::Eof, ["closed the connection", "example.org:443"]),
    ] {
        let error = open(ProxyKind::Socks5h, credentials, answers).await.0.unwrap_err();
        let text = error.to_string();
        assert!(error.kind() == kind && parts.iter().all(|part| text.contains(part)), "{text}");
    }
}
