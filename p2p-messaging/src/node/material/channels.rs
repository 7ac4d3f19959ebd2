//! The channels that a node takes part in, and those that it left.

use super::folder::{self, Folder};
use super::recognise::{Given, recognise};
use super::{Material, MaterialError, Taken};
use gridpass_credentials::content_id::ContentId;
use gridpass_policy::channel::SignedChannel;

impl Material {
    pub(super) fn take_channel(
        &mut self,
        channel: SignedChannel,
        keep: bool,
    ) -> Result<Taken, MaterialError> {
        let id = channel.id().clone();
        if keep {
            self.check_channel(&channel)?;
            let bytes = channel.to_json().to_string();
            self.folder.write(&folder::channel(&id), bytes.as_bytes())?;
            self.folder.remove(&folder::left(&id))?;
        }
        self.left.remove(&id);
        self.channels.insert(id.clone(), channel);
        Ok(Taken::Channel(id))
    }

    /// A channel that it takes part in, or did.
    #[must_use]
    pub fn channel(&self, id: &ContentId) -> Option<&SignedChannel> {
        self.channels.get(id).or_else(|| self.left.get(id))
    }

    /// Takes part in a channel no more: the presentations for it are removed, and its descriptor is
    /// kept for what was said there. Gives whether the node took part.
    ///
    /// # Errors
    /// [`MaterialError`] if the folder cannot be written.
    pub fn leave(&mut self, id: &ContentId) -> Result<bool, MaterialError> {
        let Some(channel) = self.channels.get(id) else { return Ok(false) };
        self.folder.write(&folder::left(id), channel.to_json().to_string().as_bytes())?;
        // Whatever they are called, also presentations that a later one replaced.
        for path in self.folder.files()? {
            let of_it = match Folder::read(&path).and_then(|bytes| recognise(&bytes)) {
                Ok(Given::Channel(channel)) => channel.id() == id && !folder::is_left(&path),
                Ok(Given::Presentation(own)) => &own.channel == id,
                _ => false,
            };
            if of_it {
                self.folder.remove_file(&path)?;
            }
        }
        self.presentations.remove(id);
        self.held.remove(id);
        if let Some(channel) = self.channels.remove(id) {
            self.left.insert(id.clone(), channel);
        }
        Ok(true)
    }
}
