use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::uri::Scheme;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::Http2Stream;
use crate::upgrade::{ClientUpgrade, UpgradeError, http2};
use crate::websocket::SharedStream;

/// Far longer than any test here takes.
const BOUND: Duration = Duration::from_secs(30);

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn request() -> ClientUpgrade {
    ClientUpgrade {
        host: "example.org:8080".into(),
        path: "/chat?room=1".into(),
        subprotocol: Some("chat".into()),
        deflate: None,
        fields: "Origin: https://example.org\r\nX-Name: value\r\n".into(),
        run: None,
        key: [0; 16],
        max_head_size: 16 << 10,
    }
}

/// A server in a thread of its own, so that it wakes the client only through the transport. It echoes bytes within windows
/// of this size, and says how many it has received.
fn echo_server(io: DuplexStream, window: u32) -> mpsc::Receiver<usize> {
    let (heard, hears) = mpsc::channel();
    thread::spawn(move || {
        block_on(async {
            let mut builder = h2::server::Builder::new();
            builder.enable_connect_protocol().initial_window_size(window);
            let mut server = builder.handshake::<_, Bytes>(io).await.unwrap();
            let (request, mut respond) = server.accept().await.unwrap().unwrap();
            let (head, mut body) = request.into_parts();
            let protocol = head.extensions.get::<h2::ext::Protocol>().map(|protocol| protocol.as_str().to_owned());
            assert_eq!((head.method.as_str(), protocol.as_deref()), ("CONNECT", Some("websocket")));
            assert_eq!(head.uri.to_string(), "http://example.org:8080/chat?room=1");
            assert_eq!(
                (&head.headers["x-name"], &head.headers["sec-websocket-version"]),
                (&"value".parse().unwrap(), &"13".parse().unwrap())
            );
            assert!(!head.headers.contains_key("sec-websocket-key"));
            let mut response = Response::new(());
            response.headers_mut().insert("sec-websocket-protocol", head.headers["sec-websocket-protocol"].clone());
            let mut send = respond.send_response(response, false).unwrap();
            let echo = async {
                while let Some(data) = body.data().await {
                    let mut data = data.unwrap();
                    let _ = heard.send(data.len());
                    body.flow_control().release_capacity(data.len()).unwrap();
                    while !data.is_empty() {
                        send.reserve_capacity(data.len());
                        let capacity = std::future::poll_fn(|cx| send.poll_capacity(cx)).await.unwrap().unwrap();
                        send.send_data(data.split_to(capacity.min(data.len())), false).unwrap();
                    }
                }
                send.send_data(Bytes::new(), true).unwrap();
            };
            tokio::join!(echo, async { while server.accept().await.is_some() {} });
        });
    });
    hears
}

/// Runs a client, which must end in time.
fn within_bound<F: Future<Output = ()>>(client: impl FnOnce() -> F + Send + 'static) {
    let (done, ended) = mpsc::channel();
    thread::spawn(move || {
        block_on(client());
        let _ = done.send(());
    });
    ended.recv_timeout(BOUND).expect("the client neither hangs nor panics");
}

async fn open(io: DuplexStream) -> Http2Stream<DuplexStream> {
    let (stream, checked) = http2::connect(io, &request(), Scheme::HTTP).await.unwrap();
    assert_eq!(checked.unwrap().subprotocol.as_deref(), Some("chat"));
    stream
}

#[test]
fn messages_larger_than_every_window_and_buffer_pass_in_both_directions() {
    for (pipe, window) in [(1 << 16, 65_535), (97, 1000), (1 << 20, 1 << 20)] {
        let (client, server) = tokio::io::duplex(pipe);
        let _heard = echo_server(server, window);
        within_bound(move || async move {
            let message: Vec<u8> = (0..1_500_000_u32).map(|number| number as u8).collect();
            let (mut reader, mut writer) = {
                let stream = SharedStream::new(open(client).await);
                (stream.clone(), stream)
            };
            let mut echo = vec![0; message.len()];
            let (sent, received) = tokio::join!(
                async {
                    writer.write_all(&message).await?;
                    writer.flush().await
                },
                reader.read_exact(&mut echo)
            );
            sent.unwrap();
            received.unwrap();
            assert_eq!(echo, message);
            writer.shutdown().await.unwrap();
        });
    }
}

#[test]
fn a_flushed_write_needs_no_further_poll() {
    let (client, server) = tokio::io::duplex(1 << 16);
    let heard = echo_server(server, 65_535);
    within_bound(move || async move {
        let mut stream = open(client).await;
        for size in [1, 200, 20_000] {
            stream.write_all(&vec![7; size]).await.unwrap();
            stream.flush().await.unwrap();
            // This blocks the thread, so nothing polls the stream.
            let mut left = size;
            while left > 0 {
                left -= heard.recv_timeout(BOUND).unwrap();
            }
            let mut echo = vec![0; size];
            stream.read_exact(&mut echo).await.unwrap();
            assert_eq!(echo, vec![7; size]);
        }
        stream.shutdown().await.unwrap();
        // The end of the transport, after what the server sent before it.
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
    });
}

#[test]
fn parts_of_a_request_that_http2_cannot_send_are_refused() {
    for request in [
        ClientUpgrade { host: "a/b".into(), ..request() },
        ClientUpgrade { path: "/a b".into(), ..request() },
        ClientUpgrade { subprotocol: Some("a b".into()), ..request() },
        ClientUpgrade { fields: "Na me: value\r\n".into(), ..request() },
    ] {
        let (client, _server) = tokio::io::duplex(1 << 16);
        let error = block_on(http2::connect(client, &request, Scheme::HTTP)).err().unwrap();
        assert!(matches!(error, UpgradeError::InvalidRequest { .. }), "{error}");
    }
}
