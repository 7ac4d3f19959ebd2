//! What cannot be taken back is confirmed before it is done: by a word that is typed on the terminal, or in
//! a script by `--yes`.

use crate::codes;
use crate::output::Failure;
use crate::warnings::hint;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};

/// Says on the terminal what is about to happen, and goes on only once `word` is typed there, so that
/// standard input stays free for data. `told` is what happens, in lines.
pub fn confirm(told: &[String], word: &str, no_input: bool) -> Result<(), Failure> {
    let refuse = |why: &str| {
        // An error is one line.
        let message = format!("{why}, and nothing was done: {}", told.join("; "));
        Err(Failure::new(codes::CONFIRMATION_NEEDED, message))
    };
    let terminal = File::options().read(true).write(true).open("/dev/tty");
    let Some(mut terminal) = terminal.ok().filter(|_| !no_input) else {
        return refuse("this cannot be taken back, and nobody can be asked");
    };
    hint(told.join("\n"));
    let mut typed = String::new();
    let asked = write!(terminal, "Type {word} to go on: ").and_then(|()| terminal.flush());
    match asked.and_then(|()| BufReader::new(&terminal).read_line(&mut typed)) {
        Ok(_) if typed.trim_end_matches(['\r', '\n']) == word => Ok(()),
        Ok(_) => refuse("another word was typed"),
        Err(_) => refuse("nobody could be asked"),
    }
}
