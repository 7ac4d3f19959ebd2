//! The thread that waits for the disk, so that the worker checks the next group meanwhile. It takes
//! one group at a time.

use crate::log::{Appended, Appending};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

pub(super) struct Disk {
    groups: SyncSender<Appending>,
    written: Receiver<Appended>,
}

impl Disk {
    /// Starts it. It ends when this value is gone.
    ///
    /// # Errors
    /// The operating system's.
    pub(super) fn start() -> std::io::Result<Self> {
        let (groups, given) = sync_channel::<Appending>(1);
        let (done, written) = sync_channel(1);
        std::thread::Builder::new().name("gridpass-disk".into()).spawn(move || {
            while let Ok(appending) = given.recv() {
                if done.send(appending.run()).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { groups, written })
    }

    /// Gives it a group.
    pub(super) fn give(&self, group: Appending) {
        if self.groups.send(group).is_err() {
            tracing::error!("the thread that writes has ended");
        }
    }

    /// Waits until the group that it was given is on the disk; nothing if it will never say.
    pub(super) fn wait(&self) -> Option<Appended> {
        self.written.recv().ok()
    }
}
