//! Evidence: one file with what a node recorded of a channel, and what an auditor says of it.

use crate::Shell;
use crate::error::Result;
use crate::market::Channel;
use crate::running::{Running, key_of};
use gridpass_messaging::bundle::{Bundle, Report, Selection, verify};
use gridpass_messaging::node::{Export, Keys, Payloads, export};

/// Everything that a node recorded of a channel, with all that proves it. The node may run meanwhile.
pub fn write(of: &Running, channel: &Channel, shell: &Shell<'_>) -> Result<Vec<u8>> {
    let asked = Export {
        selection: Selection::of_channel(channel.id().clone()),
        made: shell.now(),
        payloads: Payloads::Include,
        keys: Keys::Keep,
    };
    let mut bundle = Vec::new();
    export(&of.folder, &key_of(&of.party)?, &asked, &mut bundle, &mut |_| ())?;
    Ok(bundle)
}

/// An auditor has the file, and a trust pack that came another way; it has no network and no wallet.
pub fn read(bundle: &[u8], pack: &[u8], shell: &Shell<'_>) -> Result<Report> {
    Ok(verify(&Bundle::parse(bundle)?, pack, shell.now(), None)?)
}
