//! What a command prints: the style of this terminal, and standard output without panics.
//!
//! A reader that closes its pipe early, such as `head`, ends the output and not the command; anything else that keeps the
//! output from being written is an error.

use std::io::{self, ErrorKind, IsTerminal, Write};

use anyhow::Context;
use wss_report::Style;

/// The style for standard output: as wide as the terminal, and in color unless NO_COLOR is set or it is not a terminal.
/// CLICOLOR_FORCE forces color.
pub(crate) fn style(verbose: bool) -> Style {
    let stdout = io::stdout();
    let terminal = stdout.is_terminal().then(|| terminal_size::terminal_size_of(&stdout)).flatten();
    Style {
        width: terminal.map_or(Style::MIN_WIDTH, |(width, _)| usize::from(width.0)),
        color: anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never,
        verbose,
    }
}

/// Prints `text` on standard output.
///
/// # Errors
/// If it cannot be written, except to a closed pipe.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    print_bytes(text.as_bytes())
}

/// Prints bytes on standard output, as they are.
///
/// # Errors
/// Those of [`print`].
pub(crate) fn print_bytes(bytes: &[u8]) -> anyhow::Result<()> {
    written(io::stdout().lock(), bytes).context("cannot write to standard output; check where it is redirected to")
}

/// Prints a line on standard error. Whether somebody reads it does not change what the command does.
pub(crate) fn note(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

fn written(mut out: impl Write, bytes: &[u8]) -> io::Result<()> {
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing(ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_not_an_error_and_a_full_disk_is() {
        assert!(written(Failing(ErrorKind::BrokenPipe), b"text").is_ok());
        assert_eq!(written(Failing(ErrorKind::StorageFull), b"text").unwrap_err().kind(), ErrorKind::StorageFull);
    }
}
