//! What verifying a presentation costs, as a multiple of the bare cost of its signatures.
//!
//! `cargo bench -p gridpass-tests` prints ratios with their baseline measured in the same run;
//! BENCHMARKS.md keeps the last table.

// A benchmark is a test that prints.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout)]
#![allow(missing_docs, clippy::arithmetic_side_effects)]

use criterion::{Criterion, criterion_group, criterion_main};
use gridpass_credentials::secured::{Binding, Form, Secured};
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::status::StatusList;
use gridpass_credentials::trust::Trust;
use gridpass_credentials::verify::{Evidence, SeenLists, verify_presentation};
use gridpass_identity::key::KeyType;
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::{NoSnapshots, OfflineResolver};
use gridpass_tests::world::{self, Party, days_ago};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// A presentation with a chain of depth 3: the holder's visa and those of three issuers.
struct Chain {
    presentation: Secured,
    /// Another one of the same visas.
    earlier: Secured,
    trust: Trust,
    lists: Vec<StatusList>,
}

fn chain(form: Form) -> Chain {
    let parties: Vec<Party> = (1..=5).map(Party::new).collect();
    let first = world::definition("flex.gb.a", world::dids(&[&parties[0]]), |_| ());
    let second = world::definition("flex.gb.b", world::holders(&[&first]), |_| ());
    let third = world::definition("flex.gb.c", world::holders(&[&second]), |_| ());
    let role = world::definition("flex.gb.d", world::holders(&[&third]), |_| ());
    let roles = [&first, &second, &third, &role];
    let visas: Vec<_> = (0..4)
        .map(|i| {
            let visa = world::visa(&parties[i], &parties[i + 1], roles[i], |_| ());
            world::issue_as(&parties[i], &visa, form, days_ago(10))
        })
        .collect();
    let shown: Vec<_> = visas.iter().collect();
    let binding = Binding { expires: world::in_days(1), ..world::binding() };
    Chain {
        presentation: world::present(&parties[4], &shown),
        earlier: world::present_as(&parties[4], &shown, Form::Jwt, &binding),
        trust: world::trust(&[&parties[0]], &roles),
        lists: world::clear_lists(&parties[..4].iter().collect::<Vec<_>>()),
    }
}

impl Chain {
    /// A memory in which the chain and the lists are known, and the presentation is not.
    fn primed(&self) -> SignatureMemo {
        let mut memo = SignatureMemo::default();
        self.verify_one(&self.earlier, &mut memo);
        memo
    }

    fn verify(&self, memo: &mut SignatureMemo) {
        self.verify_one(&self.presentation, memo);
    }

    fn verify_one(&self, presentation: &Secured, memo: &mut SignatureMemo) {
        let (resolver, seen) = (OfflineResolver::new(&NoSnapshots), SeenLists::new());
        let (trust, lists) = (&self.trust, self.lists.as_slice());
        let evidence = Evidence { trust, lists, resolver: &resolver, seen: &seen };
        let bytes = presentation.text().as_bytes();
        let report = verify_presentation(bytes, &evidence, &world::expectation(), memo);
        assert_eq!(report.outcome, Outcome::Passed);
        black_box(report);
    }

    /// One for the presentation, four for the visas, eight for the status lists.
    fn signatures(&self) -> u32 {
        let lists = u32::try_from(self.lists.len()).expect("few");
        5 + lists
    }
}

/// The median time of one call.
fn median(calls: u32, mut call: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..calls)
        .map(|_| {
            let start = Instant::now();
            call();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

fn ratios() {
    let key =
        gridpass_identity::key::SecretKey::from_bytes(KeyType::Ed25519, &[7; 32]).expect("a key");
    let message = vec![0x5a; 1500];
    let (signature, public) = (key.sign(&message).expect("signs"), key.public_key());
    let bare = || median(2000, || public.verify(black_box(&message), &signature).expect("fits"));
    println!("\n| presentation, chain of depth 3 | signatures | time | ratio to them |");
    println!("|---|---|---|---|");
    for (name, form) in [
        ("vc+jwt", Form::Jwt),
        ("sd-jwt", Form::SdJwt),
        ("eddsa-jcs-2022", Form::EddsaJcs2022),
        ("eddsa-rdfc-2022", Form::EddsaRdfc2022),
    ] {
        let chain = chain(form);
        let cold = median(200, || chain.verify(&mut SignatureMemo::default()));
        let primed = chain.primed();
        let warm = median(400, || chain.verify(&mut primed.clone()));
        let one = bare();
        for (state, time, signatures) in [("cold", cold, chain.signatures()), ("memoised", warm, 1)]
        {
            // Memoised, only the signature of the presentation itself is new.
            let ratio = time.as_secs_f64() / (one.as_secs_f64() * f64::from(signatures));
            println!(
                "| {name}, {state} | {signatures} | {:.0} us | {ratio:.2} |",
                time.as_secs_f64() * 1e6
            );
        }
        println!("| bare Ed25519 verification | 1 | {:.0} us | 1 |", one.as_secs_f64() * 1e6);
    }
}

fn bench(c: &mut Criterion) {
    ratios();
    let chain = chain(Form::Jwt);
    let primed = chain.primed();
    c.bench_function("presentation, depth 3, cold", |b| {
        b.iter(|| chain.verify(&mut SignatureMemo::default()));
    });
    c.bench_function("presentation, depth 3, memoised", |b| {
        b.iter(|| chain.verify(&mut primed.clone()));
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
