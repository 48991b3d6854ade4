//! `wss-server`: the server by itself; the same code as `wssbench serve`.

use clap::Parser;

#[derive(Parser)]
#[command(name = "wss-server", version, about = "A wss echo server on io_uring or epoll")]
struct Command {
    #[command(flatten)]
    options: wss_server::ServeOptions,
}

fn main() -> std::process::ExitCode {
    match wss_server::serve(&Command::parse().options) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wss-server: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
