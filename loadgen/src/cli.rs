//! The command line: verbs, and what the exit code says.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use wss_results::RunConfig;
use wss_server::ServeOptions;

use crate::{config_file, run};

/// Could not run.
const EXIT_ERROR: u8 = 1;
/// Ran, and the result is not valid.
const EXIT_INVALID: u8 = 3;

/// What does TLS cost my WebSockets?
///
/// Without a verb it is `run`: by default on an embedded server, 1,000 connections and 10,000 messages a second.
#[derive(Debug, Parser)]
#[command(name = "wssbench", version, max_term_width = 100, args_conflicts_with_subcommands = true)]
struct Command {
    #[command(subcommand)]
    verb: Option<Verb>,

    #[command(flatten)]
    run: RunCommand,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Open connections and exchange messages; print and write what they cost
    ///
    /// Without a URL the server is embedded: a child process of its own, on other CPUs.
    /// Exit code: 0 valid, 1 could not run, 3 ran but is not valid.
    Run(Box<RunCommand>),
    /// Serve wss, ws, tls or tcp echo until SIGTERM or SIGINT
    Serve(Box<ServeOptions>),
}

/// `wssbench run`.
#[derive(Debug, Args)]
pub(crate) struct RunCommand {
    #[command(flatten)]
    pub(crate) config: RunConfig,

    /// TOML of the same options with _ for -, those of TLS, trust and limits in the tables tls, trust and limits;
    /// what the command line names wins
    #[arg(id = "config_file", long = "config", value_name = "FILE", help_heading = "Input and output")]
    pub(crate) config_file: Option<PathBuf>,

    /// Print the result as JSON instead of a table
    #[arg(long, help_heading = "Input and output")]
    pub(crate) json: bool,

    /// Where to write the result [default: results/runs/ID.json]
    #[arg(long, value_name = "FILE", help_heading = "Input and output")]
    pub(crate) out: Option<PathBuf>,
}

pub(crate) fn main() -> ExitCode {
    end_on_panic();
    let matches = match Command::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            // Help and version are no errors; a wrong option is one that could not run.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { EXIT_ERROR } else { 0 });
        }
    };
    let ended = Command::from_arg_matches(&matches).map_err(anyhow::Error::from).and_then(|command| {
        let given = matches.subcommand().map_or(&matches, |(_, given)| given);
        match command.verb {
            Some(Verb::Serve(options)) => wss_server::serve(&options).map(|()| true),
            Some(Verb::Run(command)) => run::run(&configure(*command, given)?),
            None => run::run(&configure(command.run, given)?),
        }
    });
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_INVALID),
        Err(error) => {
            eprintln!("wssbench: {error:#}");
            ExitCode::from(EXIT_ERROR)
        }
    }
}

/// A panic in a task would leave its phase waiting for ever: it is told, and ends the program. (The server keeps a
/// panic to the connection that it happened on; an embedded one ends with this process.)
fn end_on_panic() {
    if std::env::args_os().nth(1).is_some_and(|verb| verb == "serve") {
        return;
    }
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tell(panic);
        std::process::exit(i32::from(EXIT_ERROR));
    }));
}

/// Lays the command line over the file that it names; `given` tells what the user wrote.
fn configure(mut command: RunCommand, given: &ArgMatches) -> anyhow::Result<RunCommand> {
    if let Some(path) = &command.config_file {
        command.config = config_file::layer(path, &command.config, given)?;
    }
    Ok(command)
}
