//! Guests' cards at the desk: made of blank ones at the reader, bound to a guest, blocked when they are lost.
//!
//! The backend knows who holds which card, so that all of this needs the network; the desk says so where there is none. While
//! cards are made the reader reads no guests: what lies on it comes as [`crate::DeviceEvent::CardStep`].

use super::{Desk, DeskPage, Notice, What};
use crate::{effect::Effect, session::turn::Turn};
use alloc::{string::String, vec::Vec};

/// The most cards of one batch.
pub const BATCH_MAX: u16 = 500;
/// Characters of a search that are taken.
const SEARCH_MAX: usize = 60;

/// Whoever may hold a card.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// The pseudonym.
    pub visitor: String,
    /// Their name, may be empty.
    pub name: String,
    /// Last digits of their telephone number, may be empty.
    pub phone_ending: String,
    /// Their points.
    pub points: i64,
}

/// What the desk wants done about cards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CardErrand {
    /// Who is called like that, or has a telephone number that ends so?
    Find(String),
    /// All cards of this visitor are lost.
    Block(String),
    /// From now on the reader makes cards, until there are so many.
    Make {
        /// Whose, `None` for whoever comes.
        visitor: Option<String>,
        /// The holder's other cards are lost.
        replaces: bool,
        /// How many.
        count: u16,
    },
    /// The reader reads guests' cards again. Has no answer.
    Stop,
}

/// The answer to a [`CardErrand`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CardAnswer {
    /// These may be meant.
    Found(Vec<Holder>),
    /// So many cards are blocked that were not.
    Blocked(u32),
    /// The reader waits for the first card.
    Ready,
    /// This kiosk makes no cards: it has no reader, or its file names no address for them.
    NotHere,
    /// The backend cannot be reached.
    Away,
    /// The backend refuses.
    Refused,
}

/// What became of a card on the reader while cards are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardStep {
    /// It is a guest's card now, and bound.
    Made {
        /// How many are made.
        made: u16,
        /// Of how many.
        of: u16,
        /// Lost cards that were blocked with it.
        blocked: u32,
    },
    /// It was made in this batch already.
    MadeBefore,
    /// It left too soon: the same card again, and it is gone on with.
    TakenAway,
    /// No card of the kind that can be made one.
    WrongKind,
    /// It is not blank, and not one of ours.
    Foreign,
    /// It does not keep what is written.
    Faulty,
    /// The backend cannot be reached.
    NoBackend,
    /// The backend refuses: it is somebody else's, or was reported lost.
    Refused,
}

/// What the desk shows of cards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CardsView {
    /// What was looked for, empty before the first look.
    pub search: String,
    /// Who was found.
    pub found: Vec<Holder>,
    /// Whose cards it is about.
    pub holder: Option<Holder>,
    /// Cards that were blocked for them.
    pub blocked: Option<u32>,
    /// Cards that are being made.
    pub making: Option<MakingView>,
}

/// Cards that are being made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MakingView {
    /// How many.
    pub count: u16,
    /// How many are made.
    pub made: u16,
    /// The holder's other cards are lost.
    pub replaces: bool,
    /// What became of the last card on the reader.
    pub last: Option<CardStep>,
}

impl MakingView {
    /// True once all are made.
    pub fn is_done(&self) -> bool {
        self.made >= self.count
    }
}

impl Desk {
    pub(super) fn find_holder(&mut self, turn: &mut Turn<'_>, text: &str) {
        let text: String = text.trim().chars().take(SEARCH_MAX).collect();
        if text.is_empty() {
            return;
        }
        self.cards = CardsView { search: text.clone(), ..CardsView::default() };
        self.page = DeskPage::Cards;
        self.run_card_errand(turn, CardErrand::Find(text));
    }

    pub(super) fn open_holder(&mut self, visitor: &str) {
        if let Some(holder) = self.cards.found.iter().find(|holder| holder.visitor == visitor) {
            self.cards.holder = Some(holder.clone());
            self.cards.blocked = None;
            self.page = DeskPage::Holder;
        }
    }

    pub(super) fn block_cards(&mut self, turn: &mut Turn<'_>) {
        if let Some(holder) = &self.cards.holder {
            let visitor = holder.visitor.clone();
            self.run_card_errand(turn, CardErrand::Block(visitor));
        }
    }

    /// For the open holder, or on the page of cards for whoever comes.
    pub(super) fn make_cards(&mut self, turn: &mut Turn<'_>, count: u16, replaces: bool) {
        let holder = self.cards.holder.as_ref().filter(|_| self.page == DeskPage::Holder);
        let visitor = holder.map(|holder| holder.visitor.clone());
        let count = if visitor.is_some() { 1 } else { count.clamp(1, BATCH_MAX) };
        let replaces = replaces && visitor.is_some();
        self.cards.making = Some(MakingView { count, replaces, ..MakingView::default() });
        self.run_card_errand(turn, CardErrand::Make { visitor, replaces, count });
    }

    fn run_card_errand(&mut self, turn: &mut Turn<'_>, errand: CardErrand) {
        let staff = self.staff();
        let request = self.ask(What::Cards);
        turn.effect(Effect::Cards { request, staff, errand });
    }

    pub(super) fn cards_answered(&mut self, request: u32, answer: CardAnswer) {
        if self.answered(request) != Some(What::Cards) {
            return;
        }
        if !matches!(answer, CardAnswer::Ready) {
            self.cards.making = None;
        }
        match answer {
            CardAnswer::Found(found) => self.cards.found = found,
            CardAnswer::Blocked(count) => self.cards.blocked = Some(count),
            CardAnswer::Ready => self.page = DeskPage::Making,
            CardAnswer::NotHere => self.notice = Some(Notice::NoCardsHere),
            CardAnswer::Away => self.notice = Some(Notice::NoBackend),
            CardAnswer::Refused => self.notice = Some(Notice::CardRefused),
        }
    }

    /// A card lay on the reader. False where nobody makes cards.
    pub(super) fn card_step(&mut self, turn: &Turn<'_>, step: CardStep) -> bool {
        let Some(making) = self.cards.making.as_mut().filter(|_| self.open) else { return false };
        self.last_touch_ms = turn.now.mono_ms;
        making.last = Some(step);
        if let CardStep::Made { made, .. } = step {
            making.made = made;
        }
        true
    }

    /// The reader reads guests again.
    pub(super) fn stop_making(&mut self, turn: &mut Turn<'_>) {
        if self.cards.making.take().is_some() {
            let (request, staff) = (self.requests, self.staff());
            turn.effect(Effect::Cards { request, staff, errand: CardErrand::Stop });
        }
    }

    /// Where 'back' leads from the pages of cards.
    pub(super) fn back_from_cards(&mut self, turn: &mut Turn<'_>) -> DeskPage {
        self.stop_making(turn);
        match self.page {
            DeskPage::Making if self.cards.holder.is_some() => DeskPage::Holder,
            DeskPage::Making => DeskPage::Cards,
            DeskPage::Holder => {
                self.cards.holder = None;
                DeskPage::Cards
            }
            _ => {
                self.cards = CardsView::default();
                DeskPage::Home
            }
        }
    }
}
