//! The log of a node: what stands in its files, what is damaged, and which number comes next.

use crate::wire::told;
use crate::{Case, Found, hex, refused, unhex};
use gridpass_messaging::log::{Log, Record};
use gridpass_messaging::store::Entry;
use serde_json::{Value, json};
use std::path::Path;

/// Opens a log that has these files.
pub(crate) fn log(case: &Case) -> Found {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in case.input["files"].as_object().expect("files") {
        let content = unhex(content.as_str().expect("hexadecimal"));
        std::fs::write(folder.path().join(name), content).expect("written");
    }
    let mut records = Vec::new();
    let opened = Log::open(folder.path(), &mut |_, record| records.push(read(record)));
    let (log, opened) = match opened {
        Err(e) => return refused(e.code()),
        Ok(opened) => opened,
    };
    let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    let damaged = opened.damaged.iter().map(|d| {
        let (file, (after, next)) = (name(&d.file), d.lost);
        json!({"file": file, "from": d.from, "until": d.until, "after": after, "next": next})
    });
    let cut = opened.cut_off.as_deref().map(|path| {
        let kept = std::fs::read(path).expect("what was cut off");
        json!({"file": name(path), "hex": hex(&kept)})
    });
    let codes = opened.told().into_iter().map(|(code, _)| json!(code));
    Found::from([
        ("records", json!(records)),
        ("damaged", damaged.collect()),
        ("gone", json!(opened.gone)),
        ("cut", json!(cut)),
        ("told", codes.collect()),
        ("next", json!(log.next_number())),
    ])
}

/// What says the most of it stands in the case of each kind: elsewhere the bytes are enough.
fn read(record: &Record) -> Value {
    let entry = Entry::decode(&record.body).expect("a record of this version");
    assert_eq!(entry.encode().as_ref(), Some(&record.body), "its one encoding");
    let body = hex(&record.body);
    json!({"number": record.number, "at": record.at, "body_hex": body, "entry": told(json!(entry))})
}
