//! A developer's first hour: a small program that embeds Gridpass. [`story`] reads top down; each module
//! is one idea, and shows which calls of the library it takes.
//!
//! | module | idea |
//! |---|---|
//! | [`party`] | a wallet on disk, and the identity in it |
//! | [`framework`] | roles, the charter that lists them, the trust pack that everybody pins |
//! | [`visas`] | asked for, issued, accepted, shown in part, verified, revoked |
//! | [`market`] | a channel with a requirement and a schema |
//! | [`running`] | nodes in this process: equipped, started, sending |
//! | [`evidence`] | a bundle, and what an auditor says of it |
//! | [`error`] | the libraries' errors as one, with their codes |

// A program's own functions: their errors are those of the calls in them.
#![allow(clippy::missing_errors_doc, clippy::must_use_candidate)]

pub mod error;
pub mod evidence;
pub mod framework;
pub mod market;
pub mod party;
pub mod running;
mod telling;
pub mod visas;

use error::{Error, Result};
use framework::{AGGREGATOR, OPERATOR};
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::secured::Binding;
use gridpass_credentials::verifier::Verifier;
use gridpass_credentials::verify::VisaReport;
use gridpass_identity::time::UnixMillis;
use gridpass_messaging::bundle::Report;
use gridpass_messaging::node::{AskError, Delivered, Said};
use market::{Channel, OWN_ZONE, bid};
use party::Party;
use rand_core::CryptoRng;
use running::{Running, in_channel, soon};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::Path;

/// What only the program has. The libraries read no clock and draw no randomness of their own, but for
/// the node's, so that whatever they say can be said again from the same inputs.
pub struct Shell<'s> {
    /// Where wallets and nodes are put.
    pub home: &'s Path,
    /// The time; a node asks it again and again.
    pub clock: fn() -> UnixMillis,
    /// The randomness.
    pub rng: &'s mut dyn CryptoRng,
}

impl Shell<'_> {
    /// The time.
    pub fn now(&self) -> UnixMillis {
        (self.clock)()
    }
}

/// How it ended: what the story told, for programs.
pub struct Ending {
    /// The DSO's report on what the aggregator showed it.
    pub shown: VisaReport,
    /// The bid as the DSO's node delivered it.
    pub delivered: Delivered,
    /// What the DSO signed about it.
    pub receipt: Said,
    /// Why the bid for another zone was not sent.
    pub other_zone: AskError,
    /// The auditor's report.
    pub audit: Report,
    /// Why the bid after the revocation was not sent.
    pub revoked: AskError,
}

/// Tells the story, and says after each step what holds. It ends early, with an error, as soon as
/// something goes otherwise than told.
pub async fn story(out: &mut dyn Write, shell: &mut Shell<'_>) -> Result<Ending> {
    writeln!(out, "1. Wallets: keys on disk, and a DID for each organisation")?;
    let mut regulator = blocking(|| Party::organisation("regulator", shell))?;
    let mut flexgen = blocking(|| Party::organisation("flexgen", shell))?;
    let mut dso = blocking(|| Party::organisation("dso", shell))?;
    for party in [&regulator, &flexgen, &dso] {
        writeln!(out, "   {}", party.did())?;
    }

    writeln!(out, "\n2. A trust framework, and a visa")?;
    let pack = blocking(|| framework::found(&mut regulator, shell))?;
    for party in [&mut regulator, &mut flexgen, &mut dso] {
        blocking(|| party.pin(&pack, shell))?;
    }
    telling::trust(out, &regulator.trust(shell)?)?;
    let claims = [("zone", json!("GB-1")), ("capacityKw", json!(500))];
    let visa = blocking(|| grant(&mut regulator, &mut flexgen, AGGREGATOR, &claims, out, shell))?;
    blocking(|| grant(&mut regulator, &mut dso, OPERATOR, &[], out, shell))?;

    writeln!(out, "\n3. flexgen shows the DSO its zone, and not its capacity")?;
    let nonce = shell.rng.next_u64().to_string();
    let to_dso = Binding {
        audience: dso.did().to_string(),
        nonce: Some(nonce.clone()),
        expires: shell.now().plus_millis(10 * 60 * 1000),
    };
    let presentation = blocking(|| visas::show(&flexgen, AGGREGATOR, &["zone"], &to_dso, shell))?;
    // The pack's name comes another way than the pack: whoever sends both could be anybody.
    let (pin, now) = (ContentId::of_bytes(&pack)?, shell.now());
    let verifier = Verifier::open(&pack, &pin, now)?;
    let shown = blocking(|| visas::verify(&presentation, &verifier, dso.did(), &nonce, shell))?;
    telling::visa_report(out, &shown)?;

    writeln!(out, "\n4. A channel that asks for {OWN_ZONE}, and two nodes")?;
    let channel = Channel::open(&dso, shell)?;
    let binding = in_channel(&channel, shell);
    let reads = blocking(|| visas::show(&dso, OPERATOR, &[], &binding, shell))?;
    let bids = blocking(|| visas::show(&flexgen, AGGREGATOR, &["zone"], &binding, shell))?;
    let reader = Running::start(&mut dso, "dso-node", &channel, &reads, shell).await?;
    let seller = Running::start(&mut flexgen, "flexgen-node", &channel, &bids, shell).await?;
    seller.meet(&reader, &channel).await?;
    writeln!(out, "   {}\n   {} may read it", seller.node.node, reader.node.node)?;
    let sent = seller.send(&channel, &bid("GB-1", 250)).await?;
    let delivered = soon(reader.node.next_delivered(0)).await?;
    let receipt = soon(seller.node.receipt(&sent.id, dso.did())).await?;
    telling::delivery(out, &delivered, &receipt)?;
    let other_zone = refused(seller.send(&channel, &bid("GB-9", 250)).await)?;
    telling::refusal(out, "a bid for GB-9", &other_zone)?;

    writeln!(out, "\n5. Evidence: the DSO's record, verified with nothing but the trust pack")?;
    let bundle = blocking(|| evidence::write(&reader, &channel, shell))?;
    let audit = blocking(|| evidence::read(&bundle, &pack, shell))?;
    telling::audit(out, &audit)?;

    writeln!(out, "\n6. The regulator revokes flexgen's visa")?;
    let list = blocking(|| visas::revoke(&mut regulator, &visa, shell))?;
    reader.node.give(list.secured().text().as_bytes()).await?;
    seller.knows(&list).await?;
    writeln!(
        out,
        "   the DSO's node was given the new status list; flexgen's heard of it by gossip"
    )?;
    let revoked = refused(seller.send(&channel, &bid("GB-1", 250)).await)?;
    telling::refusal(out, "the next bid for GB-1", &revoked)?;

    seller.node.stop().await;
    reader.node.stop().await;
    Ok(Ending { shown, delivered, receipt, other_zone, audit, revoked })
}

/// Wallets, signatures and evidence take their time, on purpose or by their size: the runtime is told, so that what
/// else it runs, such as a node, goes on. What owns all that it needs goes into `tokio::task::spawn_blocking`.
pub(crate) fn blocking<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

/// A holder asks the regulator for a role, is issued the visa, verifies it and keeps it.
fn grant(
    regulator: &mut Party,
    holder: &mut Party,
    role: &str,
    claims: &[(&str, Value)],
    out: &mut dyn Write,
    shell: &mut Shell<'_>,
) -> Result<gridpass_credentials::visa::Visa> {
    let claims: Map<_, _> = claims.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
    let request = visas::ask(holder, regulator.did(), role, claims, shell)?;
    let (visa, parcel) = visas::issue(regulator, &request, shell)?;
    let report = visas::accept(holder, &parcel, shell)?;
    telling::grant(out, &visa, &report)?;
    Ok(visa)
}

fn refused<T>(result: Result<T, AskError>) -> Result<AskError> {
    result.err().ok_or_else(|| Error::new("a message went out that everybody would refuse"))
}
