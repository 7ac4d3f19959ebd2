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

/// Where it is shown.
pub struct Screen {
    /// A line can be written over.
    live: bool,
}

impl Screen {
    pub fn new() -> Self {
        Self { live: std::io::stderr().is_terminal() && !warnings::in_json() }
    }

    pub fn title(&self, text: &str, below: &str) {
        let bold = Style::new().bold();
        warnings::step(format_args!("\n{bold}{text}{bold:#}"), text);
        if warnings::in_json() {
            return;
        }
        for line in folded(below, 92) {
            note(format_args!("  {line}"));
        }
    }

    /// What is being done, until the next line is written over it.
    pub fn busy(&self, text: &str) {
        if self.live {
            let mut err = anstream::stderr().lock();
            let short: String = shown(text).chars().take(90).collect();
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
        let line = format!("  {style}{word}{style:#} {}", shown(says));
        warnings::step(line, format_args!("{}: {says}", word.trim()));
        if warnings::in_json() {
            return;
        }
        for line in folded(detail, 88) {
            let dim = Style::new().dimmed();
            note(format_args!("          {dim}{}{dim:#}", shown(line)));
        }
    }

    /// For people; the answer has it for programs.
    pub fn table(&self, rows: &[[String; 4]]) {
        if warnings::in_json() {
            return;
        }
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|r| r.get(column));
            cells.map(|c| c.chars().count()).max().unwrap_or_default()
        };
        let widths = [width(0), width(1), width(2)];
        for [a, b, c, d] in rows {
            let [wa, wb, wc] = widths;
            note(format_args!("  {a:<wa$}  {b:<wb$}  {c:<wc$}  {d}").to_string().trim_end());
        }
    }
}

/// A text in lines of so many characters, broken at spaces.
fn folded(text: &str, width: usize) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split_whitespace() {
        let together = line.chars().count().saturating_add(word.chars().count()).saturating_add(1);
        if together > width && !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::folded;

    #[test]
    fn text_is_folded_at_spaces_and_no_word_is_lost() {
        let text = "one two three four-and-a-very-long-word five";
        assert_eq!(folded(text, 9), ["one two", "three", "four-and-a-very-long-word", "five"]);
        assert!(folded("", 9).is_empty());
    }
}
