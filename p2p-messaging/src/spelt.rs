//! Whether bytes are the one spelling of what was read from them: they are compared as they are written again, and
//! nothing is copied for it.

use serde::Serialize;
use std::io::{Error, Write};

/// Bytes that are still to be written.
struct Against<'b>(&'b [u8]);

impl Write for Against<'_> {
    fn write(&mut self, written: &[u8]) -> Result<usize, Error> {
        self.0 = self.0.strip_prefix(written).ok_or_else(|| Error::other("other bytes"))?;
        Ok(written.len())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// Whether DAG-CBOR of a value is these bytes.
pub(crate) fn is_spelt_so<T: Serialize>(value: &T, bytes: &[u8]) -> bool {
    let mut against = Against(bytes);
    serde_ipld_dagcbor::to_writer(&mut against, value).is_ok() && against.0.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_bytes_of_a_value_is_its_spelling() {
        let value = (1_u8, "two", vec![3_u64, 300]);
        let bytes = serde_ipld_dagcbor::to_vec(&value).expect("written");
        assert!(is_spelt_so(&value, &bytes));
        for cut in 0..bytes.len() {
            assert!(!is_spelt_so(&value, &bytes[..cut]), "{cut}");
            let mut other = bytes.clone();
            other[cut] ^= 1;
            assert!(!is_spelt_so(&value, &other), "{cut}");
        }
        assert!(!is_spelt_so(&value, &[&bytes[..], &[0]].concat()));
    }
}
