//! [`StrictReader`]: the guard between the (TLS) stream and the read half of fastwebsockets.
//!
//! fastwebsockets 0.10 takes frames that RFC 6455 forbids (unmasked from a client, lengths that are not minimal, long
//! pongs, fragments that together pass the limit), drops a character that the end of a fragmented text cuts off, and
//! reserves memory for the whole payload as soon as it has a header. The guard sees each byte first: it fails the read
//! before a malformed frame, and shows a large frame as fragments as long as the bytes that really came.
//!
//! It works in place, in the caller's buffer. It never unmasks, never collects a payload, and never writes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use fastwebsockets::{OpCode, Role};
use tokio::io::{AsyncRead, ReadBuf};

use super::header::{self, Header, Mask};
pub use super::violation::{Violation, parse_close};

/// A data frame with a longer payload is shown as fragments: 16 KiB, what one TLS record holds. It is also the memory
/// that a header alone can make fastwebsockets reserve.
pub const WHOLE_FRAME_MAX: u64 = 16 * 1024;

/// The most that one read takes, so that the length of a fragment fits into 16 bits. It also ends the growth of
/// fastwebsockets' buffer, which doubles whenever one read has filled it.
const READ_MAX: usize = u16::MAX as usize;

/// A destination smaller than this may have no room for a header and a byte behind it: the read goes by `staged`.
const ROOM_MIN: usize = 32;

/// Reads of ignored bytes (after a Close frame) in one poll, before other tasks get their turn.
const IGNORED_READS_MAX: usize = 16;

/// An [`AsyncRead`] that gives the bytes of `R` as long as they are well-formed WebSocket frames from the other role.
///
/// Frames in front of a malformed one are given first; the next read, and each one after it, fails with
/// [`io::ErrorKind::InvalidData`] and a [`Violation`] as the inner error. The end of `R` passes as the end. What
/// follows a Close frame is read and thrown away (RFC 6455 section 5.5.1), so the next that a caller sees is the end.
///
/// The bytes it gives are meant for a WebSocket parser and nothing else: the headers of large frames are replaced.
#[derive(Debug)]
pub struct StrictReader<R> {
    inner: R,
    rules: Rules,
    /// Bytes ready for the caller that did not fit into its buffer.
    staged: Staged,
}

impl<R: AsyncRead + Unpin> StrictReader<R> {
    /// Guards `inner`, from which the end with the role `role` reads messages of at most `max_message_size` bytes (all
    /// fragments of a message together).
    pub fn new(inner: R, role: Role, max_message_size: usize) -> Self {
        Self { inner, rules: Rules::new(role, max_message_size), staged: Staged::default() }
    }

    /// Whether all that was shown are whole messages: a parser that has given all of them has nothing left.
    pub(super) fn is_between_messages(&self) -> bool {
        self.rules.frame.is_none() && self.rules.message.is_none() && self.staged.is_empty()
    }

    /// Reads once into `buf`, which has room for [`ROOM_MIN`] to [`READ_MAX`] bytes, and judges what came. It reads
    /// again only if nothing of that can be shown, as no bytes would mean the end of the stream to the caller.
    fn poll_frames(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let start = buf.filled().len();
        loop {
            match self.rules.end {
                End::Open => {}
                End::Failed(violation) => return Poll::Ready(Err(violation.into())),
                End::Closed => return self.poll_ignored(cx, buf),
            }
            buf.put_slice(self.rules.front());
            let front = buf.filled().len();
            let read = Pin::new(&mut self.inner).poll_read(cx, buf);
            if !matches!(read, Poll::Ready(Ok(()))) || buf.filled().len() == front {
                // Nothing came: what was put in front is still remembered, and must not be seen.
                buf.set_filled(start);
                return read;
            }
            let shown = self.rules.sift(&mut buf.filled_mut()[start..]);
            buf.set_filled(start + shown);
            if shown > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Reads what follows a Close frame up to the end of the stream, and shows nothing of it.
    fn poll_ignored(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let start = buf.filled().len();
        for _ in 0..IGNORED_READS_MAX {
            let read = Pin::new(&mut self.inner).poll_read(cx, buf);
            let came = buf.filled().len() - start;
            buf.set_filled(start);
            if !matches!(read, Poll::Ready(Ok(()))) || came == 0 {
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
        if room == 0 || this.staged.give(buf) {
            return Poll::Ready(Ok(()));
        }
        if room < ROOM_MIN {
            let mut space = [0; ROOM_MIN];
            let mut window = ReadBuf::new(&mut space);
            std::task::ready!(this.poll_frames(cx, &mut window))?;
            this.staged.put(window.filled());
            this.staged.give(buf);
            return Poll::Ready(Ok(()));
        }
        if room > READ_MAX {
            // Zeroing the window is the price of a limit without unsafe code. Only a buffer that has grown past the
            // limit pays it, which a peer's large messages bring about.
            let mut window = ReadBuf::new(buf.initialize_unfilled_to(READ_MAX));
            std::task::ready!(this.poll_frames(cx, &mut window))?;
            let shown = window.filled().len();
            buf.advance(shown);
            return Poll::Ready(Ok(()));
        }
        this.poll_frames(cx, buf)
    }
}

/// A few bytes that wait for the caller's next buffer.
#[derive(Debug, Default)]
struct Staged {
    bytes: [u8; ROOM_MIN],
    from: usize,
    to: usize,
}

impl Staged {
    fn put(&mut self, bytes: &[u8]) {
        self.bytes[..bytes.len()].copy_from_slice(bytes);
        (self.from, self.to) = (0, bytes.len());
    }

    fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// Moves what fits into `buf`; false if there was nothing.
    fn give(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let count = (self.to - self.from).min(buf.remaining());
        buf.put_slice(&self.bytes[self.from..self.from + count]);
        self.from += count;
        count > 0
    }
}

/// Where the connection stands, and what may come next on it: the guard without its stream.
#[derive(Debug)]
struct Rules {
    server: bool,
    max_message_size: usize,
    end: End,
    /// The frame whose payload comes next; `None` if a header does.
    frame: Option<Frame>,
    /// The message whose last fragment has not ended yet.
    message: Option<Message>,
    /// What stands in front of the next read: the part of a header that came, or the place for one.
    front: [u8; header::MAX_SIZE],
    front_size: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Closed,
    Failed(Violation),
}

/// A frame whose header was seen and whose payload is not yet complete.
#[derive(Debug)]
struct Frame {
    fin: bool,
    opcode: OpCode,
    mask: Option<Mask>,
    length: u64,
    done: u64,
    /// Shown as fragments.
    chopped: bool,
}

/// A message of which the end has not come.
#[derive(Debug)]
struct Message {
    text: bool,
    /// The payloads of its frames so far, together.
    length: u64,
    /// Its last three bytes, unmasked (zeros before the first ones).
    tail: [u8; 3],
}

/// What to do with the bytes just judged.
enum Step {
    /// Show this many and go on behind them.
    On(usize),
    /// Show this many, and nothing behind them.
    Stop(usize),
}

impl Rules {
    fn new(role: Role, max_message_size: usize) -> Self {
        Self {
            server: role == Role::Server,
            max_message_size,
            end: End::Open,
            frame: None,
            message: None,
            front: [0; header::MAX_SIZE],
            front_size: 0,
        }
    }

    /// The bytes to put in front of the next read.
    fn front(&self) -> &[u8] {
        &self.front[..self.front_size]
    }

    /// Judges `bytes`, which are [`Rules::front`] and what was read behind it. Returns how many of them may be shown.
    fn sift(&mut self, bytes: &mut [u8]) -> usize {
        self.front_size = 0;
        let mut shown = 0;
        while shown < bytes.len() && self.end == End::Open {
            let rest = &mut bytes[shown..];
            let step = match self.frame.take() {
                None => self.header(rest),
                Some(frame) if frame.chopped => {
                    let size = header::fragment_size(frame.mask);
                    self.fragment(frame, rest, size)
                }
                Some(frame) => self.payload(frame, rest),
            };
            match step {
                Step::On(count) => shown += count,
                Step::Stop(count) => {
                    shown += count;
                    break;
                }
            }
        }
        if let Some(frame) = self.frame.as_ref().filter(|frame| frame.chopped) {
            self.front_size = header::fragment_size(frame.mask);
        }
        shown
    }

    /// Takes the header at the start of `bytes`.
    fn header(&mut self, bytes: &mut [u8]) -> Step {
        let role = if self.server { Role::Server } else { Role::Client };
        let header = match Header::parse(bytes, role) {
            Ok(Some(header)) => header,
            Ok(None) => {
                // A part of a header is not shown, because it may have to be replaced when the rest is known.
                self.front[..bytes.len()].copy_from_slice(bytes);
                self.front_size = bytes.len();
                return Step::Stop(0);
            }
            Err(violation) => return self.fail(violation, 0),
        };
        if let Err(violation) = self.admit(&header) {
            return self.fail(violation, 0);
        }
        let Header { fin, opcode, length, mask, size } = header;
        let frame = Frame { fin, opcode, mask, length, done: 0, chopped: length > WHOLE_FRAME_MAX };
        if !frame.chopped {
            // An empty frame ends here, so its header must not be shown before its end was judged.
            return if length == 0 { self.finish(&frame, size, 0) } else { self.go_on(frame, size) };
        }
        if bytes.len() == size {
            self.frame = Some(frame);
            return Step::Stop(0);
        }
        // The place of the header is used as it is: a length in the wider form needs no byte to be moved.
        self.fragment(frame, bytes, size)
    }

    /// Judges a header by the message it belongs to, and opens or lengthens that message.
    fn admit(&mut self, header: &Header) -> Result<(), Violation> {
        if header::is_control(header.opcode) {
            return Ok(());
        }
        let message = match (header.opcode, &mut self.message) {
            (OpCode::Continuation, None) => return Err(Violation::NothingToContinue),
            (OpCode::Continuation, Some(message)) => message,
            (_, Some(_)) => return Err(Violation::MessageInterrupted),
            (opcode, none) => none.insert(Message { text: opcode == OpCode::Text, length: 0, tail: [0; 3] }),
        };
        message.length = message.length.saturating_add(header.length);
        if message.length > self.max_message_size as u64 {
            return Err(Violation::MessageTooLarge { limit: self.max_message_size });
        }
        Ok(())
    }

    /// Takes the payload at the start of `bytes`, of a frame that is shown as it is.
    fn payload(&mut self, mut frame: Frame, bytes: &[u8]) -> Step {
        let count = self.take(&mut frame, bytes);
        // At the end the last byte alone is kept back from fastwebsockets if the frame turns out to be wrong.
        if frame.done == frame.length { self.finish(&frame, count, count - 1) } else { self.go_on(frame, count) }
    }

    /// Makes one fragment of the payload in `bytes`, of which the first `size` bytes are the place of its header.
    fn fragment(&mut self, mut frame: Frame, bytes: &mut [u8], size: usize) -> Step {
        let (place, payload) = bytes.split_at_mut(size);
        let opcode = if frame.done == 0 { frame.opcode } else { OpCode::Continuation };
        let mask = frame.mask.map(|mask| header::rotate(mask, frame.done));
        let count = self.take(&mut frame, payload);
        let last = frame.done == frame.length;
        header::write(place, last && frame.fin, opcode, count, mask);
        if last { self.finish(&frame, size + count, 0) } else { self.go_on(frame, size + count) }
    }

    /// Counts the part of `payload` that belongs to `frame`, and remembers the last bytes of a text.
    fn take(&mut self, frame: &mut Frame, payload: &[u8]) -> usize {
        let left = usize::try_from(frame.length - frame.done).unwrap_or(usize::MAX);
        let payload = &payload[..payload.len().min(left)];
        if let Some(message) = self.message.as_mut().filter(|_| !header::is_control(frame.opcode)) {
            let from = payload.len().saturating_sub(message.tail.len());
            let mask = header::rotate(frame.mask.unwrap_or_default(), frame.done + from as u64);
            for (byte, key) in payload[from..].iter().zip(mask) {
                message.tail = [message.tail[1], message.tail[2], byte ^ key];
            }
        }
        frame.done += payload.len() as u64;
        payload.len()
    }

    fn go_on(&mut self, frame: Frame, count: usize) -> Step {
        self.frame = Some(frame);
        Step::On(count)
    }

    /// Ends `frame`, the rest of which is `count` bytes; only `less` of them may be shown if its message is wrong.
    fn finish(&mut self, frame: &Frame, count: usize, less: usize) -> Step {
        match frame.opcode {
            OpCode::Close => {
                self.end = End::Closed;
                return Step::Stop(count);
            }
            OpCode::Ping | OpCode::Pong => {}
            OpCode::Text | OpCode::Binary | OpCode::Continuation if frame.fin => {
                // fastwebsockets checks all of a text but this: it drops a character that the last fragment cuts off.
                if self.message.take().is_some_and(|message| message.text && ends_inside_character(message.tail)) {
                    return self.fail(Violation::InvalidUtf8, less);
                }
            }
            OpCode::Text | OpCode::Binary | OpCode::Continuation => {}
        }
        Step::On(count)
    }

    fn fail(&mut self, violation: Violation, shown: usize) -> Step {
        self.end = End::Failed(violation);
        Step::Stop(shown)
    }
}

/// Whether a text with these last bytes ends within a character of UTF-8.
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
