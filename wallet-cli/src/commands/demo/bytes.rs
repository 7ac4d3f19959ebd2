//! Bytes of messages and files, as the demonstration changes and compares them.

use gridpass_examples::scenario::Part;
use std::path::Path;

/// Where a part of an envelope stands in its bytes: an array of three byte strings.
pub fn part_of(bytes: &[u8], part: Part) -> Option<std::ops::Range<usize>> {
    let wanted = match part {
        Part::Protected => 0,
        Part::Payload => 1,
        Part::Signature => 2,
    };
    let mut at = 1_usize;
    for number in 0..=wanted {
        let head = *bytes.get(at)?;
        let more = match head & 0x1f {
            short @ 0..24 => (0, usize::from(short)),
            24 => (1, usize::from(*bytes.get(at.checked_add(1)?)?)),
            25 => {
                let length = bytes.get(at.checked_add(1)?..at.checked_add(3)?)?;
                (2, usize::from(u16::from_be_bytes(length.try_into().ok()?)))
            }
            26 => {
                let length = bytes.get(at.checked_add(1)?..at.checked_add(5)?)?;
                (4, usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok()?)
            }
            _ => return None,
        };
        let from = at.checked_add(1)?.checked_add(more.0)?;
        let until = from.checked_add(more.1)?;
        if number == wanted {
            return (until <= bytes.len() && from < until).then_some(from..until);
        }
        at = until;
    }
    None
}

/// Whether two files hold the same.
pub fn same(a: &Path, b: &Path) -> std::io::Result<bool> {
    use std::io::Read as _;
    let open = |p: &Path| std::fs::File::open(p).map(std::io::BufReader::new);
    let (mut a, mut b) = (open(a)?, open(b)?);
    let (mut x, mut y) = (vec![0_u8; 65_536], vec![0_u8; 65_536]);
    loop {
        let read = a.read(&mut x)?;
        if read == 0 {
            return Ok(b.read(&mut y)? == 0);
        }
        let (Some(x), Some(y)) = (x.get(..read), y.get_mut(..read)) else { return Ok(false) };
        if b.read_exact(y).is_err() || x != &*y {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::part_of;
    use gridpass_examples::scenario::Part;

    #[test]
    fn parts_of_an_envelope_are_found_and_bytes_that_are_none_have_none() {
        let bytes = [0x83, 0x42, 1, 2, 0x58, 3, 3, 4, 5, 0x41, 6];
        assert_eq!(part_of(&bytes, Part::Protected), Some(2..4));
        assert_eq!(part_of(&bytes, Part::Payload), Some(6..9));
        assert_eq!(part_of(&bytes, Part::Signature), Some(10..11));
        for cut in 0..bytes.len() {
            assert_eq!(part_of(&bytes[..cut], Part::Signature), None, "{cut}");
        }
    }
}
