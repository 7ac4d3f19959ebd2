//! A demonstration that is kept: a configuration for each node, a script that renews status lists, and what to
//! type next.

use super::cast::{profile_of, write, wrong};
use super::play::{Play, Sent};
use crate::codes;
use crate::output::Failure;
use gridpass_messaging::net::NetworkSettings;
use gridpass_messaging::node::{NodeSettings, folder_of};
use std::collections::BTreeSet;
use std::path::Path;

/// The script beside the wallets.
const RENEW: &str = "renew.sh";

/// Leaves a folder in which the nodes can be run again; gives what to type, each line by itself.
pub fn leave(play: &Play<'_>) -> Result<String, Failure> {
    let home = &play.cast.home;
    let with_nodes: Vec<String> = play.nodes.known();
    for name in &with_nodes {
        let text = toml::to_string_pretty(&settings(play, name, &with_nodes)?)
            .map_err(|e| Failure::new(codes::FILE_NOT_WRITTEN, e.to_string()))?;
        let head = "# As the demonstration left it: on this machine alone, among the others.\n";
        let folder = folder_of(&home.join("profiles").join(profile_of(name)));
        write(&folder.join("node.toml"), format!("{head}{text}").as_bytes())?;
    }
    write(&home.join(RENEW), renewing(play, &with_nodes).as_bytes())?;
    Ok(next(home, play.sent.values().next(), channel_of(play)))
}

/// A channel of which there is evidence.
fn channel_of<'p>(play: &'p Play<'_>) -> &'p str {
    let mut names = play.cast.scenario.channels.iter().map(|c| c.name.as_str());
    names.find(|name| !play.said(name).is_empty()).unwrap_or_default()
}

/// Where a node listened, and all the others as its peers.
fn settings(play: &Play<'_>, name: &str, all: &[String]) -> Result<NodeSettings, Failure> {
    let mut network =
        NetworkSettings { listen: Vec::new(), discover: false, ..NetworkSettings::default() };
    if let Some(port) = play.nodes.port(name) {
        network.listen.push(port.parse().map_err(|e| wrong(&e))?);
    }
    let others = all.iter().filter(|other| *other != name);
    for address in others.filter_map(|other| play.nodes.address(other)) {
        network.peers.push(address.parse().map_err(|e| wrong(&e))?);
    }
    Ok(NodeSettings { network, ..NodeSettings::default() })
}

/// Signs the lists of everybody who issued something anew, and gives them to every node.
fn renewing(play: &Play<'_>, with_nodes: &[String]) -> String {
    let visas = play.cast.scenario.participants.iter().flat_map(|p| &p.visas);
    let issuers: BTreeSet<&str> = visas
        .map(|visa| visa.issuer.as_str())
        // Each authorised its node.
        .chain(with_nodes.iter().map(String::as_str))
        .collect();
    let issuers = issuers.into_iter().collect::<Vec<_>>().join(" ");
    let nodes: Vec<String> = with_nodes.iter().map(|name| profile_of(name)).collect();
    format!(
        "# Signs the status lists of everybody in this folder anew, and gives them to every node.\n\
         set -e\n\
         cd -- \"$(dirname -- \"$0\")\"\n\
         export GRIDPASS_HOME=\"$PWD\" GRIDPASS_PASSPHRASE_FILE=\"$PWD/passphrase.txt\"\n\
         mkdir -p renewed\n\
         for name in {issuers}; do\n    \
             gridpass status publish --profile \"$name\" --force -o \"renewed/$name.json\" > /dev/null\n\
         done\n\
         for name in {}; do\n    \
             gridpass node add renewed/*.json --profile \"$name\" > /dev/null\n\
         done\n\
         echo 'the status lists are signed anew'\n",
        nodes.join(" ")
    )
}

/// A word as a shell reads it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn next(home: &Path, sent: Option<&Sent>, channel: &str) -> String {
    let place = quoted(&home.display().to_string());
    let mut text = format!(
        "the reports, to read and print: {place}/evidence/{channel}.html, and one for each channel\n\
         status lists count for an hour here; after that nothing is sent (GP-STATUS-STALE) until\n\
         {RENEW} has signed them anew\n\
         next, in one shell:\n  \
         cd {place}\n  \
         export GRIDPASS_HOME=\"$PWD\" GRIDPASS_PASSPHRASE_FILE=\"$PWD/passphrase.txt\"\n  \
         gridpass audit verify evidence/{channel}.car --trust trust.json\n"
    );
    let Some((from, to)) = sent.and_then(|s| Some((s.from.as_str(), s.to.first()?.as_str())))
    else {
        return text;
    };
    text.push_str(&format!("  gridpass visa list --profile {from}\n"));
    for name in [from, to] {
        let node = profile_of(name);
        text.push_str(&format!("  gridpass node run --profile {node} 2>> logs/{name}.log &\n"));
    }
    let (from, to) = (profile_of(from), profile_of(to));
    text.push_str(&format!(
        "  gridpass node status --wait 1m --peers 1 --profile {from}\n  \
         gridpass outbox --profile {from}\n  \
         sh {RENEW}\n  \
         gridpass node stop --profile {from}\n  \
         gridpass node stop --profile {to}\n"
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_as_a_shell_reads_them() {
        assert_eq!(quoted("/tmp/day"), "/tmp/day");
        assert_eq!(quoted("/tmp/my day"), "'/tmp/my day'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn each_line_that_is_printed_stands_by_itself() {
        let text = next(Path::new("/tmp/my day"), None, "flex.day.bids");
        let (_, lines) = text.split_once("next, in one shell:\n").expect("what comes next");
        assert!(lines.lines().next().is_some_and(|l| l == "  cd '/tmp/my day'"), "{lines}");
        assert!(lines.lines().all(|l| l.starts_with("  ") && l.len() <= 80), "{lines}");
    }
}
