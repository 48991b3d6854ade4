//! `wssbench`: what does TLS cost my WebSockets?
//!
//! One file a verb. [`run`] reads as a table of contents of the main job: check → server → handshakes → messages →
//! result → report. The [`generator`] is what measures.

mod ab;
mod cli;
mod client_side;
mod compare;
mod config_file;
mod embedded;
mod engines;
mod environment;
mod gate;
mod generator;
mod leg;
mod preflight;
mod progress;
mod run;
mod server_side;
mod sweep;
mod trace;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
