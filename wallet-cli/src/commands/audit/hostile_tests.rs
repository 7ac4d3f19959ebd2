//! A report in which every text from outside tries to paint the auditor's screen or to forge a line.

use super::{csv, html, text};
use crate::shown::acts;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::verify::Age;
use gridpass_identity::codes as identity_codes;
use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::report::Outcome;
use gridpass_identity::time::UnixMillis;
use gridpass_messaging::bundle::{
    Audit, BundleSummary, Counts, Exporter, JudgedBy, MessageReport, Note, PayloadState,
    ReceiptReport, Report, Sample, Selection, TrustSummary,
};
use gridpass_messaging::codes;
use std::sync::Arc;

const HOSTILE: &str =
    "\u{1b}[2J\u{1b}[H\nPASSED\r\n\u{1b}[32mPASSED\u{1b}[8m\u{9b}2J\u{202e}\u{2028}<b>=1+1";

fn did() -> Did {
    Did::parse("did:web:aggregator.example").expect("a DID")
}

fn check(name: &'static str, outcome: Outcome) -> Audit {
    Audit {
        name,
        outcome,
        code: codes::FACTS_OPEN,
        sentence: HOSTILE.into(),
        evidence: vec![Arc::from(HOSTILE)],
    }
}

fn message() -> MessageReport {
    MessageReport {
        id: HOSTILE.into(),
        number: 7,
        sender: Some(did()),
        key: DidUrl::parse("did:web:aggregator.example#k").ok(),
        sequence: Some(1),
        topic: Some(HOSTILE.into()),
        recipients: vec![did()],
        thread: None,
        payload: PayloadState::Here,
        verdict: "deny",
        reasons: vec![HOSTILE.into()],
        outcome: Outcome::Indeterminate,
        code: codes::FACTS_OPEN,
        sentence: HOSTILE.into(),
        times: None,
        receipts: vec![ReceiptReport {
            receipt: HOSTILE.into(),
            recipient: did(),
            key: DidUrl::parse("did:web:aggregator.example#k").expect("a key"),
            issued: UnixMillis::from_millis(1_772_366_400_000),
            state: "refused",
            reasons: vec!["GP-POLICY-UNMET".into(), HOSTILE.into()],
            outcome: Outcome::Indeterminate,
        }],
        without_receipt: vec![did()],
        notes: vec![Note { code: codes::REVOKED_UNHEARD, sentence: HOSTILE.into() }],
        checks: vec![Arc::new(check("payload", Outcome::Indeterminate))],
    }
}

fn report() -> Report {
    let id = ContentId::of_bytes(b"any").expect("a CID");
    let time = UnixMillis::from_millis(1_772_366_400_000);
    let selection = Selection { participant: Some(did()), ..Selection::of_channel(id.clone()) };
    Report {
        document_type: "gridpass-audit-report",
        format_version: 1,
        outcome: Outcome::Failed,
        code: identity_codes::SIGNED_IN_FUTURE,
        sentence: HOSTILE.into(),
        at: time,
        bundle: BundleSummary {
            root: HOSTILE.into(),
            bytes: 1,
            exporter: Exporter { participant: did(), authorisation: None },
            key: HOSTILE.into(),
            made: time,
            framework: id.clone(),
            judged_by: JudgedBy { pack: id.clone(), charter: id.clone() },
            selection,
            channel: Some(HOSTILE.into()),
            missing: vec![format!("lists {HOSTILE}")],
        },
        trust: TrustSummary {
            pack: id.clone(),
            framework: id.clone(),
            charter: id,
            name: HOSTILE.into(),
            version: 1,
            dated: time,
        },
        sample: Some(Sample { size: 1, seed: 7 }),
        ages: vec![Age { what: HOSTILE.into(), age_seconds: 3 }],
        counts: Counts { messages: 9, verified: 1, forks: 1, ..Counts::default() },
        checks: vec![
            check("parts", Outcome::Failed),
            Audit {
                sentence: format!("did:web:x signed two {HOSTILE}").into(),
                ..check("forks", Outcome::Passed)
            },
        ],
        gaps: Vec::new(),
        messages: vec![message()],
    }
}

/// Nothing acts in it but line ends and our own styles, and no line of it is what the bundle says.
fn harmless(text: &str) {
    let mut left = text.to_owned();
    // Taken as printed: a style that a bundle wrote would show as another count of them.
    for style in ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m"] {
        left = left.replace(style, "");
    }
    let lines = left.replace("\r\n", "\n");
    for line in lines.lines() {
        assert!(!line.contains(acts), "{line:?}");
        assert!(!line.starts_with("PASSED"), "forged: {line:?}");
    }
}

#[test]
fn the_screen_shows_what_the_bundle_says_and_does_not_do_it() {
    let report = report();
    let summary = text::summary(&report);
    harmless(&summary);
    assert!(summary.starts_with("FAILED (a sample of 1 of 9, seed 7): "), "{summary}");
    let second = summary.lines().nth(1).expect("a second line");
    assert!(second.contains("EQUIVOCATION") && second.contains("did:web:x"), "{summary}");
    assert!(summary.contains("PROVEN"), "{summary}");
    assert!(summary.contains("only messages sent by did:web:aggregator.example"), "{summary}");
    assert!(summary.contains("missing   1: ") && summary.contains(r"lists \u{1b}[2J"), "{summary}");
    assert!(summary.contains(r"\u{1b}[32mPASSED\u{1b}[8m\u{9b}2J\u{202e}\u{2028}"), "{summary}");
    let explained = text::explained(&report, &report.messages[0]);
    harmless(&explained);
    assert!(explained.starts_with("the bundle: FAILED (a sample of 1 of 9"), "{explained}");
    assert!(
        explained.contains("EQUIVOCATION") && explained.contains("the message: "),
        "{explained}"
    );
}

#[test]
fn what_passed_is_no_good_news_where_somebody_contradicts_itself() {
    let report = Report { outcome: Outcome::Passed, sample: None, ..report() };
    let summary = text::summary(&report);
    assert!(summary.starts_with("PASSED\n"), "{summary}");
    assert!(summary.lines().nth(1).is_some_and(|line| line.contains("EQUIVOCATION")), "{summary}");
    assert!(html::page(&report).contains("<title>Audit: passed, EQUIVOCATION</title>"));
    let honest = Report { checks: vec![check("receipts", Outcome::Passed)], ..report };
    assert!(!text::summary(&honest).contains("EQUIVOCATION"));
    assert!(
        !html::page(&honest).contains("EQUIVOCATION")
            && !csv::table(&honest).contains("EQUIVOCATION")
    );
}

#[test]
fn each_row_of_the_table_says_what_came_out_for_the_bundle() {
    let table = csv::table(&report());
    harmless(&table);
    let rows: Vec<_> = table.lines().collect();
    assert_eq!(rows.len(), 2, "{table}");
    assert!(rows[0].contains(r#""bundle outcome","bundle code","bundle equivocation""#), "{table}");
    assert!(
        rows[1].contains(r#""failed","GP-SIGNED-IN-FUTURE","EQUIVOCATION: did:web:x"#),
        "{table}"
    );
    assert!(rows[1].contains(r#""a sample of 1 of 9, seed 7""#), "{table}");
    let cells = |row: &str| row.split("\",\"").count();
    assert_eq!(cells(rows[0]), cells(rows[1]), "{table}");
}

#[test]
fn the_page_says_it_near_its_head_and_can_be_printed() {
    let page = html::page(&report());
    harmless(&page);
    let (head, _) = page.split_once("What was verified").expect("a table");
    for says in ["failed", "(a sample of 1 of 9, seed 7)", "EQUIVOCATION", "did:web:x"] {
        assert!(head.contains(says), "{says}: {head}");
    }
    for says in [
        "only messages sent by did:web:aggregator.example",
        "1: lists \\u{1b}",
        "th,td{overflow-wrap:anywhere}",
        "table{table-layout:fixed}",
    ] {
        assert!(page.contains(says), "{says}");
    }
    assert!(!page.contains("<b>"), "markup of others");
}

/// However many messages there are, and though all of them passed.
#[test]
fn each_report_has_notes_recipients_and_what_receipts_say() {
    let passed = MessageReport { outcome: Outcome::Passed, ..message() };
    let report = Report { messages: vec![passed; 120], ..report() };
    let (summary, page, table) = (text::summary(&report), html::page(&report), csv::table(&report));
    let explained = text::explained(&report, &report.messages[0]);
    [&summary, &page, &table, &explained].into_iter().for_each(|text| harmless(text));
    let note = "GP-REVOKED-UNHEARD";
    let third = summary.lines().nth(2).expect("a third line");
    assert!(third.starts_with("NOTED 120, the first: ") && third.contains(note), "{summary}");
    assert!(page.matches(note).count() > 120, "{}", page.matches(note).count());
    assert!(page.contains("<th scope=\"row\">Noted</th><td>120 of GP-REVOKED-UNHEARD"), "{page}");
    let rows: Vec<_> = table.lines().skip(1).collect();
    let says = "did:web:aggregator.example: refused (GP-POLICY-UNMET, ";
    for row in &rows {
        for part in [note, says, r#"=1+1","did:web:aggregator.example","#] {
            assert!(row.contains(part), "{part}: {row}");
        }
    }
    assert_eq!(rows.len(), 120);
    let line = explained.lines().find(|line| line.starts_with("receipt ")).expect("a receipt");
    assert!(line.contains("refused (GP-POLICY-UNMET, "), "{line}");
    assert!(line.ends_with(": cannot be decided"), "{line}");
    assert!(page.contains("refused (GP-POLICY-UNMET, "), "{page}");
    assert!(page.contains("<p>To:<br>did:web:aggregator.example</p>"), "{page}");
}
