//! `gridpass-embed-wallet`: tells the story of this crate, in a folder that is thrown away.

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use gridpass_embed_wallet::{Shell, story};
use gridpass_messaging::node::system_clock;
use std::io::Write as _;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let mut out = std::io::stdout();
    let told = match tempfile::tempdir() {
        Err(e) => Err(e.into()),
        Ok(home) => {
            let mut rng = UnwrapErr(SysRng);
            let mut shell = Shell { home: home.path(), clock: system_clock, rng: &mut rng };
            story(&mut out, &mut shell).await.map(|_| ())
        }
    };
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            let _ = writeln!(std::io::stderr(), "{e}");
            ExitCode::FAILURE
        }
    }
}
