//! The channels that a node takes part in, and those that it left.

use super::folder::{self, Folder};
use super::recognise::{Given, recognise};
use super::{Material, MaterialError, Taken};
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::report::Outcome;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::channel::SignedChannel;
use gridpass_policy::codes::CHANNEL_NOT_SIGNED;

impl Material {
    pub(super) fn take_channel(
        &mut self,
        mut channel: SignedChannel,
        now: UnixMillis,
        keep: bool,
    ) -> Result<Taken, MaterialError> {
        let id = channel.id().clone();
        if keep {
            if !channel.is_signed() {
                let sentence = format!("{id} is a draft: nobody signed it");
                return Err(MaterialError::new(CHANNEL_NOT_SIGNED, sentence));
            }
            self.check_channel(&channel, now)?;
            channel = self.with_signatures_held(channel, now);
            let bytes = channel.to_json().to_string();
            self.folder.write(&folder::channel(&id), bytes.as_bytes())?;
            self.folder.remove(&folder::left(&id))?;
        }
        self.left.remove(&id);
        self.channels.insert(id.clone(), channel);
        Ok(Taken::Channel(id))
    }

    /// A descriptor that is given, with the signatures of the copy at hand: an older copy takes away none that
    /// counts.
    fn with_signatures_held(&self, given: SignedChannel, now: UnixMillis) -> SignedChannel {
        let Some(held) = self.channel(given.id()) else { return given };
        let counts = held.check_owner(&self.identities, now).outcome == Outcome::Passed;
        // There is room for 64: those that count come first, and else those that are new.
        let (mut first, then) = match counts {
            true => (held.clone(), &given),
            false => (given.clone(), held),
        };
        match first.merge(then) {
            Ok(()) => first,
            // They have one name.
            Err(_) => given,
        }
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
