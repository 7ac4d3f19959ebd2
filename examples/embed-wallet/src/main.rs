//! `gridpass-embed-wallet`: tells the story of this crate, in a folder that is thrown away.

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use gridpass_embed_wallet::{Shell, story};
use gridpass_identity::time::UnixMillis;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// The system's clock, for the libraries, which have none.
fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis::new(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut out = std::io::stdout();
    let told = match tempfile::tempdir() {
        Err(e) => Err(e.into()),
        Ok(home) => {
            let mut rng = UnwrapErr(SysRng);
            let mut shell = Shell { home: home.path(), clock: now, rng: &mut rng };
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
