//! What the driver keeps of each entry: the state machines, without a ring.

pub(super) mod connection;
mod sending;
