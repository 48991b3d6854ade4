//! What the comparison with the baseline server is made of: [`server`] starts a server and asks the kernel what CPU
//! time it took, [`trial`] drives it once with `wssbench run`, [`comparison`] keeps all trials and makes medians of them,
//! [`summary`] prints those.
//!
//! It measures no latency by itself: every figure is the generator's, but for the servers' CPU time. It never leaves a
//! trial out in silence. [`in_memory`] is the handshake without a network, which the criterion bench times.
//!
//! What the benches and the counts are made of: [`side`] tells the ends apart, [`memory`] takes the place of sockets,
//! [`scripted`] is one whole connection over it, [`options`] names the handshakes. [`subject`] is what is pluralize,
//! [`instructions`] (by [`callgrind`]), [`allocations`] and [`on_the_wire`] count it in memory, [`over_sockets`] counts
//! what the real programs ask of the kernel; each tells [`wss_analysis::counts::Count`]s.

pub mod allocations;
pub mod callgrind;
pub mod comparison;
pub mod in_memory;
pub mod instructions;
pub mod memory;
pub mod on_the_wire;
pub mod options;
pub mod over_sockets;
pub mod scripted;
pub mod server;
pub mod side;
pub mod strace;
pub mod subject;
pub mod summary;
pub mod threads;
pub mod trial;
