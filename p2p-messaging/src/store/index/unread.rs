//! Records that are whole and cannot be read: they are remembered, so that each start names them.

use super::keys::unread_key;
use super::{Index, Spot};

impl Index {
    /// A record that is kept, and says nothing here.
    pub(in crate::store) fn pass_over(&mut self, spot: Spot) {
        self.put(unread_key(spot.number), &spot.number);
        self.count(spot);
    }

    /// The numbers of those that were passed over and written, in order.
    pub(in crate::store) fn passed_over(&self) -> Vec<u64> {
        let rows = self.failed.rows(self.db.scan_prefix(b"x").values());
        rows.filter_map(|v| serde_ipld_dagcbor::from_slice(&v).ok()).collect()
    }
}
