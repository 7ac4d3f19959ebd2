//! Must-refuse case 23: an evidence bundle with any one part swapped for the same part of another valid
//! bundle, cut, altered or missing, by somebody on the way. For exporters who sign what they bent, see
//! `exporters.rs`.

use crate::{folder, scene};
use gridpass_identity::report::Outcome;
use gridpass_messaging::bundle::{Bundle, Cid, Kind};
use gridpass_tests::evidence::bad;
use gridpass_tests::parts::{Parts, sections, without};

#[test]
fn a_flipped_bit_anywhere_is_never_passed() {
    let folder = folder();
    let scene = scene(folder.path(), 20);
    let bytes = scene.export();
    for at in (0..bytes.len()).step_by(89) {
        let mut altered = bytes.clone();
        altered[at] ^= 1 << (at % 8);
        let error = scene.try_verify(&altered).map(|r| r.outcome).expect_err("it is refused");
        let code = error.code().id();
        assert!(["GP-BUNDLE-BLOCK", "GP-BUNDLE-MALFORMED"].contains(&code), "byte {at}: {error}");
    }
}

#[test]
fn a_flipped_bit_in_each_block_is_named() {
    let folder = folder();
    let scene = scene(folder.path(), 20);
    let bytes = scene.export();
    for (cid, block, section) in sections(&bytes).iter().filter(|(_, b, _)| !b.is_empty()) {
        let begin = bytes.windows(section.len()).position(|w| w == section).expect("it is there");
        let mut altered = bytes.clone();
        altered[begin + section.len() - block.len() / 2 - 1] ^= 4;
        let error = scene.try_verify(&altered).map(|r| r.outcome).expect_err("it is refused");
        assert_eq!(error.code().id(), "GP-BUNDLE-BLOCK");
        assert!(error.to_string().contains(cid), "{error}");
    }
}

#[test]
fn a_bundle_that_was_cut_is_never_passed() {
    let folder = folder();
    let scene = scene(folder.path(), 20);
    let bytes = scene.export();
    let mut ends: Vec<usize> = (0..bytes.len()).step_by(211).collect();
    // At the end of each block, too.
    let mut at = bytes.len();
    for (_, _, section) in sections(&bytes).iter().rev() {
        at -= section.len();
        ends.push(at);
    }
    for end in ends {
        match scene.try_verify(&bytes[..end]) {
            Err(error) => assert_eq!(error.code().id(), "GP-BUNDLE-MALFORMED", "{end}: {error}"),
            Ok(report) => {
                assert_eq!(report.outcome, Outcome::Indeterminate, "{end}: {:?}", bad(&report));
            }
        }
    }
}

#[test]
fn a_missing_part_leaves_it_open_and_fails_nothing() {
    let folder = folder();
    let scene = scene(folder.path(), 20);
    let bytes = scene.export();
    let parts = Parts::of(&bytes);
    let message = &parts.entries.messages[0];
    let open = |code: &str, checks: &[&str]| -> Vec<String> {
        let mut all: Vec<_> = checks.iter().map(|c| format!("{c} Indeterminate {code}")).collect();
        all.push("parts Indeterminate GP-BUNDLE-PART-MISSING".into());
        all.sort();
        all.dedup();
        all
    };
    let missing = "GP-BUNDLE-PART-MISSING";
    let entries = &parts.entries;
    let by_node = &entries.admissions;
    let cases: Vec<(&str, Vec<Cid>, Vec<String>)> = vec![
        (
            "admissions",
            by_node.clone(),
            open(missing, &["decision", "node", "presentation", "status", "visas"]),
        ),
        ("schemas", entries.schemas.clone(), open("GP-SCHEMA-NOT-HERE", &["payload"])),
        ("lists", entries.lists.clone(), {
            let mut all = open("GP-STATUS-UNKNOWN", &["exporter", "receipts", "status"]);
            // The authorisation's own standing hangs on its list.
            all.push("node Indeterminate GP-FACTS-OPEN".into());
            all.sort();
            all
        }),
        (
            "receipts",
            entries.receipts.iter().map(|r| r.receipt).collect(),
            open(missing, &["receipts"]),
        ),
        ("definitions", entries.definitions.clone(), open(missing, &[])),
    ];
    for (name, cids, expected) in cases {
        let names: Vec<String> = cids.iter().map(ToString::to_string).collect();
        assert!(!names.is_empty(), "{name}");
        let report = scene.verify(&without(&bytes, &names));
        assert_eq!(bad(&report), expected, "{name}");
        assert_eq!(report.outcome, Outcome::Indeterminate, "{name}");
    }
    // The verdict only.
    let payloads = entries.messages.iter().filter_map(|m| m.content.as_ref());
    for (name, names) in [
        ("envelopes", vec![message.envelope.to_string()]),
        ("payloads", payloads.map(ToString::to_string).collect()),
        ("presentations", entries.presentations.iter().map(ToString::to_string).collect()),
        ("authorisations", entries.authorisations.iter().map(ToString::to_string).collect()),
        ("descriptors", entries.descriptors.iter().map(|d| d.signed.to_string()).collect()),
    ] {
        let report = scene.verify(&without(&bytes, &names));
        assert_eq!(report.outcome, Outcome::Indeterminate, "{name}: {:?}", bad(&report));
        assert!(
            bad(&report).iter().all(|b| b.contains("Indeterminate")),
            "{name}: {:?}",
            bad(&report)
        );
    }
}

#[test]
fn a_page_that_is_missing_with_all_that_it_lists_leaves_it_open() {
    let folder = folder();
    let scene = scene(folder.path(), 20);
    let bytes = scene.export();
    let parts = Parts::of(&bytes);
    let page = parts.manifest.pages.of(Kind::Receipts)[0].to_string();
    let mut names: Vec<String> =
        parts.entries.receipts.iter().map(|r| r.receipt.to_string()).collect();
    names.push(page.clone());
    let report = scene.verify(&without(&bytes, &names));
    assert_eq!(bad(&report), ["parts Indeterminate GP-BUNDLE-PART-MISSING"]);
    // A page alone: nobody lists what it listed.
    let error =
        scene.try_verify(&without(&bytes, &[page])).map(|r| r.outcome).expect_err("refused");
    assert_eq!(error.code().id(), "GP-BUNDLE-MALFORMED");
}

#[test]
fn a_part_of_another_bundle_in_the_place_of_one_is_refused() {
    let (one, two) = (folder(), folder());
    let (ours, theirs) = (scene(one.path(), 20), scene(two.path(), 40));
    let (a, b) = (ours.export(), theirs.export());
    let (mine, other) = (sections(&a), sections(&b));
    for (place, (cid, block, _)) in mine.iter().enumerate() {
        let Some((foreign, bytes, section)) = other.get(place).filter(|o| &o.0 != cid) else {
            continue;
        };
        // Its bytes under our name, and all of it in our place.
        let begin = a.windows(block.len().max(1)).position(|w| w == block.as_slice());
        let mut swapped = without(&a, &[]);
        if let Some(begin) = begin.filter(|_| block.len() == bytes.len()) {
            swapped[begin..begin + bytes.len()].copy_from_slice(bytes);
            assert_eq!(
                ours.try_verify(&swapped).map(|_| ()).expect_err(foreign).code().id(),
                "GP-BUNDLE-BLOCK"
            );
        }
        let mut file = a[..header(&a)].to_vec();
        for (index, (_, _, own)) in mine.iter().enumerate() {
            file.extend(if index == place { section } else { own });
        }
        let error = ours.try_verify(&file).map(|r| r.outcome).expect_err(foreign);
        assert_eq!(error.code().id(), "GP-BUNDLE-MALFORMED", "block {place}: {error}");
    }
}

fn header(file: &[u8]) -> usize {
    let blocks: usize = sections(file).iter().map(|(_, _, s)| s.len()).sum();
    file.len() - blocks
}

#[test]
fn what_is_no_bundle_is_refused() {
    let folder = folder();
    let scene = scene(folder.path(), 20);
    let code = |bytes: &[u8]| Bundle::parse(bytes).map(|_| ()).expect_err("refused").code().id();
    assert_eq!(code(b""), "GP-BUNDLE-MALFORMED");
    assert_eq!(code(b"PK\x03\x04../../etc/passwd"), "GP-BUNDLE-MALFORMED");
    let bytes = scene.export();
    // A block that nothing lists; a block twice; two exchanged; something behind the end.
    let all = sections(&bytes);
    let begin = header(&bytes);
    let file = |order: &[usize]| {
        let mut out = bytes[..begin].to_vec();
        order.iter().for_each(|i| out.extend(&all[*i].2));
        out
    };
    let mut order: Vec<usize> = (0..all.len()).collect();
    assert_eq!(file(&order), bytes);
    order.push(all.len() - 1);
    assert_eq!(code(&file(&order)), "GP-BUNDLE-MALFORMED", "twice");
    order.pop();
    order.swap(all.len() - 2, all.len() - 1);
    assert_eq!(code(&file(&order)), "GP-BUNDLE-MALFORMED", "out of order");
    assert_eq!(code(&[bytes.clone(), vec![0]].concat()), "GP-BUNDLE-MALFORMED", "behind the end");
}
