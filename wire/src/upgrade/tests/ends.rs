//! Both ends against each other, and the stream that gives back what was read too far.

use std::io::IoSlice;

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::super::{ClientUpgrade, Prefixed, ServerUpgrade, accept, accept_key, connect};
use super::*;

#[test]
fn the_accept_key_is_that_of_the_rfc() {
    assert_eq!(accept_key(KEY), ACCEPT);
}

#[tokio::test]
async fn client_and_server_agree() {
    let (mut near, mut far) = duplex(64);
    let options = ServerUpgrade { subprotocols: vec!["echo".into()], ..ServerUpgrade::default() };
    let request = ClientUpgrade {
        host: "localhost".into(),
        path: "/?id=1".into(),
        subprotocol: Some("echo".into()),
        key: [7; 16],
        max_head_size: 1024,
    };
    let (accepted, upgraded) = tokio::join!(accept(&mut far, &options), connect(&mut near, &request));
    let (accepted, upgraded) = (accepted.unwrap(), upgraded.unwrap());
    assert_eq!(accepted.path, "/?id=1");
    assert_eq!(accepted.subprotocol, upgraded.subprotocol);
    assert_eq!(upgraded.subprotocol.as_deref(), Some("echo"));
}

#[tokio::test]
async fn a_client_is_told_why_it_was_refused() {
    let (mut near, mut far) = duplex(4096);
    let options = ServerUpgrade { path: "/echo".into(), ..ServerUpgrade::default() };
    let request = ClientUpgrade {
        host: "localhost".into(),
        path: "/".into(),
        subprotocol: None,
        key: [7; 16],
        max_head_size: 1024,
    };
    let (accepted, upgraded) = tokio::join!(accept(&mut far, &options), connect(&mut near, &request));
    assert_eq!(accepted.unwrap_err().to_string(), "answered 404: There is nothing here; the WebSocket is at /echo.");
    let error = upgraded.unwrap_err().to_string();
    assert!(error.contains("404 Not Found") && error.contains("the WebSocket is at /echo."), "{error}");
}

#[tokio::test]
async fn a_prefix_comes_first_and_only_once() {
    let mut stream = Prefixed::new(Peer::new("stream"), b"prefix ".to_vec());
    let mut three = [0; 3];
    stream.read_exact(&mut three).await.unwrap();
    assert_eq!(&three, b"pre");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "fix stream");

    let mut empty = Prefixed::new(Peer::new("stream"), Vec::new());
    let mut all = String::new();
    empty.read_to_string(&mut all).await.unwrap();
    assert_eq!(all, "stream");
}

#[tokio::test]
async fn what_is_written_passes_a_prefixed_stream() {
    let mut stream = Prefixed::new(Peer::default(), b"prefix".to_vec());
    assert!(!stream.is_write_vectored());
    stream.write_all(b"ab").await.unwrap();
    let count = stream.write_vectored(&[IoSlice::new(b"cd"), IoSlice::new(b"ef")]).await.unwrap();
    assert_eq!(count, 2);
    stream.flush().await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(stream.get_ref().heard(), "abcd");
    assert!(stream.get_mut().heard.ends_with(b"cd"));
}
