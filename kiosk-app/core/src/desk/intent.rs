//! What staff want at the desk, and the keys it is told by.

use super::people::{StaffEdit, Trial};
use crate::{
    ids::Id,
    money::Minor,
    payments::{Tender, Verdict},
    refund::Pick,
    staff::{Credential, Pin},
};
use alloc::string::String;

/// What staff want. Each needs a right ([`crate::staff::Act`]); where a second person must approve, the desk asks for that
/// person and goes on by itself once it has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeskIntent {
    /// Show the sign-in: a badge or [`DeskIntent::SignIn`] follows. A badge that is on the roster does this by itself.
    Open,
    /// Staff number and PIN (or a badge read otherwise): signs in, or approves where approval is being asked.
    SignIn(Credential),
    /// The PIN chosen at first use: signs in for good. Refused where it is easy or the old one.
    ChoosePin(Pin),
    /// Leave the desk. The kiosk goes on where it was.
    SignOut,
    /// The time of a clock that nothing has set: twelve digits, local time. Nobody need be signed in for it.
    SetClock(String),
    /// Show a page of the desk.
    Go(DeskPage),
    /// One page back; out of a question without answering it.
    Back,
    /// Close the notice.
    Dismiss,
    /// A touch that hit no control: keeps the desk open.
    Touched,

    /// Look at somebody of the list.
    OpenColleague(String),
    /// Change who works here.
    EditStaff(StaffEdit),
    /// The next card at the reader is the open colleague's badge.
    NewBadge,
    /// Try something out on the service pages.
    Try(Trial),

    /// Look for orders.
    Find(OrderSearch),
    /// The next orders of the same search.
    More,
    /// Look at an order.
    OpenOrder(Id),
    /// Print the open order's receipt again; it says COPY.
    Reprint,
    /// Cancel the open order, which is not paid.
    Void(Reason),
    /// Change the price of a line of the basket in front of the screen: the amount of the whole line.
    Override {
        /// Line of the basket.
        line: crate::basket::LineId,
        /// What the whole line costs now.
        amount: Minor,
        /// Why.
        reason: Reason,
    },
    /// The open order is paid in cash: this is what the guest gave.
    TakeCash {
        /// Notes and coins handed over, at least what is due.
        given: Minor,
    },

    /// Pick so many pieces of a line of the open order to be given back; 0 picks none.
    Pick(Pick),
    /// Pick everything that is left of the open order.
    PickAll,
    /// Give back what is picked.
    Refund {
        /// Why.
        reason: Reason,
    },
    /// The terminal could not give it back: give the rest in cash. Needs [`crate::staff::Act::RefundInCash`].
    RefundInCash,

    /// Ask the terminal again what it knows of an unknown payment.
    Enquire(Id),
    /// Say what became of an unknown payment. Provisional until the terminal's end of day.
    Resolve {
        /// The attempt.
        attempt: Id,
        /// What became of it.
        verdict: Verdict,
    },

    /// Begin a shift with this float in the drawer.
    OpenShift {
        /// What was counted into the drawer.
        float: Minor,
    },
    /// Put cash in, take it out.
    MoveCash {
        /// Which of the three.
        how: CashMove,
        /// How much; above zero.
        amount: Minor,
        /// Why.
        reason: Reason,
    },
    /// Open the drawer without a sale.
    NoSale {
        /// Why.
        reason: Reason,
    },
    /// The totals so far, on the screen and on paper. Ends nothing.
    XReport,
    /// Look for a guest by name, or by the end of a telephone number.
    FindHolder(String),
    /// This guest, of those who were found.
    OpenHolder(String),
    /// All cards of the open guest are lost: nobody takes them any more.
    BlockCards,
    /// Make cards of the blank ones that are laid on the reader: for the open guest one, else so many for whoever comes.
    MakeCards {
        /// How many.
        count: u16,
        /// The open guest's other cards are lost.
        replaces: bool,
    },

    /// Begin to close the shift: the drawer is counted blind.
    Close,
    /// What was counted in the drawer.
    Count {
        /// All of it.
        amount: Minor,
    },
    /// Ask the terminal for its end of day, compare, and show what differs.
    EndOfDay,
    /// Take an unknown payment over into the next shift, in the name of who is signed in.
    CarryOver(Id),
    /// Close the shift: the Z report, on paper too. Refused while something is neither settled nor carried over.
    Finish,
}

/// Where the desk is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DeskPage {
    /// Number and PIN, or a badge.
    #[default]
    SignIn,
    /// A PIN of one's own, at first use.
    ChoosePin,
    /// What there is to do.
    Home,
    /// Payments whose end nobody knows.
    Unknown,
    /// Today's orders.
    Orders,
    /// One order.
    Order,
    /// What is given back of it.
    Refund,
    /// Paying it in cash.
    Cash,
    /// The shift.
    Till,
    /// The X or Z report.
    Report,
    /// Closing the shift: count, end of day, what differs.
    Closing,
    /// Guests' cards: new ones, or somebody's.
    Cards,
    /// One guest's cards.
    Holder,
    /// Cards being made at the reader.
    Making,
    /// Who works here.
    Staff,
    /// One of them.
    Colleague,
    /// Devices, queue, versions, network.
    Service,
    /// What is wrong with the kiosk, and what to do.
    Check,
    /// Where the glass feels a finger.
    TouchTest,
    /// Marks that are touched, so that touches are felt where they are meant.
    Glass,
    /// The newest lines of the log.
    Log,
}

impl DeskPage {
    /// A page for whoever mends the kiosk.
    pub fn is_service(self) -> bool {
        matches!(self, Self::Service | Self::Check | Self::TouchTest | Self::Glass | Self::Log)
    }

    /// Nothing of a guest, an order or the till's money stands on it.
    pub fn is_impersonal(self) -> bool {
        matches!(self, Self::SignIn | Self::ChoosePin | Self::Service | Self::Check | Self::TouchTest | Self::Glass | Self::Log)
    }
}

/// What to look for. All parts must fit; an empty search finds the newest orders of today.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderSearch {
    /// Part of the number called out ('17', 'A-17'), empty for any.
    pub number: String,
    /// What a receipt's QR code says: the address of the guest's page, or the order's id.
    pub code: String,
    /// Placed at this local time of the shop's day, in minutes after midnight, give or take [`OrderSearch::AROUND_MIN`].
    pub around_min: Option<u16>,
    /// Only orders that are not paid.
    pub unpaid: bool,
    /// How many to leave out: set by [`DeskIntent::More`].
    pub skip: u32,
}

impl OrderSearch {
    /// How far from [`OrderSearch::around_min`] an order may lie.
    pub const AROUND_MIN: u16 = 20;
}

/// Cash in or out besides sales.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CashMove {
    /// Put in.
    PaidIn,
    /// Out for the shop's expenses.
    PaidOut,
    /// Out to the safe.
    SafeDrop,
}

/// Why something is done that leaves a trace. The screen shows a text by key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Reason {
    WrongArticle,
    NotAsExpected,
    TooLate,
    Damaged,
    ChangedMind,
    WrongPrice,
    Goodwill,
    PriceMatch,
    ChangeMoney,
    Supplies,
    TooMuchCash,
    Deposit,
    DrawerCheck,
    Test,
    /// In the staff's own words, at most [`Reason::WORDS_MAX`] characters; nothing about a guest.
    Words(String),
}

impl Reason {
    /// Characters of a reason in words.
    pub const WORDS_MAX: usize = 80;

    /// Reasons to offer for giving back and cancelling.
    pub const RETURNS: [Self; 6] =
        [Self::WrongArticle, Self::NotAsExpected, Self::TooLate, Self::Damaged, Self::ChangedMind, Self::Goodwill];
    /// Reasons to offer for a price.
    pub const PRICES: [Self; 4] = [Self::WrongPrice, Self::PriceMatch, Self::Damaged, Self::Goodwill];
    /// Reasons to offer for cash in and out.
    pub const CASH: [Self; 4] = [Self::ChangeMoney, Self::Supplies, Self::TooMuchCash, Self::Deposit];
    /// Reasons to offer for the drawer.
    pub const DRAWER: [Self; 3] = [Self::ChangeMoney, Self::DrawerCheck, Self::Test];

    /// The key of a text, and the word in the book; the words themselves for [`Reason::Words`].
    pub fn word(&self) -> &str {
        match self {
            Self::WrongArticle => "wrong_article",
            Self::NotAsExpected => "not_as_expected",
            Self::TooLate => "too_late",
            Self::Damaged => "damaged",
            Self::ChangedMind => "changed_mind",
            Self::WrongPrice => "wrong_price",
            Self::Goodwill => "goodwill",
            Self::PriceMatch => "price_match",
            Self::ChangeMoney => "change_money",
            Self::Supplies => "supplies",
            Self::TooMuchCash => "too_much_cash",
            Self::Deposit => "deposit",
            Self::DrawerCheck => "drawer_check",
            Self::Test => "test",
            Self::Words(words) => words,
        }
    }

    /// What goes into the book: bounded, and never empty.
    pub fn to_book(&self) -> String {
        let words: String = self.word().trim().chars().filter(|c| !c.is_control()).take(Self::WORDS_MAX).collect();
        if words.is_empty() { "none".into() } else { words }
    }
}

/// What a person says that became of an attempt, as a word in the book.
pub fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Charged { .. } => "charged",
        Verdict::NotCharged => "not_charged",
    }
}

/// The tender word of the book's rows and of the auditor's file.
pub fn tender_word(tender: Tender) -> &'static str {
    match tender {
        Tender::Card => "card",
        Tender::Cash => "cash",
        Tender::Wallet => "wallet",
        Tender::Gift => "gift",
        Tender::Points => "points",
    }
}
