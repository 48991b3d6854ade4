//! `wss-server`: the server as a program of its own; the same as `wssbench serve`.

use clap::Parser;

#[derive(Parser)]
#[command(name = "wss-server", version, about = "A WebSocket echo server over TLS, on io_uring or epoll")]
struct Arguments {
    #[command(flatten)]
    options: wss_server::ServeOptions,
}

fn main() -> std::process::ExitCode {
    match wss_server::serve(&Arguments::parse().options, "wss-server") {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wss-server: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
