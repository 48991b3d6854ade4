//! permessage-deflate (RFC 7692) of messages: [`Compressor`] and [`Inflater`], with flate2.
//!
//! With context takeover each connection has a compressor and an inflater of its own, made at its first message: with the
//! largest window about 260 KiB and 40 KiB. Without, the connections of a thread share one of each, because nothing of a
//! message is kept for the next.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::violation::Violation;
use crate::upgrade::DeflateParameters;

/// What a flush ends with, and a message does not (RFC 7692 section 7.2.1).
const FLUSH_END: [u8; 4] = [0, 0, 0xff, 0xff];
/// The smallest window that zlib has.
const MIN_WINDOW_BITS: u8 = 9;
/// Bytes of room for output when a buffer has none, at least.
const MIN_ROOM: usize = 64;
/// Final blocks in a message. Each costs a reset, and two bytes of the peer.
const FINAL_BLOCKS_MAX: usize = 8;

/// How one end of a connection compresses.
#[derive(Debug, Clone)]
pub struct Deflate {
    /// What both ends agreed on.
    pub parameters: DeflateParameters,
    /// From 1 (fastest) to 9 (smallest).
    pub level: u8,
    /// Where the bytes are counted, if they are.
    pub counts: Option<Rc<DeflateCounts>>,
}

/// The messages of the connections that share it, and their bytes before and after compression.
#[derive(Debug, Default)]
pub struct DeflateCounts {
    /// Sent messages, all of them compressed.
    pub sent: Cell<MessageBytes>,
    /// Received messages that were compressed.
    pub received: Cell<MessageBytes>,
}

/// Messages and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MessageBytes {
    /// Messages.
    pub messages: u64,
    /// Bytes of their payloads, uncompressed.
    pub plain: u64,
    /// Bytes of their payloads as they are on the wire, without frame headers.
    pub compressed: u64,
}

impl MessageBytes {
    fn add(cell: Option<&Cell<Self>>, plain: usize, compressed: usize) {
        let Some(cell) = cell else { return };
        let Self { messages, plain: plain_sum, compressed: compressed_sum } = cell.get();
        cell.set(Self {
            messages: messages + 1,
            plain: plain_sum + plain as u64,
            compressed: compressed_sum + compressed as u64,
        });
    }
}

/// The state of one direction.
enum Codec<T> {
    /// Keeps its window from message to message.
    Own(Box<T>),
    /// Is reset before each message.
    Shared(Rc<RefCell<T>>),
}

/// The shared codecs of a thread, by window and level. There are at most 7 windows and 9 levels.
type Shared<T> = RefCell<Vec<((u8, u8), Rc<RefCell<T>>)>>;

thread_local! {
    static COMPRESSORS: Shared<Compress> = const { RefCell::new(Vec::new()) };
    static INFLATERS: Shared<Decompress> = const { RefCell::new(Vec::new()) };
}

impl<T> Codec<T> {
    fn shared(all: &Shared<T>, key: (u8, u8), make: impl FnOnce() -> T) -> Self {
        let mut all = all.borrow_mut();
        if let Some((_, found)) = all.iter().find(|(other, _)| *other == key) {
            return Self::Shared(Rc::clone(found));
        }
        let made = Rc::new(RefCell::new(make()));
        all.push((key, Rc::clone(&made)));
        Self::Shared(made)
    }
}

/// Compresses the messages that one end sends.
pub(super) struct Compressor {
    level: u8,
    window_bits: u8,
    takeover: bool,
    counts: Option<Rc<DeflateCounts>>,
    codec: Option<Codec<Compress>>,
}

impl Compressor {
    /// For the client or the server.
    pub(super) fn new(deflate: &Deflate, server: bool) -> Self {
        let DeflateParameters {
            server_no_context_takeover,
            client_no_context_takeover,
            server_max_window_bits,
            client_max_window_bits,
        } = deflate.parameters;
        let (no_takeover, window_bits) = match server {
            true => (server_no_context_takeover, server_max_window_bits),
            false => (client_no_context_takeover, client_max_window_bits),
        };
        let counts = deflate.counts.clone();
        Self { level: deflate.level, window_bits, takeover: !no_takeover, counts, codec: None }
    }

    /// Appends the compressed message to `output`.
    ///
    /// # Errors
    /// Only if zlib contradicts its documentation.
    pub(super) fn append(&mut self, message: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
        let start = output.len();
        let Self { level, window_bits, takeover, .. } = *self;
        let make = || Compress::new_with_window_bits(Compression::new(u32::from(level)), false, window_bits);
        let codec = self.codec.get_or_insert_with(|| match takeover {
            true => Codec::Own(Box::new(make())),
            false => COMPRESSORS.with(|all| Codec::shared(all, (window_bits, level), make)),
        });
        match codec {
            // The end of the last flush would be empty, and zlib refuses that.
            _ if message.is_empty() => output.push(0),
            Codec::Own(compress) => flush(compress, message, output)?,
            Codec::Shared(compress) => {
                let mut compress = compress.borrow_mut();
                compress.reset();
                flush(&mut compress, message, output)?;
            }
        }
        MessageBytes::add(self.counts.as_deref().map(|counts| &counts.sent), message.len(), output.len() - start);
        Ok(())
    }
}

/// Compresses `message` up to a byte boundary, without [`FLUSH_END`].
fn flush(compress: &mut Compress, message: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
    let mut rest = message;
    // Enough for data that cannot be compressed: five bytes per block of 16 KiB or more, and the flush.
    output.reserve(message.len() + message.len() / 1024 + MIN_ROOM);
    loop {
        let before = compress.total_in();
        compress.compress_vec(rest, output, FlushCompress::Sync).map_err(io::Error::other)?;
        // At most the length of `rest`.
        rest = &rest[usize::try_from(compress.total_in() - before).unwrap_or(rest.len())..];
        // With room left, everything is written.
        if rest.is_empty() && output.len() < output.capacity() {
            break;
        }
        output.reserve(MIN_ROOM);
    }
    if !output.ends_with(&FLUSH_END) {
        return Err(io::Error::other("the compressor did not flush a message"));
    }
    output.truncate(output.len() - FLUSH_END.len());
    Ok(())
}

/// Decompresses the messages that one end receives.
pub(super) struct Inflater {
    window_bits: u8,
    takeover: bool,
    counts: Option<Rc<DeflateCounts>>,
    codec: Option<Codec<Decompress>>,
}

impl Inflater {
    /// For the client or the server.
    pub(super) fn new(deflate: &Deflate, server: bool) -> Self {
        // The mirror image of what the peer compresses with.
        let Compressor { window_bits, takeover, counts, .. } = Compressor::new(deflate, !server);
        // A larger window than the peer's is always right.
        Self { window_bits: window_bits.max(MIN_WINDOW_BITS), takeover, counts, codec: None }
    }

    /// The message, of at most `limit` bytes.
    ///
    /// # Errors
    /// [`Violation::MessageTooLarge`], as soon as the limit is exceeded, and [`Violation::InvalidDeflate`].
    pub(super) fn inflate(&mut self, compressed: &[u8], limit: usize) -> Result<Vec<u8>, Violation> {
        let Self { window_bits, takeover, .. } = *self;
        let make = || Decompress::new_with_window_bits(false, window_bits);
        let codec = self.codec.get_or_insert_with(|| match takeover {
            true => Codec::Own(Box::new(make())),
            false => INFLATERS.with(|all| Codec::shared(all, (window_bits, 0), make)),
        });
        let message = match codec {
            Codec::Own(decompress) => inflate(decompress, compressed, limit)?,
            Codec::Shared(decompress) => {
                let mut decompress = decompress.borrow_mut();
                decompress.reset(false);
                inflate(&mut decompress, compressed, limit)?
            }
        };
        MessageBytes::add(self.counts.as_deref().map(|counts| &counts.received), message.len(), compressed.len());
        Ok(message)
    }
}

/// Decompresses one message.
fn inflate(decompress: &mut Decompress, compressed: &[u8], limit: usize) -> Result<Vec<u8>, Violation> {
    let mut message = Vec::with_capacity(compressed.len().saturating_mul(3).clamp(MIN_ROOM, limit.max(MIN_ROOM)));
    let mut final_blocks = 0;
    for part in [compressed, &FLUSH_END] {
        let mut rest = part;
        loop {
            if message.len() == message.capacity() {
                // One byte more than allowed shows that there are too many.
                message.reserve_exact(message.len().min((limit + 1).saturating_sub(message.len())).max(1));
            }
            let (before, length) = (decompress.total_in(), message.len());
            let status = decompress.decompress_vec(rest, &mut message, FlushDecompress::Sync);
            let consumed = usize::try_from(decompress.total_in() - before).unwrap_or(rest.len());
            rest = &rest[consumed..];
            if message.len() > limit {
                return Err(Violation::MessageTooLarge { limit });
            }
            match status.map_err(|_| Violation::InvalidDeflate)? {
                // A final block (BFINAL), which a sender may use (RFC 7692 section 7.2.3.4). A new stream follows.
                Status::StreamEnd if final_blocks < FINAL_BLOCKS_MAX => {
                    final_blocks += 1;
                    decompress.reset(false);
                }
                Status::StreamEnd => return Err(Violation::InvalidDeflate),
                // Output may be left if there was no room for all of it.
                Status::Ok | Status::BufError if message.len() == message.capacity() => continue,
                Status::Ok | Status::BufError if !rest.is_empty() && consumed == 0 && message.len() == length => {
                    return Err(Violation::InvalidDeflate);
                }
                Status::Ok | Status::BufError => {}
            }
            if rest.is_empty() {
                break;
            }
        }
    }
    Ok(message)
}
