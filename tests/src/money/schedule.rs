//! One way for things to go, as a number.

use super::{
    office::Fault,
    terminal::{Answer, Unheard},
};

/// Where the kiosk dies, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crash {
    Never,
    AfterStartRecorded,
    AfterSend,
    AfterAcknowledgement,
    BeforeOutcomeRecorded,
    AfterOutcomeRecorded,
    AfterFirstLook,
    AfterHoldSent,
    AfterHeld,
    AfterCaptureSent,
}

/// How the guest pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pays {
    Card,
    TwoCards,
    GiftAndCard,
    Gift,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    Whole,
    CommandLost,
    AcknowledgementLost,
    CompletionLost,
    CompletionLate,
    CompletionTwice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hand {
    Nothing,
    /// The same amount, between checkout and paying.
    SameBefore,
    /// The same amount, once the terminal is free again.
    SameAfter,
    OtherAfter,
    EndOfDayAfter,
    EndOfDayAndSameAfter,
}

/// One way for things to go.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    pub(super) crash: Crash,
    pub(super) wire: Wire,
    pub(super) answer: Answer,
    pub(super) hand: Hand,
    pub(super) unheard: Unheard,
    pub(super) traces: bool,
    pub(super) receipts: u32,
    pub(super) enquiry: u32,
    pub(super) second_guest: bool,
    pub(super) staff_errs: bool,
    pub(super) pays: Pays,
    pub(super) office: Fault,
}

/// How many schedules there are.
pub const SCHEDULES: u64 = 10 * 6 * 4 * 6 * 4 * 2 * 3 * 3 * 2 * 2 * 4;

impl Schedule {
    /// The schedule of a number below [`SCHEDULES`].
    pub fn number(n: u64) -> Self {
        let mut rest = n;
        let mut digit = |base: u64| {
            let digit = rest % base;
            rest /= base;
            digit as usize
        };
        let crash = [
            Crash::Never,
            Crash::AfterStartRecorded,
            Crash::AfterSend,
            Crash::AfterAcknowledgement,
            Crash::BeforeOutcomeRecorded,
            Crash::AfterOutcomeRecorded,
            Crash::AfterFirstLook,
            Crash::AfterHoldSent,
            Crash::AfterHeld,
            Crash::AfterCaptureSent,
        ];
        let wire = [
            Wire::Whole,
            Wire::CommandLost,
            Wire::AcknowledgementLost,
            Wire::CompletionLost,
            Wire::CompletionLate,
            Wire::CompletionTwice,
        ];
        let answer = [Answer::Approve, Answer::Decline, Answer::DeclineNumbered, Answer::ApproveSlowly];
        let hand =
            [Hand::Nothing, Hand::SameBefore, Hand::SameAfter, Hand::OtherAfter, Hand::EndOfDayAfter, Hand::EndOfDayAndSameAfter];
        let unheard = [Unheard::Keep, Unheard::Reverse, Unheard::Forget, Unheard::ReverseLate];
        let office = [
            Fault::Nothing,
            Fault::HoldLost,
            Fault::HoldUnanswered,
            Fault::HoldLate,
            Fault::CaptureLost,
            Fault::CaptureUnanswered,
        ];
        let pays = [Pays::Card, Pays::TwoCards, Pays::GiftAndCard, Pays::Gift];
        let schedule = Self {
            crash: crash[digit(10)],
            wire: wire[digit(6)],
            answer: answer[digit(4)],
            hand: hand[digit(6)],
            unheard: unheard[digit(4)],
            traces: digit(2) == 0,
            receipts: [0, 1, 5][digit(3)],
            enquiry: digit(3) as u32,
            second_guest: digit(2) == 1,
            staff_errs: digit(2) == 1,
            pays: pays[digit(4)],
            office: Fault::Nothing,
        };
        if matches!(schedule.pays, Pays::GiftAndCard | Pays::Gift) {
            let at = hand.iter().position(|hand| *hand == schedule.hand).unwrap_or_default();
            return Self { hand: Hand::Nothing, office: office[at], ..schedule };
        }
        schedule
    }
}
