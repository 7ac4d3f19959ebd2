//! Writing XML as it comes: nothing is kept but the names of the elements that are open.

use std::io::{self, Write};

/// A writer of XML.
pub(super) struct Xml<'o> {
    out: &'o mut dyn Write,
    open: Vec<String>,
}

impl<'o> Xml<'o> {
    /// Begins a document.
    pub(super) fn new(out: &'o mut dyn Write) -> io::Result<Self> {
        out.write_all(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")?;
        Ok(Self { out, open: Vec::new() })
    }

    fn tag(&mut self, name: &str, attributes: &[(&str, &str)], end: &str) -> io::Result<()> {
        for _ in &self.open {
            self.out.write_all(b"  ")?;
        }
        write!(self.out, "<{name}")?;
        for (attribute, value) in attributes {
            write!(self.out, " {attribute}=\"")?;
            self.escaped(value)?;
            self.out.write_all(b"\"")?;
        }
        self.out.write_all(end.as_bytes())
    }

    fn escaped(&mut self, text: &str) -> io::Result<()> {
        let mut from = 0_usize;
        for (at, c) in text.char_indices() {
            let entity: &[u8] = match c {
                '<' => b"&lt;",
                '>' => b"&gt;",
                '&' => b"&amp;",
                '"' => b"&quot;",
                _ => continue,
            };
            self.out.write_all(text.get(from..at).unwrap_or_default().as_bytes())?;
            self.out.write_all(entity)?;
            from = at.saturating_add(c.len_utf8());
        }
        self.out.write_all(text.get(from..).unwrap_or_default().as_bytes())
    }

    /// Begins an element.
    pub(super) fn begin(&mut self, name: &str, attributes: &[(&str, &str)]) -> io::Result<()> {
        self.tag(name, attributes, ">\n")?;
        self.open.push(name.to_owned());
        Ok(())
    }

    /// Ends the element that was begun last.
    pub(super) fn end(&mut self) -> io::Result<()> {
        let Some(name) = self.open.pop() else { return Ok(()) };
        for _ in &self.open {
            self.out.write_all(b"  ")?;
        }
        writeln!(self.out, "</{name}>")
    }

    /// An element without content.
    pub(super) fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) -> io::Result<()> {
        self.tag(name, attributes, "/>\n")
    }

    /// An element with text.
    pub(super) fn text(&mut self, name: &str, text: &str) -> io::Result<()> {
        self.text_with(name, &[], text)
    }

    /// An element with attributes and text.
    pub(super) fn text_with(
        &mut self,
        name: &str,
        attributes: &[(&str, &str)],
        text: &str,
    ) -> io::Result<()> {
        self.tag(name, attributes, ">")?;
        self.escaped(text)?;
        writeln!(self.out, "</{name}>")
    }
}
