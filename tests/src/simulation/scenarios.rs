//! The runs whose measures are published in `spec/simulation.md`.

use super::setting::{Eclipse, Flood, Kind, Setting};

/// One run.
pub struct Scenario {
    /// What is in it.
    pub name: String,
    /// From which it is made.
    pub setting: Setting,
}

/// Honest nodes where adversaries are alone with them.
const NODES: usize = 200;

/// The market with one kind of adversary, by name, and how many.
#[must_use]
pub fn adversaries(nodes: Setting) -> Vec<(&'static str, Setting)> {
    let one = |setting: &Setting, kind, count| setting.clone().with(kind, count);
    let few = (nodes.aggregators + nodes.operators) / 50;
    let many = (nodes.aggregators + nodes.operators) / 5;
    let around = one(&nodes, Kind::Eclipser, 80);
    let flood = |flood| one(&nodes, Kind::Flooder(flood), few);
    vec![
        ("eavesdroppers", one(&nodes, Kind::Eavesdropper, few)),
        ("vandals", one(&nodes, Kind::Vandal, few)),
        ("sybils", one(&nodes, Kind::Sybil, 600)),
        ("eclipse, mesh", Setting { eclipse: Some(Eclipse::Mesh), ..around.clone() }),
        ("eclipse, whole", Setting { eclipse: Some(Eclipse::Whole), ..around }),
        ("flood, denied", flood(Flood::Denied)),
        ("flood, denied, slow", flood(Flood::DeniedSlowly)),
        ("flood, nobody's", flood(Flood::Nobody)),
        ("flood, unshown", flood(Flood::Unshown)),
        ("withholders", one(&nodes, Kind::Withholder, many)),
        ("equivocators", one(&nodes, Kind::Equivocator, few)),
        ("stale lists", one(&nodes, Kind::Laggard, many)),
        ("backdating", Setting { backdates: true, ..nodes }),
    ]
}

/// All runs, from a seed.
#[must_use]
pub fn all(seed: u64) -> Vec<Scenario> {
    let mut all = Vec::new();
    let mut add = |name: &str, setting: Setting| {
        all.push(Scenario { name: name.to_owned(), setting: setting.clone() });
        all.push(Scenario { name: format!("{name}, troubled"), setting: setting.troubled() });
    };
    for nodes in [NODES, 500, 1000] {
        add(&format!("{nodes} honest nodes"), Setting::of(seed, nodes));
    }
    for (name, setting) in adversaries(Setting::of(seed, NODES)) {
        add(name, setting);
    }
    all
}
