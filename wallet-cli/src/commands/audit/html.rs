//! The report of an audit as one page: nothing is loaded, nothing runs, and it prints.

use super::words::{
    equivocations, is_equivocation, noted, reasons, remedy, said, sampled, selected, word,
};
use crate::output::counted;
use crate::shown::shown;
use gridpass_identity::report::Outcome;
use gridpass_messaging::bundle::{Audit, MessageReport, Report};

/// Up to so many messages, each has its checks on the page; of more, those that do not hold or have notes.
const ALL: usize = 100;

const STYLE: &str = "\
body{font:16px/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff;max-width:75rem;margin:0 auto;padding:1.5rem}\
h1,h2,h3{line-height:1.2}code,td.id{font-family:ui-monospace,monospace;font-size:.85em}code,h1,p,li,th,td{overflow-wrap:anywhere}th.n{width:3rem}\
table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}caption{text-align:left;font-weight:600;padding:.3rem 0}\
th,td{border:1px solid #767676;padding:.3rem .5rem;text-align:left;vertical-align:top}th{background:#f0f0f0}\
.passed{color:#0b5a1e}.failed{color:#a1000f;font-weight:700}.indeterminate{color:#6b4500;font-weight:700}\
.proven{border:3px solid #a1000f;padding:.5rem}a:focus{outline:3px solid #0050b3}section{break-inside:auto}\
@media print{body{font-size:9pt;max-width:none;padding:0}table{table-layout:fixed}th,td{padding:.15rem .25rem}tr,h2,h3{break-inside:avoid}h2,h3{break-after:avoid}thead{display:table-header-group}}";

/// The page.
pub fn page(report: &Report) -> String {
    let mut out =
        String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    out.push_str("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n");
    out.push_str(&format!("<title>Audit: {}</title>\n", titled(report)));
    out.push_str(&format!("<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"));
    head(report, &mut out);
    checks("Checks of the bundle", report.checks.iter(), &mut out);
    gaps(report, &mut out);
    ages(report, &mut out);
    notes(report, &mut out);
    messages(report, &mut out);
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn head(report: &Report, out: &mut String) {
    let (bundle, trust, counts) = (&report.bundle, &report.trust, &report.counts);
    out.push_str(&format!(
        "<h1>Audit of an evidence bundle: {}{}</h1>\n<p>{} <code>{}</code></p>\n",
        outcome(report.outcome),
        sampled(report).map(|sample| format!(" ({sample})")).unwrap_or_default(),
        escape(&report.sentence),
        report.code
    ));
    if report.outcome != Outcome::Passed {
        out.push_str(&format!("<p>What to do: {}</p>\n", escape(remedy(report.code))));
    }
    equivocation(report, out);
    let selection = &bundle.selection;
    let looked_at = match sampled(report) {
        Some(sample) => format!("{sample}; the others were not looked at"),
        None => "every message".to_owned(),
    };
    let rows = [
        ("Channel", bundle.channel.clone().unwrap_or_else(|| selection.channel.to_string())),
        ("Selected by the exporter", selected(selection)),
        ("Looked at", looked_at),
        (
            "Exporter",
            format!("{}, at {} by its own word", bundle.exporter.participant, bundle.made),
        ),
        ("Root of the bundle", bundle.root.clone()),
        ("Trust pack", format!("{}, version {} of {}", trust.name, trust.version, trust.dated)),
        ("Its CID", trust.pack.to_string()),
        ("Verified at", report.at.to_string()),
        (
            "Messages",
            format!(
                "{} ({} allowed, {} refused by the record); of {} verified, {} hold, {} do not, {} cannot be decided",
                counts.messages,
                counts.allowed,
                counts.refused,
                counts.verified,
                counts.passed,
                counts.failed,
                counts.indeterminate
            ),
        ),
        ("Payloads not in the bundle", counts.withheld.to_string()),
        (
            "Receipts",
            format!(
                "{}; {} without one",
                counts.receipts,
                counted(counts.without_receipt, "recipient", "recipients")
            ),
        ),
        ("Noted", notes_in_short(report)),
        ("Missing, as the exporter says", missing(&bundle.missing)),
    ];
    out.push_str("<table>\n<caption>What was verified</caption>\n<tbody>\n");
    for (name, value) in rows {
        out.push_str(&format!(
            "<tr><th scope=\"row\">{name}</th><td>{}</td></tr>\n",
            escape(&value)
        ));
    }
    out.push_str("</tbody>\n</table>\n");
}

/// Proofs that a sender contradicts itself: bad news, whatever the outcome is.
fn equivocation(report: &Report, out: &mut String) {
    if equivocations(report).next().is_none() {
        return;
    }
    out.push_str("<section class=\"proven\">\n<h2 class=\"failed\">EQUIVOCATION</h2>\n<ul>\n");
    for proof in equivocations(report) {
        out.push_str(&format!(
            "<li>{} <code>{}</code></li>\n",
            escape(&proof.sentence),
            proof.code
        ));
    }
    out.push_str("</ul>\n</section>\n");
}

/// What is noted of messages.
fn notes_in_short(report: &Report) -> String {
    let all: Vec<_> = noted(report)
        .into_iter()
        .map(|(code, count, first)| format!("{count} of {code}, the first: {first}"))
        .collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join("; ") }
}

/// Every note, however many there are.
fn notes(report: &Report, out: &mut String) {
    if noted(report).is_empty() {
        return;
    }
    out.push_str("<h2>Notes</h2>\n<table>\n<caption>What to know beside the outcomes</caption>\n<thead>\n<tr>");
    columns(&["Message", "Note", "Code"], out);
    out.push_str("</tr>\n</thead>\n<tbody>\n");
    for message in &report.messages {
        for note in &message.notes {
            out.push_str(&format!(
                "<tr><td>{}</td><th scope=\"row\" class=\"id\"><code>{}</code></th><td>{}</td><td>{}</td></tr>\n",
                message.number,
                escape(&message.id),
                escape(&note.sentence),
                note.code
            ));
        }
    }
    out.push_str("</tbody>\n</table>\n");
}

/// What the exporter looked for and did not have.
fn missing(all: &[String]) -> String {
    if all.is_empty() {
        return "nothing".to_owned();
    }
    let told: Vec<_> = all.iter().take(ALL).map(String::as_str).collect();
    let more = match all.len().saturating_sub(ALL) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    format!("{}: {}{more}", all.len(), told.join("; "))
}

fn checks<'a>(caption: &str, all: impl Iterator<Item = &'a Audit>, out: &mut String) {
    out.push_str(&format!("<table>\n<caption>{}</caption>\n<thead>\n<tr>", escape(caption)));
    columns(&["Check", "Outcome", "Reason", "Code", "Evidence"], out);
    out.push_str("</tr>\n</thead>\n<tbody>\n");
    for (number, check) in (1_usize..).zip(all) {
        let evidence: Vec<_> = check.evidence.iter().map(|e| escape(e)).collect();
        out.push_str(&format!(
            "<tr><td>{number}</td><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td><code>{}</code></td><td class=\"id\">{}</td></tr>\n",
            check.name,
            if is_equivocation(check) { PROVEN.to_owned() } else { outcome(check.outcome) },
            escape(&check.sentence),
            check.code,
            evidence.join("<br>")
        ));
    }
    out.push_str("</tbody>\n</table>\n");
}

/// The heads of columns after that of the numbers, which is narrow.
fn columns(names: &[&str], out: &mut String) {
    out.push_str("<th scope=\"col\" class=\"n\">No.</th>");
    for name in names {
        out.push_str(&format!("<th scope=\"col\">{name}</th>"));
    }
}

fn gaps(report: &Report, out: &mut String) {
    if report.gaps.is_empty() {
        return;
    }
    out.push_str("<h2>Gaps</h2>\n<ul>\n");
    for gap in &report.gaps {
        let sender = escape(gap.sender.as_str());
        out.push_str(&format!("<li>{} to {} of <code>{sender}</code></li>\n", gap.from, gap.until));
    }
    out.push_str("</ul>\n");
}

fn ages(report: &Report, out: &mut String) {
    out.push_str("<table>\n<caption>How old what this rests on was</caption>\n<thead>\n<tr><th scope=\"col\">What</th><th scope=\"col\">Seconds</th></tr>\n</thead>\n<tbody>\n");
    for age in &report.ages {
        let what = escape(&age.what);
        out.push_str(&format!(
            "<tr><th scope=\"row\">{what}</th><td>{}</td></tr>\n",
            age.age_seconds
        ));
    }
    out.push_str("</tbody>\n</table>\n");
}

fn messages(report: &Report, out: &mut String) {
    out.push_str("<h2>Messages</h2>\n<table>\n<caption>Each message; issued by the sender's word, recorded by the exporter's</caption>\n<thead>\n<tr>");
    columns(&["Message", "Sender", "To", "Topic", "Issued", "Recorded", "Outcome", "Reason"], out);
    out.push_str("</tr>\n</thead>\n<tbody>\n");
    for message in &report.messages {
        let issued = message.times.as_ref().map(|t| t.issued.to_string()).unwrap_or_default();
        let sender = message.sender.as_ref().map(|s| escape(s.as_str())).unwrap_or_default();
        out.push_str(&format!(
            "<tr><td>{}</td><th scope=\"row\" class=\"id\"><code>{}</code></th><td class=\"id\">{sender}</td><td class=\"id\">{}</td><td>{}</td><td>{issued}</td><td>{} {}</td><td>{}</td><td>{}</td></tr>\n",
            message.number,
            escape(&message.id),
            recipients(message),
            escape(message.topic.as_deref().unwrap_or_default()),
            message.verdict,
            escape(&reasons(&message.reasons, ", ")),
            outcome(message.outcome),
            escape(&message.sentence),
        ));
    }
    out.push_str("</tbody>\n</table>\n");
    let all = report.messages.len() <= ALL;
    let tells = |m: &&MessageReport| m.outcome != Outcome::Passed || !m.notes.is_empty();
    let shown = report.messages.iter().filter(|m| all || tells(m));
    for message in shown.take(ALL) {
        one(message, out);
    }
}

/// To whom a message is, where it names anybody.
fn recipients(message: &MessageReport) -> String {
    let all: Vec<_> = message.recipients.iter().map(|who| escape(who.as_str())).collect();
    all.join("<br>")
}

fn one(message: &MessageReport, out: &mut String) {
    out.push_str(&format!("<section>\n<h3>Message <code>{}</code></h3>\n", escape(&message.id)));
    if !message.recipients.is_empty() {
        out.push_str(&format!("<p>To:<br>{}</p>\n", recipients(message)));
    }
    if let Some(times) = &message.times {
        let bound = |t: Option<gridpass_identity::time::UnixMillis>| {
            t.map_or_else(|| "nobody else says".to_owned(), |t| t.to_string())
        };
        out.push_str(&format!(
            "<p>Issued {} by the sender's word; decided {} and logged {} by the exporter's. By the word of others: not before {}; not after {}{}.</p>\n",
            times.issued, times.decided, times.logged, bound(times.not_before), bound(times.not_after),
            times.not_after_by.as_ref().map(|by| format!(", by a receipt of <code>{}</code>", escape(by.as_str()))).unwrap_or_default()
        ));
    }
    checks("Its checks", message.checks.iter().map(AsRef::as_ref), out);
    if !message.receipts.is_empty() || !message.without_receipt.is_empty() {
        out.push_str("<ul>\n");
        for receipt in &message.receipts {
            out.push_str(&format!(
                "<li>{} {} at {}: {}</li>\n",
                escape(receipt.recipient.as_str()),
                escape(&said(receipt)),
                receipt.issued,
                outcome(receipt.outcome)
            ));
        }
        for recipient in &message.without_receipt {
            out.push_str(&format!("<li>No receipt of {}</li>\n", escape(recipient.as_str())));
        }
        out.push_str("</ul>\n");
    }
    for note in &message.notes {
        out.push_str(&format!(
            "<p>Note: {} <code>{}</code></p>\n",
            escape(&note.sentence),
            note.code
        ));
    }
    out.push_str("</section>\n");
}

/// A proof that a sender contradicts itself, and that holds.
const PROVEN: &str = "<span class=\"failed\">proven</span>";

/// What came out, for the title of the window and of what is printed.
fn titled(report: &Report) -> String {
    let mut title = word(report.outcome).to_owned();
    if let Some(sample) = sampled(report) {
        title.push_str(&format!(" ({sample})"));
    }
    if equivocations(report).next().is_some() {
        title.push_str(", EQUIVOCATION");
    }
    title
}

/// The outcome in words; colour says nothing that they do not.
fn outcome(outcome: Outcome) -> String {
    let class = match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "failed",
        Outcome::Indeterminate => "indeterminate",
    };
    format!("<span class=\"{class}\">{}</span>", word(outcome))
}

/// Text as it stands in HTML, whoever wrote it; what is not seen in it is made seen.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in shown(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_from_outside_is_text() {
        let text = escape("<script>alert('x')</script>&\"\u{7}\u{202e}\n");
        assert_eq!(
            text,
            "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;\\u{7}\\u{202e}\\u{a}"
        );
    }
}
