//! [`StrictReader`]: a filter between the (TLS) stream and the reader of fastwebsockets.
//!
//! fastwebsockets 0.10 accepts frames that RFC 6455 forbids (unmasked frames from a client, lengths that are not minimal,
//! long pongs, fragments that together exceed the limit), drops a truncated character at the end of a fragmented text, and
//! allocates memory for a payload as soon as it has the header. The filter examines each byte first: it fails the read
//! before a malformed frame, and passes a large frame on as fragments no longer than the bytes received.
//!
//! It works in place, in the caller's buffer. It does not unmask or collect payloads, and does not write.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use fastwebsockets::Role;
use tokio::io::{AsyncRead, ReadBuf};

use super::budget::{BudgetShare, BufferBudget};
use super::rules::{MessageForm, Rules, State};
pub use super::violation::{Violation, parse_close};
use crate::engine::count_yield;

/// Limit on the bytes per read, so that the length of a fragment fits into 16 bits. It also limits the growth of the buffer
/// of fastwebsockets, which doubles whenever a read fills it.
const READ_MAX: usize = u16::MAX as usize;

/// A smaller destination may lack room for a header and one more byte: the read then goes through `staged`.
const ROOM_MIN: usize = 32;

/// Reads of ignored bytes (after a Close frame) per poll, before the task yields.
const IGNORED_READS_MAX: usize = 16;

/// Frames and bytes after which the task yields, so that a peer that never pauses does not stop the other connections of the
/// thread: some 50 µs of echoes.
const FRAMES_PER_POLL: usize = 32;
const BYTES_PER_POLL: usize = 256 * 1024;
/// Bytes per read from a peer whose latest read brought more than [`FRAMES_PER_POLL`] frames.
const READ_OF_SMALL_FRAMES: usize = 256;

/// An [`AsyncRead`] that returns the bytes of `R` as long as they are well-formed WebSocket frames of the other role.
///
/// Frames before a malformed frame are returned first; every later read fails with [`io::ErrorKind::InvalidData`] and a
/// [`Violation`] as the inner error. The end of `R` is returned as the end. Bytes after a Close frame are read and
/// discarded (RFC 6455 section 5.5.1).
///
/// The output is valid input for a WebSocket parser, but not identical to the input: the headers of large frames are
/// replaced.
#[derive(Debug)]
pub struct StrictReader<R> {
    inner: R,
    rules: Rules,
    /// Checked bytes that did not fit into the buffer of the caller.
    staged: StagedBytes,
    /// Its part of a limit that other connections share.
    share: Option<BudgetShare>,
    /// Frames and bytes since the stream had none, or since the task yielded.
    frames: usize,
    bytes: usize,
    /// The latest read brought too many frames.
    small_frames: bool,
}

impl<R: AsyncRead + Unpin> StrictReader<R> {
    /// Filters `inner`, from which the end with the role `role` reads messages of at most `max_message_size` bytes (over all
    /// fragments of a message).
    pub fn new(inner: R, role: Role, max_message_size: usize) -> Self {
        let rules = Rules::new(role, max_message_size);
        Self { inner, rules, staged: StagedBytes::default(), share: None, frames: 0, bytes: 0, small_frames: false }
    }

    /// Limits the bytes of an unfinished message together with those of all others that share the budget.
    pub fn share(&mut self, budget: &Arc<BufferBudget>) {
        self.share = Some(BudgetShare::new(budget));
    }

    /// Accepts compressed messages from now on, and returns them as binary ones.
    pub(super) fn accept_compressed(&mut self) {
        self.rules.forms = Some(VecDeque::new());
    }

    /// The form of the next message, in the order in which they were read; `None` if messages cannot be compressed.
    pub(super) fn next_form(&mut self) -> Option<MessageForm> {
        self.rules.forms.as_mut()?.pop_front()
    }

    /// Whether only complete messages were returned, so that a parser that has returned them holds no data.
    pub(super) fn is_between_messages(&self) -> bool {
        self.rules.frame.is_none() && self.rules.message.is_none() && self.staged.is_empty()
    }

    /// Whether the first fragment of a message was read, but not yet the last one.
    pub(super) fn is_within_message(&self) -> bool {
        self.rules.message.is_some()
    }

    /// Reads once into `buf`, which has room for [`ROOM_MIN`] to [`READ_MAX`] bytes, and checks the bytes. It reads again
    /// only if no byte can be passed on, because zero bytes would mean the end of the stream.
    fn poll_frames(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let start = buf.filled().len();
        loop {
            match self.rules.state {
                State::Open => {}
                State::Failed(violation) => return Poll::Ready(Err(violation.into())),
                State::Closed => return self.poll_ignored(cx, buf),
            }
            if self.frames >= FRAMES_PER_POLL || self.bytes >= BYTES_PER_POLL {
                (self.frames, self.bytes) = (0, 0);
                return yield_turn(cx);
            }
            buf.put_slice(self.rules.carried());
            let carried = buf.filled().len();
            let read = Pin::new(&mut self.inner).poll_read(cx, buf);
            if !matches!(read, Poll::Ready(Ok(()))) || buf.filled().len() == carried {
                // Nothing was read. The carried bytes are still stored in `rules`, and must not be passed on.
                buf.set_filled(start);
                (self.frames, self.bytes) = (0, 0);
                return read;
            }
            self.bytes += buf.filled().len() - carried;
            let before = self.rules.frames;
            let passed = self.rules.filter(&mut buf.filled_mut()[start..]);
            let frames = self.rules.frames.wrapping_sub(before);
            self.frames += frames;
            self.small_frames = frames > FRAMES_PER_POLL;
            buf.set_filled(start + passed);
            if let Some(share) = &mut self.share
                && let Err(limit) = share.hold(self.rules.unfinished_bytes())
            {
                self.rules.state = State::Failed(Violation::OverBudget { limit });
            }
            if passed > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Reads and discards bytes after a Close frame, up to the end of the stream.
    fn poll_ignored(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let start = buf.filled().len();
        for _ in 0..IGNORED_READS_MAX {
            let read = Pin::new(&mut self.inner).poll_read(cx, buf);
            let received = buf.filled().len() - start;
            buf.set_filled(start);
            if !matches!(read, Poll::Ready(Ok(()))) || received == 0 {
                return read;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for StrictReader<R> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let room = buf.remaining();
        if room == 0 || this.staged.take_into(buf) {
            return Poll::Ready(Ok(()));
        }
        if room < ROOM_MIN {
            let mut space = [0; ROOM_MIN];
            let mut window = ReadBuf::new(&mut space);
            std::task::ready!(this.poll_frames(cx, &mut window))?;
            this.staged.put(window.filled());
            this.staged.take_into(buf);
            return Poll::Ready(Ok(()));
        }
        let limit = if this.small_frames { READ_OF_SMALL_FRAMES } else { READ_MAX };
        if room > limit {
            // The limit costs zeroing the window, as there is no unsafe code here. This affects only a buffer that large
            // messages have made grow past the limit, and a peer that floods.
            let mut window = ReadBuf::new(buf.initialize_unfilled_to(limit));
            std::task::ready!(this.poll_frames(cx, &mut window))?;
            let passed = window.filled().len();
            buf.advance(passed);
            return Poll::Ready(Ok(()));
        }
        this.poll_frames(cx, buf)
    }
}

/// Lets other tasks run. With tokio's driver, the task continues only when new events have been looked for.
fn yield_turn<T>(cx: &mut Context<'_>) -> Poll<T> {
    count_yield();
    // The first poll arranges the wake-up and is pending.
    let _ = pin!(tokio::task::yield_now()).poll(cx);
    Poll::Pending
}

/// A few bytes that wait for the next buffer of the caller.
#[derive(Debug, Default)]
struct StagedBytes {
    bytes: [u8; ROOM_MIN],
    from: usize,
    to: usize,
}

impl StagedBytes {
    fn put(&mut self, bytes: &[u8]) {
        self.bytes[..bytes.len()].copy_from_slice(bytes);
        (self.from, self.to) = (0, bytes.len());
    }

    fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// Moves as many bytes as fit into `buf`; returns whether there were any.
    fn take_into(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let count = (self.to - self.from).min(buf.remaining());
        buf.put_slice(&self.bytes[self.from..self.from + count]);
        self.from += count;
        count > 0
    }
}
