//! `gridpass completions` and `gridpass man`: made from the command line's own definition.

use crate::codes;
use crate::help;
use crate::output::{Answer, Failure, Outcomes};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Print a completion script for a shell
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass completions bash > ~/.local/share/bash-completion/completions/gridpass\n  \
     gridpass completions fish > ~/.config/fish/completions/gridpass.fish"
))]
pub struct CompletionsArgs {
    /// The shell
    shell: clap_complete::Shell,
}

/// Print the manual page, or write the pages of all commands into a folder
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass man | man -l -\n  gridpass man --dir ~/.local/share/man/man1"
))]
pub struct ManArgs {
    /// Write one page for each command into this folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub fn completions(args: &CompletionsArgs) -> Answer {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::command(), "gridpass", &mut script);
    let json = json!({ "script": String::from_utf8_lossy(&script) });
    Answer::new("gridpass.completions/1", json, "").with_raw(script)
}

pub fn man(args: &ManArgs) -> Outcomes {
    let schema = "gridpass.man/1";
    let failed = |e: std::io::Error| Failure::new(codes::FILE_NOT_WRITTEN, e.to_string());
    if let Some(dir) = &args.dir {
        std::fs::create_dir_all(dir).map_err(failed)?;
        clap_mangen::generate_to(crate::command(), dir).map_err(failed)?;
        let text = format!("Manual pages written to {}", dir.display());
        return Ok(Answer::new(schema, json!({ "dir": dir }), text));
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(crate::command()).render(&mut page).map_err(failed)?;
    let json = json!({ "page": String::from_utf8_lossy(&page) });
    Ok(Answer::new(schema, json, "").with_raw(page))
}
