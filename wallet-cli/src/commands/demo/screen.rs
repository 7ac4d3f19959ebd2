//! What is seen while it runs: on standard error, a line for each step, and with `--json` an object for each
//! as everywhere.

use crate::output::note;
use crate::shown::shown;
use crate::warnings;
use anstyle::{AnsiColor, Style};
use std::io::{IsTerminal as _, Write as _};

/// How a step came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It was delivered, or done.
    Done,
    /// It was refused, as it must be.
    Refused,
    /// It did not come out as it must.
    Failed,
}

impl Mark {
    fn shown(self) -> (&'static str, AnsiColor) {
        match self {
            Self::Done => ("ok     ", AnsiColor::Green),
            Self::Refused => ("refused", AnsiColor::Yellow),
            Self::Failed => ("FAILED ", AnsiColor::Red),
        }
    }
}

/// How wide lines are where nobody says how wide they may be.
const WIDTH: usize = 80;
/// A terminal that is narrower has its lines broken by itself.
const NARROWEST: usize = 40;
/// Where what belongs to a step begins.
const INDENT: usize = 10;
/// The least room for the last column of a table.
const COLUMN: usize = 20;

/// Where it is shown.
pub struct Screen {
    /// A line can be written over.
    live: bool,
    /// The most characters of a line.
    width: usize,
}

impl Screen {
    pub fn new() -> Self {
        let terminal = terminal_size::terminal_size_of(std::io::stderr());
        let width = terminal.map_or(WIDTH, |(width, _)| usize::from(width.0).max(NARROWEST));
        Self { live: std::io::stderr().is_terminal() && !warnings::in_json(), width }
    }

    pub fn title(&self, text: &str, below: &str) {
        let bold = Style::new().bold();
        let lines = folded(&shown(text), self.width).join("\n");
        warnings::step(format_args!("\n{bold}{lines}{bold:#}"), text);
        if warnings::in_json() {
            return;
        }
        for line in folded(&shown(below), self.width.saturating_sub(2)) {
            note(format_args!("  {line}"));
        }
    }

    /// What is being done, until the next line is written over it.
    pub fn busy(&self, text: &str) {
        if self.live {
            let mut err = anstream::stderr().lock();
            // A line that was broken could not be written over.
            let room = self.width.saturating_sub(INDENT).saturating_sub(1);
            let short: String = shown(text).chars().take(room).collect();
            let _ = write!(err, "\r\x1b[K  ...     {short}").and_then(|()| err.flush());
        }
    }

    /// A step that is over.
    pub fn step(&self, mark: Mark, says: &str, detail: &str) {
        if self.live {
            let _ = write!(anstream::stderr().lock(), "\r\x1b[K");
        }
        let (word, color) = mark.shown();
        let style = Style::new().fg_color(Some(color.into()));
        let room = self.width.saturating_sub(INDENT);
        let lines = folded(&shown(says), room).join(&format!("\n{:INDENT$}", ""));
        let line = format!("  {style}{word}{style:#} {lines}");
        warnings::step(line, format_args!("{}: {says}", word.trim()));
        if warnings::in_json() {
            return;
        }
        for line in folded(&shown(detail), room) {
            let dim = Style::new().dimmed();
            note(format_args!("{:INDENT$}{dim}{line}{dim:#}", ""));
        }
    }

    /// For people; the answer has it for programs.
    pub fn table(&self, rows: &[[String; 4]]) {
        if !warnings::in_json() {
            for line in table(rows, self.width) {
                note(line);
            }
        }
    }
}

/// The lines of a table; its last column is broken where it is too wide.
fn table(rows: &[[String; 4]], most: usize) -> Vec<String> {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|r| r.get(column));
        cells.map(|c| c.chars().count()).max().unwrap_or_default()
    };
    let [wa, wb, wc] = [width(0), width(1), width(2)];
    let mut lines = Vec::new();
    for [a, b, c, d] in rows {
        let before = format!("  {a:<wa$}  {b:<wb$}  {c:<wc$}  ");
        let indent = before.chars().count();
        let mut last = folded(d, most.saturating_sub(indent).max(COLUMN)).into_iter();
        let first = format!("{before}{}", last.next().unwrap_or_default());
        lines.push(first.trim_end().to_owned());
        lines.extend(last.map(|more| format!("{:indent$}{more}", "")));
    }
    lines
}

/// A text in lines of so many characters, broken at spaces; a word that is longer than a line, anywhere.
pub fn folded(text: &str, width: usize) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split_whitespace() {
        let together = line.chars().count().saturating_add(word.chars().count()).saturating_add(1);
        if together > width && !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        for c in word.chars() {
            if line.chars().count() >= width.max(1) {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{folded, table};

    #[test]
    fn text_is_folded_at_spaces_and_nothing_of_it_is_lost() {
        let text = "one two three four-and-a-very-long-word five";
        let lines = ["one two", "three", "four-and-", "a-very-lo", "ng-word", "five"];
        assert_eq!(folded(text, 9), lines);
        assert!(folded("", 9).is_empty());
        assert_eq!(folded("123456789 1", 9), ["123456789", "1"]);
        assert_eq!(folded("1234 6789", 9), ["1234 6789"]);
    }

    #[test]
    fn a_table_is_as_wide_as_it_may_be() {
        let row = |d: &str| ["alpha", "aggregator", "process 1", d].map(str::to_owned);
        let lines = table(&[row("Alpha Flex, accredited for the north until it is revoked")], 60);
        assert!(lines.iter().all(|l| l.chars().count() <= 60), "{lines:#?}");
        assert_eq!(lines.len(), 3, "{lines:#?}");
        assert_eq!(table(&[row("")], 60), ["  alpha  aggregator  process 1"]);
    }
}
