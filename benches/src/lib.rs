//! What the comparison with the baseline server is made of: [`server`] starts a server and asks the kernel what CPU
//! time it took, [`leg`] drives it once with `wssbench run`, [`comparison`] keeps all legs and makes medians of them,
//! [`summary`] prints those.
//!
//! It measures no latency by itself: every figure is the generator's, but for the servers' CPU time. It never leaves a
//! leg out in silence. [`in_memory`] is the handshake without a network, which the criterion bench times.

//!
//! What the benches and the counts are made of: [`side`] tells the ends apart, [`memory`] takes the place of sockets,
//! [`scripted`] is one whole connection over it, [`options`] reads a handshake's options.

pub mod comparison;
pub mod in_memory;
pub mod leg;
pub mod memory;
pub mod options;
pub mod scripted;
pub mod server;
pub mod side;
pub mod summary;
pub mod threads;
