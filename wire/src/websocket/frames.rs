//! [`Frames`]: fastwebsockets' reading half, lent to a connection while a message is on its way to it.
//!
//! That half has a buffer of 8 KiB or more, which grows to what the largest message takes and stays. A thread that
//! serves 10,000 connections of which one has something to say would have 10,000 of them. So a few are kept a thread:
//! whoever has to read takes the one that was given back last, which the processor still knows, and gives it back as
//! soon as there is nothing to read and nothing in it. No message is copied for that, and nothing is allocated.
//!
//! The half is made for one stream, so what it has is a [`Socket`], into which the stream of whoever has it is plugged.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{poll_fn, ready};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use fastwebsockets::{FragmentCollectorRead, Frame, Role};
use tokio::io::{AsyncRead, ReadBuf};

use super::WebSocketError;
use super::strict::StrictReader;

/// Halves that a thread keeps for either role. More are made if more messages are on their way at a time.
const KEPT_MOST: usize = 32;

thread_local! {
    static FOR_CLIENTS: RefCell<Vec<Half>> = const { RefCell::new(Vec::new()) };
    static FOR_SERVERS: RefCell<Vec<Half>> = const { RefCell::new(Vec::new()) };
}

/// The frames of one connection.
pub(super) struct Frames<R> {
    stream: Rc<RefCell<StrictReader<R>>>,
    role: Role,
    /// While a part of a message is in it.
    half: Option<Half>,
}

impl<R: AsyncRead + Unpin + 'static> Frames<R> {
    pub(super) fn new(stream: StrictReader<R>, role: Role) -> Self {
        Self { stream: Rc::new(RefCell::new(stream)), role, half: None }
    }

    /// The next frame, or the next message of several. Not cancel-safe once it has begun.
    pub(super) async fn next(&mut self) -> Result<Frame<'static>, WebSocketError> {
        loop {
            let half = self.half.get_or_insert_with(|| Half::take(self.role, Rc::clone(&self.stream) as _));
            let done = {
                // It asks for nothing to be sent: see `Half::new`.
                let mut send_nothing = |_| ready(Ok::<(), Infallible>(()));
                let mut reading = pin!(half.collector.read_frame(&mut send_nothing));
                match poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx))).await {
                    Poll::Ready(done) => Some(done),
                    // All that came was whole messages, and all of them were given: the half is empty, and its future
                    // stands where it began, so that nothing is lost with it.
                    Poll::Pending if self.stream.borrow().is_between_messages() => None,
                    Poll::Pending => Some(reading.await),
                }
            };
            match done {
                Some(Ok(frame)) => return Ok(frame),
                Some(Err(error)) => {
                    self.half = None;
                    return Err(error.into());
                }
                None => {
                    if let Some(half) = self.half.take() {
                        half.give_back(self.role);
                    }
                    wait().await;
                }
            }
        }
    }
}

/// Waits once for who was told of by the poll before.
async fn wait() {
    let mut waited = false;
    poll_fn(|_| if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

type Plugged = Rc<RefCell<dyn AsyncRead + Unpin>>;

/// fastwebsockets' half, and what is plugged into its socket.
struct Half {
    collector: FragmentCollectorRead<Socket>,
    plugged: Rc<RefCell<Option<Plugged>>>,
}

impl Half {
    /// One that is kept, or a new one.
    fn take(role: Role, stream: Plugged) -> Self {
        let half = kept(role, Vec::pop).unwrap_or_else(|| Self::new(role));
        *half.plugged.borrow_mut() = Some(stream);
        half
    }

    fn new(role: Role) -> Self {
        let plugged = Rc::default();
        let socket = Socket(Rc::clone(&plugged));
        let (mut read, _) = fastwebsockets::after_handshake_split(socket, tokio::io::sink(), role);
        read.set_auto_close(false);
        read.set_auto_pong(false);
        // The strict reader has the limit, and keeps it for a fragmented message as well.
        read.set_max_message_size(usize::MAX);
        Self { collector: FragmentCollectorRead::new(read), plugged }
    }

    /// To be called only while it is empty.
    fn give_back(self, role: Role) {
        *self.plugged.borrow_mut() = None;
        kept(role, |halves| {
            if halves.len() < KEPT_MOST {
                halves.push(self);
            }
        });
    }
}

fn kept<T>(role: Role, work: impl FnOnce(&mut Vec<Half>) -> T) -> T {
    match role {
        Role::Client => FOR_CLIENTS.with_borrow_mut(work),
        Role::Server => FOR_SERVERS.with_borrow_mut(work),
    }
}

/// Reads from whatever is plugged into it.
struct Socket(Rc<RefCell<Option<Plugged>>>);

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &*self.0.borrow() {
            Some(stream) => Pin::new(&mut *stream.borrow_mut()).poll_read(cx, buf),
            // Nobody polls a half that nobody has.
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

    /// Whether it waits, polled once.
    async fn waits<F: Future>(mut future: Pin<&mut F>) -> bool {
        poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
    }

    fn kept_now() -> usize {
        kept(Role::Client, |halves| halves.len())
    }

    #[tokio::test]
    async fn who_waits_for_a_message_has_no_half_and_who_waits_for_the_rest_of_one_keeps_it() {
        let (mut peer, mut frames) = connection();
        {
            let mut next = pin!(frames.next());
            assert!(waits(next.as_mut()).await);
            assert_eq!(kept_now(), 1);
            peer.write_all(&[0x82, 3, b'a']).await.unwrap();
            assert!(waits(next.as_mut()).await);
            assert_eq!(kept_now(), 0);
            peer.write_all(b"bc").await.unwrap();
            assert_eq!(&*next.await.unwrap().payload, &b"abc"[..]);
        }
        assert!(waits(pin!(frames.next())).await);
        assert_eq!(kept_now(), 1);
    }

    #[tokio::test]
    async fn connections_that_take_turns_with_a_half_get_their_own_messages() {
        let (mut one_peer, mut one) = connection();
        let (mut other_peer, mut other) = connection();
        for turn in 0..3u8 {
            // Two messages and the beginning of a third, while the other gets one of its own.
            one_peer.write_all(&[0x82, 1, turn, 0x82, 1, turn + 10, 0x82, 2, 7]).await.unwrap();
            other_peer.write_all(&[0x81, 1, b'0' + turn]).await.unwrap();
            assert_eq!(&*one.next().await.unwrap().payload, &[turn][..]);
            assert_eq!(&*other.next().await.unwrap().payload, &[b'0' + turn][..]);
            assert!(waits(pin!(other.next())).await);
            assert_eq!(&*one.next().await.unwrap().payload, &[turn + 10][..]);
            {
                let mut rest = pin!(one.next());
                assert!(waits(rest.as_mut()).await);
                other_peer.write_all(&[0x81, 1, b'x']).await.unwrap();
                assert_eq!(&*other.next().await.unwrap().payload, &b"x"[..]);
                one_peer.write_all(&[8]).await.unwrap();
                assert_eq!(&*rest.await.unwrap().payload, &[7, 8][..]);
            }
            assert!(waits(pin!(one.next())).await);
        }
    }
}
