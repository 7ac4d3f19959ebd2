//! Who takes part: a wallet and a DID for each, role definitions, a charter, visas, channels. What a
//! regulator, its delegates and holders do with the ordinary commands, on the same wallets.

use crate::commands::arguments::{dids_in, identities_of};
use crate::commands::init::create_wallet;
use crate::commands::visa::sign_presentation;
use crate::context::{now, rng};
use crate::output::Failure;
use crate::secrets::{HandedOver, write_private_file};
use gridpass_credentials::charter::{Charter, ListedRole, SignedCharter, SigningRule};
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::issuing::{Issuer, NewAuthorisation, NewVisa};
use gridpass_credentials::keeping::{self, HeldVisa, KeepError};
use gridpass_credentials::parcel::{Parcel, ParcelKind, lists_named_in};
use gridpass_credentials::secured::{Binding, Form, Signer};
use gridpass_credentials::trust::{IdentityMaterial, Snapshots, Trust, TrustPack};
use gridpass_credentials::visa::{Purpose, Visa};
use gridpass_examples::build::Names;
use gridpass_examples::documents::quantity::day_of;
use gridpass_examples::scenario::Scenario;
use gridpass_examples::schemas;
use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::document::Relationship;
use gridpass_identity::key::{KeyType, SecretKey};
use gridpass_identity::resolve::{OfflineResolver, SnapshotStore as _};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::Wallet;
use gridpass_identity::wallet::identities::{Identity, IdentityKind, NewDid, NewIdentity};
use gridpass_identity::wallet::slot::Passphrase;
use gridpass_messaging::node::{Material, folder_of, material_of};
use gridpass_policy::channel::SignedChannel;
use rand_core::Rng as _;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const DAY_MILLIS: u64 = 24 * 3600 * 1000;
/// For how long presentations and authorisations of the demonstration count.
const VALID_MILLIS: u64 = 30 * DAY_MILLIS;

/// A participant with its wallet.
struct Member {
    wallet: Wallet,
    me: Identity,
}

/// Everybody.
pub struct Cast<'s> {
    pub scenario: &'s Scenario,
    pub home: PathBuf,
    pub passphrase_file: PathBuf,
    passphrase: Passphrase,
    members: BTreeMap<String, Member>,
    pub names: Names,
    trust: Arc<Trust>,
    pack: Vec<u8>,
    /// The channels as their owners signed them, by name.
    channels: BTreeMap<String, SignedChannel>,
    /// Visas that were issued, by their id in the scenario.
    visas: BTreeMap<String, Visa>,
    /// What each node signs with.
    nodes: BTreeMap<String, SigningNode>,
    /// The last presentation of a participant in a channel.
    presented: BTreeMap<(String, String), ContentId>,
}

/// The key of a node, and by what it acts for its participant.
pub struct SigningNode {
    pub key_id: DidUrl,
    pub key: SecretKey,
    pub authorisation: ContentId,
}

/// A file under its plain name in the folder of the demonstration.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |e: std::io::Error| {
        Failure::new(crate::codes::FILE_NOT_WRITTEN, format!("{}: {e}", path.display()))
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(path, bytes).map_err(failed)
}

/// The wallets of the demonstration hold nothing of worth, and are thrown away or kept with it.
pub fn random_passphrase() -> String {
    let mut bytes = [0_u8; 16];
    rng().fill_bytes(&mut bytes);
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// What cannot be, unless the scenario or this program is wrong.
pub fn wrong(e: &dyn std::fmt::Display) -> Failure {
    Failure::new(gridpass_identity::codes::INTERNAL, e.to_string())
}

/// Makes something for each of these at once, as many at a time as there are processors.
fn at_once<T: Sync, R: Send>(
    all: &[T],
    make: impl Fn(&T) -> Result<R, Failure> + Sync,
) -> Result<Vec<R>, Failure> {
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let chunk = all.len().div_ceil(workers).max(1);
    std::thread::scope(|scope| {
        let make = &make;
        let running: Vec<_> = all
            .chunks(chunk)
            .map(|part| scope.spawn(move || part.iter().map(make).collect::<Vec<_>>()))
            .collect();
        let mut made = Vec::new();
        for thread in running {
            let part = thread.join().map_err(|_| wrong(&"a thread of the demonstration ended"))?;
            made.extend(part.into_iter().collect::<Result<Vec<_>, _>>()?);
        }
        Ok(made)
    })
}

impl<'s> Cast<'s> {
    /// Wallets, DIDs, the framework, the channels, and the visas that there are before anything
    /// happens.
    pub fn assemble(scenario: &'s Scenario, home: &Path) -> Result<Self, Failure> {
        let text = random_passphrase();
        let passphrase_file = home.join("passphrase.txt");
        write(&passphrase_file, b"")?;
        std::fs::remove_file(&passphrase_file).map_err(|e| wrong(&e))?;
        write_private_file(&passphrase_file, format!("{text}\n").as_bytes())?;
        let passphrase = Passphrase::new(&text);
        let made = at_once(&scenario.participants, |participant| {
            let dir = home.join("profiles").join(&participant.name);
            let (mut wallet, _, _) =
                create_wallet(&dir, &participant.name, &passphrase, |_| Ok(HandedOver::default()))?;
            let did = NewDid::Webvh { location: participant.domain(), witness: None };
            let new = NewIdentity { name: "root".into(), kind: IdentityKind::Participant, did };
            let me = wallet.new_identity(&new, &mut rng(), now())?;
            Ok((participant.name.clone(), Member { wallet, me }))
        })?;
        let mut members: BTreeMap<String, Member> = made.into_iter().collect();
        let names = Names {
            dids: members.iter().map(|(n, m)| (n.clone(), m.me.did.clone())).collect(),
            from: now().floor_to_second(),
            until: now().floor_to_second().plus_millis(VALID_MILLIS),
            gate: day_of(super::play::traded(now())),
        };
        let (trust, pack) = found(scenario, &names, &mut members)?;
        write(&home.join("trust.json"), &pack)?;
        let channels = BTreeMap::new();
        let mut cast = Self {
            scenario,
            home: home.to_owned(),
            passphrase_file,
            passphrase,
            members,
            names,
            trust: Arc::new(trust),
            pack,
            channels,
            visas: BTreeMap::new(),
            nodes: BTreeMap::new(),
            presented: BTreeMap::new(),
        };
        cast.sign_channels()?;
        for (_, plan) in scenario.visas_at_start() {
            cast.issue(&plan.id)?;
        }
        Ok(cast)
    }

    fn member(&mut self, name: &str) -> Result<&mut Member, Failure> {
        self.members.get_mut(name).ok_or_else(|| wrong(&format!("nobody is called {name}")))
    }

    pub fn did(&self, name: &str) -> Result<&Did, Failure> {
        self.names.did(name).map_err(|e| wrong(&e))
    }

    pub fn channel(&self, name: &str) -> Result<&SignedChannel, Failure> {
        self.channels.get(name).ok_or_else(|| wrong(&format!("there is no channel {name}")))
    }

    fn sign_channels(&mut self) -> Result<(), Failure> {
        let first = self.trust.history().first().ok_or_else(|| wrong(&"there is no charter"))?;
        let framework = first.id().clone();
        for plan in &self.scenario.channels {
            let dated = now().floor_to_second();
            let descriptor = self
                .scenario
                .channel_descriptor(plan, &self.names, &framework, dated)
                .map_err(|e| wrong(&e))?;
            let owner = self.member(&plan.owner)?;
            let (key_id, key) =
                owner.wallet.active_secret(&owner.me, Relationship::AssertionMethod)?;
            let mut signed = SignedChannel::unsigned(descriptor)?;
            signed.sign(Signer { key: &key, key_id: &key_id, now: now() })?;
            gridpass_policy::keeping::keep(&mut owner.wallet, &signed, &mut rng())?;
            let file = self.home.join("channels").join(format!("{}.json", plan.name.as_str()));
            write(&file, signed.to_json().to_string().as_bytes())?;
            self.channels.insert(plan.name.as_str().to_owned(), signed);
        }
        Ok(())
    }

    /// What everybody publishes: their DID logs.
    fn identities(&self) -> Result<Vec<IdentityMaterial>, Failure> {
        let mut all = Vec::new();
        for member in self.members.values() {
            all.extend(identities_of(&member.wallet, [&member.me.did])?);
        }
        Ok(all)
    }

    /// A visa is issued by whom the scenario says, and accepted by its holder.
    pub fn issue(&mut self, id: &str) -> Result<&Visa, Failure> {
        let unknown = || wrong(&format!("there is no visa {id}"));
        let (holder, plan) = self.scenario.visa(id).ok_or_else(unknown)?;
        let subject = self.did(&holder.name)?.clone();
        let claims = self.scenario.claims(plan, &self.names).map_err(|e| wrong(&e))?;
        let identities = self.identities()?;
        let trust = Arc::clone(&self.trust);
        let snapshots = Snapshots::read(&identities).map_err(|e| wrong(&e))?.with(&*trust);
        let resolver = OfflineResolver::new(&snapshots);
        let from = self.member(&plan.issuer)?;
        let new = NewVisa {
            subject: &subject,
            role: plan.role.as_str(),
            claims,
            valid_from: now(),
            valid_until: None,
            form: Form::Jwt,
            withholdable: &[],
            list_base: None,
        };
        let mut issuer =
            Issuer { wallet: &mut from.wallet, identity: &from.me, trust: &trust, now: now() };
        let issued = issuer.issue(&new, (&[], &[]), &resolver, &mut rng())?;
        let mut named = issued.supporting.clone();
        named.push(issued.text.clone());
        let named = dids_in(&named);
        let to = self.member(&holder.name)?;
        for material in &identities {
            let snapshot = material.to_snapshot().map_err(|e| wrong(&e))?;
            if material.did != to.me.did && named.contains(&material.did) {
                to.wallet.save_snapshot(&material.did, &snapshot, &mut rng())?;
            }
        }
        for text in &issued.lists {
            match keeping::see_list(
                &mut to.wallet,
                &keeping::read_list(text.as_bytes())?,
                &mut rng(),
            ) {
                Ok(()) | Err(KeepError::OlderList(_)) => {}
                Err(e) => return Err(e.into()),
            }
        }
        let held = HeldVisa::new(issued.text, issued.supporting, now());
        keeping::keep_visa(&mut to.wallet, &held, &mut rng())?;
        Ok(self.visas.entry(id.to_owned()).or_insert(issued.visa))
    }

    /// A visa is revoked by its issuer: gives the issuer's name, and the new status list.
    pub fn revoke(&mut self, id: &str) -> Result<(String, String), Failure> {
        let unknown = || wrong(&format!("there is no visa {id}"));
        let (_, plan) = self.scenario.visa(id).ok_or_else(unknown)?;
        let visa = self.visas.get(id).cloned().ok_or_else(unknown)?;
        let trust = Arc::clone(&self.trust);
        let from = self.member(&plan.issuer)?;
        let mut issuer =
            Issuer { wallet: &mut from.wallet, identity: &from.me, trust: &trust, now: now() };
        let list = issuer.set_status(&visa, Purpose::Revocation, true, None, &mut rng())?;
        Ok((plan.issuer.clone(), list.secured().text().to_owned()))
    }

    /// A presentation for a channel of all that a participant holds and the channel looks at, as a
    /// parcel; of what else it holds, where it tries without; nothing if it holds nothing.
    pub fn presentation(&mut self, name: &str, channel: &str) -> Result<Option<Vec<u8>>, Failure> {
        let unknown = || wrong(&format!("there is no channel {channel}"));
        let plan = self.scenario.channel(channel).ok_or_else(unknown)?;
        let roles = self.scenario.roles_asked(plan, &self.names).map_err(|e| wrong(&e))?;
        let member = self.members.get(name).ok_or_else(unknown)?;
        let (mut held, mut other) = (Vec::new(), Vec::new());
        for visa in keeping::visas(&member.wallet)? {
            let is_asked = roles.contains(visa.read()?.1.role.as_str());
            if is_asked { &mut held } else { &mut other }.push(visa);
        }
        let held = if held.is_empty() { other } else { held };
        if held.is_empty() {
            return Ok(None);
        }
        let binding = Binding {
            audience: self.channel(channel)?.id().to_string(),
            nonce: None,
            expires: now().plus_millis(VALID_MILLIS),
        };
        let (text, texts) = sign_presentation(&member.wallet, &member.me, &held, &binding, None)?;
        let id = ContentId::of_bytes(text.as_bytes())?;
        let mut parcel = Parcel::new(ParcelKind::Presentation, Some(text));
        parcel.status_lists = lists_named_in(&texts, &keeping::lists(&member.wallet)?.0);
        let mut dids = dids_in(&texts);
        dids.push(member.me.did.clone());
        parcel.identities = identities_of(&member.wallet, &dids)?;
        let bytes = parcel.encode()?;
        self.presented.insert((name.to_owned(), channel.to_owned()), id);
        Ok(Some(bytes))
    }

    /// The last presentation of a participant in a channel.
    pub fn presented(&self, name: &str, channel: &str) -> Option<&ContentId> {
        self.presented.get(&(name.to_owned(), channel.to_owned()))
    }

    /// What the node of a participant signs with.
    pub fn node(&self, name: &str) -> Option<&SigningNode> {
        self.nodes.get(name)
    }

    /// The channels that a participant takes part in, by name.
    pub fn channels_of(&self, name: &str) -> Vec<&'s str> {
        let all = self.scenario.channels.iter().map(|c| c.name.as_str());
        let has = |c: &&str| self.scenario.members(c).iter().any(|p| p.name == name);
        all.filter(has).collect()
    }

    /// That a node acts for its participant; gives the authorisation's name, and itself as a parcel.
    pub fn authorise(&mut self, name: &str, node: &Did) -> Result<(ContentId, Vec<u8>), Failure> {
        let trust = Arc::clone(&self.trust);
        let member = self.member(name)?;
        let new = NewAuthorisation {
            node,
            purposes: gridpass_credentials::authorisation::NodePurpose::ALL.into_iter().collect(),
            channels: None,
            validity_millis: VALID_MILLIS,
        };
        let mut issuer =
            Issuer { wallet: &mut member.wallet, identity: &member.me, trust: &trust, now: now() };
        let (_, text, list) = issuer.authorise_node(&new, &mut rng())?;
        let id = ContentId::of_bytes(text.as_bytes())?;
        let mut parcel = Parcel::new(ParcelKind::NodeAuthorisation, Some(text));
        parcel.status_lists.push(list.secured().text().to_owned());
        parcel.identities = identities_of(&member.wallet, [&member.me.did])?;
        Ok((id, parcel.encode()?))
    }

    /// The nodes' wallets and what each node is given: after this they can run.
    pub fn equip(&mut self, nodes: &[String]) -> Result<(), Failure> {
        let (home, passphrase) = (self.home.clone(), &self.passphrase);
        let made = at_once(nodes, |name| {
            let dir = home.join("profiles").join(profile_of(name));
            let hand_over = |_: &_| Ok(HandedOver::default());
            let (mut wallet, _, _) = create_wallet(&dir, &profile_of(name), passphrase, hand_over)?;
            let did = NewDid::Key(KeyType::Ed25519);
            let new = NewIdentity { name: "node".into(), kind: IdentityKind::Node, did };
            let node = wallet.new_identity(&new, &mut rng(), now())?;
            let signs = wallet.active_secret(&node, Relationship::CapabilityInvocation)?;
            Ok((name.clone(), dir, node.did, signs))
        })?;
        for (name, dir, did, (key_id, key)) in made {
            let folder = material_of(&folder_of(&dir));
            let now: UnixMillis = now();
            let given = |e: gridpass_messaging::node::MaterialError| {
                Failure::new(e.code(), format!("{name}: {e}"))
            };
            let (mut material, _) = Material::open(&folder, did.clone(), now).map_err(given)?;
            let mut give = |bytes: &[u8]| material.give(bytes, now).map(|_| ()).map_err(given);
            give(&self.pack)?;
            for channel in self.channels_of(&name) {
                for topic in self.scenario.channel(channel).into_iter().flat_map(|c| &c.topics) {
                    let schema = schemas::find(&topic.schema)
                        .ok_or_else(|| wrong(&topic.schema))?
                        .map_err(|e| wrong(&e))?;
                    for document in schema.documents().map_err(|e| wrong(&e))?.values() {
                        give(document)?;
                    }
                }
                give(self.channel(channel)?.to_json().to_string().as_bytes())?;
                if let Some(presentation) = self.presentation(&name, channel)? {
                    give(&presentation)?;
                }
            }
            let (authorisation, parcel) = self.authorise(&name, &did)?;
            give(&parcel)?;
            self.nodes.insert(name, SigningNode { key_id, key, authorisation });
        }
        Ok(())
    }
}

/// The profile of a participant's node.
pub fn profile_of(name: &str) -> String {
    format!("{name}-node")
}

/// Role definitions and the charter that lists them, signed by the root and pinned by everybody.
fn found(
    scenario: &Scenario,
    names: &Names,
    members: &mut BTreeMap<String, Member>,
) -> Result<(Trust, Vec<u8>), Failure> {
    let definitions = scenario.role_definitions(names).map_err(|e| wrong(&e))?;
    let nobody = || wrong(&format!("nobody is called {}", scenario.root));
    let root = members.get_mut(&scenario.root).ok_or_else(nobody)?;
    let signers = vec![root.me.did.clone()];
    let rule = SigningRule { threshold: 1, signers: signers.clone() };
    let mut charter = Charter::first(&scenario.title, signers, rule, now().floor_to_second());
    for (id, definition) in &definitions {
        keeping::keep_definition(&mut root.wallet, definition, &mut rng())?;
        let (definition, name) = (id.clone(), definition.name.clone());
        charter.roles.push(ListedRole { definition, name, retired: None, grace_seconds: None });
    }
    let mut signed = SignedCharter::unsigned(charter)?;
    let (key_id, key) = root.wallet.active_secret(&root.me, Relationship::AssertionMethod)?;
    signed.sign(Signer { key: &key, key_id: &key_id, now: now() })?;
    keeping::keep_charter(&mut root.wallet, &signed, &mut rng())?;
    let snapshots = root.wallet.snapshots(&root.me.did)?;
    let identities = snapshots.iter().map(|s| IdentityMaterial::of(&root.me.did, s)).collect();
    let listed: Vec<_> = definitions.iter().map(|(_, d)| d).collect();
    let (_, pack) = TrustPack::new(&[signed], &listed, identities).encode()?;
    let mut pinned = None;
    for member in members.values_mut() {
        pinned = Some(keeping::pin(&mut member.wallet, &pack, false, now(), &mut rng())?);
    }
    Ok((pinned.ok_or_else(nobody)?, pack))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridpass_examples::scenario::Participant;

    #[test]
    fn the_largest_market_day_has_wallets_visas_and_what_it_presents() {
        let home = tempfile::tempdir().expect("a folder");
        let day = Scenario::default().scaled(Scenario::MAX_SCALE);
        let mut cast = Cast::assemble(&day, home.path()).expect("everybody has a wallet");
        assert_eq!(cast.members.len(), day.participants.len());
        // One of them consents to all aggregators by name.
        let consents = |p: &&Participant| p.visas.iter().any(|v| v.claims.contains_key("parties"));
        let holder = &day.participants.iter().find(consents).expect("a consent").name;
        for channel in cast.channels_of(holder) {
            let parcel = cast.presentation(holder, channel).expect("it can be presented");
            assert!(parcel.is_some(), "{channel}");
        }
    }
}
