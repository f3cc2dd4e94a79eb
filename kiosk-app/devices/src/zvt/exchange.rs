//! One authorisation, message by message, without IO or clock: what to answer and when it is settled.

use super::FromTerminal;
use kiosk_core::{CommandOutcome, Minor, TerminalReceipt};

/// What to write back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing: an acknowledgement is not acknowledged.
    None,
    /// `80 00 00`
    Ack,
    /// `84 83 00`: this till does not do that.
    NotPossible,
}

/// What follows from a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// To be written back before all else.
    pub reply: Reply,
    /// The end, if this is it.
    pub end: Option<CommandOutcome>,
    /// An intermediate status for the screen.
    pub status: Option<u8>,
    /// The terminal says that what it does now may take so many minutes.
    pub patience_min: Option<u8>,
}

/// An authorisation that has been written to the terminal.
#[derive(Clone, Debug)]
pub struct Exchange {
    asked: Minor,
    currency: u16,
    acknowledged: bool,
    word: Word,
}

/// What the status informations said.
#[derive(Clone, Debug)]
enum Word {
    Nothing,
    Approved(CommandOutcome),
    Declined(u8),
    /// Contradictions: only a person can tell.
    Unclear,
}

impl Exchange {
    /// Just written.
    pub fn new(asked: Minor, currency: u16) -> Self {
        Self { asked, currency, acknowledged: false, word: Word::Nothing }
    }

    /// True once the terminal is known to have taken the command.
    pub fn is_acknowledged(&self) -> bool {
        self.acknowledged
    }

    /// Takes a message.
    pub fn take(&mut self, message: FromTerminal) -> Step {
        let mut step = Step { reply: Reply::Ack, end: None, status: None, patience_min: None };
        let first = !self.acknowledged;
        // A refusal and a command of another kind do not show that ours was taken.
        self.acknowledged |= !matches!(message, FromTerminal::Nack(_) | FromTerminal::Other(_));
        match message {
            FromTerminal::Ack => step.reply = Reply::None,
            FromTerminal::Nack(code) => {
                step.reply = Reply::None;
                // A later one refuses our request to abort, not the authorisation.
                step.end = first.then_some(CommandOutcome::Declined { code });
            }
            FromTerminal::Intermediate { status, timeout_min } => {
                (step.status, step.patience_min) = (Some(status), timeout_min);
            }
            FromTerminal::Status(info) => self.word = self.weigh(&info),
            FromTerminal::Completion => {
                step.end = Some(match &self.word {
                    Word::Approved(outcome) => outcome.clone(),
                    Word::Declined(code) => CommandOutcome::Declined { code: *code },
                    Word::Nothing | Word::Unclear => CommandOutcome::Unknown,
                });
            }
            FromTerminal::Abort { code } => {
                step.end = Some(match self.word {
                    Word::Nothing | Word::Declined(_) => CommandOutcome::Declined { code },
                    Word::Approved(_) | Word::Unclear => CommandOutcome::Unknown,
                });
            }
            FromTerminal::Print => {}
            FromTerminal::Other(_) => step.reply = Reply::NotPossible,
        }
        step
    }

    fn weigh(&self, info: &super::StatusInformation) -> Word {
        let other_currency = info.currency.is_some_and(|c| c != self.currency);
        match (&self.word, info.result_code) {
            (word, None) => word.clone(),
            (Word::Unclear, _) | (Word::Approved(_), Some(1..)) | (_, Some(0)) if other_currency => Word::Unclear,
            (Word::Unclear, _) | (Word::Approved(_), Some(1..)) => Word::Unclear,
            (_, Some(0)) => Word::Approved(CommandOutcome::Approved(TerminalReceipt {
                amount: info.amount.and_then(|a| i64::try_from(a).ok()).map_or(self.asked, Minor),
                number: info.receipt.unwrap_or(0),
                masked: info.masked(),
                ..TerminalReceipt::default()
            })),
            (_, Some(code)) => Word::Declined(code),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{super::StatusInformation, *};
    use proptest::prelude::*;

    fn status(code: u8) -> FromTerminal {
        FromTerminal::Status(StatusInformation {
            result_code: Some(code),
            amount: Some(1250),
            currency: Some(978),
            receipt: Some(17),
            last_digits: Some(*b"1234"),
            card_name: "VISA".into(),
            ..Default::default()
        })
    }

    fn end(messages: impl IntoIterator<Item = FromTerminal>) -> Option<CommandOutcome> {
        let mut exchange = Exchange::new(Minor(1250), 978);
        messages.into_iter().find_map(|m| exchange.take(m).end)
    }

    const DONE: FromTerminal = FromTerminal::Completion;

    #[test]
    fn approval_needs_the_word_and_the_completion() {
        let approved = CommandOutcome::approved(Minor(1250), 17, "VISA **** 1234");
        assert_eq!(end([FromTerminal::Ack, status(0), DONE]), Some(approved));
        assert_eq!(end([FromTerminal::Ack, status(0)]), None);
        assert_eq!(end([FromTerminal::Ack, DONE]), Some(CommandOutcome::Unknown));
    }

    #[test]
    fn a_refusal_is_a_decline_with_its_code() {
        let declined = |code| Some(CommandOutcome::Declined { code });
        assert_eq!(end([FromTerminal::Ack, status(0x6C), DONE]), declined(0x6C));
        assert_eq!(end([FromTerminal::Ack, FromTerminal::Abort { code: 5 }]), declined(5));
        assert_eq!(end([FromTerminal::Ack, status(5), FromTerminal::Abort { code: 5 }]), declined(5));
        assert_eq!(end([FromTerminal::Nack(0x9C)]), declined(0x9C));
    }

    #[test]
    fn a_refused_abort_does_not_end_the_charge() {
        assert_eq!(end([FromTerminal::Ack, FromTerminal::Nack(0x83)]), None);
    }

    #[test]
    fn contradictions_stay_unknown() {
        let unknown = Some(CommandOutcome::Unknown);
        assert_eq!(end([FromTerminal::Ack, status(0), FromTerminal::Abort { code: 0x6C }]), unknown);
        assert_eq!(end([FromTerminal::Ack, status(0), status(5), DONE]), unknown);
        let mut dollars = StatusInformation { result_code: Some(0), currency: Some(840), ..Default::default() };
        assert_eq!(end([FromTerminal::Status(dollars.clone()), DONE]), unknown);
        dollars.result_code = None;
        assert_eq!(end([FromTerminal::Status(dollars), DONE]), unknown);
    }

    #[test]
    fn a_partial_approval_says_what_was_approved() {
        let part = StatusInformation { result_code: Some(0), amount: Some(1000), ..Default::default() };
        let outcome = end([FromTerminal::Status(part), DONE]);
        assert!(matches!(outcome, Some(CommandOutcome::Approved(TerminalReceipt { amount: Minor(1000), .. }))));
    }

    fn any_message() -> impl Strategy<Value = FromTerminal> {
        prop_oneof![
            Just(FromTerminal::Ack),
            any::<u8>().prop_map(FromTerminal::Nack),
            any::<u8>().prop_map(|status| FromTerminal::Intermediate { status, timeout_min: None }),
            (0u8..3).prop_map(status),
            any::<u8>().prop_map(|code| FromTerminal::Abort { code }),
            Just(FromTerminal::Print),
            any::<[u8; 2]>().prop_map(FromTerminal::Other),
            Just(DONE),
        ]
    }

    proptest! {
        #[test]
        fn nothing_is_approved_without_an_approval_and_nothing_declined_after_one(
            messages in proptest::collection::vec(any_message(), 0..12),
        ) {
            let at_end = |m: &FromTerminal| matches!(m, FromTerminal::Completion | FromTerminal::Abort { .. });
            let upto = messages.iter().position(at_end).map_or(messages.len(), |i| i + 1);
            let approved = messages[..upto].contains(&status(0));
            match end(messages.clone()) {
                Some(CommandOutcome::Approved(_)) => prop_assert!(approved),
                Some(CommandOutcome::Declined { .. }) if !matches!(messages.iter().find(|m| !matches!(m, FromTerminal::Other(_))), Some(FromTerminal::Nack(_))) => prop_assert!(!approved),
                _ => {}
            }
        }
    }
}
