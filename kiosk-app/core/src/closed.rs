//! Whether this kiosk serves guests at all: what the fleet tells it.
//!
//! - Locked, or about to be retired, it shows that it is out of service and takes no sale. A visit that stands before its
//!   payment ends; a payment that is under way ends first, and its guest reads how.
//! - Asked which one it is, it says its name for a moment, and never over a guest's visit.

use crate::now::Now;

/// How long the name stays.
pub const IDENTIFY_MS: u64 = 15_000;

/// What the fleet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fleet {
    /// Sell nothing (or sell again).
    Lock(bool),
    /// Take no new sale: this device is to be retired. Holds until the program ends.
    StopSelling,
    /// Show which device this is.
    Identify,
}

/// What holds of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Closed {
    locked: bool,
    stopping: bool,
    identify_until_ms: Option<u64>,
}

impl Closed {
    pub(crate) fn hear(&mut self, word: Fleet, now: Now) {
        match word {
            Fleet::Lock(locked) => self.locked = locked,
            Fleet::StopSelling => self.stopping = true,
            Fleet::Identify => self.identify_until_ms = Some(now.mono_ms.saturating_add(IDENTIFY_MS)),
        }
    }

    /// Guests are not served.
    pub(crate) fn is_closed(self) -> bool {
        self.locked || self.stopping
    }

    /// When the name is taken away.
    pub(crate) fn next_tick_ms(self) -> Option<u64> {
        self.identify_until_ms
    }

    pub(crate) fn tick(&mut self, now: Now) {
        self.identify_until_ms = self.identify_until_ms.filter(|until| now.mono_ms < *until);
    }

    pub(crate) fn says_its_name(self) -> bool {
        self.identify_until_ms.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Intent,
        device::DeviceEvent,
        event::{Event, Outcome, Stage},
        rig::Rig,
    };

    fn locked(rig: &mut Rig, locked: bool) {
        rig.device(DeviceEvent::Fleet(Fleet::Lock(locked)));
    }

    fn closed_by_staff(rig: &Rig) -> usize {
        rig.count(|event| matches!(event, Event::VisitEnded { outcome: Outcome::StaffClosed, .. }))
    }

    #[test]
    fn a_locked_kiosk_begins_no_visit_and_an_unlocked_one_does_again() {
        let mut rig = Rig::new();
        locked(&mut rig, true);
        rig.touch(Intent::Begin).tap("1:aa");
        rig.device(DeviceEvent::Presence(true));
        assert!(rig.see().out_of_service && rig.see().stage == Stage::Attract);
        assert!(rig.events().is_empty(), "{:?}", rig.events());
        locked(&mut rig, false);
        rig.touch(Intent::Begin);
        assert!(!rig.see().out_of_service && rig.see().stage != Stage::Attract);
    }

    #[test]
    fn a_visit_before_its_payment_ends_with_the_lock() {
        let mut rig = Rig::new();
        rig.touch(Intent::Begin);
        locked(&mut rig, true);
        assert_eq!((rig.see().stage, closed_by_staff(&rig)), (Stage::Attract, 1));
    }

    #[test]
    fn a_payment_under_way_ends_first_and_its_guest_reads_how() {
        let mut rig = Rig::paying();
        locked(&mut rig, true);
        assert_eq!((rig.see().stage, closed_by_staff(&rig)), (Stage::Paying, 0));
        rig.approve();
        assert_eq!(rig.see().stage, Stage::Done);
        rig.touch(Intent::Finish);
        assert!(rig.see().out_of_service && rig.see().stage == Stage::Attract);
        rig.touch(Intent::Begin);
        assert_eq!(rig.see().stage, Stage::Attract);
    }

    #[test]
    fn the_name_is_shown_for_a_moment_and_not_over_a_visit() {
        let mut rig = Rig::new();
        rig.device(DeviceEvent::Fleet(Fleet::Identify));
        assert_eq!(rig.see().identify.as_deref(), Some("1"));
        assert_eq!(rig.see().next_tick_ms, Some(rig.mono_ms + IDENTIFY_MS));
        rig.wait(IDENTIFY_MS);
        assert_eq!(rig.see().identify, None);
        rig.touch(Intent::Begin).device(DeviceEvent::Fleet(Fleet::Identify));
        assert_eq!(rig.see().identify, None);
    }
}
