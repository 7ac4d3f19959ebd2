//! What came from outside, made harmless before somebody sees it.
//!
//! A title, a reason, a file's name or the text of an error may hold escape sequences that clear a
//! terminal, line ends that forge lines, or controls that turn the order of text round. [`shown`] is for
//! each such string where it becomes a part of a text. [`guarded`] is the second line of defence, where
//! the whole text goes out: it knows which line ends are ours no more, but no sequence passes it. What goes
//! out as JSON does so by [`json_line`], and stays the value that it is.

use serde_json::Value;
use std::fmt::Display;

/// The styles that this program writes itself: reset, bold, dim, red, green, yellow.
const STYLES: [&str; 6] =
    ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[2m", "\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m"];

/// Whether a character does something instead of being seen: controls (C0, DEL, C1), line and paragraph
/// separators, and what Unicode calls format characters, such as those for the direction of text.
pub fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}')
}

/// A string from outside on one line, with everything in it to be seen: an escape is `\u{1b}`.
pub fn shown(value: impl Display) -> String {
    escaped(&value.to_string(), |_| false)
}

/// A text of several lines from outside: each line of it is marked as such.
pub fn quoted(text: &str) -> String {
    text.lines().map(|line| format!("  | {}\n", shown(line))).collect()
}

/// A whole text on its way out: nothing but line ends and the styles that are written here.
pub fn guarded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find('\u{1b}') {
        let (before, after) = rest.split_at(place);
        out.push_str(&escaped(before, |c| c == '\n'));
        let style = STYLES.iter().find_map(|s| after.strip_prefix(s).map(|left| (*s, left)));
        let (passed, left) =
            style.unwrap_or_else(|| (r"\u{1b}", after.strip_prefix('\u{1b}').unwrap_or_default()));
        out.push_str(passed);
        rest = left;
    }
    out.push_str(&escaped(rest, |c| c == '\n'));
    out
}

/// A value as JSON on one line, in which nothing acts. What does is within texts, where JSON has a spelling of
/// its own for it: as it is, a terminal would obey it, and what takes colours off drops some of it.
pub fn json_line(value: &Value) -> String {
    let text = value.to_string();
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) {
            out.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

/// A file's bytes where they go to a terminal, which is for reading and not for keeping.
pub fn for_terminal(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    escaped(&text, |c| matches!(c, '\n' | '\t'))
}

fn escaped(text: &str, passes: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) && !passes(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use anstyle::{AnsiColor, Style};
    use proptest::prelude::*;

    #[test]
    fn what_acts_is_told_apart_from_what_is_seen() {
        for c in
            ["\u{1b}", "\n", "\r", "\t", "\u{7f}", "\u{9b}", "\u{2028}", "\u{202e}", "\u{2066}"]
        {
            let text = shown(c);
            assert!(text.starts_with(r"\u{") && text.is_ascii(), "{text}");
        }
        for text in [
            "GB-1 \u{2014} Ausspeisung f\u{fc}r \u{41a}\u{438}\u{457}\u{432}",
            "a\\u{1b}",
            "\u{1f50c} e\u{301}",
        ] {
            assert_eq!(shown(text), text);
        }
        // Nothing that the standard library would print is taken for something that acts.
        for c in ('\0'..=char::MAX).filter(|c| acts(*c)) {
            assert_ne!(c.escape_debug().to_string(), c.to_string(), "{:x}", u32::from(c));
        }
    }

    #[test]
    fn a_screen_is_not_painted_and_a_line_not_forged() {
        let sentence = "\u{1b}[2J\u{1b}[HPASSED\u{1b}[8m\nPASSED";
        assert_eq!(shown(sentence), r"\u{1b}[2J\u{1b}[HPASSED\u{1b}[8m\u{a}PASSED");
        assert_eq!(guarded(sentence), "\\u{1b}[2J\\u{1b}[HPASSED\\u{1b}[8m\nPASSED");
        assert_eq!(quoted("a\nFAILED\u{1b}\r\n"), "  | a\n  | FAILED\\u{1b}\n");
        assert_eq!(for_terminal(b"a\tb\r\n\x1b[8mc\xff"), "a\tb\n\\u{1b}[8mc\u{fffd}");
    }

    #[test]
    fn our_own_styles_pass() {
        let color = |c: AnsiColor| Style::new().fg_color(Some(c.into()));
        let all = [
            Style::new().bold(),
            Style::new().dimmed(),
            color(AnsiColor::Red).bold(),
            color(AnsiColor::Green),
            color(AnsiColor::Yellow),
        ];
        for style in all {
            let text = format!("{style}word{style:#}\nnext");
            assert_eq!(guarded(&text), text);
        }
    }

    #[test]
    fn json_has_a_spelling_of_its_own_for_what_acts() {
        let value = Value::from("a\u{7f}\u{9b}31m\u{200d}\u{e0041}\n\"");
        assert_eq!(json_line(&value), r#""a\u007f\u009b31m\u200d\udb40\udc41\n\"""#);
    }

    proptest! {
        #[test]
        fn nothing_acts_in_what_is_shown(text in any::<String>(), marks in "[\\x00-\\x1f\\x7f-\\x9f\u{2028}-\u{202e}\u{2066}-\u{2069}a]{0,20}") {
            for text in [text.clone(), marks.clone(), format!("{text}{marks}{text}")] {
                prop_assert!(!shown(&text).contains(acts));
                prop_assert!(!quoted(&text).replace('\n', "").contains(acts));
                prop_assert!(!for_terminal(text.as_bytes()).replace(['\n', '\t'], "").contains(acts));
                let mut left = guarded(&text).replace('\n', "");
                for style in STYLES {
                    left = left.replace(style, "");
                }
                prop_assert!(!left.contains(acts), "{left:?}");
                let value = Value::from(text.as_str());
                let line = json_line(&value);
                prop_assert!(!line.contains(acts), "{line:?}");
                prop_assert_eq!(serde_json::from_str::<Value>(&line).expect("JSON"), value);
                // What has nothing of the kind is as it was.
                let plain = text.replace(acts, "");
                prop_assert_eq!(&shown(&plain), &plain);
                prop_assert_eq!(&guarded(&plain), &plain);
            }
        }
    }
}
