//! What peers say to each other beside gossip: who they are, which documents and lists they have,
//! how far they know each chain, and the envelopes of a range. `spec/sync.md`.
//!
//! ```text
//! hello  ->  guests: which channels this peer may read, as long as its visas say so
//! document, heads, range, lists  ->  answered to guests, from the store
//! ```
//!
//! Nothing here does input or output: bytes in, messages out, and the other way round.

mod batch;
mod guests;
mod lists;
mod wire;

pub use batch::{MAX_BATCH, MAX_BATCH_BYTES, Packed, envelopes_in, pack};
pub use guests::{Guests, Welcome};
pub use lists::ListKey;
pub use wire::{
    Announcement, ChainHead, CharterHead, Hello, ListHead, MAX_AUTHORISATION, MAX_HEADS, MAX_PAGE,
    MAX_RECEIPTS, MAX_REQUEST, MAX_RESPONSE, MAX_VISITS, PROTOCOL, Request, Response, Visit,
    WireError, page,
};
