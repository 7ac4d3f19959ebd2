//! Those who invited this node, and to what: it asks them for the channels, and keeps in touch.

use super::NodeError;
use super::ticket::Invitation;
use gridpass_credentials::content_id::ContentId;
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The version of the file. `spec/node.md`.
const VERSION: u32 = 1;
/// The most invitations.
const MAX_INVITATIONS: usize = 1024;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct File {
    version: u32,
    invitations: Vec<Invitation>,
}

/// Invitations that were accepted, as the node's folder has them.
pub struct Invitations {
    path: PathBuf,
    all: Vec<Invitation>,
}

impl Invitations {
    /// Reads those of a node's folder.
    ///
    /// # Errors
    /// [`NodeError::Folder`] for a file that cannot be read, or is of a later version.
    pub fn open(folder: &Path) -> Result<Self, NodeError> {
        let path = folder.join("invitations.json");
        let failed = |e: String| NodeError::Folder(path.clone(), e);
        let all = match std::fs::read(&path) {
            Ok(bytes) => {
                let file: File =
                    serde_json::from_slice(&bytes).map_err(|e| failed(e.to_string()))?;
                if file.version != VERSION {
                    let version = file.version;
                    return Err(failed(format!("its version is {version}, and 1 is known")));
                }
                file.invitations
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(failed(e.to_string())),
        };
        Ok(Self { path, all })
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Invitation] {
        &self.all
    }

    /// Notes one; gives whether it is new.
    ///
    /// # Errors
    /// [`NodeError::Folder`] if it cannot be written, or if there are too many.
    pub fn note(&mut self, invitation: Invitation) -> Result<bool, NodeError> {
        if self.all.contains(&invitation) {
            return Ok(false);
        }
        if self.all.len() >= MAX_INVITATIONS {
            let sentence = format!("{MAX_INVITATIONS} invitations are noted already");
            return Err(NodeError::Folder(self.path.clone(), sentence));
        }
        let mut all = self.all.clone();
        all.push(invitation);
        self.write(all).map(|()| true)
    }

    /// Nobody is asked for a channel any more; gives whether somebody was.
    ///
    /// # Errors
    /// [`NodeError::Folder`] if it cannot be written.
    pub fn leave(&mut self, channel: &ContentId) -> Result<bool, NodeError> {
        let invited = self.all.iter().any(|i| i.channels.contains(channel));
        if invited {
            let mut all = self.all.clone();
            for invitation in &mut all {
                invitation.channels.retain(|c| c != channel);
            }
            self.write(all)?;
        }
        Ok(invited)
    }

    /// Writes them whole or not at all; they count when they are written.
    fn write(&mut self, all: Vec<Invitation>) -> Result<(), NodeError> {
        let failed = |e: String| NodeError::Folder(self.path.clone(), e);
        let file = File { version: VERSION, invitations: all };
        let bytes = serde_json::to_vec_pretty(&file).map_err(|e| failed(e.to_string()))?;
        let half = self.path.with_file_name(".invitations.json");
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let write = || -> std::io::Result<()> {
            std::fs::create_dir_all(folder)?;
            let mut out = std::fs::File::create(&half)?;
            out.write_all(&bytes)?;
            out.sync_all()?;
            std::fs::rename(&half, &self.path)?;
            std::fs::File::open(folder)?.sync_all()
        };
        write().map_err(|e| failed(e.to_string()))?;
        self.all = file.invitations;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, clippy::panic)]
    use super::*;

    fn id(text: &str) -> ContentId {
        ContentId::of_bytes(text.as_bytes()).expect("an id")
    }

    #[test]
    fn what_is_noted_is_there_again_and_a_channel_that_was_left_is_asked_of_nobody() {
        let folder = tempfile::tempdir().expect("a folder");
        let peer = libp2p::PeerId::random();
        let invitation = Invitation {
            framework: id("framework"),
            addresses: vec![format!("/ip4/127.0.0.1/tcp/1/p2p/{peer}")],
            channels: vec![id("bids"), id("orders")],
        };
        let mut all = Invitations::open(folder.path()).expect("none");
        assert!(all.note(invitation.clone()).expect("noted"));
        assert!(!all.note(invitation).expect("noted"), "twice");
        assert!(all.leave(&id("bids")).expect("left"));
        assert!(!all.leave(&id("bids")).expect("left"), "twice");
        let again = Invitations::open(folder.path()).expect("read");
        assert_eq!(again.all().len(), 1, "the peer is still known");
        assert_eq!(again.all()[0].channels, [id("orders")]);
    }

    #[test]
    fn a_file_of_a_later_version_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("invitations.json");
        std::fs::write(&path, br#"{"version":2,"invitations":[]}"#).expect("written");
        let Err(e) = Invitations::open(folder.path()) else { panic!("it is taken") };
        assert!(e.to_string().contains("version is 2"), "{e}");
    }
}
