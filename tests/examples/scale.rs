use gridpass_tests::simulation::*;
fn main() {
    let n: usize = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(50);
    let t = std::time::Instant::now();
    let o = run(Setting::of(1, n).troubled());
    eprintln!("{:?}", t.elapsed()); dbg(&o);
    println!("{:#?}\n{:?}\n{:?} checked {} peers {} waited {} fetched {} queued {}", o.measures(), o.broken(), o.verdicts, o.checked, o.most_peers, o.waited, o.fetched, o.queued);
}
#[allow(dead_code)]
fn dbg(o: &Outcome) {
    for (i, node) in o.readers() {
        let l: Vec<_> = o.accepted().filter(|(n, _)| !node.delivered.contains_key(n)).map(|(n, s)| (n, s.author, s.at, node.copies.get(&n).copied())).collect();
        if !l.is_empty() { println!("{i} informed {:?}: {l:?}", node.informed); }
    }
}
