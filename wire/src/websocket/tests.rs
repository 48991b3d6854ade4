//! Helpers of the tests beside: frames made by hand, and a stream that follows a script.

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

/// What a scripted stream does at a read.
#[derive(Debug, Clone)]
enum Act {
    Give(Vec<u8>),
    /// Not ready once, with a wake-up at once.
    Wait,
    /// Not ready for ever.
    Stall,
    Fail(io::ErrorKind),
}

/// A stream that gives at most one act a read, and then its end.
#[derive(Debug, Default)]
struct Script(VecDeque<Act>);

impl Script {
    fn new(acts: impl IntoIterator<Item = Act>) -> Self {
        Self(acts.into_iter().collect())
    }

    /// The bytes in pieces of `size`.
    fn pieces(bytes: &[u8], size: usize) -> Self {
        Self::new(bytes.chunks(size).map(|piece| Act::Give(piece.to_vec())))
    }
}

impl AsyncRead for Script {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.0.pop_front() {
            None => Poll::Ready(Ok(())),
            Some(Act::Give(mut bytes)) => {
                let rest = bytes.split_off(bytes.len().min(buf.remaining()));
                buf.put_slice(&bytes);
                if !rest.is_empty() {
                    self.0.push_front(Act::Give(rest));
                }
                Poll::Ready(Ok(()))
            }
            Some(Act::Wait) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Act::Stall) => {
                self.0.push_front(Act::Stall);
                Poll::Pending
            }
            Some(Act::Fail(kind)) => Poll::Ready(Err(kind.into())),
        }
    }
}

/// The key with which frames come to `role`.
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

/// Reads up to the end, or to the error that stands in its place, with destinations of these sizes in turn.
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
