//! How a report looks on the screen that reads it.

use anstyle::{AnsiColor, Style as Ansi};

/// Width, color and detail of a report. The default suits a pipe: 80 columns, no color, no details.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Columns. Reports use [`Style::MIN_WIDTH`] to [`Style::MAX_WIDTH`] of them.
    pub width: usize,
    /// Whether verdicts and secondary text are colored with ANSI escape sequences.
    pub color: bool,
    /// Whether everything is printed instead of a summary.
    pub verbose: bool,
}

impl Style {
    /// Columns of a report on a narrow terminal, in a file or in a pipe.
    pub const MIN_WIDTH: usize = 80;
    /// Columns of a report on a wide terminal: longer lines are hard to follow.
    pub const MAX_WIDTH: usize = 120;
}

impl Default for Style {
    fn default() -> Self {
        Self { width: Self::MIN_WIDTH, color: false, verbose: false }
    }
}

/// What a color stands for. The text says the same without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Bad,
    Secondary,
}

impl Tone {
    const fn ansi(self) -> Ansi {
        match self {
            Self::Good => AnsiColor::Green.on_default().bold(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
            Self::Secondary => Ansi::new().dimmed(),
        }
    }

    /// `text` between the escape sequences of this tone.
    pub(crate) fn paint(self, text: &str) -> String {
        let ansi = self.ansi();
        format!("{ansi}{text}{ansi:#}")
    }
}
