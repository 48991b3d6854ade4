//! What the generator and its threads send each other: [`Command`] to a thread, [`Report`] back.

use std::sync::{Arc, mpsc as thread_mpsc};

use tokio::sync::mpsc;
use wss_model::EngineKind;
use wss_model::config::{DeflateOptions, IdlePolicy, KernelClockSample, LimitOptions, MessageOptions};

use super::close::ClosingRecord;
use super::destination::Destination;
use super::plan::{EchoPlan, HandshakePlan, SubscribeOrder};
use super::record::{EchoRecord, HandshakeRecord, TickRecord};
use super::subscribe_record::SubscribeRecord;

/// A command to a thread. One at a time, except `Stop`, which may come at any time.
pub(crate) enum Command {
    Handshakes(HandshakePlan),
    Echo(EchoPlan),
    Subscribe(SubscribeOrder),
    /// Close all connections.
    Close,
    /// Start no further operations: the run was interrupted.
    Stop,
}

/// A report from a thread.
pub(crate) enum Report {
    /// The thread is ready for commands.
    Ready,
    /// A second has passed.
    Tick {
        thread: usize,
        /// Number of the second in its phase, from 1.
        tick: u32,
        record: TickRecord,
        /// Open connections of the thread.
        connections: u64,
    },
    /// [`Command::Handshakes`] has ended.
    Handshakes(Box<HandshakeRecord>),
    /// [`Command::Echo`] has ended.
    Echo(Box<EchoRecord>),
    /// [`Command::Subscribe`] has ended.
    Subscribe(Box<SubscribeRecord>),
    /// [`Command::Close`] has ended.
    Closed(ClosingRecord),
    /// The thread cannot continue.
    Failed(String),
}

/// The options of the generator, the same for all threads.
#[derive(Clone)]
pub(crate) struct GeneratorOptions {
    pub(crate) engine: EngineKind,
    pub(crate) threads: usize,
    /// CPUs that the threads are pinned to in turn; empty: not pinned.
    pub(crate) cpus: Vec<usize>,
    pub(crate) idle: IdlePolicy,
    pub(crate) kernel_clock: KernelClockSample,
    pub(crate) seed: u64,
    /// Whether connections receive what the server pushes, instead of exchanging messages.
    pub(crate) subscribes: bool,
    /// Bytes per message.
    pub(crate) size: usize,
    pub(crate) messages: MessageOptions,
    /// The content of `--message`.
    pub(crate) message: Option<Arc<[u8]>>,
    pub(crate) compression: DeflateOptions,
    pub(crate) destination: Destination,
    pub(crate) limits: LimitOptions,
}

/// What a thread starts with.
pub(crate) struct WorkerSetup {
    /// From 0.
    pub(crate) number: usize,
    pub(crate) options: GeneratorOptions,
    pub(crate) commands: mpsc::UnboundedReceiver<Command>,
    pub(crate) reports: thread_mpsc::Sender<Report>,
    /// Cleared records of ticks that were reported before.
    pub(crate) spares: thread_mpsc::Receiver<TickRecord>,
}
