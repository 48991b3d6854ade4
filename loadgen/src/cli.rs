//! The command line: the verbs and their exit codes.

mod help;

use std::process::ExitCode;

use clap::{ArgMatches, FromArgMatches, Parser, Subcommand};
use wss_model::ReasonCode;
use wss_server::ServeOptions;

use crate::child::protocol::{self, RunEvent};
use crate::child::run_options;
use crate::commands::compare::Compared;
use crate::commands::run::options::RunCommand;
use crate::commands::{ab, compare, completions, engines, export, gate, history, man, report, run, show, sweep, trace};

pub use self::help::{EXIT_CODES, command};

/// The command could not run.
const EXIT_ERROR: u8 = 1;
/// The result is not valid.
pub(crate) const EXIT_INVALID: u8 = 3;
/// The results cannot be compared.
const EXIT_NOT_COMPARABLE: u8 = 4;

/// Measure what TLS costs WebSocket connections
///
/// Without a verb, wssbench runs `run`: by default against an embedded server, with 1,000 connections and 10,000 messages
/// per second for 10 seconds.
#[derive(Debug, Parser)]
#[command(
    name = "wssbench",
    version,
    max_term_width = 100,
    args_conflicts_with_subcommands = true,
    args_override_self = true
)]
struct Command {
    #[command(subcommand)]
    verb: Option<Verb>,

    #[command(flatten)]
    run: RunCommand,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Open connections, exchange messages and report what they cost
    ///
    /// Without a URL or --server, wssbench starts an embedded server: a child process on CPUs of its own.
    Run(Box<RunCommand>),
    /// Serve echo over wss, ws, tls or tcp until SIGTERM or SIGINT
    Serve(Box<ServeOptions>),
    /// Show one connection from SYN to close, message by message
    ///
    /// Without a URL, wssbench starts an embedded server. Encrypted records are decrypted with the secrets of the
    /// session.
    Trace(Box<trace::TraceCommand>),
    /// Compare many configurations in randomized blocks
    ///
    /// The options of run below take a list of values, or `all` for every value that their help lists; the sweep runs every
    /// combination. --workloads and --trial replace --mode, --duration and --warmup. Without any such option and without
    /// --preset, the sweep runs the preset `tour` for five minutes: what does TLS cost?
    Sweep(Box<sweep::SweepCommand>),
    /// Compare two builds or configurations in paired blocks
    ///
    /// Every trial runs in fresh processes; each block counts as one observation in the statistics.
    Ab(Box<ab::AbCommand>),
    /// Compare existing results: the files of A, then as many of B
    Compare(compare::CompareCommand),
    /// Check results of ab or compare against a policy
    Gate(gate::GateCommand),
    /// Show which I/O engines run on this machine
    ///
    /// Every feature is probed, not inferred from the kernel version.
    Engines(engines::EnginesCommand),
    /// Convert a result to the format of another program
    ///
    /// Data that the format cannot represent is listed on standard error.
    Export(export::ExportCommand),
    /// Write results as one HTML file with figures, or as images
    ///
    /// The file is self-contained and embeds the results, which --extract returns. Several runs share each figure.
    Report(report::ReportCommand),
    /// Print a result file again
    ///
    /// The exit code is that of the command which wrote the file.
    Show(show::ShowCommand),
    /// Record comparisons over time, and show trends
    ///
    /// Comparisons from a different machine, with a different baseline (A) or configuration, form a separate series.
    History(history::HistoryCommand),
    /// Print a completion script for a shell
    Completions(completions::CompletionsCommand),
    /// Print or write manual pages
    Man(man::ManCommand),
}

/// Runs the command with the arguments of this process.
pub fn main() -> ExitCode {
    exit_on_panic();
    let matches = match command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            // Help and version are printed to standard output and succeed.
            let _ = error.print();
            if error.use_stderr() {
                protocol::report(&RunEvent::failed(&anyhow::anyhow!(run_options::describe(&error))));
            }
            return ExitCode::from(if error.use_stderr() { EXIT_ERROR } else { 0 });
        }
    };
    let command = Command::from_arg_matches(&matches).map_err(anyhow::Error::from);
    match command.and_then(|command| dispatch(command, &matches)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("wssbench: {error:#}");
            ExitCode::from(EXIT_ERROR)
        }
    }
}

fn dispatch(command: Command, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let matches = matches.subcommand().map_or(matches, |(_, matches)| matches);
    match command.verb {
        Some(Verb::Serve(options)) => wss_server::serve(&options, "wssbench").map(|()| ExitCode::SUCCESS),
        Some(Verb::Trace(command)) => trace::trace(&command).map(|complete| exit_code(complete, EXIT_ERROR)),
        Some(Verb::Engines(command)) => engines::engines(&command).map(|()| ExitCode::SUCCESS),
        Some(Verb::Export(command)) => export::export(&command).map(|()| ExitCode::SUCCESS),
        Some(Verb::Report(command)) => report::report(&command).map(|()| ExitCode::SUCCESS),
        Some(Verb::Show(command)) => show::show(&command).map(ExitCode::from),
        Some(Verb::History(command)) => history::history(&command).map(|()| ExitCode::SUCCESS),
        Some(Verb::Sweep(command)) => sweep::sweep(&command).map(exit_code_of_result),
        Some(Verb::Ab(command)) => ab::ab(&command).map(exit_code_of_result),
        Some(Verb::Compare(command)) => compare::compare(&command).map(|compared| match compared {
            Compared::Valid(valid) => exit_code_of_result(valid),
            Compared::NotComparable => ExitCode::from(EXIT_NOT_COMPARABLE),
        }),
        Some(Verb::Gate(command)) => gate::gate(&command).map(ExitCode::from),
        Some(Verb::Completions(command)) => completions::completions(&command).map(|()| ExitCode::SUCCESS),
        Some(Verb::Man(command)) => man::man(&command).map(|()| ExitCode::SUCCESS),
        Some(Verb::Run(command)) => run(*command, matches),
        None => {
            if let Some(url) = &command.run.config.url {
                help::reject_misspelled_verb(url)?;
            }
            run(command.run, matches)
        }
    }
}

/// `wssbench run`; a parent process that requested events learns why the run failed.
fn run(command: RunCommand, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let valid = command.with_config_file(matches).and_then(|command| run::run(&command));
    valid.map(exit_code_of_result).inspect_err(|error| protocol::report(&RunEvent::failed(error)))
}

fn exit_code_of_result(valid: bool) -> ExitCode {
    exit_code(valid, EXIT_INVALID)
}

fn exit_code(success: bool, failure: u8) -> ExitCode {
    if success { ExitCode::SUCCESS } else { ExitCode::from(failure) }
}

/// Ends the process on a panic: otherwise the phase of a task that panics would wait forever. The server instead limits a
/// panic to its connection; an embedded server ends with this process.
fn exit_on_panic() {
    if std::env::args_os().nth(1).is_some_and(|verb| verb == "serve") {
        return;
    }
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        protocol::report(&RunEvent::Failed { code: ReasonCode::NoResult, text: panic.to_string().replace('\n', " ") });
        std::process::exit(i32::from(EXIT_ERROR));
    }));
}
