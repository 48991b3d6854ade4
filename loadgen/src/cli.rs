//! The command line: verbs, and what the exit code says.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use wss_model::{ReasonCode, RunConfig};
use wss_server::ServeOptions;

use crate::child::protocol::{self, RunEvent};
use crate::commands::compare::Compared;
use crate::commands::{ab, compare, engines, export, gate, history, run, show, sweep, trace};
use crate::config_file;

/// Could not run.
const EXIT_ERROR: u8 = 1;
/// Ran, and the result is not valid.
pub(crate) const EXIT_INVALID: u8 = 3;
/// What was to be compared cannot be.
const EXIT_NOT_COMPARABLE: u8 = 4;

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
    /// Show one connection from SYN to close: every TLS record and message, the upgrade, every frame
    ///
    /// Without a URL the server is embedded. What is encrypted is opened with the session's own secrets.
    /// Exit code: 0 it came to its end, 1 it did not, and the timeline shows how far it came.
    Trace(Box<trace::TraceCommand>),
    /// Compare many configurations in interleaved blocks: every option of run takes a list here
    ///
    /// `--suite all --cert ecdsa-p256,rsa-2048` runs every combination; `all` is all that an option lists. Without any
    /// option of run and without a preset it is a tour of five minutes: what does TLS cost me?
    /// Exit code: 0 all valid, 1 could not run, 3 not all of it is valid, or it was interrupted.
    Sweep(Box<sweep::SweepCommand>),
    /// Compare two builds or two configurations in paired blocks, with exact intervals
    ///
    /// Every trial is a fresh process; the unit of all that is concluded is the block. `--a base/wssbench --b head/wssbench
    /// -- --group X25519` compares builds, `--a "--engine uring" --b "--engine epoll"` configurations.
    /// Exit code: 0 valid, whatever was found (gate judges), 1 could not run, 3 not valid.
    Ab(Box<ab::AbCommand>),
    /// Compare results that exist: A's files, then as many of B's
    ///
    /// Exit code: 0 valid, 1 could not be read, 3 not valid, 4 not comparable, and in which fields.
    Compare(compare::CompareCommand),
    /// Judge results of ab or compare by a policy: pass, regression or inconclusive
    ///
    /// Exit code: 0 pass, 1 error, 2 regression, 3 inconclusive or not valid, 4 not comparable.
    Gate(gate::GateCommand),
    /// Say which engines run on this machine, and what of its kernel each makes use of
    ///
    /// Everything is tried, nothing is told from the kernel's release.
    /// Exit code: 0 also if an engine does not run, since that is the answer.
    Engines(engines::EnginesCommand),
    /// Write a result in a form that another program reads
    ///
    /// What a form has no place for is named on standard error.
    /// Exit code: 0 also of a result that is not valid, 1 if there is nothing to write.
    Export(export::ExportCommand),
    /// Print a result file again: of run, sweep, ab, compare, trace, engines or gate
    ///
    /// `wssbench show results/runs/ID.json --verbose` prints every table of a run.
    /// Exit code: that of the command which wrote the file, or 1 if it cannot be read.
    Show(show::ShowCommand),
    /// Remember comparisons with a pinned reference, and show the trend and where it changed
    ///
    /// What was measured on another machine, against another reference or otherwise configured is a series of its own.
    /// Exit code: 0, or 1 if something cannot be read or written.
    History(history::HistoryCommand),
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

    /// Print every table instead of a summary
    #[arg(long, conflicts_with = "json", help_heading = "Input and output")]
    pub(crate) verbose: bool,

    /// Where to write the result [default: results/runs/ID.json]
    #[arg(long, value_name = "FILE", help_heading = "Input and output")]
    pub(crate) out: Option<PathBuf>,
}

/// The whole command, with the arguments of this process.
pub fn main() -> ExitCode {
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
            Some(Verb::Serve(options)) => wss_server::serve(&options, "wssbench").map(|()| ExitCode::SUCCESS),
            Some(Verb::Trace(command)) => trace::trace(&command).map(|whole| exit_code(whole, EXIT_ERROR)),
            Some(Verb::Engines(command)) => engines::engines(&command).map(|()| ExitCode::SUCCESS),
            Some(Verb::Export(command)) => export::export(&command).map(|()| ExitCode::SUCCESS),
            Some(Verb::Show(command)) => show::show(&command).map(ExitCode::from),
            Some(Verb::History(command)) => history::history(&command).map(|()| ExitCode::SUCCESS),
            Some(Verb::Sweep(command)) => sweep::sweep(&command).map(exit_of_run),
            Some(Verb::Ab(command)) => ab::ab(&command).map(exit_of_run),
            Some(Verb::Compare(command)) => compare::compare(&command).map(|compared| match compared {
                Compared::Valid(valid) => exit_of_run(valid),
                Compared::NotComparable => ExitCode::from(EXIT_NOT_COMPARABLE),
            }),
            Some(Verb::Gate(command)) => gate::gate(&command).map(ExitCode::from),
            Some(Verb::Run(command)) => run(*command, given),
            None => run(command.run, given),
        }
    });
    match ended {
        Ok(code) => code,
        Err(error) => {
            eprintln!("wssbench: {error:#}");
            ExitCode::from(EXIT_ERROR)
        }
    }
}

/// `wssbench run`; a parent that asked for events learns why it failed.
fn run(command: RunCommand, given: &ArgMatches) -> anyhow::Result<ExitCode> {
    let ended = configure(command, given).and_then(|command| run::run(&command));
    ended.map(exit_of_run).inspect_err(|error| protocol::report(&RunEvent::failed(error)))
}

fn exit_of_run(valid: bool) -> ExitCode {
    exit_code(valid, EXIT_INVALID)
}

/// `failed` if it is not well.
fn exit_code(well: bool, failed: u8) -> ExitCode {
    if well { ExitCode::SUCCESS } else { ExitCode::from(failed) }
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
        protocol::report(&RunEvent::Failed { code: ReasonCode::NoResult, text: panic.to_string().replace('\n', " ") });
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
