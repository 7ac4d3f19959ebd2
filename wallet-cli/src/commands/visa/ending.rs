//! Which visas end soon: without those that another takes the place of, and without what ended long ago.

use gridpass_credentials::visa::Visa;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::consent::{self, FROM, UNTIL};
use serde_json::{Map, Value};

/// A visa that is held or was issued, and when it ends.
#[derive(Clone, Debug)]
pub struct Ending {
    pub until: UnixMillis,
    /// `held` or `issued`.
    pub what: &'static str,
    pub visa: Visa,
}

/// Those that end within so many milliseconds, or ended no longer ago, the first first.
pub fn ending(all: &[Ending], now: UnixMillis, within: u64) -> Vec<&Ending> {
    let end = now.plus_millis(within);
    let is_near = |e: &Ending| e.until <= end && now.millis_since(e.until) <= within;
    let goes_on = |e: &Ending| all.iter().any(|other| succeeds(other, e, now));
    let mut found: Vec<&Ending> = all.iter().filter(|e| is_near(e) && !goes_on(e)).collect();
    found.sort_by(|a, b| (a.until, &a.visa.id).cmp(&(b.until, &b.visa.id)));
    found
}

/// Whether one goes on for the same holder where another ends. As long as that counts, only if it says the
/// same: who holds a role for two zones loses one of them.
fn succeeds(newer: &Ending, older: &Ending, now: UnixMillis) -> bool {
    let (new, old) = (&newer.visa, &older.visa);
    let same = newer.what == older.what && new.subject == old.subject && new.role == old.role;
    let goes_on = newer.until > older.until && new.valid_from <= older.until.max(now);
    let is_over = older.until <= now && !consent::is_one(&old.claims);
    same && goes_on && (is_over || says(new) == says(old))
}

/// What it says; of a consent but for its time.
pub fn says(visa: &Visa) -> Map<String, Value> {
    let mut claims = visa.claims.clone();
    if consent::is_one(&claims) {
        claims.remove(FROM);
        claims.remove(UNTIL);
    }
    claims
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]

    use super::*;
    use gridpass_credentials::content_id::ContentId;
    use gridpass_credentials::role::RoleName;
    use gridpass_identity::did::Did;
    use serde_json::json;

    const DAY: u64 = 86_400_000;
    const NOW: UnixMillis = UnixMillis::from_millis(1_772_366_400_000);

    /// A visa from a day to another, counted from a hundred days ago.
    fn one(id: &str, (from, until): (u64, u64), claims: Value) -> Ending {
        let day = |n: u64| UnixMillis::new(NOW.get() - 100 * DAY).plus_millis(n * DAY);
        let did = Did::parse("did:web:alpha.example").expect("a DID");
        let visa = Visa {
            id: id.into(),
            issuer: did.clone(),
            subject: did,
            definition: ContentId::of_nothing(),
            role: RoleName::parse("flex.gb.aggregator").expect("a name"),
            claims: claims.as_object().expect("an object").clone(),
            valid_from: day(from),
            valid_until: day(until),
            status: Vec::new(),
        };
        Ending { until: day(until), what: "held", visa }
    }

    fn ids(all: &[Ending]) -> Vec<&str> {
        ending(all, NOW, 30 * DAY).into_iter().map(|e| e.visa.id.as_str()).collect()
    }

    #[test]
    fn what_is_renewed_and_what_ended_long_ago_is_forgotten() {
        let zone = |zone: &str| json!({"zone": zone});
        let soon = one("soon", (0, 110), zone("GB-1"));
        let over = one("over", (0, 90), zone("GB-1"));
        let long_over = one("long over", (0, 60), zone("GB-1"));
        let late = one("late", (0, 200), zone("GB-2"));
        assert_eq!(ids(&[soon.clone(), long_over.clone()]), ["soon"]);
        assert_eq!(ids(std::slice::from_ref(&over)), ["over"], "it may be renewed late");
        assert_eq!(ids(&[over.clone(), soon.clone()]), ["soon"]);
        // For another zone it is no renewal, until the first is over.
        assert_eq!(ids(&[soon.clone(), late.clone()]), ["soon"]);
        assert_eq!(ids(&[over.clone(), late]), [""; 0]);
        let same = one("same", (95, 200), zone("GB-1"));
        assert_eq!(ids(&[soon.clone(), over, same]), [""; 0]);
        // There is time between.
        let after = one("after", (120, 200), zone("GB-1"));
        assert_eq!(ids(&[soon.clone(), after]), ["soon"]);
        // What was issued is none that is held.
        let issued = Ending { what: "issued", ..one("issued", (0, 200), zone("GB-1")) };
        assert_eq!(ids(&[soon, issued]), ["soon"]);
    }

    #[test]
    fn a_consent_for_something_else_is_no_renewal() {
        let consent = |point: &str, until: &str| {
            json!({
                "meteringPoint": point, "purposes": ["settlement"], "data": ["readings"],
                "parties": ["did:web:alpha.example"], "from": "2026-01-01T00:00:00Z", "until": until,
            })
        };
        let over = one("over", (0, 90), consent("MP-1", "2026-02-01T00:00:00Z"));
        let other = one("other", (0, 200), consent("MP-2", "2027-01-01T00:00:00Z"));
        let again = one("again", (0, 200), consent("MP-1", "2027-01-01T00:00:00Z"));
        assert_eq!(ids(&[over.clone(), other]), ["over"]);
        assert_eq!(ids(&[over, again]), [""; 0]);
    }
}
