//! Finding the frames of a file, whatever happened to it.

use super::Record;
use super::frame::{self, Salt};

/// A place where no frame is, and the numbers around it.
#[derive(Debug)]
pub(super) struct Unread {
    pub(super) from: usize,
    pub(super) until: usize,
    pub(super) lost: u64,
    pub(super) next: Option<u64>,
}

/// What was found besides the records.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Where the last frame ends.
    pub(super) good: usize,
    pub(super) unread: Vec<Unread>,
    /// Numbers that are not there, although nothing between is unreadable: first and last.
    pub(super) missing: Vec<(u64, u64)>,
    /// It was given up before the end: what lies behind was not looked at.
    pub(super) given_up: bool,
}

/// The most bytes that are summed to find the frames behind damaged places of one file. Bytes that
/// look like the beginnings of long frames would else cost hours.
const MAX_SUMMED: usize = 1024 * 1024 * 1024;

/// Scans a file from `begin` on; `last` is the greatest number so far.
pub(super) fn scan(
    bytes: &[u8],
    begin: usize,
    salt: &Salt,
    last: &mut u64,
    each: &mut dyn FnMut(usize, Record),
) -> Scan {
    let mut found = Scan { good: begin.min(bytes.len()), ..Scan::default() };
    let mut offset = found.good;
    let mut summed = 0_usize;
    while offset < bytes.len() && summed < MAX_SUMMED {
        let rest = bytes.get(offset..).unwrap_or_default();
        let skipped = offset.saturating_sub(found.good);
        let next = last.saturating_add(1);
        // Behind a damaged place, no more can be missing than had room there.
        let most = match u64::try_from(skipped / frame::HEAD) {
            Ok(0) if skipped == 0 => u64::MAX,
            Ok(room) => next.saturating_add(room),
            Err(_) => next,
        };
        match frame::read(rest, salt, &(next..=most)) {
            Some(frame) => {
                if skipped > 0 {
                    let (from, until) = (found.good, offset);
                    let next_one = Some(frame.number);
                    found.unread.push(Unread { from, until, lost: next, next: next_one });
                } else if frame.number > next {
                    found.missing.push((next, frame.number.saturating_sub(1)));
                }
                *last = frame.number;
                let (number, at, body) = (frame.number, frame.at, frame.body.to_vec());
                offset = offset.saturating_add(frame.size);
                let place = found.good.saturating_add(skipped);
                found.good = offset;
                each(place, Record { number, at, body });
            }
            None => {
                let tried = frame::plausible(rest, &(next..=most)).unwrap_or_default();
                summed = summed.saturating_add(tried);
                // The length cannot be believed either: look for the next frame byte by byte.
                offset = offset.saturating_add(1);
            }
        }
    }
    found.given_up = offset < bytes.len();
    if found.good < bytes.len() {
        let (from, until) = (found.good, bytes.len());
        found.unread.push(Unread { from, until, lost: last.saturating_add(1), next: None });
    }
    found
}
