//! CSV payloads: typed columns, in the words of the W3C's Metadata Vocabulary for Tabular Data.

use super::{MAX_VIOLATIONS, SchemaError, Violation};
use crate::codes;
use gridpass_identity::json;
use gridpass_identity::time::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// What the member `type` says.
pub(super) const TYPE: &str = "gridpass-csv";
const MAX_COLUMNS: usize = 256;
/// The most rows that a schema may allow: primary keys are remembered.
const MAX_ROWS: u64 = 1_000_000;
/// The longest cell, in bytes.
const MAX_CELL: usize = 64 * 1024;
const LONE_RETURN: &str = "a carriage return stands without a line feed";

/// A datatype of XML Schema, as CSVW uses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Datatype {
    String,
    Integer,
    Decimal,
    Boolean,
    DateTime,
    Date,
    #[serde(rename = "anyURI")]
    AnyUri,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) datatype: Datatype,
    /// Whether no cell may be empty.
    #[serde(default)]
    pub(super) required: bool,
    /// The least value, as it would be written.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub(super) minimum: Option<String>,
    /// The greatest value.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub(super) maximum: Option<String>,
    /// The longest text, in characters.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub(super) max_length: Option<usize>,
    /// The only values.
    #[serde(
        default,
        rename = "enum",
        deserialize_with = "json::present",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) allowed: Option<BTreeSet<String>>,
}

/// A table's schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CsvSchema {
    #[serde(rename = "type")]
    document_type: String,
    format_version: u32,
    /// What stands between cells; a comma if absent.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub(super) delimiter: Option<char>,
    pub(super) columns: Vec<Column>,
    /// The columns that together are different in each row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) primary_key: Vec<String>,
    pub(super) max_rows: u64,
}

impl CsvSchema {
    pub(super) fn compile(value: Json) -> Result<Self, SchemaError> {
        let refuse = |reason: &str| Err(SchemaError::Malformed(reason.to_owned()));
        let schema: Self =
            json::from_object(value).map_err(|e| SchemaError::Malformed(e.to_string()))?;
        let names: BTreeSet<_> = schema.columns.iter().map(|c| c.name.as_str()).collect();
        if schema.document_type != TYPE || schema.format_version != 1 {
            return refuse("its type or format version is unknown");
        }
        if names.is_empty() || names.len() != schema.columns.len() || names.len() > MAX_COLUMNS {
            return refuse("it has no column, more than 256, or two of one name");
        }
        if !schema.delimiter.is_none_or(|d| d.is_ascii_graphic() && d != '"' || d == '\t') {
            return refuse("its delimiter is not one ASCII character");
        }
        if !(1..=MAX_ROWS).contains(&schema.max_rows) {
            return refuse("maxRows is not from 1 to 1000000");
        }
        let key: BTreeSet<_> = schema.primary_key.iter().map(String::as_str).collect();
        if key.len() != schema.primary_key.len() || !key.is_subset(&names) {
            return refuse("its primary key names a column twice, or one that it does not have");
        }
        for column in &schema.columns {
            let bounds = [&column.minimum, &column.maximum];
            for bound in bounds.into_iter().flatten() {
                let ordered = !matches!(
                    column.datatype,
                    Datatype::String | Datatype::Boolean | Datatype::AnyUri
                );
                if !ordered || check_type(column.datatype, bound).is_err() {
                    let reason = format!("a bound of the column {:?} has no order", column.name);
                    return Err(SchemaError::Malformed(reason));
                }
            }
            if let (Some(least), Some(most)) = (&column.minimum, &column.maximum)
                && compare(column.datatype, least, most) == Some(Ordering::Greater)
            {
                let reason =
                    format!("the column {:?} has a minimum above its maximum", column.name);
                return Err(SchemaError::Malformed(reason));
            }
            let listed = column.allowed.iter().flatten();
            if let Some(misfit) =
                listed.into_iter().find(|v| check_type(column.datatype, v).is_err())
            {
                let reason =
                    format!("the column {:?} lists {misfit:?}, of another type", column.name);
                return Err(SchemaError::Malformed(reason));
            }
        }
        Ok(schema)
    }

    pub(super) fn validate(&self, payload: &[u8]) -> Vec<Violation> {
        let delimiter = self.delimiter.and_then(|d| u8::try_from(d).ok()).unwrap_or(b',');
        if let Err((line, why)) = check_form(payload, delimiter) {
            return vec![Violation::new(codes::PAYLOAD_MALFORMED, format!("line {line}"), why)];
        }
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .from_reader(payload);
        let mut found = Vec::new();
        let mut keys = BTreeSet::new();
        let mut record = csv::StringRecord::new();
        let mut row: u64 = 0;
        loop {
            match reader.read_record(&mut record) {
                Ok(false) => break,
                Err(e) => {
                    let place = format!("row {row}");
                    let why = format!("it is not CSV in UTF-8: {e}");
                    found.push(Violation::new(codes::PAYLOAD_MALFORMED, place, why));
                    return found;
                }
                Ok(true) if row == 0 => {
                    if !record.iter().eq(self.columns.iter().map(|c| c.name.as_str())) {
                        let names: Vec<_> = self.columns.iter().map(|c| c.name.as_str()).collect();
                        let why = format!("the header is not {}", names.join(","));
                        found.push(Violation::new(codes::PAYLOAD_SCHEMA, "header", why));
                        return found;
                    }
                }
                Ok(true) if row > self.max_rows => {
                    let why = format!("there are more than {} rows", self.max_rows);
                    let place = format!("row {row}");
                    found.push(Violation::new(codes::PAYLOAD_LIMIT, place, why));
                    return found;
                }
                Ok(true) => self.check_row(row, &record, &mut keys, &mut found),
            }
            if found.len() >= MAX_VIOLATIONS {
                break;
            }
            row = row.saturating_add(1);
        }
        if row == 0 {
            found.push(Violation::new(codes::PAYLOAD_SCHEMA, "header", "there is no header"));
        }
        found
    }

    fn check_row(
        &self,
        row: u64,
        record: &csv::StringRecord,
        keys: &mut BTreeSet<Vec<String>>,
        found: &mut Vec<Violation>,
    ) {
        if record.len() != self.columns.len() {
            let (cells, columns) = (record.len(), self.columns.len());
            let why = format!("it has {cells} cells, and there are {columns} columns");
            found.push(Violation::new(codes::PAYLOAD_SCHEMA, format!("row {row}"), why));
            return;
        }
        for (column, cell) in self.columns.iter().zip(record) {
            if let Err(why) = column.check(cell) {
                let place = format!("row {row}, column {:?}", column.name);
                found.push(Violation::new(codes::PAYLOAD_SCHEMA, place, why));
                if found.len() >= MAX_VIOLATIONS {
                    return;
                }
            }
        }
        if self.primary_key.is_empty() {
            return;
        }
        let cells = self.columns.iter().zip(record);
        let key: Vec<String> = cells
            .filter(|(c, _)| self.primary_key.contains(&c.name))
            .map(|(column, cell)| canonical(column.datatype, cell))
            .collect();
        if !keys.insert(key) {
            let why = format!("{} is the same as in a row before", self.primary_key.join(", "));
            found.push(Violation::new(codes::PAYLOAD_SCHEMA, format!("row {row}"), why));
        }
    }
}

impl Column {
    fn check(&self, cell: &str) -> Result<(), String> {
        if cell.len() > MAX_CELL {
            return Err("the cell is longer than 64 KiB".into());
        }
        if cell.is_empty() {
            let missing = self.required.then(|| "it is required".to_owned());
            return missing.map_or(Ok(()), Err);
        }
        check_type(self.datatype, cell)?;
        if let Some(minimum) = &self.minimum
            && compare(self.datatype, cell, minimum) == Some(Ordering::Less)
        {
            return Err(format!("it is less than {minimum}"));
        }
        if let Some(maximum) = &self.maximum
            && compare(self.datatype, cell, maximum) == Some(Ordering::Greater)
        {
            return Err(format!("it is more than {maximum}"));
        }
        if self.max_length.is_some_and(|most| cell.chars().count() > most) {
            return Err("it is too long".into());
        }
        if self.allowed.as_ref().is_some_and(|all| !all.contains(cell)) {
            return Err("it is not one of the values that may stand there".into());
        }
        Ok(())
    }
}

/// RFC 4180, section 2, which the reader does not hold anybody to: quotes stand around a whole cell,
/// are closed, and are doubled inside; no line is empty; no control characters. A line ends with a line
/// feed, with a carriage return before it or without.
fn check_form(payload: &[u8], delimiter: u8) -> Result<(), (usize, &'static str)> {
    enum At {
        Begin,
        Plain,
        Quoted,
        /// A quote inside a quoted cell: its end, or the first of two.
        Quote,
        /// A carriage return, which a line feed follows: alone, some readers end a line at it.
        Return,
    }
    let payload = payload.strip_prefix(b"\xef\xbb\xbf").unwrap_or(payload);
    let (mut line, mut at, mut empty) = (1_usize, At::Begin, true);
    for byte in payload {
        let ends = *byte == b'\n' || *byte == b'\r';
        at = match (at, *byte) {
            (_, 0..=8 | 11 | 12 | 14..=31 | 127) => {
                return Err((line, "it has a control character"));
            }
            (At::Return, b'\n') if empty => return Err((line, "a line is empty")),
            (At::Return, b'\n') => At::Begin,
            (At::Return, _) => return Err((line, LONE_RETURN)),
            (At::Quoted, b'"') => At::Quote,
            (At::Quoted, _) => At::Quoted,
            (At::Begin, b'"') => At::Quoted,
            (At::Quote, b'"') => At::Quoted,
            (At::Plain, b'"') => return Err((line, "a quote stands within a cell without quotes")),
            (_, b) if b == delimiter => At::Begin,
            (_, b'\r') => At::Return,
            (_, b'\n') if empty => return Err((line, "a line is empty")),
            (_, b'\n') => At::Begin,
            (At::Quote, _) => return Err((line, "something follows the quotes of a cell")),
            (At::Begin | At::Plain, _) => At::Plain,
        };
        let inside = matches!(at, At::Quoted);
        empty = (ends && !inside) && (*byte == b'\n' || empty);
        if *byte == b'\n' {
            line = line.saturating_add(1);
        }
    }
    match at {
        At::Quoted => Err((line, "the quotes of a cell are not closed")),
        At::Return => Err((line, LONE_RETURN)),
        _ => Ok(()),
    }
}

/// A value as it is compared: `1.0` and `1` are one key.
fn canonical(datatype: Datatype, cell: &str) -> String {
    let found = match datatype {
        Datatype::Integer | Datatype::Decimal => decimal(cell).map(|(negative, whole, part)| {
            format!("{}{whole}.{part}", if negative { "-" } else { "" })
        }),
        Datatype::Boolean => Some(matches!(cell, "true" | "1").to_string()),
        Datatype::DateTime => UnixMillis::parse_rfc3339(cell).ok().map(|t| t.to_string()),
        Datatype::Date | Datatype::String | Datatype::AnyUri => None,
    };
    found.unwrap_or_else(|| cell.to_owned())
}

fn check_type(datatype: Datatype, cell: &str) -> Result<(), String> {
    let fits = match datatype {
        Datatype::String => true,
        Datatype::Integer => {
            decimal(cell).is_some_and(|(_, _, fraction)| fraction.is_empty()) && !cell.contains('.')
        }
        Datatype::Decimal => decimal(cell).is_some(),
        Datatype::Boolean => matches!(cell, "true" | "false" | "1" | "0"),
        Datatype::DateTime => UnixMillis::parse_rfc3339(cell).is_ok(),
        Datatype::Date => {
            cell.len() == 10 && UnixMillis::parse_rfc3339(&format!("{cell}T00:00:00Z")).is_ok()
        }
        Datatype::AnyUri => url::Url::parse(cell).is_ok(),
    };
    let shown: String = cell.chars().take(60).collect();
    fits.then_some(()).ok_or_else(|| match datatype {
        Datatype::DateTime => format!("{shown:?} is not a dateTime in UTC, 2026-03-01T12:00:00Z"),
        other => format!("{shown:?} is not of type {other:?}").to_lowercase(),
    })
}

/// Sign, whole digits without leading zeros, fraction without trailing zeros. Exact: a meter reading
/// is no float.
fn decimal(text: &str) -> Option<(bool, &str, &str)> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if digits.is_empty() || digits == "." || !plain(whole) || !plain(fraction) {
        return None;
    }
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    Some((negative && !(whole.is_empty() && fraction.is_empty()), whole, fraction))
}

/// The order of two values of a type; nothing for a type without one.
pub(super) fn compare(datatype: Datatype, a: &str, b: &str) -> Option<Ordering> {
    match datatype {
        Datatype::Integer | Datatype::Decimal => {
            let ((a_negative, a_whole, a_part), (b_negative, b_whole, b_part)) =
                (decimal(a)?, decimal(b)?);
            let size = a_whole
                .len()
                .cmp(&b_whole.len())
                .then_with(|| a_whole.cmp(b_whole))
                .then_with(|| a_part.cmp(b_part));
            Some(match (a_negative, b_negative) {
                (false, true) => Ordering::Greater,
                (true, false) => Ordering::Less,
                (false, false) => size,
                (true, true) => size.reverse(),
            })
        }
        Datatype::DateTime => {
            Some(UnixMillis::parse_rfc3339(a).ok()?.cmp(&UnixMillis::parse_rfc3339(b).ok()?))
        }
        Datatype::Date => Some(a.cmp(b)),
        Datatype::String | Datatype::Boolean | Datatype::AnyUri => None,
    }
}
