//! Presenting visas to somebody.

use super::standing::{Known, Standing};
use super::write_parcel;
use crate::commands::arguments::{dids_in, parse_duration};
use crate::commands::sign::identity;
use crate::context::{GlobalArgs, OutputArgs, now};
use crate::help;
use crate::output::{Answer, Failure, Outcomes, counted};
use crate::resolving::parse_audience;
use crate::warnings::{hint, warn};
use clap::Args;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::keeping::{self, HeldVisa, KeepError};
use gridpass_credentials::parcel::{Parcel, ParcelKind, lists_named_in};
use gridpass_credentials::presenting::{Showing, present, shown_with};
use gridpass_credentials::secured::Binding;
use gridpass_credentials::trust::KnownRole;
use gridpass_identity::did::Did;
use gridpass_identity::wallet::Wallet;
use gridpass_identity::wallet::identities::Identity;
use serde_json::json;
use std::collections::BTreeSet;

/// Present visas that you hold to somebody, with everything that proves them
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass visa present flex.gb.aggregator --to did:webvh:… -o presentation.json\n  \
     gridpass visa present flex.gb.aggregator --to did:webvh:… --nonce n-81 --disclose zone\n  \
     (with --disclose only these claims of an SD-JWT are shown; with --disclose-none, none. A visa in\n   \
     another form is shown whole: it is refused where nothing can be withheld, else warned of)"
))]
pub struct PresentArgs {
    /// The visas, by role, id or hash
    #[arg(required = true)]
    visas: Vec<String>,
    /// To whom: a DID, or the CID of a channel
    #[arg(long, value_name = "DID")]
    to: String,
    /// The nonce that the verifier gave you
    #[arg(long, value_name = "TEXT")]
    nonce: Option<String>,
    /// For how long the presentation counts, and no longer than the visas in it
    #[arg(long = "for", value_name = "TIME", default_value = "10m")]
    lifetime: String,
    /// Show only these claims of the visas that you name, where a visa lets you withhold, and none of those
    /// that are shown too since a role requires them [default: all]
    #[arg(long, value_name = "CLAIM")]
    disclose: Vec<String>,
    /// Withhold every claim that can be withheld
    #[arg(long, conflicts_with = "disclose")]
    disclose_none: bool,
    #[command(flatten)]
    output: OutputArgs,
}

pub fn run(global: &GlobalArgs, args: &PresentArgs) -> Outcomes {
    args.output.check()?;
    refuse_nobody(&args.to)?;
    let lifetime = parse_duration(&args.lifetime)?;
    if lifetime == 0 {
        let message = "a presentation that counts for no time is refused by everybody";
        return Err(Failure::new(crate::codes::DURATION, message));
    }
    let wallet = global.wallet()?;
    let mut held = Vec::new();
    let mut known = Known::of(&wallet)?;
    for name in &args.visas {
        let visa = known.find_to_show(&wallet, name)?;
        refuse_what_is_over(&wallet, &mut known, name, &visa)?;
        held.push(visa);
    }
    let holder = match held.first() {
        Some(first) => first.read()?.1.subject,
        None => identity(&wallet, None)?.did,
    };
    let me = identity(&wallet, Some(holder.as_str()))?;
    // Without what their roles require they would not count.
    let named = held.iter().map(|one| Ok(one.read()?.1)).collect::<Result<Vec<_>, KeepError>>()?;
    let mut added = Vec::new();
    let withholds = args.disclose_none || !args.disclose.is_empty();
    for (visa, more) in shown_with(&wallet, &named, now())? {
        let part = match withholds {
            true => ", with no claim that can be withheld; to show some, name it, too",
            false => "",
        };
        let role = &visa.role;
        hint(format_args!("note: the visa for {role} is shown too, since it is required{part}"));
        added.push(more);
    }
    let disclose = match (args.disclose_none, args.disclose.as_slice()) {
        (true, _) => Some(Vec::new()),
        (false, []) => None,
        (false, names) => Some(names.iter().map(String::as_str).collect::<Vec<_>>()),
    };
    if let Some(names) = &disclose {
        tell_what_is_shown(&held, &added, names)?;
    }
    let asked = now().plus_millis(lifetime);
    let mut expires = asked;
    for one in held.iter().chain(&added) {
        expires = expires.min(one.read()?.1.valid_until);
    }
    if expires < asked {
        hint(format_args!("note: it counts until {expires}, when a visa in it ends"));
    }
    let binding = Binding { audience: args.to.clone(), nonce: args.nonce.clone(), expires };
    let (text, texts) = sign_presentation(&wallet, &me, &held, &binding, disclose.as_deref())?;
    let mut parcel = Parcel::new(ParcelKind::Presentation, Some(text));
    parcel.status_lists = lists_named_in(&texts, &keeping::lists(&wallet)?.0);
    let mut dids = dids_in(&texts);
    dids.push(me.did.clone());
    let json = json!({
        "holder": me.did,
        "audience": binding.audience,
        "nonce": binding.nonce,
        "expires": binding.expires,
        "visas": texts.len(),
    });
    // In a channel the own node shows it to its peers.
    let next = match binding.audience.starts_with("did:") {
        true => format!(
            "send the file; its reader runs `gridpass visa verify FILE --audience {}`",
            binding.audience
        ),
        false => {
            "give the file to your node, which shows it in the channel: `gridpass node add FILE`"
                .to_owned()
        }
    };
    let text = format!(
        "Presentation of {} to {}, until {}\n  {} in it, with those that prove their issuers' \
         authority\nnext: {next}",
        args.visas.join(", "),
        binding.audience,
        binding.expires,
        counted(texts.len(), "visa", "visas"),
    );
    write_parcel(
        parcel,
        &wallet,
        &dids,
        &args.output,
        Answer::new("gridpass.visa.present/1", json, text),
    )
}

/// Nobody is called so: a verifier expects its own DID, a node the CID of a channel.
fn refuse_nobody(to: &str) -> Result<(), Failure> {
    if to.starts_with("did:") {
        return parse_audience(to).map(drop);
    }
    if ContentId::parse(to).is_ok() {
        return Ok(());
    }
    let message = format!("{to:?} is neither a DID nor the CID of a channel");
    let next = "Ask its reader for its DID; `gridpass channel show FILE` prints a channel's CID.";
    Err(Failure::new(crate::codes::USAGE, message).next(next))
}

/// What was shown is not taken back: which claims a visa shows though they are not named is told, and
/// where none of the visas lets anything be withheld, nothing is signed. Of visas that are added nothing is
/// named.
fn tell_what_is_shown(
    held: &[HeldVisa],
    added: &[HeldVisa],
    names: &[&str],
) -> Result<(), Failure> {
    let (mut known, mut open) = (BTreeSet::new(), Vec::new());
    let mut withholds = false;
    let named = held.iter().map(|one| (one, true)).chain(added.iter().map(|one| (one, false)));
    for (one, is_named) in named {
        let (secured, visa) = one.read()?;
        let withholdable: Vec<&str> = secured.withholdable().collect();
        withholds |= !withholdable.is_empty();
        let wanted = |name: &&str| is_named && names.contains(name);
        let is_open = |name: &&str| !withholdable.contains(name) && !wanted(name);
        let shown: Vec<&str> = visa.claims.keys().map(String::as_str).filter(is_open).collect();
        if !shown.is_empty() {
            let form = secured.form();
            open.push(format!("{} of the visa {} ({form})", shown.join(", "), visa.role));
        }
        if is_named {
            known.extend(withholdable.into_iter().map(str::to_owned));
            known.extend(visa.claims.keys().cloned());
        }
    }
    if let Some(missing) = names.iter().find(|name| !known.contains(**name)) {
        let message = format!("no visa that is named has a claim {missing:?}");
        return Err(Failure::new(gridpass_credentials::codes::CLAIM_NOT_FOUND, message));
    }
    if open.is_empty() {
        return Ok(());
    }
    let open = open.join("; ");
    if withholds {
        warn(None, format_args!("this cannot be withheld, and is shown: {open}"));
        return Ok(());
    }
    let message = format!("nothing of it can be withheld, and it would show {open}");
    Err(Failure::new(crate::codes::USAGE, message).next(
        "Show it whole, without --disclose and --disclose-none; or ask its issuer for one that lets \
         you withhold: `gridpass visa issue … --form sd-jwt`.",
    ))
}

/// Everybody would refuse a visa whose time is over or that is revoked; its holder is told before it
/// shows it. What may count again by the time that it is read is only warned of.
fn refuse_what_is_over(
    wallet: &Wallet,
    known: &mut Known,
    name: &str,
    held: &HeldVisa,
) -> Result<(), Failure> {
    let visa = held.read()?.1;
    let standing = known.standing(wallet, held, &visa)?;
    if standing.is_given_up() {
        // Its holder is refused, whatever it would show.
        return Ok(());
    }
    let is_over = standing.is_over();
    let Standing { state, why: Some((code, sentence)) } = standing else { return Ok(()) };
    if !is_over {
        warn(Some(code), format_args!("the visa {name} would be refused now: {sentence}"));
        return Ok(());
    }
    let (role, issuer) = (&visa.role, &visa.issuer);
    let next = match state {
        "expired" => format!("Renew it: `gridpass visa renew {name} -o request.json`."),
        _ => format!(
            "Ask its issuer why, and for a new one, with its claims: `gridpass visa request {role} \
             --issuer {issuer} --claim … -o request.json`."
        ),
    };
    Err(Failure::new(code, format!("the visa {name} is {state}: {sentence}")).next(next))
}

/// Signs a presentation of these visas, those that their roles require and all that they rest on; gives their
/// texts too.
pub fn sign_presentation(
    wallet: &Wallet,
    me: &Identity,
    held: &[HeldVisa],
    binding: &Binding,
    disclose: Option<&[&str]>,
) -> Result<(String, Vec<String>), Failure> {
    let showing = Showing { holder: me, visas: held, disclose, binding, now: now() };
    let shown = present(wallet, &showing)?;
    Ok((shown.text, shown.visas))
}

/// For a request: a presentation, for the issuer, of the held visas that the role requires first.
pub fn prerequisites(
    wallet: &Wallet,
    me: &Identity,
    role: &KnownRole,
    issuer: &Did,
) -> Result<(Option<String>, Vec<String>), Failure> {
    let Some(requirement) = &role.definition.preconditions else {
        return Ok((None, Vec::new()));
    };
    let roles = requirement.roles();
    let mut known = Known::of(wallet)?;
    let mut fitting = Vec::new();
    for held in keeping::visas(wallet)? {
        let visa = held.read()?.1;
        // One that is over beside its renewal would have the whole refused.
        if visa.subject == me.did
            && roles.contains(&&visa.definition)
            && !known.standing(wallet, &held, &visa)?.is_over()
        {
            fitting.push(held);
        }
    }
    if fitting.is_empty() {
        return Ok((None, Vec::new()));
    }
    let binding = Binding {
        audience: issuer.to_string(),
        nonce: None,
        // A request may lie on a desk for as long as it counts.
        expires: now().plus_millis(gridpass_credentials::request::MAX_AGE_MILLIS),
    };
    let (text, texts) = sign_presentation(wallet, me, &fitting, &binding, None)?;
    Ok((Some(text), texts))
}
