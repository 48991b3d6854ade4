//! [`Frames`]: reads frames with a pooled reader of fastwebsockets, which a connection holds only while it receives.
//!
//! A reader of fastwebsockets has a buffer of at least 8 KiB, which grows to the size of the largest message and never
//! shrinks. A thread with 10,000 connections, most of them idle, would have 10,000 of these buffers. Instead, each thread
//! has a small pool: a connection takes the most recently returned reader, which is still in the CPU's cache, and returns
//! it as soon as it holds no data and the stream has none. This copies no message and allocates nothing.
//!
//! fastwebsockets binds a reader to one stream, so that stream is a [`SwitchableStream`], which forwards to the stream of
//! the connection that holds the reader.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{poll_fn, ready};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use fastwebsockets::{FragmentCollectorRead, Frame, Role};
use tokio::io::{AsyncRead, ReadBuf};

use super::budget::BufferBudget;
use super::error::WebSocketError;
use super::rules::MessageForm;
use super::strict::StrictReader;

/// Maximum number of readers in the pool of a thread, per role. Beyond it, readers are created and dropped.
const POOL_MAX: usize = 32;

thread_local! {
    static FOR_CLIENTS: RefCell<Vec<PooledReader>> = const { RefCell::new(Vec::new()) };
    static FOR_SERVERS: RefCell<Vec<PooledReader>> = const { RefCell::new(Vec::new()) };
}

/// The frames of one connection.
pub(super) struct Frames<R> {
    stream: Rc<RefCell<StrictReader<R>>>,
    role: Role,
    /// `Some` while it may hold a part of a message.
    reader: Option<PooledReader>,
}

impl<R: AsyncRead + Unpin + 'static> Frames<R> {
    pub(super) fn new(stream: StrictReader<R>, role: Role) -> Self {
        Self { stream: Rc::new(RefCell::new(stream)), role, reader: None }
    }

    /// See [`super::Reader::share`].
    pub(super) fn share(&mut self, budget: &Arc<BufferBudget>) {
        self.stream.borrow_mut().share(budget);
    }

    /// See [`StrictReader::accept_compressed`].
    pub(super) fn accept_compressed(&mut self) {
        self.stream.borrow_mut().accept_compressed();
    }

    /// See [`StrictReader::next_form`].
    pub(super) fn next_form(&mut self) -> Option<MessageForm> {
        self.stream.borrow_mut().next_form()
    }

    /// Whether a message has begun of which fragments are missing.
    pub(super) fn is_within_message(&self) -> bool {
        self.stream.borrow().is_within_message()
    }

    /// The next control frame, or the next message with its fragments joined. Not cancel-safe once a frame has started.
    pub(super) async fn next(&mut self) -> Result<Frame<'static>, WebSocketError> {
        loop {
            let reader = self.reader.get_or_insert_with(|| PooledReader::take(self.role, Rc::clone(&self.stream) as _));
            let frame = {
                // Nothing is ever sent: see `PooledReader::new`.
                let mut send_nothing = |_| ready(Ok::<(), Infallible>(()));
                let mut reading = pin!(reader.collector.read_frame(&mut send_nothing));
                match poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx))).await {
                    Poll::Ready(frame) => Some(frame),
                    // Only complete messages were received, and all of them were returned: the reader holds no data, and
                    // its future is in its initial state, so that dropping it loses nothing.
                    Poll::Pending if self.stream.borrow().is_between_messages() => None,
                    Poll::Pending => Some(reading.await),
                }
            };
            match frame {
                Some(Ok(frame)) => return Ok(frame),
                Some(Err(error)) => {
                    self.reader = None;
                    return Err(error.into());
                }
                None => {
                    if let Some(reader) = self.reader.take() {
                        reader.give_back(self.role);
                    }
                    pending_once().await;
                }
            }
        }
    }
}

/// Returns `Pending` once; the preceding poll of the stream has registered the waker.
async fn pending_once() {
    let mut waited = false;
    poll_fn(|_| if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

type AnyStream = Rc<RefCell<dyn AsyncRead + Unpin>>;

/// A reader of fastwebsockets, and the stream that it currently reads.
struct PooledReader {
    collector: FragmentCollectorRead<SwitchableStream>,
    current: Rc<RefCell<Option<AnyStream>>>,
}

impl PooledReader {
    /// A reader from the pool, or a new one.
    fn take(role: Role, stream: AnyStream) -> Self {
        let reader = with_pool(role, Vec::pop).unwrap_or_else(|| Self::new(role));
        *reader.current.borrow_mut() = Some(stream);
        reader
    }

    fn new(role: Role) -> Self {
        let current = Rc::default();
        let stream = SwitchableStream(Rc::clone(&current));
        let (mut read, _) = fastwebsockets::after_handshake_split(stream, tokio::io::sink(), role);
        read.set_auto_close(false);
        read.set_auto_pong(false);
        // The strict reader enforces the limit, for fragmented messages too.
        read.set_max_message_size(usize::MAX);
        Self { collector: FragmentCollectorRead::new(read), current }
    }

    /// Returns it to the pool. It must not hold data.
    fn give_back(self, role: Role) {
        *self.current.borrow_mut() = None;
        with_pool(role, |readers| {
            if readers.len() < POOL_MAX {
                readers.push(self);
            }
        });
    }
}

fn with_pool<T>(role: Role, work: impl FnOnce(&mut Vec<PooledReader>) -> T) -> T {
    match role {
        Role::Client => FOR_CLIENTS.with_borrow_mut(work),
        Role::Server => FOR_SERVERS.with_borrow_mut(work),
    }
}

/// Forwards reads to the current stream.
struct SwitchableStream(Rc<RefCell<Option<AnyStream>>>);

impl AsyncRead for SwitchableStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &*self.0.borrow() {
            Some(stream) => Pin::new(&mut *stream.borrow_mut()).poll_read(cx, buf),
            // Unreachable: a reader in the pool is not polled.
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, DuplexStream};

    use super::*;

    fn connection() -> (DuplexStream, Frames<DuplexStream>) {
        let (peer, stream) = tokio::io::duplex(1024);
        (peer, Frames::new(StrictReader::new(stream, Role::Client, 1 << 20), Role::Client))
    }

    /// Polls once; whether the future is pending.
    async fn is_pending<F: Future>(mut future: Pin<&mut F>) -> bool {
        poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
    }

    fn pooled() -> usize {
        with_pool(Role::Client, |readers| readers.len())
    }

    #[tokio::test]
    async fn holds_a_reader_only_inside_a_message() {
        let (mut peer, mut frames) = connection();
        {
            let mut next = pin!(frames.next());
            assert!(is_pending(next.as_mut()).await);
            assert_eq!(pooled(), 1);
            peer.write_all(&[0x82, 3, b'a']).await.unwrap();
            assert!(is_pending(next.as_mut()).await);
            assert_eq!(pooled(), 0);
            peer.write_all(b"bc").await.unwrap();
            assert_eq!(&*next.await.unwrap().payload, &b"abc"[..]);
        }
        assert!(is_pending(pin!(frames.next())).await);
        assert_eq!(pooled(), 1);
    }

    #[tokio::test]
    async fn connections_that_share_a_reader_receive_their_own_messages() {
        let (mut one_peer, mut one) = connection();
        let (mut other_peer, mut other) = connection();
        for round in 0..3u8 {
            // Two messages and the start of a third, while the other connection receives one.
            one_peer.write_all(&[0x82, 1, round, 0x82, 1, round + 10, 0x82, 2, 7]).await.unwrap();
            other_peer.write_all(&[0x81, 1, b'0' + round]).await.unwrap();
            assert_eq!(&*one.next().await.unwrap().payload, &[round][..]);
            assert_eq!(&*other.next().await.unwrap().payload, &[b'0' + round][..]);
            assert!(is_pending(pin!(other.next())).await);
            assert_eq!(&*one.next().await.unwrap().payload, &[round + 10][..]);
            {
                let mut rest = pin!(one.next());
                assert!(is_pending(rest.as_mut()).await);
                other_peer.write_all(&[0x81, 1, b'x']).await.unwrap();
                assert_eq!(&*other.next().await.unwrap().payload, &b"x"[..]);
                one_peer.write_all(&[8]).await.unwrap();
                assert_eq!(&*rest.await.unwrap().payload, &[7, 8][..]);
            }
            assert!(is_pending(pin!(one.next())).await);
        }
    }
}
