//! `[cards]` of kiosk.toml: which cards are taken, how far they have to prove themselves, and what they may then do.
//!
//! ```toml
//! [cards]                              # optional, as is each key
//! picc_key_file = "picc.key"           # 16 bytes as 32 hex digits, mode 0600; without it no secure message is read
//! session = false                      # true: mutual authentication at each tap, beyond the card's message
//! address = "cem.example/t"            # host and path written into cards that are issued here; without it none are
//! four_byte = false                    # ids of four bytes: whoever gets hold of the tenant's key can guess them all
//! high = ["earn", "name", "balance", "usual"]     # an identity that is proven
//! low = ["earn"]                                  # one that can be copied
//! ```

use card_auth::Key;
use kiosk_core::device::{Assurance, Guest};
use serde::Deserialize;
use std::path::PathBuf;

/// Which cards are taken, and what they may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardPolicy {
    /// Reads the number out of a card's message.
    pub picc_key: Option<Key>,
    /// A card whose key is known proves itself by mutual authentication, too.
    pub session: bool,
    /// Host and path that cards issued here lead to; `None`: no cards are issued here.
    pub address: Option<String>,
    /// Ids of four bytes count.
    pub four_byte: bool,
    /// What a proven identity may do.
    pub high: Vec<Right>,
    /// What an identity that can be copied may do.
    pub low: Vec<Right>,
}

/// What an identity may do, beyond what the guest's consent allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// Belong to the visit at all: points are earned.
    Earn,
    /// Be greeted by name.
    Name,
    /// See how many points there are.
    Balance,
    /// See the usual, the number of visits and what is avoided.
    Usual,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawCards {
    pub(crate) picc_key_file: Option<PathBuf>,
    pub(crate) address: Option<String>,
    session: bool,
    four_byte: bool,
    high: Vec<Right>,
    low: Vec<Right>,
}

impl Default for RawCards {
    fn default() -> Self {
        let high = vec![Right::Earn, Right::Name, Right::Balance, Right::Usual];
        Self { picc_key_file: None, address: None, session: false, four_byte: false, high, low: vec![Right::Earn] }
    }
}

impl RawCards {
    pub(crate) fn with_key(self, picc_key: Option<Key>) -> CardPolicy {
        let Self { address, session, four_byte, high, low, .. } = self;
        CardPolicy { picc_key, address, session, four_byte, high, low }
    }
}

impl Default for CardPolicy {
    fn default() -> Self {
        RawCards::default().with_key(None)
    }
}

impl CardPolicy {
    /// What this kiosk may know of a guest who is proven that far; `None`: the guest stays anonymous.
    pub(crate) fn allowed(&self, mut guest: Guest, assurance: Assurance) -> Option<Guest> {
        let rights = match assurance {
            Assurance::High => &self.high,
            Assurance::Low => &self.low,
        };
        if !rights.contains(&Right::Earn) {
            return None;
        }
        if !rights.contains(&Right::Name) {
            guest.display_name.clear();
        }
        if !rights.contains(&Right::Balance) {
            guest.points = 0;
        }
        if !rights.contains(&Right::Usual) {
            guest.usual.clear();
            guest.usual_because = None;
            guest.visits_before = 0;
            guest.dietary.clear();
        }
        Some(guest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiosk_core::{
        catalogue::Allergen,
        device::{Consent, UsualItem},
        habit::Because,
    };

    #[test]
    fn an_identity_that_can_be_copied_earns_and_is_shown_nothing_of_its_owner() {
        let jane = Guest {
            visitor: "v_1".into(),
            display_name: "Jane".into(),
            language: "en".into(),
            consent: Consent::Personal,
            usual: vec![UsualItem { sku: "tea".into(), quantity: 1, modifiers: Vec::new() }],
            usual_because: Some(Because::Often),
            dietary: vec![Allergen::Nuts],
            points: 412,
            visits_before: 9,
            as_of_ms: None,
        };
        let policy = CardPolicy::default();
        assert_eq!(policy.allowed(jane.clone(), Assurance::High), Some(jane.clone()));
        let known = policy.allowed(jane.clone(), Assurance::Low);
        let nothing = Guest {
            display_name: String::new(),
            usual: Vec::new(),
            usual_because: None,
            dietary: Vec::new(),
            points: 0,
            visits_before: 0,
            ..jane.clone()
        };
        assert_eq!(known, Some(nothing));
        assert_eq!(CardPolicy { low: Vec::new(), ..policy }.allowed(jane, Assurance::Low), None);
    }
}
