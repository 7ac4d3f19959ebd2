//! CSV, cell by cell.

use super::*;

#[test]
fn csv_is_checked_cell_by_cell_and_numbers_are_exact() {
    let schema = readings();
    let table = |rows: &str| format!("mrid,start,kwh,quality\n{rows}");
    let row = "m1,2026-03-01T00:00:00Z,99.500,A\n";
    assert_eq!(schema.validate(table(row).as_bytes()), []);
    assert_eq!(schema.validate(table("m1,2026-03-01T00:00:00Z,,\n").as_bytes()), []);
    for (bad, place) in [
        (table("m1,2026-03-01T00:00:00Z,99.5000000000000000001,A\n"), "row 1, column \"kwh\""),
        (table("m1,2026-03-01T00:00:00Z,-0.1,A\n"), "row 1, column \"kwh\""),
        (table("m1,2026-03-01T00:00:00Z,1e3,A\n"), "row 1, column \"kwh\""),
        (table("m1,2026-03-01 00:00,1,A\n"), "row 1, column \"start\""),
        (table(",2026-03-01T00:00:00Z,1,A\n"), "row 1, column \"mrid\""),
        (table("m123456789,2026-03-01T00:00:00Z,1,A\n"), "row 1, column \"mrid\""),
        (table("m1,2026-03-01T00:00:00Z,1,C\n"), "row 1, column \"quality\""),
        (table("m1,2026-03-01T00:00:00Z,1\n"), "row 1"),
        (table(&row.repeat(2)), "row 2"),
        (row.to_owned(), "header"),
        (String::new(), "header"),
    ] {
        let found = schema.validate(bad.as_bytes());
        assert_eq!(found.first().map(|v| v.place.as_str()), Some(place), "{bad}: {found:?}");
    }
    // RFC 4180: what the reader would take in good faith, two readers take differently.
    for (bad, place) in [
        (table("\"m1,2026-03-01T00:00:00Z,1,A\n"), "line 3"),
        (table("m\"1\",2026-03-01T00:00:00Z,1,A\n"), "line 2"),
        (table("\"m1\"x,2026-03-01T00:00:00Z,1,A\n"), "line 2"),
        (table("\nm1,2026-03-01T00:00:00Z,1,A\n"), "line 2"),
        (table("m1\0,2026-03-01T00:00:00Z,1,A\n"), "line 2"),
        (table("m1,2026-03-01T00:00:00Z,1,A\rm2,2026-03-01T00:00:00Z,1,A\n"), "line 2"),
        (table("m1,2026-03-01T00:00:00Z,1,A\r"), "line 2"),
    ] {
        let found = schema.validate(bad.as_bytes());
        assert_eq!(codes_of(&found), ["GP-PAYLOAD-MALFORMED"], "{bad:?}");
        assert_eq!(found[0].place, place, "{bad:?}");
    }
    for good in ["\"m1\",2026-03-01T00:00:00Z,1,A\r\n", "\"m\"\"1\",2026-03-01T00:00:00Z,1,A"] {
        assert_eq!(schema.validate(table(good).as_bytes()), [], "{good}");
    }
    // One key, however it is written.
    let twice = table("m1,2026-03-01T00:00:00Z,1,A\nm1,2026-03-01T00:00:00.000Z,2,A\n");
    assert_eq!(schema.validate(twice.as_bytes())[0].place, "row 2");
    let many: String = (0..4).map(|n| format!("m{n},2026-03-01T00:00:00Z,1,A\n")).collect();
    assert_eq!(codes_of(&schema.validate(table(&many).as_bytes())), ["GP-PAYLOAD-LIMIT"]);
}
