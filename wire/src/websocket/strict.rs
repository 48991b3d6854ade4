//! [`StrictReader`]: a filter between the (TLS) stream and the reader of fastwebsockets.
//!
//! fastwebsockets 0.10 accepts frames that RFC 6455 forbids (unmasked frames from a client, lengths that are not minimal,
//! long pongs, fragments that together exceed the limit), drops a truncated character at the end of a fragmented text, and
//! allocates memory for a payload as soon as it has the header. The filter examines each byte first: it fails the read
//! before a malformed frame, and passes a large frame on as fragments no longer than the bytes received.
//!
//! It works in place, in the caller's buffer. It does not unmask or collect payloads, and does not write.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use fastwebsockets::{OpCode, Role};
use tokio::io::{AsyncRead, ReadBuf};

use super::budget::{BudgetShare, BufferBudget};
use super::header::{self, Header, Mask};
pub use super::violation::{Violation, parse_close};
use crate::engine::count_yield;

/// A data frame with a longer payload is passed on as fragments: 16 KiB, the size of a TLS record. This also limits the
/// memory that fastwebsockets allocates for a header alone.
pub const WHOLE_FRAME_MAX: u64 = 16 * 1024;

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

/// The state of the connection and what may follow: the filter without its stream.
#[derive(Debug)]
struct Rules {
    server: bool,
    max_message_size: usize,
    state: State,
    /// The frame whose payload is next; `None` if a header is next.
    frame: Option<Frame>,
    /// The message whose last fragment is not complete.
    message: Option<Message>,
    /// Bytes to put before the next read: the received part of a header, or room for one.
    carried: [u8; header::MAX_SIZE],
    carried_size: usize,
    /// Headers so far, modulo 2^64.
    frames: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Closed,
    Failed(Violation),
}

/// A frame whose payload is not complete.
#[derive(Debug)]
struct Frame {
    fin: bool,
    opcode: OpCode,
    mask: Option<Mask>,
    length: u64,
    done: u64,
    /// Passed on as fragments.
    fragmented: bool,
}

/// A message that is not complete.
#[derive(Debug)]
struct Message {
    text: bool,
    /// Sum of the payload lengths of its frames so far.
    length: u64,
    /// Bytes of its payload so far.
    received: usize,
    /// Its last three bytes, unmasked; initially zero.
    tail: [u8; 3],
}

/// What to do after checking some bytes.
enum Step {
    /// Pass on this many, and continue after them.
    Continue(usize),
    /// Pass on this many, and nothing after them.
    Stop(usize),
}

impl Rules {
    fn new(role: Role, max_message_size: usize) -> Self {
        Self {
            server: role == Role::Server,
            max_message_size,
            state: State::Open,
            frame: None,
            message: None,
            carried: [0; header::MAX_SIZE],
            carried_size: 0,
            frames: 0,
        }
    }

    /// The received payload of a message of which the last byte is missing.
    fn unfinished_bytes(&self) -> usize {
        self.message.as_ref().map_or(0, |message| message.received)
    }

    /// The bytes to put before the next read.
    fn carried(&self) -> &[u8] {
        &self.carried[..self.carried_size]
    }

    /// Checks `bytes`, which are [`Rules::carried`] and the bytes read after it. Returns how many of them to pass on.
    fn filter(&mut self, bytes: &mut [u8]) -> usize {
        self.carried_size = 0;
        let mut passed = 0;
        while passed < bytes.len() && self.state == State::Open {
            let rest = &mut bytes[passed..];
            let step = match self.frame.take() {
                None => self.header(rest),
                Some(frame) if frame.fragmented => {
                    let size = header::fragment_size(frame.mask);
                    self.fragment(frame, rest, size)
                }
                Some(frame) => self.payload(frame, rest),
            };
            match step {
                Step::Continue(count) => passed += count,
                Step::Stop(count) => {
                    passed += count;
                    break;
                }
            }
        }
        if let Some(frame) = self.frame.as_ref().filter(|frame| frame.fragmented) {
            self.carried_size = header::fragment_size(frame.mask);
        }
        passed
    }

    /// Checks the header at the start of `bytes`.
    fn header(&mut self, bytes: &mut [u8]) -> Step {
        let role = if self.server { Role::Server } else { Role::Client };
        let header = match Header::parse(bytes, role) {
            Ok(Some(header)) => header,
            Ok(None) => {
                // A part of a header is held back, because the header may have to be replaced once it is complete.
                self.carried[..bytes.len()].copy_from_slice(bytes);
                self.carried_size = bytes.len();
                return Step::Stop(0);
            }
            Err(violation) => return self.fail(violation, 0),
        };
        if let Err(violation) = self.admit(&header) {
            return self.fail(violation, 0);
        }
        self.frames = self.frames.wrapping_add(1);
        let Header { fin, opcode, length, mask, size } = header;
        let frame = Frame { fin, opcode, mask, length, done: 0, fragmented: length > WHOLE_FRAME_MAX };
        if !frame.fragmented {
            // An empty frame ends here, so its header must not be passed on before the end of its message is checked.
            return if length == 0 { self.finish(&frame, size, 0) } else { self.resume_later(frame, size) };
        }
        if bytes.len() == size {
            self.frame = Some(frame);
            return Step::Stop(0);
        }
        // The new header fills the room of the old one: a length in the wider form needs no bytes to be moved.
        self.fragment(frame, bytes, size)
    }

    /// Checks a header against the message it belongs to, and starts or extends that message.
    fn admit(&mut self, header: &Header) -> Result<(), Violation> {
        if header::is_control(header.opcode) {
            return Ok(());
        }
        let message = match (header.opcode, &mut self.message) {
            (OpCode::Continuation, None) => return Err(Violation::NothingToContinue),
            (OpCode::Continuation, Some(message)) => message,
            (_, Some(_)) => return Err(Violation::MessageInterrupted),
            (opcode, none) => {
                none.insert(Message { text: opcode == OpCode::Text, length: 0, received: 0, tail: [0; 3] })
            }
        };
        message.length = message.length.saturating_add(header.length);
        if message.length > self.max_message_size as u64 {
            return Err(Violation::MessageTooLarge { limit: self.max_message_size });
        }
        Ok(())
    }

    /// Checks the payload at the start of `bytes`, of a frame that is passed on unchanged.
    fn payload(&mut self, mut frame: Frame, bytes: &[u8]) -> Step {
        let count = self.count_payload(&mut frame, bytes);
        // If the complete message turns out to be invalid, holding back the last byte hides it from fastwebsockets.
        if frame.done == frame.length { self.finish(&frame, count, count - 1) } else { self.resume_later(frame, count) }
    }

    /// Turns the payload in `bytes` into a fragment; the first `size` bytes are room for its header.
    fn fragment(&mut self, mut frame: Frame, bytes: &mut [u8], size: usize) -> Step {
        let (room, payload) = bytes.split_at_mut(size);
        let opcode = if frame.done == 0 { frame.opcode } else { OpCode::Continuation };
        let mask = frame.mask.map(|mask| header::rotate(mask, frame.done));
        let count = self.count_payload(&mut frame, payload);
        let last = frame.done == frame.length;
        header::write(room, last && frame.fin, opcode, count, mask);
        if last { self.finish(&frame, size + count, 0) } else { self.resume_later(frame, size + count) }
    }

    /// Counts the part of `payload` that belongs to `frame`, and stores the last bytes of a message.
    fn count_payload(&mut self, frame: &mut Frame, payload: &[u8]) -> usize {
        let left = usize::try_from(frame.length - frame.done).unwrap_or(usize::MAX);
        let payload = &payload[..payload.len().min(left)];
        if let Some(message) = self.message.as_mut().filter(|_| !header::is_control(frame.opcode)) {
            message.received += payload.len();
            let from = payload.len().saturating_sub(message.tail.len());
            let mask = header::rotate(frame.mask.unwrap_or_default(), frame.done + from as u64);
            for (byte, key) in payload[from..].iter().zip(mask) {
                message.tail = [message.tail[1], message.tail[2], byte ^ key];
            }
        }
        frame.done += payload.len() as u64;
        payload.len()
    }

    fn resume_later(&mut self, frame: Frame, count: usize) -> Step {
        self.frame = Some(frame);
        Step::Continue(count)
    }

    /// Ends `frame`, whose last part is `count` bytes. Only `invalid_count` of them are passed on if its message is invalid.
    fn finish(&mut self, frame: &Frame, count: usize, invalid_count: usize) -> Step {
        match frame.opcode {
            OpCode::Close => {
                self.state = State::Closed;
                return Step::Stop(count);
            }
            OpCode::Ping | OpCode::Pong => {}
            OpCode::Text | OpCode::Binary | OpCode::Continuation if frame.fin => {
                // fastwebsockets checks the text, except that it drops a truncated character at the end.
                if self.message.take().is_some_and(|message| message.text && ends_inside_character(message.tail)) {
                    return self.fail(Violation::InvalidUtf8, invalid_count);
                }
            }
            OpCode::Text | OpCode::Binary | OpCode::Continuation => {}
        }
        Step::Continue(count)
    }

    fn fail(&mut self, violation: Violation, passed: usize) -> Step {
        self.state = State::Failed(violation);
        Step::Stop(passed)
    }
}

/// Whether a UTF-8 text with these last bytes ends inside a character.
fn ends_inside_character(tail: [u8; 3]) -> bool {
    for (present, byte) in (1..).zip(tail.into_iter().rev()) {
        let needed = match byte {
            0x80..=0xbf => continue,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xff => 4,
            _ => 1,
        };
        return needed > present;
    }
    false
}
