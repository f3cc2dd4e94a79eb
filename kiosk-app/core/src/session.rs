//! The session: one visit after another at one kiosk, as a pure machine.

use crate::{
    basket::{Draft, Priced},
    catalogue::{Allergen, CategoryId, Lang, Service},
    device::{DeviceEvent, DeviceKind, Guest, Health},
    event::{PlacedOrder, Problem, Stage},
    ids::Id,
    intent::Intent,
    money::Minor,
    payments::Tender,
};
use alloc::{string::String, vec::Vec};

/// What goes into [`Session::step`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The guest wants something.
    Intent(Intent),
    /// Hardware says something.
    Device(DeviceEvent),
    /// An effect could not be carried out; those after it were not begun.
    EffectFailed(Failure),
    /// Time passed. Due no later than [`Snapshot::next_tick_ms`].
    Tick,
}

/// Why an effect was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The events could not be put on disk: nothing may be sold now.
    Record,
    /// The device could not be reached and nothing was sent to it.
    Device(DeviceKind),
}

/// What lies over the stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlay {
    /// 'Still there?', with the monotonic time at which the basket is wiped.
    StillThere {
        /// `Now::mono_ms` of the wipe.
        until_ms: u64,
    },
    /// Eat in or takeaway?
    Service,
    /// 'Somebody is on the way.'
    PersonCalled,
    /// A sentence about what happened, what is safe, what to do.
    Problem(Problem),
    /// 'Start over?'
    ConfirmStartOver,
    /// Why the greeting and offers are shown.
    WhyThis,
}

/// Where the payment of this visit stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PayView {
    /// None begun.
    #[default]
    None,
    /// Waiting for the terminal; `code` is its last intermediate status.
    Waiting {
        /// How.
        tender: Tender,
        /// ZVT intermediate status.
        code: Option<u8>,
    },
    /// Being aborted.
    Cancelling,
    /// Declined; the order is kept and can be paid again.
    Declined {
        /// ZVT result code.
        code: u8,
    },
    /// The terminal could not be reached; nothing was charged.
    TerminalLost,
    /// Nobody knows yet; a person helps, and nothing is charged twice.
    Unknown,
    /// Paid.
    Approved,
    /// To be paid at the counter.
    AtCounter,
}

/// Everything that a view needs, as one value. The screen is never asked (law 6). The default is an attract screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Where the visit stands.
    pub stage: Stage,
    /// Over the stage.
    pub overlay: Option<Overlay>,
    /// Language of texts.
    pub lang: Lang,
    /// Eat in or takeaway, `None` until chosen.
    pub service: Option<Service>,
    /// Who is greeted, `None` while anonymous.
    pub guest: Option<Guest>,
    /// True while a look-up runs.
    pub identifying: bool,
    /// The usual, priced, where the guest has one that can be sold now.
    pub usual: Option<Priced>,
    /// Open category.
    pub category: CategoryId,
    /// Open article.
    pub draft: Option<Draft>,
    /// Price of the open article with its quantity, `None` while something must still be chosen.
    pub draft_price: Option<Minor>,
    /// True where [`Intent::Add`] would be taken.
    pub draft_complete: bool,
    /// Basket lines with prices; draft lines keep their ids.
    pub basket: Priced,
    /// Number of articles in the basket, combos counted once.
    pub basket_count: u32,
    /// Allergens the guest avoids.
    pub avoid: Vec<Allergen>,
    /// Payment.
    pub pay: PayView,
    /// The order, once placed.
    pub order: Option<PlacedOrder>,
    /// Scheme and last digits, may be empty.
    pub masked: String,
    /// Feedback given in this visit.
    pub rated: Option<u8>,
    /// True once the receipt is on paper.
    pub receipt_printed: bool,
    /// Devices that are not `Ok`.
    pub devices: Vec<(DeviceKind, Health)>,
    /// Large text, high contrast.
    pub easy_access: bool,
    /// Visit id, `None` at attract.
    pub visit: Option<Id>,
    /// True where 'pay at the counter' is offered.
    pub pay_at_counter: bool,
    /// Monotonic time at which a [`Input::Tick`] is due, `None` while nothing is timed.
    pub next_tick_ms: Option<u64>,
}

/// One visit after another.
#[derive(Clone, Debug, Default)]
pub struct Session {}
