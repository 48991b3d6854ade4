//! The reader and the writer against each other, and the handles of a shared stream.

use std::cell::RefCell;
use std::io::IoSlice;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, duplex};

use super::super::SharedStream;

/// The two handles that `after_handshake` takes, to one stream.
fn split<S>(stream: S) -> (SharedStream<S>, SharedStream<S>) {
    let shared = SharedStream::new(stream);
    (shared.clone(), shared)
}
use super::super::{Message, OpCode, Payload, Reader, WebSocketError, Writer, after_handshake};
use super::*;

/// Records the calls of a stream; it accepts at write_max `write_max` bytes per write.
#[derive(Debug, Clone)]
struct Recorder {
    calls: Rc<RefCell<Vec<String>>>,
    vectored: bool,
    write_max: usize,
}

impl Recorder {
    fn new(vectored: bool, write_max: usize) -> Self {
        Self { calls: Rc::default(), vectored, write_max }
    }

    fn call(&self, call: String) {
        self.calls.borrow_mut().push(call);
    }
}

impl AsyncWrite for Recorder {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.call(format!("write {}", buf.len()));
        Poll::Ready(Ok(buf.len().min(self.write_max)))
    }

    fn poll_write_vectored(self: Pin<&mut Self>, _: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let sizes: Vec<usize> = bufs.iter().map(|buf| buf.len()).collect();
        self.call(format!("writev {sizes:?}"));
        Poll::Ready(Ok(sizes.iter().sum::<usize>().min(self.write_max)))
    }

    fn is_write_vectored(&self) -> bool {
        self.vectored
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.call("flush".into());
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.call("shutdown".into());
        Poll::Ready(Ok(()))
    }
}

fn writer(recorder: &Recorder, role: Role) -> Writer<Recorder> {
    after_handshake(Script::default(), recorder.clone(), role, 10).1
}

fn pair() -> ((Reader<impl AsyncRead>, Writer<impl AsyncWrite>), (Reader<impl AsyncRead>, Writer<impl AsyncWrite>)) {
    let (client, server) = duplex(1 << 18);
    let (client_read, client_write) = split(client);
    let (server_read, server_write) = split(server);
    (
        after_handshake(client_read, client_write, Role::Client, 1 << 20),
        after_handshake(server_read, server_write, Role::Server, 1 << 20),
    )
}

#[tokio::test]
async fn echoes_unchanged() {
    let ((mut client_read, mut client_write), (mut server_read, mut server_write)) = pair();
    for length in [0, 1, 125, 126, 1024, 1025, 16_384, 16_385, 65_535, 65_536, 100_000] {
        let sent: Vec<u8> = (0..length).map(|byte| byte as u8).collect();
        client_write.send(OpCode::Binary, Payload::Borrowed(&sent)).await.unwrap();
        let Message::Binary(payload) = server_read.next().await.unwrap() else { panic!("not binary") };
        assert_eq!(payload, &sent[..]);
        server_write.send(OpCode::Binary, payload).await.unwrap();
        let Message::Binary(payload) = client_read.next().await.unwrap() else { panic!("not binary") };
        assert_eq!(payload, &sent[..]);
    }
}

#[tokio::test]
async fn ping_and_close_are_answered() {
    let ((mut client_read, mut client_write), (mut server_read, mut server_write)) = pair();
    client_write.send(OpCode::Ping, Payload::Borrowed(b"hello")).await.unwrap();
    let Message::Ping(payload) = server_read.next().await.unwrap() else { panic!("not a ping") };
    server_write.send_pong(payload).await.unwrap();
    assert!(matches!(client_read.next().await.unwrap(), Message::Pong(payload) if payload == b"hello"));

    // A euro sign has three bytes, so 41 fit into the 123 bytes of a reason.
    client_write.send_close(1001, &"€".repeat(200)).await.unwrap();
    let Message::Close(close) = server_read.next().await.unwrap() else { panic!("not a Close frame") };
    assert_eq!(close, Some((1001, "€".repeat(41))));
    server_write.send_close_echo(close.as_ref()).await.unwrap();
    assert!(matches!(client_read.next().await.unwrap(), Message::Close(echo) if echo == close));
    assert!(server_write.is_closed());
    let again = server_write.send_close(1000, "").await;
    assert!(matches!(again, Err(WebSocketError::Closed)), "{again:?}");
    let data = client_write.send(OpCode::Text, Payload::Borrowed(b"late")).await;
    assert!(matches!(data, Err(WebSocketError::Closed)), "{data:?}");

    drop((client_read, client_write));
    server_read.ended().await.unwrap();
}

#[tokio::test]
async fn echoes_an_empty_close_frame() {
    let ((mut client_read, mut client_write), (mut server_read, mut server_write)) = pair();
    client_write.send_close_echo(None).await.unwrap();
    let Message::Close(None) = server_read.next().await.unwrap() else { panic!("not an empty Close frame") };
    server_write.send_close_echo(None).await.unwrap();
    assert!(matches!(client_read.next().await.unwrap(), Message::Close(None)));
}

#[tokio::test]
async fn distinguishes_the_end_from_an_error() {
    let read = |script| after_handshake(script, tokio::io::sink(), Role::Client, 10).0;
    assert!(matches!(read(Script::default()).next().await, Err(WebSocketError::Eof)));
    let mut truncated = read(Script::new([ReadAction::Fail(io::ErrorKind::UnexpectedEof)]));
    let error = truncated.next().await.unwrap_err();
    assert!(matches!(&error, WebSocketError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof));
    assert_eq!(error.close_code(), None);
}

#[tokio::test]
async fn masks_a_mutably_borrowed_payload_in_place() {
    let recorder = Recorder::new(true, usize::MAX);
    let mut payload = [0; 64];
    writer(&recorder, Role::Server).send(OpCode::Binary, Payload::BorrowedMut(&mut payload)).await.unwrap();
    assert_eq!(payload, [0; 64], "a server does not mask");
    // At least one of 20 random keys is not zero.
    for _ in 0..20 {
        writer(&recorder, Role::Client).send(OpCode::Binary, Payload::BorrowedMut(&mut payload)).await.unwrap();
    }
    assert_ne!(payload, [0; 64]);
}

#[tokio::test]
async fn writes_a_frame_at_once_and_flushes() {
    for (vectored, length, expected) in
        [(true, 64, "write 66"), (true, 2_000, "writev [4, 2000]"), (false, 2_000, "write 2004")]
    {
        let recorder = Recorder::new(vectored, usize::MAX);
        writer(&recorder, Role::Server).send(OpCode::Binary, vec![0; length].into()).await.unwrap();
        assert_eq!(*recorder.calls.borrow(), [expected, "flush"]);
    }
}

#[tokio::test]
async fn continues_partial_writes_and_fails_on_empty_ones() {
    let recorder = Recorder::new(true, 3);
    writer(&recorder, Role::Server).send(OpCode::Binary, vec![0; 2_000].into()).await.unwrap();
    assert_eq!(recorder.calls.borrow()[..2], ["writev [4, 2000]", "writev [1, 2000]"]);
    for length in [10, 2_000] {
        let recorder = Recorder::new(true, 0);
        let error = writer(&recorder, Role::Server).send(OpCode::Binary, vec![0; length].into()).await.unwrap_err();
        assert!(matches!(error, WebSocketError::Io(error) if error.kind() == io::ErrorKind::WriteZero));
    }
}

#[tokio::test]
async fn all_handles_forward_to_the_stream() {
    let recorder = Recorder::new(true, usize::MAX);
    let (_, mut write) = split(recorder.clone());
    let mut other = write.clone();
    assert!(write.is_write_vectored());
    assert!(!split(Recorder::new(false, 1)).1.is_write_vectored());
    let count = write.write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b"c")]).await.unwrap();
    assert_eq!(count, 3);
    write.write_all(b"d").await.unwrap();
    write.flush().await.unwrap();
    other.shutdown().await.unwrap();
    assert_eq!(*recorder.calls.borrow(), ["writev [2, 1]", "write 1", "flush", "shutdown"]);
    assert_eq!(write.with(|stream| stream.write_max), usize::MAX);

    let (near, mut far) = duplex(16);
    let (mut read, write) = split(near);
    far.write_all(b"hi").await.unwrap();
    let mut buffer = [0; 2];
    read.read_exact(&mut buffer).await.unwrap();
    assert_eq!(&buffer, b"hi");
    drop((read, write));
    assert_eq!(far.read(&mut buffer).await.unwrap(), 0, "the stream is dropped with its last handle");
}
