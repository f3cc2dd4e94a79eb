//! What the core wants done. The shell carries effects out in order; the first failure stops the rest and comes back as
//! [`crate::Input::EffectFailed`].

use crate::{
    accounts::AccountAsk,
    desk::{CardErrand, Correction, Query, StaffEdit},
    device::Consent,
    event::Event,
    ids::Id,
    now::Now,
    paper::Paper,
    staff::{Credential, Pin},
    terminal::Command,
};
use alloc::{string::String, vec::Vec};

/// What is to be committed in one transaction, with all that each event's envelope needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The visit these events belong to, `None` for events of the device.
    pub visit: Option<Id>,
    /// The guest's pseudonym, `None` while anonymous.
    pub visitor: Option<String>,
    /// What that guest has agreed to, [`Consent::None`] while anonymous.
    pub consent: Consent,
    /// BCP 47 tag of the visit's language, of the kiosk's default outside a visit.
    pub language: String,
    /// When it happened.
    pub at: Now,
    /// What happened, in order; never empty.
    pub events: Vec<Event>,
}

impl Record {
    /// These are nobody any more; what was said only of them goes.
    pub(crate) fn forget(&mut self, visitors: &[String]) {
        if !self.visitor.as_ref().is_some_and(|visitor| visitors.contains(visitor)) {
            return;
        }
        self.visitor = None;
        self.consent = Consent::None;
        self.events.retain_mut(|event| match event {
            Event::VisitorJoined { .. } | Event::ErasureRequested | Event::ConsentChanged { .. } => false,
            Event::VisitIdentified { token, .. } => {
                token.clear();
                true
            }
            Event::OrderPlaced(order) => {
                order.called_name.clear();
                true
            }
            _ => true,
        });
    }
}

/// The visit and the guest that events belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) visit: Option<Id>,
    pub(crate) visitor: Option<String>,
    pub(crate) consent: Consent,
    pub(crate) language: String,
}

impl Who {
    /// These are nobody any more.
    pub(crate) fn forget(&mut self, visitors: &[String]) {
        if self.visitor.as_ref().is_some_and(|visitor| visitors.contains(visitor)) {
            self.visitor = None;
            self.consent = Consent::None;
        }
    }

    pub(crate) fn record(self, at: Now, events: Vec<Event>) -> Record {
        Record { visit: self.visit, visitor: self.visitor, consent: self.consent, language: self.language, at, events }
    }
}

/// What the light ring and the speaker mean; how they look and sound is the board's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Signal {
    Idle,
    TapHere,
    Thinking,
    Approved,
    Declined,
    CallStaff,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // A step has a handful, and a report is printed twice a day.
pub enum Effect {
    /// Commit these events, and the order and payment rows that they imply, in one transaction. Law 1: what follows
    /// waits until they are on disk.
    Record(Record),
    /// Send the terminal a financial command. Sent at most once for each attempt.
    Command {
        /// This attempt.
        attempt: Id,
        /// What is asked for.
        command: Command,
    },
    /// Ask the terminal for its last receipt; answered by [`crate::DeviceEvent::Enquired`]. Moves nothing.
    Enquire {
        /// On whose behalf.
        attempt: Id,
    },
    /// Ask the backend about money that lies there; answered by [`crate::DeviceEvent::Account`]. One key has one effect there,
    /// however often it is asked.
    Account {
        /// This attempt: the key. For a look, any id.
        attempt: Id,
        /// What.
        ask: AccountAsk,
    },
    /// Ask the terminal to stop. The attempt still ends by its own outcome.
    AbortCommand {
        /// This attempt.
        attempt: Id,
    },
    /// Find out who this is; answered by [`crate::DeviceEvent::Identified`] within the look-up budget.
    Identify {
        /// `<key version>:<hex>`.
        token: String,
    },
    /// Print.
    Print(Paper),
    /// Light and sound.
    Signal(Signal),
    /// Find out whether this is somebody who works here (argon2id, off the loop); answered by
    /// [`crate::DeviceEvent::SignedIn`] with the same `request`.
    SignIn {
        /// Which question.
        request: u32,
        /// What was shown.
        credential: Credential,
    },
    /// Give somebody who is known a PIN of their own; answered by [`crate::DeviceEvent::PinChosen`].
    ChoosePin {
        /// Which question.
        request: u32,
        /// Staff number.
        staff: String,
        /// The PIN.
        pin: Pin,
    },
    /// Something about guests' cards, in the name of who is signed in; answered by [`crate::DeviceEvent::Cards`].
    Cards {
        /// Which question.
        request: u32,
        /// Staff number.
        staff: String,
        /// What.
        errand: CardErrand,
    },
    /// Change who works here; answered by [`crate::DeviceEvent::StaffEdited`].
    EditStaff {
        /// Which question.
        request: u32,
        /// Who changes it.
        by: String,
        /// What.
        edit: StaffEdit,
    },
    /// Nobody is signed in any more: the shell forgets the assertion.
    SignOut,
    /// Read something from disk; answered by [`crate::DeviceEvent::Found`].
    Look {
        /// Which question.
        request: u32,
        /// What is to be read.
        query: Query,
    },
    /// Pulse the cash drawer: by the printer's kick first, else by the board.
    OpenDrawer,
    /// What touches on the glass mean.
    Glass(GlassOrder),
    /// A clock that nothing has set goes on from here, as an estimate.
    SetClock {
        /// `2026-11-22 10:31` on the wall of the shop.
        local: String,
    },
}

/// What becomes of touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlassOrder {
    /// Correct them so from now on, beside what corrects them already, until one of the next three.
    Try(Correction),
    /// What is tried holds from now on.
    Keep,
    /// What was kept holds again.
    Back,
    /// They are taken as the glass gives them.
    Forget,
}
