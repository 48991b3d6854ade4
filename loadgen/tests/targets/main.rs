//! Servers that are not wssbench's: their responses, addresses, certificates and endings.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod addresses;
mod certificates;
mod comparisons;
mod compression;
mod connect_rate;
mod correlation;
mod daemon;
mod front_ends;
mod http2;
mod http2_hostile;
mod http2_peer;
mod messages;
mod openssl_server;
mod proxies;
mod redirections;
mod responses;
mod servers;
mod subject;
mod subscriptions;
mod tutorial;
