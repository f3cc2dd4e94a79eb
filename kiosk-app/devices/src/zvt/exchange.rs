//! One command, message by message, without IO or clock: what to answer and when it is settled.

use super::{FromTerminal, StatusInformation, command::currency_of, print::Print};
use kiosk_core::{Command, CommandOutcome, Enquiry, Minor, TerminalReceipt};

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
    /// Something to print.
    pub print: Option<Print>,
}

impl Step {
    fn new() -> Self {
        Self { reply: Reply::Ack, end: None, status: None, patience_min: None, print: None }
    }
}

/// A financial command that has been written to the terminal.
#[derive(Clone, Debug)]
pub struct Exchange {
    command: Command,
    currency: u16,
    acknowledged: bool,
    word: Word,
}

/// What the status informations said.
#[derive(Clone, Debug)]
enum Word {
    Nothing,
    Done(CommandOutcome),
    Declined(u8),
    /// Contradictions: only a person can tell.
    Unclear,
}

impl Exchange {
    /// Just written.
    pub fn new(command: Command, currency: u16) -> Self {
        Self { command, currency, acknowledged: false, word: Word::Nothing }
    }

    /// True once the terminal is known to have taken the command.
    pub fn is_acknowledged(&self) -> bool {
        self.acknowledged
    }

    /// Takes a message.
    pub fn take(&mut self, message: FromTerminal) -> Step {
        let mut step = Step::new();
        let first = !self.acknowledged;
        // A refusal and a command of another kind do not show that ours was taken.
        self.acknowledged |= !matches!(message, FromTerminal::Nack(_) | FromTerminal::Other(_));
        match message {
            FromTerminal::Ack => step.reply = Reply::None,
            FromTerminal::Nack(code) => {
                step.reply = Reply::None;
                // A later one refuses our request to abort, not the command.
                step.end = first.then_some(CommandOutcome::Declined { code });
            }
            FromTerminal::Intermediate { status, timeout_min } => {
                (step.status, step.patience_min) = (Some(status), timeout_min);
            }
            FromTerminal::Status(info) => self.word = self.weigh(&info),
            FromTerminal::Completion { .. } => {
                step.end = Some(match &self.word {
                    Word::Done(outcome) => outcome.clone(),
                    Word::Declined(code) => CommandOutcome::Declined { code: *code },
                    Word::Nothing | Word::Unclear => CommandOutcome::Unknown,
                });
            }
            FromTerminal::Abort { code } => {
                step.end = Some(match self.word {
                    Word::Nothing | Word::Declined(_) => CommandOutcome::Declined { code },
                    Word::Done(_) | Word::Unclear => CommandOutcome::Unknown,
                });
            }
            FromTerminal::Print(print) => step.print = Some(print),
            FromTerminal::Other(_) => step.reply = Reply::NotPossible,
        }
        step
    }

    fn weigh(&self, info: &StatusInformation) -> Word {
        let other_currency = info.currency.is_some_and(|c| c != self.currency);
        // Totals need no result code: some terminals say them without one.
        let totals = info.totals.filter(|_| self.command == Command::EndOfDay && info.result_code.is_none_or(|code| code == 0));
        if let (Some(totals), Word::Nothing | Word::Done(_)) = (totals, &self.word) {
            return Word::Done(CommandOutcome::Totals(totals.day(info.amount, info.terminal())));
        }
        match (&self.word, info.result_code) {
            (word, None) => word.clone(),
            (_, Some(0)) if other_currency => Word::Unclear,
            (Word::Unclear, _) | (Word::Done(_), Some(1..)) => Word::Unclear,
            // An end of day without its totals: what it closed is not known.
            (word, Some(0)) if self.command == Command::EndOfDay => word.clone(),
            (_, Some(0)) => Word::Done(CommandOutcome::Approved(receipt(info, self.command.amount()))),
            (_, Some(code)) => Word::Declined(code),
        }
    }
}

/// What a status information says of a command carried out.
fn receipt(info: &StatusInformation, asked: Minor) -> TerminalReceipt {
    TerminalReceipt {
        terminal: info.terminal(),
        number: info.receipt.unwrap_or(0),
        amount: info.amount.and_then(|a| i64::try_from(a).ok()).map_or(asked, Minor),
        currency: info.currency.and_then(currency_of),
        masked: info.masked(),
        trace: info.trace,
    }
}

/// The question for the last receipt, that has been written to the terminal.
///
/// No code of the specification says 'there is none': only a terminal that answers with receipt number 0 says so. One that
/// completes without a status information prints the receipt and says nothing to us.
#[derive(Clone, Debug, Default)]
pub struct Question {
    heard: Option<Enquiry>,
}

impl Question {
    /// Takes a message: what to write back, and the answer if this is it.
    pub fn take(&mut self, message: FromTerminal) -> (Reply, Option<Enquiry>) {
        match message {
            FromTerminal::Ack => (Reply::None, None),
            FromTerminal::Nack(code) => (Reply::None, Some(no(code))),
            FromTerminal::Status(info) => {
                self.heard = match (&self.heard, info.result_code) {
                    (None, Some(0)) => Some(match (info.receipt, info.amount) {
                        (Some(0), _) => Enquiry::Last(None),
                        (Some(_), Some(_)) => Enquiry::Last(Some(receipt(&info, Minor::ZERO))),
                        _ => Enquiry::Unsupported,
                    }),
                    (heard, None) => heard.clone(),
                    (_, Some(_)) => Some(Enquiry::Failed),
                };
                (Reply::Ack, None)
            }
            FromTerminal::Completion { .. } => (Reply::Ack, Some(self.heard.take().unwrap_or(Enquiry::Unsupported))),
            FromTerminal::Abort { code } => (Reply::Ack, Some(no(code))),
            FromTerminal::Intermediate { .. } | FromTerminal::Print(_) => (Reply::Ack, None),
            FromTerminal::Other(_) => (Reply::NotPossible, None),
        }
    }
}

/// 83: function not possible.
fn no(code: u8) -> Enquiry {
    if code == 0x83 { Enquiry::Unsupported } else { Enquiry::Failed }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{
        super::{StatusInformation, fields::SingleTotals},
        *,
    };
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
        let mut exchange = Exchange::new(Command::Authorise { amount: Minor(1250) }, 978);
        messages.into_iter().find_map(|m| exchange.take(m).end)
    }

    const DONE: FromTerminal = FromTerminal::Completion { status: None };

    #[test]
    fn approval_needs_the_word_and_the_completion() {
        let Some(CommandOutcome::Approved(receipt)) = end([FromTerminal::Ack, status(0), DONE]) else { panic!() };
        assert_eq!((receipt.amount, receipt.number, receipt.masked.as_str()), (Minor(1250), 17, "VISA **** 1234"));
        assert_eq!((receipt.currency, receipt.trace), (Some(kiosk_core::Currency::EUR), None));
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

    fn totals(code: Option<u8>) -> FromTerminal {
        let totals = SingleTotals { receipts: (1, 9), schemes: [(2, 500), (0, 0), (1, 250), (0, 0), (0, 0), (0, 0), (0, 0)] };
        FromTerminal::Status(StatusInformation { result_code: code, totals: Some(totals), ..Default::default() })
    }

    #[test]
    fn an_end_of_day_is_done_with_its_totals_only() {
        let close = |messages: Vec<FromTerminal>| {
            let mut exchange = Exchange::new(Command::EndOfDay, 978);
            messages.into_iter().find_map(|m| exchange.take(m).end)
        };
        for code in [None, Some(0)] {
            let Some(CommandOutcome::Totals(day)) = close(vec![FromTerminal::Ack, totals(code), status(0), DONE]) else {
                panic!()
            };
            assert_eq!((day.amount, day.first_receipt, day.last_receipt), (Minor(750), Some(1), Some(9)));
            assert_eq!(
                day.rows.iter().map(|r| (r.scheme.as_str(), r.count)).collect::<Vec<_>>(),
                [("girocard", 2), ("Mastercard", 1)]
            );
        }
        let unknown = Some(CommandOutcome::Unknown);
        assert_eq!(close(vec![FromTerminal::Ack, DONE]), unknown);
        assert_eq!(close(vec![FromTerminal::Ack, status(0), DONE]), unknown, "what it closed was not said");
        assert_eq!(
            close(vec![FromTerminal::Ack, FromTerminal::Abort { code: 0x77 }]),
            Some(CommandOutcome::Declined { code: 0x77 })
        );
        assert_eq!(end([totals(None), DONE]), unknown, "totals approve no payment");
    }

    #[test]
    fn an_enquiry_believes_only_a_whole_receipt() {
        let ask = |messages: Vec<FromTerminal>| {
            let mut question = Question::default();
            messages.into_iter().find_map(|m| question.take(m).1)
        };
        let Some(Enquiry::Last(Some(last))) = ask(vec![FromTerminal::Ack, status(0), DONE]) else { panic!() };
        assert_eq!((last.number, last.amount), (17, Minor(1250)));
        let none = StatusInformation { result_code: Some(0), receipt: Some(0), ..Default::default() };
        assert_eq!(ask(vec![FromTerminal::Ack, FromTerminal::Status(none), DONE]), Some(Enquiry::Last(None)));
        assert_eq!(ask(vec![FromTerminal::Ack, status(0)]), None, "not before it is complete");
        assert_eq!(ask(vec![FromTerminal::Ack, DONE]), Some(Enquiry::Unsupported));
        assert_eq!(ask(vec![FromTerminal::Nack(0x83)]), Some(Enquiry::Unsupported));
        for messages in [
            vec![FromTerminal::Ack, status(5), DONE],
            vec![FromTerminal::Ack, status(0), status(0), DONE],
            vec![FromTerminal::Ack, FromTerminal::Abort { code: 0x9C }],
        ] {
            assert_eq!(ask(messages), Some(Enquiry::Failed));
        }
    }

    fn any_message() -> impl Strategy<Value = FromTerminal> {
        prop_oneof![
            Just(FromTerminal::Ack),
            any::<u8>().prop_map(FromTerminal::Nack),
            any::<u8>().prop_map(|status| FromTerminal::Intermediate { status, timeout_min: None }),
            (0u8..3).prop_map(status),
            any::<u8>().prop_map(|code| FromTerminal::Abort { code }),
            any::<Vec<u8>>().prop_map(|data| FromTerminal::Print(Print::line(&data))),
            any::<[u8; 2]>().prop_map(FromTerminal::Other),
            Just(DONE),
        ]
    }

    proptest! {
        #[test]
        fn nothing_is_approved_without_an_approval_and_nothing_declined_after_one(
            messages in proptest::collection::vec(any_message(), 0..12),
        ) {
            let at_end = |m: &FromTerminal| matches!(m, FromTerminal::Completion { .. } | FromTerminal::Abort { .. });
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
