//! Proofs that somebody signed in: what the agent signs with this device's enrolled key, good for a quarter of an hour.
//!
//! The desk's thread asks for them, the recorder writes them beside what staff approved, and whoever looks something up at
//! the backend for staff sends them along. They are kept in memory until the desk is left.

use cem_contract::time::parse_rfc3339;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The proofs at hand, by staff number.
#[derive(Clone, Default)]
pub(crate) struct Proofs(Arc<Mutex<BTreeMap<String, Proof>>>);

struct Proof {
    header: String,
    ends_ms: i64,
}

impl std::fmt::Debug for Proofs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Proofs(..)")
    }
}

impl Proofs {
    /// Keeps the agent's answer; one whose end cannot be read proves nothing.
    pub(crate) fn keep(&self, staff: &str, header: String, expires: &str) {
        let Some(ends_ms) = parse_rfc3339(expires) else { return };
        self.with(|proofs| proofs.insert(staff.to_owned(), Proof { header, ends_ms }));
    }

    /// The value of the header `CEM-Staff` for this person, while it is good.
    pub(crate) fn of(&self, staff: &str, utc_ms: Option<i64>) -> Option<String> {
        let now = utc_ms?;
        self.with(|proofs| proofs.get(staff).filter(|proof| now < proof.ends_ms).map(|proof| proof.header.clone()))
    }

    /// How long this person's is still good, in milliseconds; 0 where there is none.
    pub(crate) fn left_ms(&self, staff: &str, now_ms: i64) -> i64 {
        self.with(|proofs| proofs.get(staff).map_or(0, |proof| proof.ends_ms.saturating_sub(now_ms).max(0)))
    }

    /// Nobody is signed in any more.
    pub(crate) fn clear(&self) {
        self.with(BTreeMap::clear);
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<String, Proof>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_given_out_until_its_end_and_no_longer_than_the_desk_is_open() {
        let proofs = Proofs::default();
        let noon = 1_795_262_400_000;
        proofs.keep("1001", "signed".into(), &cem_contract::time::rfc3339(noon + 900_000));
        proofs.keep("1002", "signed".into(), "soon");
        assert_eq!(proofs.of("1001", Some(noon + 899_999)).as_deref(), Some("signed"));
        assert_eq!((proofs.of("1001", Some(noon + 900_000)), proofs.of("1001", None)), (None, None));
        assert_eq!((proofs.left_ms("1001", noon), proofs.left_ms("1002", noon)), (900_000, 0));
        proofs.clear();
        assert_eq!(proofs.of("1001", Some(noon)), None);
    }
}
