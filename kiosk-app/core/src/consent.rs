//! What a guest has agreed to, and what that allows. Each level includes those before it.
//!
//! | Level | Means |
//! |---|---|
//! | none | no visitor id on any event, no data that outlives the visit |
//! | service | points, receipts, the balance, the name on the board where the guest has given one |
//! | personal | also history, the usual, offers, recommendations |
//! | marketing | also referral links, and contact outside the shop |
//!
//! What a guest must not eat is kept by a consent of its own ([`Guest::dietary`]), at any level but none.
//!
//! A higher level is never taken for granted: each is a question of its own ([`Question`]), whose refusal is as large as its
//! acceptance. A lower one needs no question.

use crate::device::{Consent, Guest};

/// Version of the sentences that a guest agrees to. They ship with the program: who changes one of them raises this.
pub const TEXT_VERSION: &str = "2";

/// Something that is done with what is known of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Use {
    /// The guest's pseudonym on events.
    VisitorId,
    /// Data that joins one visit to another.
    AcrossVisits,
    /// Points are gathered.
    Points,
    /// Receipts are kept.
    Receipts,
    /// The balance is shown.
    Balance,
    /// The name that the guest has given is called and shown on the board.
    CalledName,
    /// Former orders and visits.
    History,
    /// The usual, one touch away.
    Usual,
    /// Offers made for this guest.
    Offers,
    /// Recommendations made for this guest.
    Recommendations,
    /// Referral links.
    Referral,
    /// Contact outside the shop.
    Contact,
}

impl Use {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::VisitorId,
        Self::AcrossVisits,
        Self::Points,
        Self::Receipts,
        Self::Balance,
        Self::CalledName,
        Self::History,
        Self::Usual,
        Self::Offers,
        Self::Recommendations,
        Self::Referral,
        Self::Contact,
    ];

    /// The lowest level that allows it.
    pub fn needs(self) -> Consent {
        match self {
            Self::VisitorId | Self::AcrossVisits | Self::Points | Self::Receipts | Self::Balance | Self::CalledName => {
                Consent::Service
            }
            Self::History | Self::Usual | Self::Offers | Self::Recommendations => Consent::Personal,
            Self::Referral | Self::Contact => Consent::Marketing,
        }
    }
}

impl Consent {
    /// All levels, the lowest first.
    pub const ALL: [Self; 4] = [Self::None, Self::Service, Self::Personal, Self::Marketing];

    /// Whether this may be done.
    pub fn allows(self, what: Use) -> bool {
        self >= what.needs()
    }

    /// The level above.
    pub fn next(self) -> Option<Self> {
        Self::ALL.into_iter().find(|level| *level > self)
    }
}

/// What a guest is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Question {
    /// 'Shall we know you next time?', of a card that nobody is known by.
    Join,
    /// Another level, the next one above what is agreed.
    Level(Consent),
}

impl Guest {
    /// The guest with what may be used of what is known; `None` where nothing may.
    pub fn as_agreed(mut self) -> Option<Self> {
        let consent = self.consent;
        if !consent.allows(Use::VisitorId) {
            return None;
        }
        if !consent.allows(Use::CalledName) {
            self.display_name.clear();
        }
        if !consent.allows(Use::Balance) {
            self.points = 0;
        }
        if !consent.allows(Use::Usual) {
            self.usual.clear();
            self.usual_because = None;
        }
        if !consent.allows(Use::History) {
            self.visits_before = 0;
        }
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::rig::jane;

    /// One row a thing, one column a level: none, service, personal, marketing.
    const TABLE: [(Use, [bool; 4]); 12] = [
        (Use::VisitorId, [false, true, true, true]),
        (Use::AcrossVisits, [false, true, true, true]),
        (Use::Points, [false, true, true, true]),
        (Use::Receipts, [false, true, true, true]),
        (Use::Balance, [false, true, true, true]),
        (Use::CalledName, [false, true, true, true]),
        (Use::History, [false, false, true, true]),
        (Use::Usual, [false, false, true, true]),
        (Use::Offers, [false, false, true, true]),
        (Use::Recommendations, [false, false, true, true]),
        (Use::Referral, [false, false, false, true]),
        (Use::Contact, [false, false, false, true]),
    ];

    #[test]
    fn each_level_allows_what_its_row_says_and_nothing_else() {
        assert!(Use::ALL.iter().all(|what| TABLE.iter().filter(|(row, _)| row == what).count() == 1));
        for (what, allowed) in TABLE {
            for (level, allowed) in Consent::ALL.into_iter().zip(allowed) {
                assert_eq!(level.allows(what), allowed, "{what:?} at {level:?}");
            }
        }
    }

    #[test]
    fn what_is_known_is_cut_down_to_what_was_agreed() {
        let of = |consent| Guest { consent, ..jane() }.as_agreed();
        assert_eq!(of(Consent::None), None);
        for consent in [Consent::Service, Consent::Personal, Consent::Marketing] {
            let guest = of(consent).unwrap();
            assert_eq!(guest.display_name.is_empty(), !consent.allows(Use::CalledName));
            assert_eq!(guest.points == 0, !consent.allows(Use::Balance));
            assert_eq!(guest.usual.is_empty(), !consent.allows(Use::Usual));
            assert_eq!(guest.visits_before == 0, !consent.allows(Use::History));
        }
    }

    #[test]
    fn levels_are_climbed_one_by_one() {
        let climb = Consent::ALL.map(Consent::next);
        assert_eq!(climb, [Some(Consent::Service), Some(Consent::Personal), Some(Consent::Marketing), None]);
    }
}
