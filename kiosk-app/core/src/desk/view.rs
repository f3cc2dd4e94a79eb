//! What the desk shows, as one value. Texts are keys and enumerations; amounts are in the catalogue's currency.

use super::{CardsView, CashMove, Colleague, DeskPage, GivenPin, OrderLine, OrderSearch, ServiceView};
use crate::{
    ids::Id,
    money::Minor,
    paper::Report,
    payments::{Tender, Verdict},
    refund::{Pick, Sold, Way, Worth},
    staff::{Act, May, Person, StaffRole},
    terminal::Enquiry,
    till::Comparison,
};
use alloc::{boxed::Box, string::String, vec::Vec};

/// The desk, while it is open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeskView {
    /// Where it is.
    pub page: DeskPage,
    /// Who is signed in; at [`DeskPage::ChoosePin`] who is about to be. `None` at the sign-in.
    pub person: Option<Person>,
    /// Over the page: a second person is asked for.
    pub approval: Option<ApprovalView>,
    /// What has just happened or could not be done, until [`super::DeskIntent::Dismiss`] or the next touch.
    pub notice: Option<Notice>,
    /// The sign-in or approval under way, or what it waits for.
    pub sign_in: SignInView,
    /// True while disk, terminal or PIN check work: buttons wait.
    pub busy: bool,
    /// What each act would need of this person.
    pub may: Vec<(Act, May)>,
    /// Payments whose end nobody knows. Also counted on [`DeskPage::Home`].
    pub unknown: Vec<UnknownView>,
    /// What was looked for.
    pub search: OrderSearch,
    /// What was found, newest first.
    pub orders: Vec<OrderLine>,
    /// True where [`super::DeskIntent::More`] finds more.
    pub more_orders: bool,
    /// The open order.
    pub order: Option<Box<Sold>>,
    /// Still to be paid of it.
    pub due: Minor,
    /// The same in cash.
    pub due_in_cash: Minor,
    /// What is picked to go back, and what it comes to.
    pub refund: Option<RefundView>,
    /// Cash that was just taken, with the change to give.
    pub cash: Option<CashView>,
    /// The shift.
    pub till: TillView,
    /// Guests' cards, on their pages.
    pub cards: CardsView,
    /// The report on [`DeskPage::Report`].
    pub report: Option<Box<Report>>,
    /// How far closing is, on [`DeskPage::Closing`].
    pub closing: Option<ClosingView>,
    /// Who works here.
    pub people: Vec<Colleague>,
    /// Staff number of the one on [`DeskPage::Colleague`].
    pub colleague: Option<String>,
    /// The PIN that was just given to them, shown once.
    pub given_pin: Option<GivenPin>,
    /// Their badge is to be laid on the reader.
    pub wants_new_badge: bool,
    /// What the service pages show.
    pub service: Option<ServiceView>,
}

/// The sign-in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignInView {
    /// A badge has said who it is, and the PIN is still needed: this person's number and name.
    pub known: Option<Person>,
    /// The last try was not taken.
    pub refused: bool,
    /// By `Now::mono_ms`: when the next try is taken.
    pub paused_until_ms: Option<u64>,
}

/// A second person is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalView {
    /// What for.
    pub act: Act,
    /// At least what.
    pub role: StaffRole,
    /// How much it is about, where it is about money.
    pub amount: Option<Minor>,
    /// Order number, empty for none.
    pub order: String,
}

/// A sentence that is shown once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// There is no roster in force here: the agent brings it once the backend is reached.
    NoRoster,
    /// This person may not.
    MayNot,
    /// One cannot approve one's own act.
    OwnApproval,
    /// That person's role is too small to approve it.
    RoleTooSmall,
    /// That PIN is too easy, or the old one.
    EasyPin,
    /// The PIN was changed.
    PinChanged,
    /// Nothing can be recorded now; nothing was done.
    CannotRecord,
    /// It could not be read; try again.
    CannotRead,
    /// No such order.
    NoOrder,
    /// A shift must be opened first.
    NoShift,
    /// A shift is open already.
    ShiftOpen,
    /// The amount cannot be: negative, nothing, or more than is there.
    BadAmount,
    /// Less was given than is due.
    TooLittle,
    /// More than what is left of it, or than was paid.
    TooMuch,
    /// It is paid, or cancelled, already.
    NotNow,
    /// The terminal is busy or not there.
    TerminalBusy,
    /// The terminal declined to give it back.
    TerminalDeclined,
    /// Nobody knows yet whether it went back; it is listed as unknown.
    RefundUnknown,
    /// Given back.
    Refunded,
    /// Cancelled.
    Voided,
    /// The price is changed.
    Overridden,
    /// The verdict is taken, provisionally.
    Resolved,
    /// The shift is open.
    Opened,
    /// In the book.
    CashMoved,
    /// The printer did not print; the book has it.
    NotPrinted,
    /// The drawer did not open.
    NoDrawer,
    /// First: count the drawer.
    CountFirst,
    /// First: the terminal's end of day.
    EndOfDayFirst,
    /// First: settle the unknown payments or carry them over.
    UnknownLeft,
    /// The shift is closed.
    Closed,
    /// No cards are made here.
    NoCardsHere,
    /// The backend cannot be reached; this needs it.
    NoBackend,
    /// The backend refused something about a card.
    CardRefused,
    /// Who works here is changed.
    StaffChanged,
    /// That number, name, time or badge cannot be, or is somebody else's.
    StaffRefused,
    /// It could not be kept; nothing was changed.
    StaffNotKept,
}

/// A payment whose end nobody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownView {
    /// The attempt.
    pub attempt: Id,
    /// The order.
    pub order: Id,
    /// 'A-17', empty where it is not known any more.
    pub number: String,
    /// True where money was to go back.
    pub refund: bool,
    /// How.
    pub tender: Tender,
    /// How much.
    pub amount: Minor,
    /// When it was begun.
    pub at_utc_ms: Option<i64>,
    /// What the terminal said of its last receipt when it was asked, which need not be this payment's; `None` where it was
    /// not asked.
    pub seen: Option<Enquiry>,
    /// True while the terminal is being asked.
    pub asking: bool,
    /// Who took it over from an earlier shift, empty for nobody.
    pub carried_by: String,
    /// Why it is unknown, as a word: `no_answer`, `found_open`, `left_to_staff`, `amount_differs_…`, `late_approval`; may be
    /// empty.
    pub why: String,
    /// Verdicts that can be given; the receipt number of [`UnknownView::seen`] is in the first where it fits.
    pub verdicts: Vec<Verdict>,
}

/// A refund being made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefundView {
    /// What is picked.
    pub picks: Vec<Pick>,
    /// What it comes to, `None` while nothing is picked.
    pub worth: Option<Worth>,
    /// Where it goes, in this order: tender of the payment, amount, how.
    pub backs: Vec<(Tender, Minor, Way)>,
    /// How many of `backs` are done.
    pub done: usize,
    /// The terminal is at work; `code` is its last intermediate status.
    pub running: bool,
    /// ZVT intermediate status.
    pub code: Option<u8>,
    /// The terminal declined: [`super::DeskIntent::RefundInCash`] is offered.
    pub offer_cash: bool,
}

/// Cash for an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CashView {
    /// What was to be paid in cash.
    pub due: Minor,
    /// What of that is rounding.
    pub rounding: Minor,
    /// What the guest gave.
    pub given: Minor,
    /// What goes back to the guest.
    pub change: Minor,
}

/// The shift.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TillView {
    /// Name of the till.
    pub till: String,
    /// True while a shift is open.
    pub open: bool,
    /// True where a person has put a float in: only then cash is taken.
    pub cash: bool,
    /// Number of the shift.
    pub number: u32,
    /// The shop's day on which it began.
    pub business_date: String,
    /// True where the shop's day has turned since: time for a Z.
    pub overdue: bool,
    /// When it began.
    pub opened_utc_ms: Option<i64>,
    /// Who opened it: a staff number.
    pub opened_by: String,
    /// Cash moved besides sales, newest last, at most the last 20.
    pub moves: Vec<(CashMove, Minor, String)>,
}

/// How far closing is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClosingView {
    /// What was counted. What is expected is shown only from then on.
    pub counted: Option<Minor>,
    /// What should be in the drawer; hidden until it is counted.
    pub expected: Option<Minor>,
    /// Counted less expected: over above zero, short below.
    pub over: Option<Minor>,
    /// True while the terminal makes its end of day.
    pub running: bool,
    /// Terminal and journal side by side.
    pub comparison: Option<Box<Comparison>>,
    /// The terminal could not be asked: there is none, or it declined. The Z says so, and verdicts stay provisional.
    pub no_totals: bool,
    /// Unknown payments that are neither settled nor carried over.
    pub unknown: usize,
    /// True where [`super::DeskIntent::Finish`] would be taken.
    pub ready: bool,
}
