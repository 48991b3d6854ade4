//! Servers that are not wssbench's: their responses, addresses, certificates and endings.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod addresses;
mod certificates;
mod compression;
mod daemon;
mod front_ends;
mod messages;
mod proxies;
mod responses;
mod servers;
mod tutorial;
