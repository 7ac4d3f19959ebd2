//! How rows are read: until one cannot be.

use std::sync::{Arc, OnceLock};

/// Whether sled failed, and why at first: from then on what it says is not there may be there.
#[derive(Clone, Debug, Default)]
pub(super) struct Failed(Arc<OnceLock<String>>);

impl Failed {
    pub(super) fn note(&self, why: &sled::Error) {
        // Those that follow come of the first.
        let _ = self.0.set(why.to_string());
    }

    pub(super) fn why(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }

    /// Rows as far as they can be read.
    pub(super) fn rows<I>(&self, rows: I) -> Rows<I> {
        Rows { rows, failed: self.clone(), ended: false }
    }
}

/// Rows until one cannot be read. An iterator of sled stays where it is then, and gives the same error without
/// end to who goes on asking.
pub(super) struct Rows<I> {
    rows: I,
    failed: Failed,
    ended: bool,
}

impl<I> Rows<I> {
    fn read<T>(&mut self, next: impl FnOnce(&mut I) -> Option<sled::Result<T>>) -> Option<T> {
        if self.ended {
            return None;
        }
        let row = next(&mut self.rows)?.inspect_err(|e| self.failed.note(e)).ok();
        self.ended = row.is_none();
        row
    }
}

impl<T, I: Iterator<Item = sled::Result<T>>> Iterator for Rows<I> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.read(Iterator::next)
    }
}

impl<T, I: DoubleEndedIterator<Item = sled::Result<T>>> DoubleEndedIterator for Rows<I> {
    fn next_back(&mut self) -> Option<T> {
        self.read(DoubleEndedIterator::next_back)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As an iterator of sled does it: the same error, however often it is asked.
    fn rows() -> impl DoubleEndedIterator<Item = sled::Result<u64>> {
        (0..u64::MAX).map(|n| match n {
            0..3 => Ok(n),
            _ => Err(sled::Error::Unsupported("this one".into())),
        })
    }

    #[test]
    fn rows_end_with_the_first_that_cannot_be_read() {
        let failed = Failed::default();
        let mut read = failed.rows(rows());
        assert_eq!(read.by_ref().collect::<Vec<_>>(), [0, 1, 2]);
        assert!(failed.why().is_some_and(|why| why.contains("this one")));
        assert_eq!((read.next(), read.next_back()), (None, None), "it is not asked again");
        let failed = Failed::default();
        assert_eq!(failed.rows(rows()).rev().count(), 0);
        assert!(failed.why().is_some());
        let failed = Failed::default();
        assert_eq!(failed.rows(rows().take(3)).count(), 3);
        assert!(failed.why().is_none());
    }
}
