//! Tables for spreadsheets (RFC 4180).

use crate::shown::shown;

/// A row of a table.
pub fn row(cells: impl IntoIterator<Item = String>) -> String {
    let cells: Vec<String> = cells.into_iter().map(|cell| quoted(&cell)).collect();
    format!("{}\r\n", cells.join(","))
}

/// A cell; what a spreadsheet would take for a formula is not one, and nothing in it acts on a terminal.
fn quoted(cell: &str) -> String {
    let cell = shown(cell);
    let formula = cell.starts_with(['=', '+', '-', '@']);
    let mark = if formula { "'" } else { "" };
    format!("\"{mark}{}\"", cell.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_and_no_formula() {
        assert_eq!(quoted("a \"b\", c"), "\"a \"\"b\"\", c\"");
        for formula in ["=1+1", "+1", "-1", "@x"] {
            assert_eq!(quoted(formula), format!("\"'{formula}\""));
        }
        assert_eq!(quoted("\t=1\u{1b}[2J\r\nx"), r#""\u{9}=1\u{1b}[2J\u{d}\u{a}x""#);
    }
}
