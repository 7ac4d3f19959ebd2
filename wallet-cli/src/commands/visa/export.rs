//! A visa that was issued or is held, or a node's authorisation, once more as a file.

use super::standing::Known;
use super::{not_issued, write_parcel};
use crate::context::{GlobalArgs, OutputArgs, now};
use crate::help;
use crate::output::{Answer, Failure, Outcomes};
use crate::shown::shown as harmless;
use crate::warnings::hint;
use clap::Args;
use gridpass_credentials::authorisation::NodeAuthorisation;
use gridpass_credentials::issuing::IssuedVisa;
use gridpass_credentials::keeping::{self, HeldVisa, KeepError};
use gridpass_credentials::parcel::{Parcel, ParcelKind, dids_in, lists_named_in};
use gridpass_credentials::register;
use gridpass_credentials::visa::Visa;
use gridpass_identity::wallet::Wallet;
use serde_json::json;

/// Write a visa that you issued or hold, or a node's authorisation, once more: its file was lost
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass visa list --issued\n  \
     gridpass visa export urn:uuid:… -o visa.json\n  \
     gridpass visa export flex.gb.aggregator -o copy.json     one that you hold\n  \
     (the same visa, with the status lists as you have them now; nothing is issued)"
))]
pub struct ExportArgs {
    /// The visa, by id, hash, or holder's DID; or an authorisation, by id or node's DID; or a visa
    /// that you hold, by role, id or hash
    visa: String,
    #[command(flatten)]
    output: OutputArgs,
}

pub fn export(global: &GlobalArgs, args: &ExportArgs) -> Outcomes {
    args.output.check()?;
    let wallet = global.wallet()?;
    let schema = "gridpass.visa.export/1";
    let living =
        |record: &IssuedVisa, visa: &Visa| record.state() != "revoked" && visa.valid_until > now();
    match register::find_issued(&wallet, &args.visa, living) {
        Ok(record) => {
            let visa = record.read()?;
            let parcel = register::parcel_of(&wallet, &record)?;
            let json = json!({"visa": visa, "state": record.state()});
            let text = format!(
                "Visa {} for {}, {}\n  id               {}\n\
                 next: send the file to its holder, who runs `gridpass visa accept FILE`",
                visa.role,
                visa.subject,
                record.state(),
                visa.id
            );
            write(parcel, &args.output, Answer::new(schema, json, text))
        }
        Err(e @ KeepError::NotFound { .. }) => {
            let Some((authorisation, text)) = find_authorisation(&wallet, &args.visa)? else {
                return match Known::of(&wallet)?.find(&wallet, &args.visa) {
                    Ok(held) => export_held(&wallet, held, args, schema),
                    Err(none) if none.code == gridpass_credentials::codes::NOT_KEPT => {
                        Err(not_issued(e))
                    }
                    Err(other) => Err(other),
                };
            };
            let mut parcel = Parcel::new(ParcelKind::NodeAuthorisation, Some(text));
            for list in register::signed_lists(&wallet)? {
                if list.id == authorisation.status.list && list.issuer == authorisation.principal {
                    parcel.status_lists.push(list.secured().text().to_owned());
                }
            }
            let state = state_of(&wallet, &authorisation)?;
            let next = match state {
                "in force" => "copy the file to the node".to_owned(),
                _ => format!("gridpass visa authorise-node {}", authorisation.node),
            };
            let text = format!(
                "Authorisation of {}, {state}\n  id               {}\nnext: {next}",
                authorisation.node, authorisation.id
            );
            let json = json!({"authorisation": authorisation, "state": state});
            let principal = authorisation.principal.clone();
            let answer = Answer::new(schema, json, text);
            write_parcel(parcel, &wallet, &[principal], &args.output, answer)
        }
        Err(e) => Err(e.into()),
    }
}

/// A visa that is held, with what it rests on, as `gridpass visa accept` takes it.
fn export_held(
    wallet: &Wallet,
    held: HeldVisa,
    args: &ExportArgs,
    schema: &'static str,
) -> Outcomes {
    let visa = held.read()?.1;
    let state = Known::of(wallet)?.standing(wallet, &held, &visa)?.state;
    let text = format!(
        "Visa {} of {}, {state}\n  id               {}\n\
         next: keep the file, or `gridpass visa accept FILE` where its holder's wallet lacks it",
        visa.role,
        visa.subject,
        harmless(&visa.id)
    );
    let mut texts = held.supporting.clone();
    texts.push(held.text.clone());
    let mut parcel = Parcel::new(ParcelKind::Visa, Some(held.text));
    parcel.supporting = held.supporting;
    parcel.status_lists = lists_named_in(&texts, &keeping::lists(wallet)?.0);
    let answer = Answer::new(schema, json!({"visa": visa, "state": state}), text);
    write_parcel(parcel, wallet, &dids_in(&texts), &args.output, answer)
}

/// Whether an authorisation counts.
fn state_of(wallet: &Wallet, one: &NodeAuthorisation) -> Result<&'static str, Failure> {
    Ok(if register::is_set(wallet, &one.principal, &one.status)? {
        "revoked"
    } else if one.valid_until <= now() {
        "expired"
    } else {
        "in force"
    })
}

/// The authorisation by its id or its node's DID, with its text: of several the newest of those that count.
fn find_authorisation(
    wallet: &Wallet,
    name: &str,
) -> Result<Option<(NodeAuthorisation, String)>, Failure> {
    let mut found = None;
    for (one, text) in register::authorisations(wallet)? {
        if one.id != name && one.node.as_str() != name {
            continue;
        }
        let rank = (state_of(wallet, &one)? == "in force", one.valid_until);
        if found.as_ref().is_none_or(|(held, _)| rank >= *held) {
            found = Some((rank, (one, text)));
        }
    }
    Ok(found.map(|(_, found)| found))
}

/// The parcel has every document already.
fn write(parcel: Parcel, output: &OutputArgs, answer: Answer) -> Outcomes {
    Ok(match output.write(parcel.encode()?)? {
        Some(raw) => {
            hint(&answer.text);
            answer.with_document(raw)
        }
        None => answer,
    })
}
