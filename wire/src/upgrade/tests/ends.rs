//! Both ends against each other, and the stream with a prefix.

use std::io::IoSlice;

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::super::{ClientUpgrade, DeflatePolicy, PrefixedStream, ServerUpgrade, accept, accept_key, connect};
use super::*;

fn request() -> ClientUpgrade {
    ClientUpgrade {
        fields: "".into(),
        run: None,
        host: "localhost".into(),
        path: "/".into(),
        subprotocol: None,
        deflate: None,
        key: [7; 16],
        max_head_size: 1024,
    }
}

#[test]
fn accept_key_matches_rfc_6455() {
    assert_eq!(accept_key(KEY), ACCEPT);
}

#[tokio::test]
async fn client_and_server_agree_on_path_and_subprotocol() {
    let (mut near, mut far) = duplex(64);
    let options = ServerUpgrade { subprotocols: vec!["echo".into()], ..ServerUpgrade::default() };
    let request = ClientUpgrade { path: "/?id=1".into(), subprotocol: Some("echo".into()), ..request() };
    let (accepted, upgraded) = tokio::join!(accept(&mut far, &options), connect(&mut near, &request));
    let (accepted, upgraded) = (accepted.unwrap(), upgraded.unwrap());
    assert_eq!(accepted.path, "/?id=1");
    assert_eq!(accepted.subprotocol, upgraded.subprotocol);
    assert_eq!(upgraded.subprotocol.as_deref(), Some("echo"));
}

#[tokio::test]
async fn client_and_server_agree_on_compression_or_the_client_refuses() {
    let policy = |window_bits, no_context_takeover| DeflatePolicy { window_bits, no_context_takeover };
    for (accepted, problem) in [
        (Some(policy(15, false)), None),
        (Some(policy(10, true)), None),
        (None, Some("the server does not support permessage-deflate; remove --deflate")),
    ] {
        let (mut near, mut far) = duplex(4096);
        let options = ServerUpgrade { deflate: accepted, ..ServerUpgrade::default() };
        let request = ClientUpgrade { deflate: Some(policy(12, false)), ..request() };
        let (accepted, upgraded) = tokio::join!(accept(&mut far, &options), connect(&mut near, &request));
        match problem {
            None => {
                let deflate = upgraded.unwrap().deflate;
                assert!(deflate.is_some() && deflate == accepted.unwrap().deflate, "{deflate:?}");
            }
            Some(problem) => assert_eq!(upgraded.unwrap_err().to_string(), problem),
        }
    }
}

#[tokio::test]
async fn client_reports_why_the_server_refused() {
    let (mut near, mut far) = duplex(4096);
    let options = ServerUpgrade { path: "/echo".into(), ..ServerUpgrade::default() };
    let request = request();
    let (accepted, upgraded) = tokio::join!(accept(&mut far, &options), connect(&mut near, &request));
    assert_eq!(
        accepted.unwrap_err().to_string(),
        "the upgrade request was answered with 404: The WebSocket is at the path /echo."
    );
    let error = upgraded.unwrap_err().to_string();
    assert!(error.contains("404 Not Found") && error.contains("The WebSocket is at the path /echo."), "{error}");
}

#[tokio::test]
async fn reads_the_prefix_first_and_once() {
    let mut stream = PrefixedStream::new(Peer::new("stream"), b"prefix ".to_vec());
    let mut three = [0; 3];
    stream.read_exact(&mut three).await.unwrap();
    assert_eq!(&three, b"pre");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "fix stream");

    let mut empty = PrefixedStream::new(Peer::new("stream"), Vec::new());
    let mut all = String::new();
    empty.read_to_string(&mut all).await.unwrap();
    assert_eq!(all, "stream");
}

#[tokio::test]
async fn passes_writes_through() {
    let mut stream = PrefixedStream::new(Peer::default(), b"prefix".to_vec());
    assert!(!stream.is_write_vectored());
    stream.write_all(b"ab").await.unwrap();
    let count = stream.write_vectored(&[IoSlice::new(b"cd"), IoSlice::new(b"ef")]).await.unwrap();
    assert_eq!(count, 2);
    stream.flush().await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(stream.get_ref().written(), "abcd");
    assert!(stream.get_mut().written.ends_with(b"cd"));
}
