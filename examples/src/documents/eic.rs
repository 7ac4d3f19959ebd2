//! Energy Identification Codes: how market documents of IEC 62325 name parties and areas.

const SIGNS: &[u8; 37] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-";
const LENGTH: usize = 16;

fn value(sign: u8) -> Option<usize> {
    SIGNS.iter().position(|s| *s == sign)
}

/// The code that begins with these signs: filled up with `-`, the check sign at its end. Signs that
/// a code cannot have become `-`.
#[must_use]
pub fn eic(begin: &str) -> String {
    let mut code: Vec<u8> = begin
        .bytes()
        .chain(std::iter::repeat(b'-'))
        .map(|sign| if value(sign).is_some() { sign } else { b'-' })
        .take(LENGTH.saturating_sub(1))
        .collect();
    let weighted = code.iter().zip((2..=LENGTH).rev());
    let sum = weighted
        .map(|(sign, weight)| value(*sign).unwrap_or_default().saturating_mul(weight))
        .fold(0, usize::saturating_add);
    let check =
        36_usize.saturating_sub(sum.saturating_sub(1).checked_rem(SIGNS.len()).unwrap_or_default());
    code.push(SIGNS.get(check).copied().unwrap_or(b'-'));
    String::from_utf8_lossy(&code).into_owned()
}

/// Whether it is a code: 16 signs, the last of which fits the others.
#[must_use]
pub fn is_eic(code: &str) -> bool {
    let body = code.get(..LENGTH.saturating_sub(1)).unwrap_or_default();
    code.len() == LENGTH && eic(body) == code && !code.ends_with('-')
}

/// A code for a name: one in 37 would end with `-`, which none may, so that there are three to choose
/// from. The name may be cut off at its end.
#[must_use]
pub fn eic_of(begin: &str, name: &str) -> String {
    let codes = ["X", "Y", "Z"].map(|letter| eic(&format!("{begin}{letter}{name}")));
    codes.into_iter().find(|code| is_eic(code)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_are_in_use_have_the_check_sign_that_they_have() {
        for code in ["10YFI-1--------U", "10YCZ-CEPS-----N", "10YHU-MAVIR----U", "10X1001A1001A264"]
        {
            assert_eq!(eic(&code[..15]), code);
            assert!(is_eic(code));
        }
        for wrong in ["10YFI-1--------V", "10YFI-1--------", "", "10YFI-1---é----U"] {
            assert!(!is_eic(wrong), "{wrong}");
        }
    }

    #[test]
    fn every_name_has_a_code() {
        for number in 0..10_000 {
            assert!(is_eic(&eic_of("99W", &number.to_string())), "{number}");
        }
    }
}
