//! The session: one visit after another at one kiosk, as a pure machine.
//!
//! # What counts as a touch
//!
//! Every intent from the glass, every key of the pad, every card held to the reader, and every card held to the terminal
//! (seen as its approval or refusal) is one touch. Time, and what devices do by themselves, is none.
//!
//! # What ends a visit
//!
//! 'Finish' and the time-out of the thank-you screen complete it, 'start over' abandons it, silence times it out: after
//! `idle_ms` 'still there?' is asked, and `still_there_ms` later everything is wiped. No visit ends while the terminal works
//! on its payment. An order that was placed and not paid is cancelled when its guest goes back or away; one whose
//! payment is unknown is left as it is, for a person to settle.
//!
//! # What is late is ignored
//!
//! Any input may come at any time. What does not fit the stage changes nothing; it still counts as a sign of life.

mod browse;
mod by_hand;
mod consent;
mod fitness;
mod gift;
mod identify;
mod idle;
mod item;
mod parts;
mod pay;
mod snapshot;
#[cfg(test)]
mod tests;
mod tip;
pub(crate) mod turn;
mod visit;

use crate::{
    basket::{Basket, Draft, Priced},
    catalogue::{Allergen, CategoryId, Lang, Service},
    config::Config,
    consent::Question,
    desk::{DeskIntent, DeskView},
    device::{Ambient, Assurance, DeviceEvent, DeviceKind, Guest, Health, Method, Pad},
    effect::Who,
    event::{PlacedOrder, Problem, Stage},
    ids::Id,
    instalment::Quote,
    intent::Intent,
    money::Minor,
    payments::Tender,
    recovered::Recovered,
};
use alloc::{boxed::Box, string::String, vec::Vec};
use parts::Part;

pub use fitness::{AskTime, SETTLE_MS, TELL_EVERY_MS};
pub use gift::GiftView;

/// What goes into [`crate::Kiosk::step`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The guest wants something.
    Intent(Intent),
    /// Hardware says something.
    Device(DeviceEvent),
    /// Staff want something.
    Desk(DeskIntent),
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
    /// What is kept, and how to change it.
    Privacy,
    /// A question about being known.
    Ask(Question),
    /// A gift card's number is asked for, or its balance shown.
    Gift,
    /// 'Forget me?'
    ConfirmForget,
    /// 'You are forgotten.'
    Forgotten,
}

/// How far an order is that is paid in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartView {
    /// Which part is at the terminal or comes next, from 1.
    pub number: u8,
    /// Of so many.
    pub of: u8,
    /// What it is over; nothing where no part is left.
    pub amount: Minor,
    /// What has been taken so far.
    pub taken: Minor,
    /// What nobody knows about yet.
    pub unknown: Minor,
    /// How much of that gift cards pay: set aside, or taken.
    pub gift: Minor,
}

/// A tip that is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TipOffer {
    /// Millionths of the goods, `None` for a fixed amount.
    pub share_ppm: Option<u32>,
    /// What it comes to.
    pub amount: Minor,
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
    /// Nobody knows yet, and the terminal is being asked; nothing is charged twice.
    Checking,
    /// Nobody knows yet; a person helps, and nothing is charged twice.
    Unknown,
    /// A part is paid, or left to a person, and the next can be paid.
    Part,
    /// What was taken is being given back, part by part.
    GivingBack,
    /// A person gives back what was taken.
    ToStaff,
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
    /// What the guest may be asked now, on 'thank you' or over the screen.
    pub question: Option<Question>,
    /// True where the guest may decide about what is kept.
    pub may_change: bool,
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
    /// Devices that are not `Ok`, disk and clock among them.
    pub devices: Vec<(DeviceKind, Health)>,
    /// The page on which a person sets the clock, `None` while it is closed.
    pub asks_time: Option<AskTime>,
    /// Keys of the tactile pad that move the focus: up, down, select. Help and back are taken by the session.
    pub pad: Pad,
    /// How light it is around the kiosk.
    pub ambient: Ambient,
    /// Large text, high contrast.
    pub easy_access: bool,
    /// Visit id, `None` at attract.
    pub visit: Option<Id>,
    /// True where 'pay at the counter' is offered.
    pub pay_at_counter: bool,
    /// Tips that are offered for this basket; empty where none are, or the order is placed.
    pub tips: Vec<TipOffer>,
    /// Which of them is chosen, `Some(None)` for 'no tip'; `None` while the guest has said nothing.
    pub tip: Option<Option<u8>>,
    /// In how many parts an order may be paid; 0 or 1: in one.
    pub parts_max: u8,
    /// In how many the guest wants to pay.
    pub parts: u8,
    /// How far those are, once the order is placed.
    pub part: Option<PartView>,
    /// True where gift cards are taken. Offline they are refused with a word.
    pub gift: bool,
    /// The gift card that is being looked at.
    pub gift_view: Option<GiftView>,
    /// What is to be paid: the basket or the placed order, with its tip.
    pub to_pay: Minor,
    /// What is left of it, where that is paid in coins.
    pub to_pay_in_cash: Minor,
    /// What the basket would cost in instalments; empty where it would not be lent for.
    pub instalments: Vec<Quote>,
    /// No guest is served: the fleet has locked this kiosk, or is about to retire it.
    pub out_of_service: bool,
    /// Somebody asked which kiosk this is: its name, for a moment.
    pub identify: Option<alloc::string::String>,
    /// The staff's desk over everything else, `None` while it is closed.
    pub desk: Option<Box<DeskView>>,
    /// At the attract screen after a restart: what became of the payment that was at the terminal.
    pub recovered: Option<Recovered>,
    /// Monotonic time at which a [`Input::Tick`] is due, `None` while nothing is timed.
    pub next_tick_ms: Option<u64>,
}

/// One visit after another. All that belongs to a guest is in `visit` and goes with it.
#[derive(Clone, Debug)]
pub struct Session {
    stage: Stage,
    visit: Option<Box<Visit>>,
    overlay: Option<Overlay>,
    /// When a quiet notice closes by itself.
    notice_until_ms: Option<u64>,
    lang: Lang,
    easy_access: bool,
    /// When choices made at the attract screen without beginning a visit are forgotten.
    attract_reset_ms: Option<u64>,
    present_since_ms: Option<u64>,
    fitness: fitness::Fitness,
    pad: Pad,
    /// The pad has moved the focus at this attract screen.
    pad_moved: bool,
    ambient: Ambient,
    /// Receipts at the printer; they outlive their visit.
    prints: Vec<Print>,
}

/// A receipt at the printer.
#[derive(Clone, Debug)]
struct Print {
    order: Id,
    copy: bool,
    who: Who,
}

/// One guest's visit.
#[derive(Clone, Debug)]
struct Visit {
    id: Id,
    started_ms: u64,
    last_input_ms: u64,
    touches: u32,
    stage_touches: u32,
    lang_chosen: bool,
    service: Option<Service>,
    guest: Option<Guest>,
    lookup: Option<Lookup>,
    /// The card the guest is known by.
    token: Option<String>,
    /// How far that is proven.
    assurance: Assurance,
    /// A card that nobody is known by.
    stranger: Option<String>,
    /// The guest has joined in this visit.
    joined: bool,
    /// The guest has said no to being known, or to more of it.
    declined: bool,
    /// What the guest's usual is made of, where all of it can be sold.
    usual: Vec<Draft>,
    usual_priced: Option<Priced>,
    basket: Basket,
    priced: Priced,
    /// Which of the offered tips, `Some(None)` for 'no tip'; `None` while the guest has said nothing.
    tip: Option<Option<u8>>,
    /// In how many parts it is to be paid.
    parts: u8,
    next_line: u32,
    category: CategoryId,
    /// The guest has looked into the menu, so that a late greeting would take it away.
    deep: bool,
    draft: Option<Draft>,
    /// A configuration that was left unfinished; opening its article again brings it back.
    parked: Option<Draft>,
    /// Where the open article was opened from.
    opened_from: Stage,
    avoid: Vec<Allergen>,
    pay: PayView,
    order: Option<Order>,
    /// The gift card that is being looked at.
    gift: gift::Looking,
    masked: String,
    rated: Option<u8>,
    prints: u32,
    receipt_printed: bool,
}

/// The order of the visit.
#[derive(Clone, Debug)]
struct Order {
    placed: PlacedOrder,
    payment: Id,
    placed_utc_ms: Option<i64>,
    paid: Vec<(Tender, Minor)>,
    /// In how many parts it is paid.
    of: u8,
    parts: Vec<Part>,
    /// The attempt that gives a part back, and that part's own.
    giving: Option<(Id, Id)>,
    /// The next part goes back with the next tick.
    gives_next: bool,
    /// What is set aside is being taken, and the counter takes the rest.
    to_counter: bool,
}

/// A card that is being looked up.
#[derive(Clone, Debug)]
struct Lookup {
    token: String,
    method: Method,
    assurance: Assurance,
    counter: Option<u32>,
    until_ms: u64,
    /// The budget is over and the visit has gone on anonymously.
    late: bool,
}

impl Session {
    /// At the attract screen.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            stage: Stage::Attract,
            visit: None,
            overlay: None,
            notice_until_ms: None,
            lang: config.language,
            easy_access: false,
            attract_reset_ms: None,
            present_since_ms: None,
            fitness: fitness::Fitness::default(),
            pad: Pad::default(),
            pad_moved: false,
            ambient: Ambient::default(),
            prints: Vec::new(),
        }
    }

    /// Where the visit stands.
    pub(crate) fn stage(&self) -> Stage {
        self.stage
    }

    /// True while no visit runs.
    pub(crate) fn is_free(&self) -> bool {
        self.visit.is_none()
    }

    /// Takes an intent or a device's word. Outcomes of payments come by `settled` instead.
    pub(crate) fn take(&mut self, turn: &mut turn::Turn<'_>, input: Input) {
        match input {
            Input::Intent(intent) => self.intent(turn, intent),
            Input::Device(event) => self.device(turn, event),
            Input::EffectFailed(Failure::Device(kind)) => self.device_failed(turn, kind),
            Input::Tick => self.tick(turn),
            // The desk's own.
            Input::Desk(_) => {}
            // The kiosk takes these back before anything else is asked.
            Input::EffectFailed(Failure::Record) => {}
        }
    }

    fn device(&mut self, turn: &mut turn::Turn<'_>, event: DeviceEvent) {
        match event {
            DeviceEvent::Presence(near) => self.presence(turn, near),
            DeviceEvent::Key(key) => self.key(turn, key),
            DeviceEvent::KeyHeld(key) => self.key_held(turn, key),
            DeviceEvent::Ambient(ambient) => self.ambient = ambient,
            DeviceEvent::Alarm { alarm, detail } => self.alarm(turn, alarm, detail),
            DeviceEvent::Headphones(_) => self.alive(turn),
            DeviceEvent::CardSeen { token, method, assurance, counter } => {
                self.card_seen(turn, token, method, assurance, counter);
            }
            DeviceEvent::Scanned { code, token } => self.scanned(turn, &code, token),
            DeviceEvent::BankCardSeen => self.bank_card_seen(turn),
            DeviceEvent::CardRefused(why) => self.card_refused(turn, why),
            DeviceEvent::Identified { token, guest, proven } => self.identified(turn, &token, guest, proven),
            DeviceEvent::Forgotten { visitors } => self.forget(&visitors),
            DeviceEvent::TerminalStatus { attempt, code } => self.terminal_status(turn, attempt, code),
            DeviceEvent::Printed { order, health } => self.printed(turn, order, health),
            DeviceEvent::Health(kind, health) => self.health(turn.now, kind, health),
            DeviceEvent::NotFitted(kind) => self.fitness.not_fitted(kind),
            // The desk's own.
            DeviceEvent::SignedIn { .. }
            | DeviceEvent::PinChosen { .. }
            | DeviceEvent::Found { .. }
            | DeviceEvent::StaffEdited { .. }
            | DeviceEvent::StaffGone { .. }
            | DeviceEvent::Fleet(_)
            | DeviceEvent::Cards { .. }
            | DeviceEvent::CardStep(_)
            | DeviceEvent::Badges(_) => {}
            // Settled by the payments first.
            DeviceEvent::Account { .. }
            | DeviceEvent::CommandEnded { .. }
            | DeviceEvent::CommandAcknowledged { .. }
            | DeviceEvent::Enquired { .. }
            | DeviceEvent::Slips { .. }
            | DeviceEvent::Sealed { .. }
            | DeviceEvent::SealerAnswers(_)
            | DeviceEvent::DrawerStuck => {}
        }
    }

    /// Ends a visit that stands before its payment: no guest is served any more.
    pub(crate) fn close(&mut self, turn: &mut turn::Turn<'_>) {
        if !self.is_free() && !self.is_paying() && !matches!(self.stage, Stage::Done | Stage::Feedback) {
            self.end(turn, crate::event::Outcome::StaffClosed);
        }
    }

    /// Whose events are recorded now.
    pub(crate) fn who(&self, catalogue: &crate::Catalogue) -> Who {
        let visit = self.visit.as_deref();
        let guest = visit.and_then(|v| v.guest.as_ref());
        Who {
            visit: visit.map(|v| v.id),
            visitor: guest.map(|g| g.visitor.clone()),
            consent: guest.map(|g| g.consent).unwrap_or_default(),
            language: language_tag(catalogue, self.lang),
        }
    }
}

/// The tag of a language, of the first one for an index that does not exist.
pub(crate) fn language_tag(catalogue: &crate::Catalogue, lang: Lang) -> String {
    let tags = &catalogue.languages;
    tags.get(usize::from(lang.0)).or_else(|| tags.first()).cloned().unwrap_or_default()
}
