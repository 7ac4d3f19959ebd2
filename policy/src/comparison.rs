//! Comparisons as people write them: `visa.zone == message.zone`,
//! `time + 1h <= message.deliveryStart`, `recipients within visa.parties`.
//!
//! The grammar stands in `spec/channel.md`, section 5. What is read here has types that fit, names
//! at least one thing that is not a literal, and is bounded in length.

use crate::codes;
use crate::value::{MAX_INTEGER, MAX_TEXT, Value, ValueType};
use gridpass_identity::code::Code;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The longest comparison, in bytes.
pub const MAX_LENGTH: usize = 2048;
/// The longest duration, in milliseconds: ten years of 366 days.
const MAX_DURATION: i64 = 10 * 366 * 24 * 3_600_000;

/// The types of the attributes that messages of a channel can have.
pub type AttributeTypes = BTreeMap<String, ValueType>;

/// What is compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operand {
    /// A claim of the visa that is looked at.
    Visa(String),
    /// A claim of the visa by which its issuer was allowed to issue it.
    Authority(String),
    /// The DID of its issuer.
    Issuer,
    /// An attribute of the message.
    Message(String),
    /// The DID of the sender.
    Sender,
    /// The DID of the only recipient.
    Recipient,
    /// The DIDs of the recipients.
    Recipients,
    /// The time that is decided at.
    Now,
    /// The time that the message says it was made at.
    Issued,
    /// The time until which the message counts.
    Expires,
    /// The time at which the message came to whoever decides, live or caught up with.
    Arrived,
    /// What stands there.
    Literal(Value),
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operator {
    /// The same.
    Equal,
    /// Not the same.
    NotEqual,
    /// Less, or earlier.
    Less,
    /// At most, or not later.
    AtMost,
    /// More, or later.
    More,
    /// At least, or not earlier.
    AtLeast,
    /// A text in a set.
    In,
    /// A set has a text.
    Contains,
    /// Every text of a set is in another.
    Within,
}

impl Operator {
    /// As it is written.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
            Self::In => "in",
            Self::Contains => "contains",
            Self::Within => "within",
        }
    }

    fn read(symbol: &str) -> Option<Self> {
        use Operator::{AtLeast, AtMost, Contains, Equal, In, Less, More, NotEqual, Within};
        [Equal, NotEqual, Less, AtMost, More, AtLeast, In, Contains, Within]
            .into_iter()
            .find(|o| o.symbol() == symbol)
    }
}

/// One side: an operand, for times moved by a duration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Term {
    /// The operand.
    pub operand: Operand,
    /// Milliseconds that are added.
    pub offset: i64,
    /// Of this type.
    pub value_type: ValueType,
}

/// Why a text is no comparison, or compares what does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{comparison:?}: {reason}")]
pub struct ComparisonError {
    /// The text, or how it begins.
    pub comparison: String,
    /// What is wrong with it.
    pub reason: String,
}

impl ComparisonError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        codes::REQUIREMENT_MALFORMED
    }
}

/// A comparison whose types fit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Comparison {
    /// As it was written.
    pub text: String,
    /// What stands left.
    pub left: Term,
    /// How they are compared.
    pub operator: Operator,
    /// What stands right.
    pub right: Term,
}

impl Comparison {
    /// Reads a comparison. `in_role` says whether there is a visa to speak of.
    ///
    /// # Errors
    /// [`ComparisonError`].
    pub fn parse(
        text: &str,
        attributes: &AttributeTypes,
        in_role: bool,
    ) -> Result<Self, ComparisonError> {
        let refused = |reason: String| ComparisonError { comparison: shown(text), reason };
        let refuse = |reason: &str| Err(refused(reason.to_owned()));
        if text.len() > MAX_LENGTH {
            return refuse("longer than 2048 bytes");
        }
        let tokens = tokenize(text).map_err(refused)?;
        let mut rest = tokens.as_slice();
        let read = |rest: &mut &[Token]| Side::read(rest, attributes, in_role).map_err(refused);
        let left = read(&mut rest)?;
        let Some((Token::Symbol(symbol), after)) = rest.split_first() else {
            return refuse("a comparison is LEFT OPERATOR RIGHT");
        };
        let Some(operator) = Operator::read(symbol) else {
            return refuse("the operators are == != < <= > >= in contains within");
        };
        rest = after;
        let right = read(&mut rest)?;
        if !rest.is_empty() {
            return refuse("there is more after it; write one comparison in one text");
        }
        let literal = |s: &Side| matches!(s.operand, Operand::Literal(_));
        if literal(&left) && literal(&right) {
            return refuse("it compares two constants");
        }
        let (left_type, right_type) = types(&left, operator, &right).map_err(|(l, r)| {
            refused(format!(
                "{} does not compare {} with {}",
                operator.symbol(),
                l.map_or_else(|| "a claim".to_owned(), |t| t.to_string()),
                r.map_or_else(|| "a claim".to_owned(), |t| t.to_string()),
            ))
        })?;
        let (Some(left), Some(right)) = (left.typed(left_type), right.typed(right_type)) else {
            return refuse("a time is written in RFC 3339, and only times take a duration");
        };
        Ok(Self { text: text.to_owned(), left, operator, right })
    }

    /// Both sides.
    #[must_use]
    pub fn terms(&self) -> [&Term; 2] {
        [&self.left, &self.right]
    }

    /// Whether it holds between two values of the types that were found.
    #[must_use]
    pub fn holds(&self, left: &Value, right: &Value) -> bool {
        let ordered = || {
            let left = left.as_long()?.checked_add(self.left.offset)?;
            Some((left, right.as_long()?.checked_add(self.right.offset)?))
        };
        let order = |test: fn(i64, i64) -> bool| ordered().is_some_and(|(l, r)| test(l, r));
        match self.operator {
            Operator::Equal if self.left.value_type.is_ordered() => order(|l, r| l == r),
            Operator::NotEqual if self.left.value_type.is_ordered() => order(|l, r| l != r),
            Operator::Equal => left == right,
            Operator::NotEqual => left != right,
            Operator::Less => order(|l, r| l < r),
            Operator::AtMost => order(|l, r| l <= r),
            Operator::More => order(|l, r| l > r),
            Operator::AtLeast => order(|l, r| l >= r),
            Operator::In => is_in(left, right),
            Operator::Contains => is_in(right, left),
            Operator::Within => match (left, right) {
                (Value::Texts(left), Value::Texts(right)) => left.is_subset(right),
                _ => false,
            },
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn is_in(text: &Value, texts: &Value) -> bool {
    match (text, texts) {
        (Value::Text(text), Value::Texts(texts)) => texts.contains(text),
        _ => false,
    }
}

/// A side before its type is known: a claim's follows from what it is compared with.
struct Side {
    operand: Operand,
    offset: Option<i64>,
    known: Option<ValueType>,
}

impl Side {
    fn read(
        rest: &mut &[Token],
        attributes: &AttributeTypes,
        in_role: bool,
    ) -> Result<Self, String> {
        let Some((first, after)) = rest.split_first() else {
            return Err("a side is missing".into());
        };
        *rest = after;
        let (operand, known) = match first {
            Token::Value(value) => (Operand::Literal(value.clone()), Some(value.value_type())),
            Token::Word(word) => named(word, attributes, in_role)?,
            Token::Symbol(symbol) => return Err(format!("{symbol} stands where a value is asked")),
            Token::Duration(_) => return Err("a duration stands only after + or -".into()),
        };
        let mut offset = None;
        if let Some((Token::Symbol(sign), [Token::Duration(millis), after @ ..])) =
            rest.split_first()
            && (sign == "+" || sign == "-")
        {
            offset = Some(if sign == "-" { 0_i64.saturating_sub(*millis) } else { *millis });
            *rest = after;
        }
        // What takes a duration is a time.
        let known = if offset.is_some() { Some(known.unwrap_or(ValueType::Time)) } else { known };
        Ok(Self { operand, offset, known })
    }

    fn typed(self, value_type: ValueType) -> Option<Term> {
        if self.offset.is_some() && value_type != ValueType::Time {
            return None;
        }
        let operand = match self.operand {
            Operand::Literal(value) if value.value_type() != value_type => {
                // A time is written as a text.
                Operand::Literal(Value::read(&value.to_json(), value_type)?)
            }
            other => other,
        };
        Some(Term { operand, offset: self.offset.unwrap_or(0), value_type })
    }
}

fn named(
    word: &str,
    attributes: &AttributeTypes,
    in_role: bool,
) -> Result<(Operand, Option<ValueType>), String> {
    let of_visa = |operand| {
        if in_role {
            Ok((operand, None))
        } else {
            Err(format!("{word} stands only in the `where` of a role"))
        }
    };
    match word.split_once('.') {
        Some(("visa", name)) if is_name(name) => of_visa(Operand::Visa(name.to_owned())),
        Some(("authority", name)) if is_name(name) => of_visa(Operand::Authority(name.to_owned())),
        Some(("message", name)) if is_name(name) => match attributes.get(name) {
            Some(known) => Ok((Operand::Message(name.to_owned()), Some(*known))),
            None => Err(format!("no topic has an attribute {name}")),
        },
        None => match word {
            "issuer" if in_role => Ok((Operand::Issuer, Some(ValueType::Text))),
            "issuer" => Err("issuer stands only in the `where` of a role".into()),
            "sender" => Ok((Operand::Sender, Some(ValueType::Text))),
            "recipient" => Ok((Operand::Recipient, Some(ValueType::Text))),
            "recipients" => Ok((Operand::Recipients, Some(ValueType::Texts))),
            "time" => Ok((Operand::Now, Some(ValueType::Time))),
            "issued" => Ok((Operand::Issued, Some(ValueType::Time))),
            "expires" => Ok((Operand::Expires, Some(ValueType::Time))),
            "arrived" => Ok((Operand::Arrived, Some(ValueType::Time))),
            _ => Err(format!("{word:?} is not known; texts stand in quotes")),
        },
        Some(_) => Err(format!("{word:?} is not visa.NAME, authority.NAME or message.NAME")),
    }
}

/// The name of a claim or attribute: a letter, then up to 63 letters, digits, `_` and `-`.
#[must_use]
pub fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// The types of both sides, or what was known of them where they do not fit.
fn types(
    left: &Side,
    operator: Operator,
    right: &Side,
) -> Result<(ValueType, ValueType), (Option<ValueType>, Option<ValueType>)> {
    let (l, r) = (left.known, right.known);
    let text_as_time = |side: &Side, known| match (&side.operand, known) {
        // '2026-03-01T00:00:00Z' beside a time.
        (Operand::Literal(Value::Text(_)), Some(ValueType::Time)) => Some(ValueType::Time),
        _ => side.known,
    };
    let (l, r) = (text_as_time(left, r), text_as_time(right, l));
    let fits = match operator {
        Operator::Equal | Operator::NotEqual => {
            let common = l.or(r).unwrap_or(ValueType::Text);
            (l.unwrap_or(common) == r.unwrap_or(common)).then_some((common, common))
        }
        Operator::Less | Operator::AtMost | Operator::More | Operator::AtLeast => {
            let common = l.or(r).unwrap_or(ValueType::Integer);
            let same = l.unwrap_or(common) == r.unwrap_or(common) && common.is_ordered();
            same.then_some((common, common))
        }
        Operator::In => pair(l, r, ValueType::Text, ValueType::Texts),
        Operator::Contains => pair(l, r, ValueType::Texts, ValueType::Text),
        Operator::Within => pair(l, r, ValueType::Texts, ValueType::Texts),
    };
    fits.ok_or((l, r))
}

fn pair(
    left: Option<ValueType>,
    right: Option<ValueType>,
    left_must: ValueType,
    right_must: ValueType,
) -> Option<(ValueType, ValueType)> {
    let fits = left.unwrap_or(left_must) == left_must && right.unwrap_or(right_must) == right_must;
    fits.then_some((left_must, right_must))
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Symbol(String),
    Value(Value),
    Duration(i64),
}

fn tokenize(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim();
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            '\'' | '"' => quoted(rest)?,
            '[' => set(rest)?,
            '=' | '!' | '<' | '>' | '+' => symbol(rest),
            '-' if !rest.get(1..).is_some_and(|r| r.starts_with(|c: char| c.is_ascii_digit())) => {
                symbol(rest)
            }
            '-' if matches!(tokens.last(), Some(Token::Word(_) | Token::Value(_))) => symbol(rest),
            '-' | '0'..='9' => number(rest)?,
            c if c.is_ascii_alphabetic() => word(rest),
            c => return Err(format!("{c:?} stands where nothing can")),
        };
        tokens.push(token);
        rest = after.trim_start();
    }
    Ok(tokens)
}

fn symbol(text: &str) -> (Token, &str) {
    let (first, rest) = match text.get(..2) {
        Some(two @ ("==" | "!=" | "<=" | ">=")) => (two, text.get(2..)),
        _ => (text.get(..1).unwrap_or_default(), text.get(1..)),
    };
    (Token::Symbol(first.to_owned()), rest.unwrap_or_default())
}

fn word(text: &str) -> (Token, &str) {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let (word, rest) = split_where(text, |c| !part(c));
    let token = match word {
        "true" => Token::Value(Value::Boolean(true)),
        "false" => Token::Value(Value::Boolean(false)),
        "in" | "contains" | "within" => Token::Symbol(word.to_owned()),
        _ => Token::Word(word.to_owned()),
    };
    (token, rest)
}

fn number(text: &str) -> Result<(Token, &str), String> {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (digits, rest) = split_where(digits, |c| !c.is_ascii_digit());
    let number: i64 = format!("{sign}{digits}")
        .parse()
        .ok()
        .filter(|n| (-MAX_INTEGER..=MAX_INTEGER).contains(n))
        .ok_or("a number is beyond 2^53")?;
    let (unit, after) = split_where(rest, |c| !c.is_ascii_alphanumeric() && c != '.');
    let millis: i64 = match unit {
        "" => return Ok((Token::Value(Value::Integer(number)), rest)),
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 24 * 3_600_000,
        _ => {
            return Err(format!("{number}{unit} is neither a whole number nor 30s, 15m, 1h or 2d"));
        }
    };
    let duration = number.checked_mul(millis).filter(|d| (0..=MAX_DURATION).contains(d));
    let duration = duration.ok_or("a duration is from 0s to ten years")?;
    Ok((Token::Duration(duration), after))
}

/// A text in either kind of quotes. There are no escapes: a text with one kind stands in the other.
fn quoted(text: &str) -> Result<(Token, &str), String> {
    let (value, rest) = quoted_text(text)?;
    Ok((Token::Value(Value::Text(value)), rest))
}

fn quoted_text(text: &str) -> Result<(String, &str), String> {
    let mark = text.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let mark = mark.ok_or("a set has texts in quotes")?;
    let inner = text.get(1..).unwrap_or_default();
    let (value, rest) = inner.split_once(mark).ok_or("a quote is not closed")?;
    if value.len() > MAX_TEXT || value.contains(|c: char| c.is_control() || c == '\\') {
        return Err("a text is too long, or has control characters or backslashes".into());
    }
    Ok((value.to_owned(), rest))
}

fn set(text: &str) -> Result<(Token, &str), String> {
    let mut texts = BTreeSet::new();
    let mut rest = text.get(1..).unwrap_or_default().trim_start();
    loop {
        let (value, after) = quoted_text(rest)?;
        texts.insert(value);
        rest = after.trim_start();
        if let Some(after) = rest.strip_prefix(']') {
            return Ok((Token::Value(Value::Texts(texts)), after));
        }
        rest = rest.strip_prefix(',').ok_or("a set is ['a', 'b']")?.trim_start();
    }
}

fn split_where(text: &str, end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(end).unwrap_or(text.len()))
}

/// What is shown of a text in an error.
fn shown(text: &str) -> String {
    text.chars().take(120).collect()
}

#[cfg(test)]
#[path = "comparison_tests.rs"]
mod tests;
