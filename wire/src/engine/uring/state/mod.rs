//! The state that the driver keeps for each connection, listener and connect, without a ring.

pub(super) mod connect;
pub(super) mod connection;
pub(super) mod listener;
mod sending;
mod stamping;
