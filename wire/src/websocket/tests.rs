//! Helpers of the tests: hand-made frames, and a stream that follows a script.

mod deflate;
mod ends;
mod malformed;
mod property;
mod strict;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use fastwebsockets::Role;
use tokio::io::{AsyncRead, ReadBuf};

use super::header::Mask;

const KEY: Mask = [0x37, 0xfa, 0x21, 0x3d];

/// The reaction of a scripted stream to a read.
#[derive(Debug, Clone)]
enum ReadAction {
    Give(Vec<u8>),
    /// Pending once, and woken immediately.
    Wait,
    /// Pending for ever.
    Stall,
    Fail(io::ErrorKind),
}

/// A stream that performs at most one action per read, and then ends.
#[derive(Debug, Default)]
struct Script(VecDeque<ReadAction>);

impl Script {
    fn new(actions: impl IntoIterator<Item = ReadAction>) -> Self {
        Self(actions.into_iter().collect())
    }

    /// The bytes in pieces of `size`.
    fn pieces(bytes: &[u8], size: usize) -> Self {
        Self::new(bytes.chunks(size).map(|piece| ReadAction::Give(piece.to_vec())))
    }
}

impl AsyncRead for Script {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.0.pop_front() {
            None => Poll::Ready(Ok(())),
            Some(ReadAction::Give(mut bytes)) => {
                let rest = bytes.split_off(bytes.len().min(buf.remaining()));
                buf.put_slice(&bytes);
                if !rest.is_empty() {
                    self.0.push_front(ReadAction::Give(rest));
                }
                Poll::Ready(Ok(()))
            }
            Some(ReadAction::Wait) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(ReadAction::Stall) => {
                self.0.push_front(ReadAction::Stall);
                Poll::Pending
            }
            Some(ReadAction::Fail(kind)) => Poll::Ready(Err(kind.into())),
        }
    }
}

/// The masking key of frames received by `role`.
fn key_for(role: Role) -> Option<Mask> {
    (role == Role::Server).then_some(KEY)
}

/// A header, in the shortest form.
fn head(first: u8, length: u64, mask: Option<Mask>) -> Vec<u8> {
    let masked = if mask.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![first];
    if length < 126 {
        bytes.push(masked | length as u8);
    } else if let Ok(length) = u16::try_from(length) {
        bytes.push(masked | 126);
        bytes.extend(length.to_be_bytes());
    } else {
        bytes.push(masked | 127);
        bytes.extend(length.to_be_bytes());
    }
    bytes.extend(mask.into_iter().flatten());
    bytes
}

/// A whole frame; `first` is its first byte.
fn frame(first: u8, payload: &[u8], mask: Option<Mask>) -> Vec<u8> {
    let mut bytes = head(first, payload.len() as u64, mask);
    let key = mask.unwrap_or_default();
    bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// One read into a destination of `room` bytes.
async fn read_once<R: AsyncRead + Unpin>(reader: &mut R, room: usize) -> io::Result<Vec<u8>> {
    let mut space = vec![0; room];
    let mut buf = ReadBuf::new(&mut space);
    poll_fn(|cx| Pin::new(&mut *reader).poll_read(cx, &mut buf)).await?;
    Ok(buf.filled().to_vec())
}

/// Reads up to the end or an error, with destinations of these sizes in turn.
async fn read_all<R: AsyncRead + Unpin>(reader: &mut R, rooms: &[usize]) -> (Vec<u8>, Option<io::Error>) {
    let mut all = Vec::new();
    for &room in rooms.iter().cycle() {
        match read_once(reader, room).await {
            Ok(bytes) if bytes.is_empty() => return (all, None),
            Ok(bytes) => all.extend(bytes),
            Err(error) => return (all, Some(error)),
        }
    }
    (all, None)
}
