//! Staff: who stands at the desk, what they may do, and how often a wrong PIN is taken.
//!
//! - A person is known by a badge whose message is proven by cryptography, or by staff number and PIN. A badge that can be
//!   copied ([`crate::device::Assurance::Low`]) only says the number: the PIN is asked for.
//! - What a role may do stands in [`Permissions`]. Where a second person is needed, that person's PIN or badge approves one
//!   act, once. Nobody approves their own.
//! - Wrong PINs are counted on disk before they are judged, so that neither a restart nor a power cut gives a free try:
//!   [`Tries`].
//!
//! A [`Pin`] is wiped when it is dropped and never shown by `Debug`. Checking it (argon2id) is the shell's work.

use crate::now::Now;
use alloc::string::String;
use core::fmt;
use zeroize::Zeroize as _;

/// The fewest digits of a PIN.
pub const PIN_MIN: usize = 4;
/// The most digits of a PIN.
pub const PIN_MAX: usize = 8;
/// Wrong PINs of one person that cost no time.
pub const FREE_TRIES: u32 = 5;
/// The pause after the last free try; it doubles with each further one.
pub const FIRST_PAUSE_MS: u64 = 60_000;
/// The longest pause.
pub const LONGEST_PAUSE_MS: u64 = 3_600_000;
/// Characters of a staff number.
pub const STAFF_ID_MAX: usize = 16;

/// What a person is in the shop. A greater role may do all that a smaller one may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StaffRole {
    /// Mends the kiosk; sees neither guests nor the till.
    Service,
    /// Serves guests.
    #[default]
    Staff,
    /// Is answerable for the till.
    Manager,
}

/// A person who is signed in, or who approved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// Staff number, `1001`. Goes into events; the name does not.
    pub id: String,
    /// Shown on the screen and printed on reports: a short name, may be empty.
    pub name: String,
    /// What they are.
    pub role: StaffRole,
    /// True until they have chosen a PIN of their own.
    pub must_reset: bool,
}

/// Digits, 4 to 8 of them, wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Pin {
    digits: [u8; PIN_MAX],
    len: u8,
}

impl Pin {
    /// From typed digits; `None` for anything that is no PIN.
    pub fn new(typed: &str) -> Option<Self> {
        let bytes = typed.as_bytes();
        let good = (PIN_MIN..=PIN_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_digit);
        good.then(|| {
            let mut pin = Self { digits: [0; PIN_MAX], len: u8::try_from(bytes.len()).unwrap_or(0) };
            for (to, from) in pin.digits.iter_mut().zip(bytes) {
                *to = *from;
            }
            pin
        })
    }

    /// The digits, for whoever checks them.
    pub fn digits(&self) -> &[u8] {
        self.digits.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// True for a PIN that anybody would try first: one digit repeated, or a run up or down.
    pub fn is_easy(&self) -> bool {
        let steps = |by: i16| self.digits().windows(2).all(|two| i16::from(two[1]) - i16::from(two[0]) == by);
        [-1, 0, 1].into_iter().any(steps)
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.digits.zeroize();
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(..)")
    }
}

/// What somebody shows to be known by.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A staff badge at the reader.
    Badge {
        /// `<key version>:<hex>`.
        token: String,
        /// True where the badge itself is proof; false where it only says the number, and the PIN follows.
        proof: bool,
    },
    /// Staff number and PIN.
    Pin {
        /// Staff number.
        staff: String,
        /// The PIN.
        pin: Pin,
    },
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Badge { proof, .. } => write!(f, "Badge {{ token: .., proof: {proof} }}"),
            Self::Pin { .. } => f.write_str("Pin { .. }"),
        }
    }
}

/// The shell's answer to [`crate::Effect::SignIn`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignInResult {
    /// It is this person, and they may work here now.
    Welcome(Person),
    /// The badge is this person's; the PIN is still needed.
    PinNeeded(Person),
    /// Not known by this, for whatever reason: number, PIN, badge or an end date. One answer for all, so that nobody
    /// learns which numbers exist. Where a pause began, how long it is.
    Refused {
        /// Milliseconds until the next try is taken, 0 for at once.
        pause_ms: u64,
    },
    /// There is no roster in force on this device: nobody can sign in until the agent brings one.
    NoRoster,
    /// It could not be counted on disk, so it was not tried.
    CannotRecord,
}

/// Wrong tries of one staff number. Kept on disk by the shell; a try is counted before its PIN is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tries {
    /// Wrong tries since the last good one.
    pub wrong: u32,
    /// When the last of them was, by the clock then known.
    pub at_utc_ms: Option<i64>,
    /// When the last of them was by `Now::mono_ms`, where that was since this start.
    pub at_mono_ms: Option<u64>,
}

impl Tries {
    /// Milliseconds until a further try is taken, 0 for now. Where nobody knows how much of a pause has passed (the clock is
    /// unset, or was set back), the whole pause is waited again, and never more than one pause.
    pub fn pause_ms(&self, now: Now, started_mono_ms: u64) -> u64 {
        let pause = pause_after(self.wrong);
        let passed = match (self.at_mono_ms, self.at_utc_ms, now.utc_ms) {
            (Some(at), _, _) => now.mono_ms.saturating_sub(at),
            (None, Some(at), Some(utc)) if utc >= at => u64::try_from(utc.saturating_sub(at)).unwrap_or(0),
            _ => now.mono_ms.saturating_sub(started_mono_ms),
        };
        pause.saturating_sub(passed)
    }

    /// One more wrong try.
    #[must_use]
    pub fn wrong(self, now: Now) -> Self {
        Self { wrong: self.wrong.saturating_add(1), at_utc_ms: now.utc_ms, at_mono_ms: Some(now.mono_ms) }
    }
}

/// The pause that so many wrong tries lead to.
pub fn pause_after(wrong: u32) -> u64 {
    match wrong.checked_sub(FREE_TRIES) {
        None => 0,
        Some(more) => FIRST_PAUSE_MS.checked_shl(more.min(16)).unwrap_or(LONGEST_PAUSE_MS).min(LONGEST_PAUSE_MS),
    }
}

/// What is done at the desk and needs somebody's right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Act {
    /// Look at today's orders.
    SeeOrders,
    /// Print a receipt again.
    Reprint,
    /// Take money for an order that is to be paid at the counter.
    TakeCash,
    /// Cancel an order that is not paid.
    Void,
    /// Change a price.
    Override,
    /// Give money back the way it came.
    Refund,
    /// Give money back in cash that came another way.
    RefundInCash,
    /// Say what became of a payment that nobody knows the end of.
    Resolve,
    /// Open the drawer without a sale.
    NoSale,
    /// Begin a shift.
    OpenShift,
    /// Count the drawer and end the shift.
    CloseShift,
    /// Put money into the drawer.
    PayIn,
    /// Take money out for the shop's expenses.
    PayOut,
    /// Take money out to the safe.
    SafeDrop,
    /// Print the till's totals without ending anything.
    XReport,
    /// End the till's day.
    ZReport,
    /// Give somebody new rights, a new badge, a new PIN.
    ManageStaff,
    /// Device tests, logs, queue, versions.
    Service,
    /// Make guests' cards and bind them.
    IssueCards,
    /// Block a guest's lost cards.
    BlockCards,
}

impl Act {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::SeeOrders,
        Self::Reprint,
        Self::TakeCash,
        Self::Void,
        Self::Override,
        Self::Refund,
        Self::RefundInCash,
        Self::Resolve,
        Self::NoSale,
        Self::OpenShift,
        Self::CloseShift,
        Self::PayIn,
        Self::PayOut,
        Self::SafeDrop,
        Self::XReport,
        Self::ZReport,
        Self::ManageStaff,
        Self::Service,
        Self::IssueCards,
        Self::BlockCards,
    ];

    /// The word in config, events and rows.
    pub fn word(self) -> &'static str {
        match self {
            Self::SeeOrders => "see_orders",
            Self::Reprint => "reprint",
            Self::TakeCash => "take_cash",
            Self::Void => "void",
            Self::Override => "override",
            Self::Refund => "refund",
            Self::RefundInCash => "refund_in_cash",
            Self::Resolve => "resolve",
            Self::NoSale => "no_sale",
            Self::OpenShift => "open_shift",
            Self::CloseShift => "close_shift",
            Self::PayIn => "pay_in",
            Self::PayOut => "pay_out",
            Self::SafeDrop => "safe_drop",
            Self::XReport => "x_report",
            Self::ZReport => "z_report",
            Self::ManageStaff => "manage_staff",
            Self::Service => "service",
            Self::IssueCards => "issue_cards",
            Self::BlockCards => "block_cards",
        }
    }

    /// The act of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.word() == word)
    }
}

/// What an act needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Need {
    /// Anybody who is signed in.
    Staff,
    /// Staff, with a manager's approval; a manager alone.
    Approval,
    /// A manager, with the approval of a second manager.
    TwoManagers,
    /// A manager.
    Manager,
    /// Nobody: switched off here.
    Never,
}

/// Whether somebody may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum May {
    /// Yes.
    Yes,
    /// With the approval of somebody of at least this role.
    Approved(StaffRole),
    /// No.
    No,
}

/// What each act needs here: a table from config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    needs: [Need; Act::ALL.len()],
}

impl Default for Permissions {
    fn default() -> Self {
        let mut may = Self { needs: [Need::Staff; Act::ALL.len()] };
        for act in [Act::Void, Act::Override, Act::Refund, Act::RefundInCash, Act::Resolve, Act::PayOut, Act::SafeDrop] {
            may.set(act, Need::Approval);
        }
        for act in [Act::ZReport, Act::ManageStaff, Act::Service] {
            may.set(act, Need::Manager);
        }
        may
    }
}

impl Permissions {
    /// What an act needs.
    pub fn need(&self, act: Act) -> Need {
        Act::ALL.iter().position(|a| *a == act).and_then(|at| self.needs.get(at)).copied().unwrap_or(Need::Never)
    }

    /// Sets what an act needs.
    pub fn set(&mut self, act: Act, need: Need) {
        if let Some(there) = Act::ALL.iter().position(|a| *a == act).and_then(|at| self.needs.get_mut(at)) {
            *there = need;
        }
    }

    /// Whether somebody of this role may.
    pub fn may(&self, role: StaffRole, act: Act) -> May {
        match (self.need(act), role) {
            (Need::Never, StaffRole::Service) => May::No,
            (_, StaffRole::Service) => {
                if act == Act::Service {
                    May::Yes
                } else {
                    May::No
                }
            }
            (Need::Staff, _) | (Need::Approval | Need::Manager, StaffRole::Manager) => May::Yes,
            (Need::Approval, StaffRole::Staff) | (Need::TwoManagers, StaffRole::Manager) => May::Approved(StaffRole::Manager),
            (Need::Manager | Need::TwoManagers, StaffRole::Staff) | (Need::Never, _) => May::No,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::now::ClockQuality;
    use alloc::format;

    fn at(mono_ms: u64, utc_ms: Option<i64>) -> Now {
        Now { mono_ms, utc_ms, offset_min: 0, quality: ClockQuality::Estimated }
    }

    #[test]
    fn a_pin_is_four_to_eight_digits_and_shows_none_of_them() {
        for typed in ["", "123", "123456789", "12a4", "١٢٣٤", "12 4"] {
            assert_eq!(Pin::new(typed), None, "{typed}");
        }
        let pin = Pin::new("907152").unwrap();
        assert_eq!(pin.digits(), b"907152");
        let badge = Credential::Badge { token: "1:secret".into(), proof: false };
        let shown = format!("{pin:?} {:?} {badge:?}", Credential::Pin { staff: "1001".into(), pin: pin.clone() });
        assert!(!shown.contains("907") && !shown.contains("1001") && !shown.contains("secret"), "{shown}");
    }

    #[test]
    fn a_pin_that_everybody_tries_first_is_easy() {
        for easy in ["0000", "1234", "98765", "11111111"] {
            assert!(Pin::new(easy).unwrap().is_easy(), "{easy}");
        }
        for hard in ["1235", "9071", "1212"] {
            assert!(!Pin::new(hard).unwrap().is_easy(), "{hard}");
        }
    }

    #[test]
    fn the_pause_begins_with_the_fifth_wrong_pin_and_doubles_to_an_hour() {
        let minutes = [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60];
        for (wrong, minutes) in (0..).zip(minutes) {
            assert_eq!(pause_after(wrong), minutes * 60_000, "{wrong}");
        }
        assert_eq!(pause_after(u32::MAX), LONGEST_PAUSE_MS);
    }

    #[test]
    fn a_pause_survives_a_restart_and_no_clock_shortens_it() {
        let noon = 1_795_262_400_000;
        let mut tries = Tries::default();
        for _ in 0..5 {
            tries = tries.wrong(at(100_000, Some(noon)));
        }
        assert_eq!(tries.pause_ms(at(100_000, Some(noon)), 0), 60_000);
        assert_eq!(tries.pause_ms(at(130_000, Some(noon + 999_000)), 0), 30_000, "a clock set forward gives nothing");
        let stored = Tries { at_mono_ms: None, ..tries };
        assert_eq!(stored.pause_ms(at(9_000, Some(noon + 40_000)), 5_000), 20_000);
        assert_eq!(stored.pause_ms(at(9_000, Some(noon - 40_000)), 5_000), 56_000, "set back: the whole pause since the start");
        assert_eq!(stored.pause_ms(at(9_000, None), 5_000), 56_000);
        assert_eq!(stored.pause_ms(at(70_000, None), 5_000), 0);
    }

    #[test]
    fn a_table_says_who_may_and_who_approves() {
        let mut may = Permissions::default();
        assert_eq!(may.may(StaffRole::Staff, Act::NoSale), May::Yes);
        assert_eq!(may.may(StaffRole::Staff, Act::Refund), May::Approved(StaffRole::Manager));
        assert_eq!(may.may(StaffRole::Manager, Act::Refund), May::Yes);
        assert_eq!(may.may(StaffRole::Staff, Act::ZReport), May::No);
        for act in Act::ALL {
            let service = may.may(StaffRole::Service, act);
            assert_eq!(service == May::Yes, act == Act::Service, "{act:?}");
        }
        may.set(Act::ZReport, Need::TwoManagers);
        assert_eq!(may.may(StaffRole::Manager, Act::ZReport), May::Approved(StaffRole::Manager));
        may.set(Act::NoSale, Need::Never);
        assert_eq!(may.may(StaffRole::Manager, Act::NoSale), May::No);
        for act in Act::ALL {
            assert_eq!(Act::from_word(act.word()), Some(act));
        }
        assert_eq!(Act::from_word("fly"), None);
    }
}
