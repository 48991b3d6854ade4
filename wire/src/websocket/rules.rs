//! [`Rules`]: which bytes of a stream of frames may follow, and what of a large frame is passed on.

use std::collections::VecDeque;

use fastwebsockets::{OpCode, Role};

use super::header::{self, Header, Mask};
use super::violation::Violation;

/// A data frame with a longer payload is passed on as fragments: 16 KiB, the size of a TLS record. This also limits the
/// memory that fastwebsockets allocates for a header alone.
const WHOLE_FRAME_MAX: u64 = 16 * 1024;

/// The state of the connection and what may follow: the filter without its stream.
#[derive(Debug)]
pub(super) struct Rules {
    server: bool,
    max_message_size: usize,
    pub(super) state: State,
    /// The frame whose payload is next; `None` if a header is next.
    pub(super) frame: Option<Frame>,
    /// The message whose last fragment is not complete.
    pub(super) message: Option<Message>,
    /// Bytes to put before the next read: the received part of a header, or room for one.
    carried: [u8; header::MAX_SIZE],
    carried_size: usize,
    /// Headers so far, modulo 2^64.
    pub(super) frames: usize,
    /// The messages that were passed on and not yet taken, if messages may be compressed.
    pub(super) forms: Option<VecDeque<MessageForm>>,
}

/// What fastwebsockets is not told of a message: it takes compressed ones for binary ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MessageForm {
    pub(super) text: bool,
    pub(super) compressed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Open,
    Closed,
    Failed(Violation),
}

/// A frame whose payload is not complete.
#[derive(Debug)]
pub(super) struct Frame {
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
pub(super) struct Message {
    /// Its bytes are UTF-8 as they are.
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
    pub(super) fn new(role: Role, max_message_size: usize) -> Self {
        Self {
            server: role == Role::Server,
            max_message_size,
            state: State::Open,
            frame: None,
            message: None,
            carried: [0; header::MAX_SIZE],
            carried_size: 0,
            frames: 0,
            forms: None,
        }
    }

    /// The received payload of a message of which the last byte is missing.
    pub(super) fn unfinished_bytes(&self) -> usize {
        self.message.as_ref().map_or(0, |message| message.received)
    }

    /// The bytes to put before the next read.
    pub(super) fn carried(&self) -> &[u8] {
        &self.carried[..self.carried_size]
    }

    /// Checks `bytes`, which are [`Rules::carried`] and the bytes read after it. Returns how many of them to pass on.
    pub(super) fn filter(&mut self, bytes: &mut [u8]) -> usize {
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
        let header = match Header::parse(bytes, role, self.forms.is_some()) {
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
        let Header { fin, mut opcode, compressed, length, mask, size } = header;
        if compressed {
            opcode = OpCode::Binary;
            bytes[0] = u8::from(fin) << 7 | opcode as u8;
        }
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
                let (text, compressed) = (opcode == OpCode::Text, header.compressed);
                if let Some(forms) = &mut self.forms {
                    forms.push_back(MessageForm { text, compressed });
                }
                none.insert(Message { text: text && !compressed, length: 0, received: 0, tail: [0; 3] })
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
