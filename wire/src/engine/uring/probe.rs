//! Probes which io_uring features the kernel supports, once per process.

use std::cell::Cell;
use std::io;
use std::mem::ManuallyDrop;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;

use io_uring::{cqueue, opcode, squeue, types};
use wss_model::EngineKind;
use wss_model::engines_result::KernelFeature;

use super::buffers::{BufferRing, Buffers, GROUP};
use super::errno::{EAGAIN, EINVAL, ENOMEM, ENOSYS, EOPNOTSUPP, EPERM};
use super::features::{Features, WITHOUT};
use super::ring::{INLINE_SEND_FLAGS, Ring, Wait, capped};
use crate::engine::EngineError;

thread_local! {
    /// The features that tests request.
    static OVERRIDE: Cell<Option<Features>> = const { Cell::new(None) };
}

/// The features that the kernel supports, except those that [`WITHOUT`] disables.
///
/// # Errors
/// If the kernel refuses a ring or is too old; if [`WITHOUT`] contains an unknown name.
pub(crate) fn best_features() -> Result<Features, EngineError> {
    static WITHOUT_LIST: OnceLock<String> = OnceLock::new();
    let supported = supported()?;
    let without = WITHOUT_LIST.get_or_init(|| std::env::var(WITHOUT).unwrap_or_default());
    let requested = OVERRIDE.get().map_or(supported, |requested| requested.intersection(supported));
    requested.without(without)
}

/// Limits the rings of this thread to these features.
#[cfg(test)]
pub(super) fn set_override(features: Option<Features>) {
    OVERRIDE.set(features);
}

/// The rows of `wssbench engines`; `used` is what the engine uses.
pub(crate) fn kernel_features(used: Features) -> Vec<KernelFeature> {
    let supported = supported().unwrap_or(Features::MINIMAL);
    let row = |name: &str, since: &str, supported, used, reason: &str| KernelFeature {
        name: name.to_owned(),
        since: since.to_owned(),
        supported,
        used,
        reason: reason.to_owned(),
    };
    vec![
        row("COOP_TASKRUN", "5.19", true, !used.defer_taskrun, "completions wait for the next io_uring_enter"),
        row("SINGLE_ISSUER", "6.0", supported.single_issuer, used.single_issuer, "no lock: one thread owns the ring"),
        row(
            "DEFER_TASKRUN",
            "6.1",
            supported.defer_taskrun,
            used.defer_taskrun,
            "completions are processed in one batch, when the thread waits for them",
        ),
        row("multishot accept", "5.19", true, true, "one submission for all connections"),
        row(
            "multishot receive",
            "6.0",
            supported.multishot_receive,
            used.multishot_receive,
            "one submission per connection, into shared buffers",
        ),
        row(
            "cap of a multishot receive",
            "6.17",
            supported.receive_cap,
            used.receive_cap,
            "a peer that sends and does not read fills less memory",
        ),
        row(
            "CQE_SKIP, MSG_DONTWAIT",
            "5.17",
            supported.inline_send,
            used.inline_send,
            "a send that goes out at once has no completion and no wake-up",
        ),
    ]
}

/// What the kernel supports. Probed until it is known.
fn supported() -> Result<Features, EngineError> {
    static SUPPORTED: OnceLock<Features> = OnceLock::new();
    if let Some(supported) = SUPPORTED.get() {
        return Ok(*supported);
    }
    // An error is not kept: a lack of descriptors or memory may be temporary.
    let supported = probe().map_err(|error| refused(error.raw_os_error().unwrap_or(0)))?;
    Ok(*SUPPORTED.get_or_init(|| supported))
}

/// The error for a ring that the kernel refuses with this error number.
pub(crate) fn refused(code: i32) -> EngineError {
    let cause = io::Error::from_raw_os_error(code);
    match code {
        EPERM | ENOSYS | EINVAL => {
            EngineError::UringRefused { cause, disabled: crate::engine::uring_disabled(), since: "5.19" }
        }
        ENOMEM => EngineError::NoMemory { engine: EngineKind::Uring, cause },
        _ => EngineError::Setup { engine: EngineKind::Uring, cause },
    }
}

fn probe() -> io::Result<Features> {
    let best = Features { single_issuer: true, defer_taskrun: true, ..Features::MINIMAL };
    let setup = [best, Features { defer_taskrun: false, ..best }, Features::MINIMAL]
        .into_iter()
        .find(|setup| !Ring::with_capacity(*setup, 8, 16).is_err_and(|error| is_unsupported(&error)))
        .unwrap_or(Features::MINIMAL);
    // If even the minimal ring is refused, that error is the one to report.
    let mut ring = Ring::with_capacity(setup, 8, 64)?;
    let parameters = ring.parameters();
    if !parameters.is_feature_ext_arg() || !parameters.is_feature_nodrop() || probe_accept(&mut ring).is_err() {
        return Err(io::Error::from_raw_os_error(EINVAL));
    }
    let skips_completions = ring.parameters().is_feature_skip_cqe_on_success();
    // A ring for each probe: what one leaves behind must not affect the other.
    let multishot_receive = unless_unsupported(probe_receive(Ring::with_capacity(setup, 8, 64)?))?;
    let receive_cap = multishot_receive && unless_unsupported(probe_cap(Ring::with_capacity(setup, 8, 64)?))?;
    let inline_send = skips_completions && unless_unsupported(probe_send(Ring::with_capacity(setup, 8, 64)?))?;
    Ok(Features { multishot_receive, receive_cap, inline_send, ..setup })
}

/// Turns an error that means "not supported" into false; other errors say nothing about the feature.
fn unless_unsupported(probed: io::Result<bool>) -> io::Result<bool> {
    match probed {
        Err(error) if is_unsupported(&error) => Ok(false),
        probed => probed,
    }
}

/// Whether the kernel does not know the requested operation or flag.
fn is_unsupported(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(EINVAL | EOPNOTSUPP))
}

/// Submits and takes the completions.
fn submit(ring: &mut Ring) -> io::Result<Vec<cqueue::Entry>> {
    let mut completions = Vec::new();
    ring.submit_and_wait(Wait::No)?;
    if ring.reap(&mut completions) { Ok(completions) } else { Err(io::Error::from_raw_os_error(ENOMEM)) }
}

/// A multishot accept without a client has no completion; an unsupported one fails at once.
fn probe_accept(ring: &mut Ring) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let accept = opcode::AcceptMulti::new(types::Fd(listener.as_raw_fd())).build().user_data(1);
    // SAFETY: the entry points to no memory. Closing the ring cancels the accept; until then the kernel holds its own
    // reference to the listener.
    unsafe { ring.push(&accept)? };
    match submit(ring)?.first() {
        Some(refused) => Err(io::Error::from_raw_os_error(-refused.result())),
        None => Ok(()),
    }
}

/// Whether one receive delivers two pieces, in buffers of the ring.
fn probe_receive(mut ring: Ring) -> io::Result<bool> {
    // Leaked if anything fails below, because the kernel may then still own the receive.
    let mut buffers = ManuallyDrop::new(BufferRing::register(&ring)?);
    let (here, there) = UnixStream::pair()?;
    let receive = opcode::RecvMulti::new(types::Fd(here.as_raw_fd()), GROUP).build().user_data(1);
    // SAFETY: the entry points to no memory. The buffers that it fills are dropped after it has ended, or never.
    unsafe { ring.push(&receive)? };
    let mut pieces = 0;
    for _ in 0..2 {
        io::Write::write_all(&mut &there, b"piece")?;
        for completion in submit(&mut ring)? {
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
    if submit(&mut ring)?.last().is_none_or(|last| cqueue::more(last.flags())) {
        return Ok(false);
    }
    buffers.unregister(&ring)?;
    drop(ManuallyDrop::into_inner(buffers));
    Ok(pieces == 2)
}

/// Whether a multishot receive ends when it has received as much as its cap. Older kernels refuse a cap.
fn probe_cap(mut ring: Ring) -> io::Result<bool> {
    // Leaked if anything fails below, because the kernel may then still own the receive.
    let mut buffers = ManuallyDrop::new(BufferRing::register(&ring)?);
    let (here, there) = UnixStream::pair()?;
    let receive = capped(opcode::RecvMulti::new(types::Fd(here.as_raw_fd()), GROUP).build().user_data(1), 5);
    // SAFETY: as in `probe_receive`.
    unsafe { ring.push(&receive)? };
    io::Write::write_all(&mut &there, b"piece and more")?;
    let completions = submit(&mut ring)?;
    let [completion] = &completions[..] else { return Ok(false) };
    if completion.result() < 0 {
        return Err(io::Error::from_raw_os_error(-completion.result()));
    }
    if cqueue::more(completion.flags()) {
        return Ok(false);
    }
    if let Some(buffer) = cqueue::buffer_select(completion.flags()) {
        buffers.filled();
        buffers.give_back(buffer);
    }
    buffers.unregister(&ring)?;
    drop(ManuallyDrop::into_inner(buffers));
    // The receive that reaches the cap is not cut.
    Ok(completion.result() >= 5)
}

/// Whether a send with MSG_DONTWAIT and CQE_SKIP_SUCCESS has no completion if all of it went out, the count if a part
/// did, and EAGAIN if nothing did. Then it ends within the `io_uring_enter` that submits it, and its buffer is free.
fn probe_send(mut ring: Ring) -> io::Result<bool> {
    let (here, _there) = UnixStream::pair()?;
    let buffer = vec![0; 1 << 20];
    let mut send = |length: usize| {
        let send = opcode::Send::new(types::Fd(here.as_raw_fd()), buffer.as_ptr(), length as u32)
            .flags(INLINE_SEND_FLAGS)
            .build()
            .flags(squeue::Flags::SKIP_SUCCESS);
        // SAFETY: the buffer is not written to and outlives the ring, which this function drops.
        unsafe { ring.push(&send)? };
        submit(&mut ring)
    };
    let small = send(5)?;
    let large = send(buffer.len())?;
    let full = send(5)?;
    let results = |completions: &[cqueue::Entry]| completions.iter().map(cqueue::Entry::result).collect::<Vec<_>>();
    let is_partial = |results: &[i32]| matches!(results, [sent] if (1..1 << 20).contains(sent));
    drop(ring);
    Ok(small.is_empty() && is_partial(&results(&large)) && results(&full) == [-EAGAIN])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_kernel_supports_all_features() {
        // Holds in CI and for developers. If it fails, the other tests ran without some of the features.
        assert_eq!(supported().unwrap(), Features::ALL);
    }
}
