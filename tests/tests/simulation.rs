//! Fifty nodes in virtual time, with loss, a partition, nodes that come and go, a revocation and
//! adversaries: what must hold in every run.

#![allow(missing_docs, clippy::print_stdout)]

use gridpass_tests::simulation::{Kind, Outcome, Setting, run};

fn setting(seed: u64) -> Setting {
    Setting {
        seed,
        aggregators: 16,
        operators: 28,
        adversaries: 2,
        messages: 12,
        lost_per_mille: 20,
    }
}

fn percentile(values: &mut [u64], part: usize) -> u64 {
    values.sort_unstable();
    values.get(values.len().saturating_sub(1) * part / 100).copied().unwrap_or_default()
}

fn holds(seed: u64, outcome: &mut Outcome) {
    assert_eq!(outcome.sent.len(), 15 * 12, "seed {seed}");
    for (index, node) in outcome.nodes.iter().enumerate() {
        match node.kind {
            Kind::Operator => {
                let missing: Vec<_> =
                    outcome.sent.iter().filter(|id| !node.delivered.contains_key(id)).collect();
                assert!(missing.is_empty(), "seed {seed}: node {index} lacks {}", missing.len());
                // And nothing that nobody honest sent, but one of each two that were forked.
                let known = |id| outcome.sent.contains(id) || outcome.by_revoked.contains(id);
                let others = node.delivered.keys().filter(|id| !known(*id)).count();
                assert!(others <= 2 * 12, "seed {seed}: node {index} has {others} of cheats");
            }
            _ => assert_eq!(node.received, 0, "seed {seed}: node {index} may not read"),
        }
    }
    assert_eq!(outcome.late, 0, "seed {seed}: delivered although the list was here");
    let operators = outcome.nodes.iter().filter(|n| n.kind == Kind::Operator);
    assert!(operators.clone().any(|n| n.forks > 0), "seed {seed}: forks are found");
    assert!(operators.count() == outcome.revocations.len(), "seed {seed}: all have the list");
    for dropped in &outcome.dropped {
        assert_eq!(outcome.nodes[*dropped].kind, Kind::Vandal, "seed {seed}: an honest peer");
    }
    assert!(!outcome.dropped.is_empty(), "seed {seed}: vandals are dropped");
    println!(
        "seed {seed}: delivered after {} ms (half), {} ms (95 of 100); revoked after {} ms, {} ms; \
         {:.1} envelopes on the wire for each delivered",
        percentile(&mut outcome.delays, 50),
        percentile(&mut outcome.delays, 95),
        percentile(&mut outcome.revocations, 50),
        percentile(&mut outcome.revocations, 100),
        outcome.amplification
    );
}

#[test]
fn every_entitled_subscriber_gets_every_accepted_message_and_no_one_else_any() {
    for seed in 1..=3 {
        holds(seed, &mut run(setting(seed)));
    }
}

#[test]
fn a_run_is_the_same_every_time() {
    let (one, two) = (run(setting(9)), run(setting(9)));
    assert_eq!(one.delays, two.delays);
    assert_eq!(one.revocations, two.revocations);
}
