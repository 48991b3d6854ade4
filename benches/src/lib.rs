//! Library of the benches, of `counts` and of `network-over-memory`.
//!
//! - In memory, one end at a time: [`end`] names and meters the ends, [`pipe`] replaces sockets, [`in_memory`] is the TLS
//!   handshake, [`connection`] a whole WebSocket connection, [`configurations`] names the TLS configurations.
//! - Counted in memory: [`operation`] lists the operations; [`allocations`], [`traffic`] and [`instructions`] (with
//!   [`callgrind`]) count them.
//! - Counted over sockets: [`over_sockets`] (with [`strace`] and [`traced_server`]) counts system calls and ring
//!   operations of the real programs.
//!
//! Every count is a [`wss_analysis::counts::Count`].

pub mod allocations;
pub mod callgrind;
pub mod configurations;
pub mod connection;
pub mod end;
pub mod in_memory;
pub mod instructions;
pub mod operation;
pub mod over_sockets;
pub mod pipe;
pub mod program;
pub mod strace;
pub mod traced_server;
pub mod traffic;
