//! What a simulated terminal is besides its protocol: its books, its period, and what it has been told to do.

use crate::{
    control::{Answer, unknown},
    lock,
};
use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How the next commands end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Approved after the delay.
    Approve,
    /// Refused by the bank after the delay.
    Decline,
    /// The command is taken and nothing is ever said.
    Silent,
    /// By a control line.
    Manual,
    /// Approved and booked, and then the line is cut before a word of it is said.
    Cut,
    /// Approved and said, but the till's acknowledgement does not arrive: the terminal takes the payment back by itself.
    Deaf,
}

impl Mode {
    /// By its word.
    pub fn named(word: &str) -> Option<Self> {
        Some(match word {
            "approve" => Self::Approve,
            "decline" => Self::Decline,
            "silent" => Self::Silent,
            "manual" => Self::Manual,
            "cut" => Self::Cut,
            "deaf" => Self::Deaf,
            _ => return None,
        })
    }
}

/// What a person at the control line decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The card is held to it and the bank agrees.
    Approve,
    /// The bank refuses.
    Decline,
    /// The terminal stops talking in the middle.
    Timeout,
}

/// What the terminal answers when it is asked for its last receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    Truth,
    /// The one before: as if the last had never been.
    Deny,
    /// This terminal has no such function.
    Unsupported,
}

/// What a booking is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Money came in.
    Sale,
    /// A sale with this receipt number was taken back by the till.
    Reversal(u32),
    /// Money went out.
    Refund,
}

/// What the terminal has in its own books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// What it is.
    pub kind: Kind,
    /// Number of the end-of-day period, from 1.
    pub period: u32,
    /// Receipt number, from 1 in each period unless told otherwise.
    pub receipt: u32,
    /// Goes on over the end of day.
    pub trace: u32,
    /// Minor units.
    pub amount: u64,
    /// True if the till did not acknowledge the approval and the terminal took it back by itself.
    pub reversed: bool,
    /// True if it was keyed in at the terminal, without a till.
    pub by_hand: bool,
    /// Which of [`SCHEMES`] it was paid with.
    pub scheme: usize,
    /// Card number; nobody's.
    pub card: u64,
}

/// Card schemes of the simulated guests, in the order of ZVT's field 60.
pub(crate) const SCHEMES: [&str; 7] = ["girocard", "JCB", "MASTERCARD", "AMEX", "VISA", "DINERS", "OTHER"];
/// The scheme of a guest who does not say.
const VISA: usize = 4;

/// Why a command was not carried out: ZVT result codes.
pub(crate) mod refusal {
    pub(crate) const BANK: u8 = 0x05;
    pub(crate) const STOPPED: u8 = 0x6C;
    pub(crate) const ALREADY_REVERSED: u8 = 0xB4;
    pub(crate) const NO_REVERSAL: u8 = 0xB5;
}

/// A command as any protocol brings it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Sale { amount: u64 },
    Reversal { receipt: u32, amount: Option<u64> },
    Refund { amount: u64 },
    EndOfDay,
}

/// What was closed: first and last receipt, and count and sum of each scheme.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) receipts: (u32, u32),
    pub(crate) schemes: [(u32, i64); 7],
}

/// How a command ended at the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    Booked(Transaction),
    Closed(Closed),
    Refused(u8),
}

/// Ends a wait for a decision.
pub(crate) type Decide = Box<dyn FnOnce(Decision) + Send>;

/// One terminal.
#[derive(Default)]
pub(crate) struct Desk {
    shared: Mutex<Shared>,
    changed: Condvar,
}

pub(crate) struct Shared {
    pub(crate) mode: Mode,
    pub(crate) delay: Duration,
    books: Vec<Transaction>,
    period: u32,
    receipt: u32,
    restart: bool,
    memory: Memory,
    cards: VecDeque<u64>,
    /// The command that waits for a person.
    waiting: Option<Decide>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            mode: Mode::Approve,
            delay: Duration::ZERO,
            books: vec![],
            period: 1,
            receipt: 0,
            restart: true,
            memory: Memory::Truth,
            cards: VecDeque::new(),
            waiting: None,
        }
    }
}

/// How long a decision waits for a payment.
const ON_ITS_WAY: Duration = Duration::from_secs(5);
/// Receipt numbers have four digits.
const LAST_RECEIPT: u32 = 9999;

impl Desk {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }

    pub(crate) fn books(&self) -> Vec<Transaction> {
        self.lock().books.clone()
    }

    /// Obeys a control line. A decision in manual mode waits a few seconds for its payment.
    pub(crate) fn obey(&self, line: &str) -> Answer {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let decision = match (word, rest) {
            ("approve", "") => Decision::Approve,
            ("decline", "") => Decision::Decline,
            ("timeout", "") => Decision::Timeout,
            _ => return self.lock().set(word, rest).ok_or_else(|| unknown(line, KNOWN)),
        };
        self.decide(decision).ok_or_else(|| "no payment waits for a decision: say 'mode manual' and start one".to_owned())
    }

    /// In manual mode a payment that has just been started on the screen may be on its way here: it is waited for.
    fn decide(&self, decision: Decision) -> Option<()> {
        let none = |s: &mut Shared| s.waiting.is_none() && s.mode == Mode::Manual;
        let shared = self.changed.wait_timeout_while(self.lock(), ON_ITS_WAY, none);
        let decide = shared.unwrap_or_else(PoisonError::into_inner).0.waiting.take()?;
        decide(decision);
        Some(())
    }

    pub(crate) fn wait_for_person(&self, decide: Decide) {
        self.lock().waiting = Some(decide);
        self.changed.notify_all();
    }

    pub(crate) fn nobody_waits(&self) {
        self.lock().waiting = None;
    }

    /// Carries out a command.
    pub(crate) fn carry_out(&self, asked: Asked) -> Done {
        let mut shared = self.lock();
        match asked {
            Asked::Sale { amount } => Done::Booked(shared.book(Kind::Sale, amount, false)),
            Asked::Refund { amount } => Done::Booked(shared.book(Kind::Refund, amount, false)),
            Asked::Reversal { receipt, amount } => shared.reverse(receipt, amount),
            Asked::EndOfDay => Done::Closed(shared.close()),
        }
    }

    /// The till did not acknowledge: the terminal takes it back by itself.
    pub(crate) fn take_back(&self, transaction: &Transaction) {
        let mut shared = self.lock();
        let booked = shared.books.iter_mut().find(|t| t.trace == transaction.trace);
        booked.into_iter().for_each(|t| t.reversed = true);
    }

    /// What is answered to an enquiry; `Err` where this terminal has no such function.
    pub(crate) fn last(&self) -> Result<Option<Transaction>, ()> {
        let shared = self.lock();
        let mut valid = shared.books.iter().rev().filter(|t| t.period == shared.period && !t.reversed);
        match shared.memory {
            Memory::Truth => Ok(valid.next().copied()),
            Memory::Deny => Ok(valid.nth(1).copied()),
            Memory::Unsupported => Err(()),
        }
    }
}

const KNOWN: &str = "mode approve|decline|silent|manual|cut|deaf, delay MS, enquiry truth|deny|unsupported, \
    numbering restart|continue, hand AMOUNT, close, card NUMBER, approve, decline, timeout";

impl Shared {
    fn set(&mut self, word: &str, rest: &str) -> Option<()> {
        match word {
            "mode" => self.mode = Mode::named(rest)?,
            "delay" => self.delay = Duration::from_millis(rest.parse().ok().filter(|ms| *ms <= 600_000)?),
            "enquiry" => {
                self.memory = match rest {
                    "truth" => Memory::Truth,
                    "deny" => Memory::Deny,
                    "unsupported" => Memory::Unsupported,
                    _ => return None,
                }
            }
            "numbering" => {
                self.restart = match rest {
                    "restart" => true,
                    "continue" => false,
                    _ => return None,
                }
            }
            "hand" => drop(self.book(Kind::Sale, rest.parse().ok().filter(|a| (1..1_000_000_000_000).contains(a))?, true)),
            "close" if rest.is_empty() => drop(self.close()),
            "card" => self.cards.push_back(rest.parse().ok().filter(|n| (1..1 << 63).contains(n))?),
            _ => return None,
        }
        Some(())
    }

    fn book(&mut self, kind: Kind, amount: u64, by_hand: bool) -> Transaction {
        self.receipt = self.receipt % LAST_RECEIPT + 1;
        let trace = u32::try_from(self.books.len()).unwrap_or(u32::MAX).saturating_add(1);
        let card = self.cards.pop_front().unwrap_or_else(|| card_number(trace));
        let (period, receipt) = (self.period, self.receipt);
        let new = Transaction { kind, period, receipt, trace, amount, reversed: false, by_hand, scheme: VISA, card };
        self.books.push(new);
        new
    }

    fn reverse(&mut self, receipt: u32, amount: Option<u64>) -> Done {
        let mine = |t: &&Transaction| t.period == self.period && t.receipt == receipt && t.kind == Kind::Sale && !t.reversed;
        let Some(sale) = self.books.iter().find(mine).copied() else { return Done::Refused(refusal::NO_REVERSAL) };
        let taken = |t: &Transaction| t.period == self.period && t.kind == Kind::Reversal(receipt) && !t.reversed;
        if self.books.iter().any(taken) {
            return Done::Refused(refusal::ALREADY_REVERSED);
        }
        if amount.is_some_and(|amount| amount != sale.amount) {
            return Done::Refused(refusal::NO_REVERSAL);
        }
        Done::Booked(self.book(Kind::Reversal(receipt), sale.amount, false))
    }

    fn close(&mut self) -> Closed {
        let mut closed = Closed::default();
        for t in self.books.iter().filter(|t| t.period == self.period) {
            closed.receipts = (if closed.receipts.0 == 0 { t.receipt } else { closed.receipts.0 }, t.receipt);
            let amount = i64::try_from(t.amount).unwrap_or(i64::MAX);
            let signed = if t.kind == Kind::Sale { amount } else { -amount };
            if let Some((count, sum)) = closed.schemes.get_mut(t.scheme).filter(|_| !t.reversed) {
                *count += 1;
                *sum = sum.saturating_add(signed);
            }
        }
        self.period += 1;
        if self.restart {
            self.receipt = 0;
        }
        closed
    }
}

/// A card number that passes Luhn's check: 411111, a count, a check digit. It is nobody's: the range is for tests.
pub(crate) fn card_number(count: u32) -> u64 {
    let body = 411_111_000_000_000 + u64::from(count % 1_000_000) * 1000;
    let digits = (0..15u32).map(|i| body / 10u64.pow(i) % 10);
    let sum: u64 = digits.enumerate().map(|(i, d)| if i.is_multiple_of(2) { d * 2 / 10 + d * 2 % 10 } else { d }).sum();
    body * 10 + (10 - sum % 10) % 10
}

/// The slip of a booking, as of a terminal that masks nothing, so that masking is put to the test.
pub(crate) fn slip(t: &Transaction, customer: bool) -> Vec<String> {
    let title = match t.kind {
        Kind::Sale => "Kartenzahlung",
        Kind::Reversal(_) => "Storno",
        Kind::Refund => "Gutschrift",
    };
    let money = format!("{},{:02}", t.amount / 100, t.amount % 100);
    vec![
        format!("* * {} * *", if customer { "Kundenbeleg" } else { "Händlerbeleg" }),
        format!("{title} {}", SCHEMES.get(t.scheme).copied().unwrap_or_default()),
        format!("Terminal-ID {TERMINAL_ID}"),
        format!("TA-Nr. {:06}  Beleg-Nr. {:04}", t.trace, t.receipt),
        format!("Karte {}", t.card),
        format!("Betrag EUR {money:>12}"),
        "Autorisierung erfolgt".to_owned(),
    ]
}

/// The simulated terminal's id.
pub(crate) const TERMINAL_ID: u64 = 52_500_001;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn booked(done: Done) -> Transaction {
        match done {
            Done::Booked(t) => t,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_day_is_sold_reversed_refunded_and_closed() {
        let desk = Desk::default();
        let sale = booked(desk.carry_out(Asked::Sale { amount: 1000 }));
        booked(desk.carry_out(Asked::Sale { amount: 500 }));
        let wrong = desk.carry_out(Asked::Reversal { receipt: sale.receipt, amount: Some(999) });
        assert_eq!(wrong, Done::Refused(refusal::NO_REVERSAL));
        booked(desk.carry_out(Asked::Reversal { receipt: sale.receipt, amount: Some(1000) }));
        let again = desk.carry_out(Asked::Reversal { receipt: sale.receipt, amount: None });
        assert_eq!(again, Done::Refused(refusal::ALREADY_REVERSED));
        booked(desk.carry_out(Asked::Refund { amount: 200 }));
        desk.obey("hand 70").unwrap();
        let Done::Closed(closed) = desk.carry_out(Asked::EndOfDay) else { panic!() };
        assert_eq!((closed.receipts, closed.schemes[VISA]), ((1, 5), (5, 1000 + 500 - 1000 - 200 + 70)));
        assert_eq!(booked(desk.carry_out(Asked::Sale { amount: 1 })).receipt, 1, "numbering starts again");
        let late = desk.carry_out(Asked::Reversal { receipt: 2, amount: None });
        assert_eq!(late, Done::Refused(refusal::NO_REVERSAL), "the period is over");
        assert_eq!(desk.books().last().unwrap().trace, 6, "the trace number goes on");
    }

    #[test]
    fn the_terminal_remembers_denies_or_cannot_say() {
        let desk = Desk::default();
        assert_eq!(desk.last(), Ok(None));
        let first = booked(desk.carry_out(Asked::Sale { amount: 1 }));
        let second = booked(desk.carry_out(Asked::Sale { amount: 2 }));
        assert_eq!(desk.last(), Ok(Some(second)));
        desk.obey("enquiry deny").unwrap();
        assert_eq!(desk.last(), Ok(Some(first)));
        desk.obey("enquiry unsupported").unwrap();
        assert_eq!(desk.last(), Err(()));
        desk.obey("enquiry truth").unwrap();
        desk.take_back(&second);
        assert_eq!(desk.last(), Ok(Some(first)));
        desk.obey("close").unwrap();
        assert_eq!(desk.last(), Ok(None));
    }

    #[test]
    fn a_line_that_makes_no_sense_changes_nothing() {
        let desk = Desk::default();
        for line in ["mode", "mode x", "delay -1", "hand", "hand 0", "close now", "card x", "", "enquiry lie"] {
            assert!(desk.obey(line).unwrap_err().contains("not known"), "{line}");
        }
        assert_eq!(desk.books(), []);
    }

    #[test]
    fn the_card_numbers_of_the_simulator_pass_the_check_of_luhn() {
        for count in [0, 1, 17, 999_999] {
            let number = card_number(count);
            let digits = (0..16u32).rev().map(|i| (number / 10u64.pow(i) % 10) as u8);
            assert!(number / 10u64.pow(10) == 411_111 && kiosk_devices::mask::luhn(digits), "{number}");
        }
    }
}
