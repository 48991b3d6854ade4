//! What of io_uring this kernel has, found out by trying it once a process, and the form that the engine takes by it.
//!
//! A feature that is there can be left out with `WSSBENCH_URING_WITHOUT=multishot-receive,defer-taskrun`: to see what
//! it is worth, and to take, on a new kernel, the form that an old one would bring about.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::mem::ManuallyDrop;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;

use io_uring::{cqueue, opcode, squeue, types};
use wss_model::EngineKind;

use super::buffers::{BufferRing, GROUP};
use super::errno::{EAGAIN, EINVAL, ENOMEM, ENOSYS, EOPNOTSUPP, EPERM};
use super::ring::{Ring, Wait};
use super::state::connection::Buffers;
use crate::engine::{EngineError, Feature};

/// Names features that are not to be made use of, with commas between them.
pub(super) const WITHOUT: &str = "WSSBENCH_URING_WITHOUT";

/// What is made use of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Features {
    pub(super) single_issuer: bool,
    pub(super) defer_taskrun: bool,
    pub(super) multishot_receive: bool,
    pub(super) inline_send: bool,
}

/// Names, as [`WITHOUT`] has them.
const SINGLE_ISSUER: &str = "single-issuer";
const DEFER_TASKRUN: &str = "defer-taskrun";
const MULTISHOT_RECEIVE: &str = "multishot-receive";
const INLINE_SEND: &str = "inline-send";
const ALL: [&str; 4] = [SINGLE_ISSUER, DEFER_TASKRUN, MULTISHOT_RECEIVE, INLINE_SEND];

thread_local! {
    /// The form that tests ask for.
    static OVERRIDE: Cell<Option<Features>> = const { Cell::new(None) };
}

impl Features {
    /// The simplest: what Linux 5.19 has.
    pub(crate) const LEAST: Self =
        Self { single_issuer: false, defer_taskrun: false, multishot_receive: false, inline_send: false };

    /// The best that this kernel has and [`WITHOUT`] leaves.
    ///
    /// # Errors
    /// If the kernel makes no ring, or is too old; if [`WITHOUT`] names something that there is not.
    pub(crate) fn best() -> Result<Self, EngineError> {
        static WITHOUT_LIST: OnceLock<String> = OnceLock::new();
        let offered = offered()?;
        let without = WITHOUT_LIST.get_or_init(|| std::env::var(WITHOUT).unwrap_or_default());
        let form = OVERRIDE.get().map_or(offered, |form| form.and(offered));
        form.without(without)
    }

    /// The form of the rings of this thread from now on, as far as the kernel has it.
    #[cfg(test)]
    pub(crate) fn set_override(form: Option<Self>) {
        OVERRIDE.set(form);
    }

    fn and(self, other: Self) -> Self {
        Self {
            single_issuer: self.single_issuer && other.single_issuer,
            defer_taskrun: self.defer_taskrun && other.defer_taskrun,
            multishot_receive: self.multishot_receive && other.multishot_receive,
            inline_send: self.inline_send && other.inline_send,
        }
    }

    fn without(mut self, list: &str) -> Result<Self, EngineError> {
        for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match name {
                // Deferred work needs the one issuer.
                SINGLE_ISSUER => (self.single_issuer, self.defer_taskrun) = (false, false),
                DEFER_TASKRUN => self.defer_taskrun = false,
                MULTISHOT_RECEIVE => self.multishot_receive = false,
                INLINE_SEND => self.inline_send = false,
                _ => {
                    let source = io::Error::new(
                        io::ErrorKind::InvalidInput,
                        format!("{WITHOUT} names `{name}`, which is none of {}", ALL.join(", ")),
                    );
                    return Err(EngineError::Setup { engine: EngineKind::Uring, source });
                }
            }
        }
        Ok(self)
    }

    /// What of it `wssbench engines` tells, feature by feature; `self` is what is taken.
    pub(crate) fn features(self) -> Vec<Feature> {
        let offered = offered().unwrap_or(Self::LEAST);
        let feature = |name, since, offered, taken, why| Feature { name, since, offered, taken, why };
        vec![
            feature("COOP_TASKRUN", "5.19", true, !self.defer_taskrun, "completions wait for the next entry"),
            feature(
                "SINGLE_ISSUER",
                "6.0",
                offered.single_issuer,
                self.single_issuer,
                "no lock: one thread has the ring",
            ),
            feature(
                "DEFER_TASKRUN",
                "6.1",
                offered.defer_taskrun,
                self.defer_taskrun,
                "completions are made in one go, when they are waited for",
            ),
            feature("multishot accept", "5.19", true, true, "one submission for all connections"),
            feature(
                "multishot receive",
                "6.0",
                offered.multishot_receive,
                self.multishot_receive,
                "one submission a connection, into buffers that all share",
            ),
            feature(
                "CQE_SKIP, MSG_DONTWAIT",
                "5.17",
                offered.inline_send,
                self.inline_send,
                "a send that goes out at once has no completion and wakes nobody",
            ),
        ]
    }
}

/// In words, for the result and for people.
impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ring = match (self.defer_taskrun, self.single_issuer) {
            (true, _) => "DEFER_TASKRUN",
            (false, true) => "COOP_TASKRUN, SINGLE_ISSUER",
            (false, false) => "COOP_TASKRUN",
        };
        let receive = if self.multishot_receive { "multishot receive" } else { "one-shot receive" };
        let send = if self.inline_send { "sends without completion" } else { "sends with completion" };
        write!(f, "{ring}, multishot accept, {receive}, {send}")
    }
}

/// What the kernel has. Tried until it is known.
fn offered() -> Result<Features, EngineError> {
    static OFFERED: OnceLock<Features> = OnceLock::new();
    if let Some(offered) = OFFERED.get() {
        return Ok(*offered);
    }
    // What went wrong is not kept: a want of descriptors or memory passes.
    let offered = try_out().map_err(|error| refused(error.raw_os_error().unwrap_or(0)))?;
    Ok(*OFFERED.get_or_init(|| offered))
}

/// What to say of a ring that the kernel does not make.
pub(crate) fn refused(code: i32) -> EngineError {
    let source = io::Error::from_raw_os_error(code);
    match code {
        EPERM | ENOSYS | EINVAL => {
            EngineError::UringRefused { source, disabled: crate::engine::uring_disabled(), since: "5.19" }
        }
        ENOMEM => EngineError::NoMemory { engine: EngineKind::Uring, source },
        _ => EngineError::Setup { engine: EngineKind::Uring, source },
    }
}

fn try_out() -> io::Result<Features> {
    let best = Features { single_issuer: true, defer_taskrun: true, ..Features::LEAST };
    let form = [best, Features { defer_taskrun: false, ..best }, Features::LEAST]
        .into_iter()
        .find(|form| !Ring::with_sizes(*form, 8, 16).is_err_and(|error| is_unknown(&error)))
        .unwrap_or(Features::LEAST);
    // The error of the simplest form is the one to tell.
    let mut ring = Ring::with_sizes(form, 8, 64)?;
    let parameters = ring.parameters();
    if !parameters.is_feature_ext_arg() || !parameters.is_feature_nodrop() || accepts_many(&mut ring).is_err() {
        return Err(io::Error::from_raw_os_error(EINVAL));
    }
    let skips = ring.parameters().is_feature_skip_cqe_on_success();
    // Rings of their own: what one trial leaves behind is no other's.
    let multishot_receive = known(receives_many(Ring::with_sizes(form, 8, 64)?))?;
    let inline_send = skips && known(sends_inline(Ring::with_sizes(form, 8, 64)?))?;
    Ok(Features { multishot_receive, inline_send, ..form })
}

/// A feature that the kernel does not know is not there; any other error says nothing of it.
fn known(tried: io::Result<bool>) -> io::Result<bool> {
    match tried {
        Err(error) if is_unknown(&error) => Ok(false),
        tried => tried,
    }
}

/// Whether the kernel does not know what it was asked for.
fn is_unknown(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(EINVAL | EOPNOTSUPP))
}

/// Enters the ring and takes what has completed.
fn completions(ring: &mut Ring) -> io::Result<Vec<cqueue::Entry>> {
    let mut completions = Vec::new();
    ring.enter(Wait::No)?;
    if ring.reap(&mut completions) { Ok(completions) } else { Err(io::Error::from_raw_os_error(ENOMEM)) }
}

/// A multishot accept that nobody connects to says nothing; where it is not known it is refused at once.
fn accepts_many(ring: &mut Ring) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let accept = opcode::AcceptMulti::new(types::Fd(listener.as_raw_fd())).build().user_data(1);
    // SAFETY: it points to nothing; the ring is closed with the accept in flight, which lets go of the listener.
    unsafe { ring.push(&accept)? };
    match completions(ring)?.first() {
        Some(refused) => Err(io::Error::from_raw_os_error(-refused.result())),
        None => Ok(()),
    }
}

/// Whether one receive brings two pieces, in buffers of the ring.
fn receives_many(mut ring: Ring) -> io::Result<bool> {
    // Lost if anything goes wrong below: the kernel may still have the receive then.
    let mut buffers = ManuallyDrop::new(BufferRing::register(&ring)?);
    let (here, there) = UnixStream::pair()?;
    let receive = opcode::RecvMulti::new(types::Fd(here.as_raw_fd()), GROUP).build().user_data(1);
    // SAFETY: it points to nothing; its buffers are dropped below, after it has ended, or not at all.
    unsafe { ring.push(&receive)? };
    let mut pieces = 0;
    for _ in 0..2 {
        io::Write::write_all(&mut &there, b"piece")?;
        for completion in completions(&mut ring)? {
            let filled = cqueue::buffer_select(completion.flags());
            if let (5, true, Some(buffer)) = (completion.result(), cqueue::more(completion.flags()), filled) {
                pieces += 1;
                buffers.filled();
                buffers.give_back(buffer);
            }
        }
    }
    // The end of the stream ends the receive.
    drop(there);
    if completions(&mut ring)?.last().is_none_or(|last| cqueue::more(last.flags())) {
        return Ok(false);
    }
    buffers.unregister(&ring)?;
    drop(ManuallyDrop::into_inner(buffers));
    Ok(pieces == 2)
}

/// The flags of a send that must not wait: all of it, without a signal, and EAGAIN or a part where there is no room.
pub(super) const TRY_FLAGS: i32 = MSG_DONTWAIT | SEND_FLAGS;
/// The flags of a send that waits: MSG_WAITALL and MSG_NOSIGNAL of socket.h.
pub(super) const SEND_FLAGS: i32 = 0x100 | 0x4000;
/// MSG_DONTWAIT of socket.h.
const MSG_DONTWAIT: i32 = 0x40;

/// Whether a send with MSG_DONTWAIT and CQE_SKIP_SUCCESS says nothing if it went out, how much if only a part did, and
/// EAGAIN if nothing did: then it is over when the entry of the ring is, and its buffer is free.
fn sends_inline(mut ring: Ring) -> io::Result<bool> {
    let (here, _there) = UnixStream::pair()?;
    let buffer = vec![0; 1 << 20];
    let mut send = |length: usize| {
        let send = opcode::Send::new(types::Fd(here.as_raw_fd()), buffer.as_ptr(), length as u32)
            .flags(TRY_FLAGS)
            .build()
            .flags(squeue::Flags::SKIP_SUCCESS);
        // SAFETY: the buffer outlives the ring, which is this function's; nobody writes to it.
        unsafe { ring.push(&send)? };
        completions(&mut ring)
    };
    let small = send(5)?;
    let large = send(buffer.len())?;
    let full = send(5)?;
    let results = |completions: &[cqueue::Entry]| completions.iter().map(cqueue::Entry::result).collect::<Vec<_>>();
    let part = |results: &[i32]| matches!(results, [part] if (1..1 << 20).contains(part));
    drop(ring);
    Ok(small.is_empty() && part(&results(&large)) && results(&full) == [-EAGAIN])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_that_is_left_out_takes_with_it_what_needs_it() {
        let all = Features { single_issuer: true, defer_taskrun: true, multishot_receive: true, inline_send: true };
        assert_eq!(all.without("").unwrap(), all);
        assert_eq!(all.without(" inline-send").unwrap(), Features { inline_send: false, ..all });
        let without = all.without("single-issuer,multishot-receive").unwrap();
        assert_eq!(without, Features { inline_send: true, ..Features::LEAST });
    }

    #[test]
    fn a_feature_that_there_is_not_is_an_error_that_names_those_that_there_are() {
        let error = Features::LEAST.without("multishot").unwrap_err().to_string();
        assert!(error.contains("`multishot`") && error.contains("multishot-receive"), "{error}");
    }

    #[test]
    fn this_kernel_has_every_form() {
        // What CI and every developer have; on an older kernel this test says what the others did not run on.
        let form = offered().unwrap();
        assert_eq!(
            form,
            Features { single_issuer: true, defer_taskrun: true, multishot_receive: true, inline_send: true }
        );
    }
}
