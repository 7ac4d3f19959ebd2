//! Ctrl-C, SIGTERM or SIGHUP end the demonstration with all that it started, and leave no temporary folder.

use super::children::Children;
use crate::output::{Failure, note};
use crate::warnings::{hint, in_json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// The most tries to remove the folder: a command that is just ending may still write into it.
const TRIES: u32 = 40;

/// From here on such a signal ends these processes and removes the temporary folder before it ends this
/// process, with the status that shells have for it. A folder that is kept stays, and it is said.
pub fn ends(children: &Children, home: &Path, temporary: Option<&Path>) -> Result<(), Failure> {
    let failed =
        |e: std::io::Error| Failure::new(gridpass_identity::codes::INTERNAL, e.to_string());
    let runtime = Builder::new_current_thread().enable_io().build().map_err(failed)?;
    let inside = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(failed)?;
    drop(inside);
    let children = children.clone();
    let (home, temporary) = (home.to_owned(), temporary.map(Path::to_owned));
    std::thread::spawn(move || {
        let status = runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => 130,
                _ = terminate.recv() => 143,
                _ = hang_up.recv() => 129,
            }
        });
        // What fails because of this is not told: nobody else gets to say anything any more.
        let _quiet = std::io::stderr().lock();
        children.end_for_good();
        if !in_json() {
            // The line that is being written over stays.
            note("");
        }
        hint(parting(&home, temporary));
        std::process::exit(status);
    });
    Ok(())
}

/// What becomes of the folder.
fn parting(home: &Path, temporary: Option<PathBuf>) -> String {
    let Some(temporary) = temporary else {
        let home = home.display();
        return format!(
            "interrupted; {home} stays as it is, with wallets and their passphrase.txt"
        );
    };
    for _ in 0..TRIES {
        if std::fs::remove_dir_all(&temporary).is_ok() || !temporary.exists() {
            return "interrupted; nothing is left of it".into();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    format!("interrupted; remove what is left of it: {}", temporary.display())
}
