//! What hardware says, already translated by the adapters: no card number and no UID comes in here.

use crate::{
    accounts::AccountAnswer,
    catalogue::Allergen,
    closed::Fleet,
    desk::{Answer, CardAnswer, CardStep, Edited},
    habit::Because,
    ids::Id,
    staff::SignInResult,
    terminal::{CommandOutcome, Enquiry},
};
use alloc::{string::String, vec::Vec};

/// How a guest was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// NTAG 424 DNA with a valid secure message.
    Ntag424,
    /// A bare UID: an identifier, not a credential.
    Uid,
    /// A code shown on the guest's page.
    Qr,
    /// Telephone number and code.
    Phone,
    /// A telephone with the shop's application.
    Hce,
}

/// How far an identity is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Assurance {
    /// An identifier that can be copied.
    Low,
    /// Proven by cryptography.
    High,
}

/// Why a card identifies nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardRefusal {
    /// It shows another number at each tap, as telephones do.
    RandomNumber,
    /// A kind of card that this shop does not take.
    NotTaken,
    /// Its message is forged, or was used before.
    NotGenuine,
    /// It was reported lost.
    Blocked,
    /// A code of the guest's page that is too old, or was used before.
    Code,
}

/// What a guest has agreed to; each level includes those before it. What they allow: [`crate::consent`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Consent {
    /// No visitor id, no data across visits.
    #[default]
    None,
    /// Points, receipts, name on the board.
    Service,
    /// History, the usual, offers.
    Personal,
    /// Contact outside the shop.
    Marketing,
}

/// A thing of the usual order: what to put into the basket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsualItem {
    /// Article or variant SKU.
    pub sku: String,
    /// SKUs of chosen modifiers with counts.
    pub modifiers: Vec<(String, u8)>,
    /// How many.
    pub quantity: u16,
}

/// What the kiosk knows of a recognised guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// Pseudonym as on the wire (`v_` and 32 hex digits).
    pub visitor: String,
    /// Name to be greeted by, empty for none.
    pub display_name: String,
    /// BCP 47 tag, empty for none.
    pub language: String,
    /// What the guest has agreed to.
    pub consent: Consent,
    /// The usual order, may be empty.
    pub usual: Vec<UsualItem>,
    /// Why these things and not others, where their own history chose them.
    pub usual_because: Option<Because>,
    /// What the guest must not eat, kept by a consent of its own; empty where nothing is.
    pub dietary: Vec<Allergen>,
    /// Loyalty points.
    pub points: i64,
    /// Visits before this one.
    pub visits_before: u32,
    /// When this was known at the backend, milliseconds since 1970; `None` when just asked.
    pub as_of_ms: Option<i64>,
}

/// Devices whose presence is shown and recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceKind {
    /// Guest-card reader.
    Reader,
    /// Scanner of barcodes and QR codes.
    Scanner,
    /// Payment terminal.
    Terminal,
    /// Receipt printer.
    Printer,
    /// The microcontroller board.
    Peripherals,
    /// The way to the backend, by way of the agent.
    Backend,
    /// The disk that events are recorded on: lost while it takes nothing.
    Disk,
    /// The clock: lost while nobody has set it.
    Clock,
}

/// How a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Works.
    Ok,
    /// Works, but not wholly or not for long (paper near end, a board that is not the one in the config).
    Low,
    /// Present and unable (paper out, cover open).
    Blocked,
    /// Not there or silent.
    Lost,
}

/// A key of the tactile pad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Key {
    Up,
    Down,
    Select,
    Back,
    Help,
}

/// The last keys of the tactile pad, for a screen that may overtake snapshots and must not miss a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pad {
    count: u32,
    last: [Option<Key>; Pad::KEPT],
}

impl Pad {
    /// How many keys are kept: more than a person presses between two frames.
    pub const KEPT: usize = 8;

    /// A key for the screen.
    pub(crate) fn push(&mut self, key: Key) {
        self.last[self.count as usize % Self::KEPT] = Some(key);
        self.count = self.count.wrapping_add(1);
    }

    /// How many there were since the kiosk started; it wraps.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The keys behind the first `seen`, in order; only the last [`Pad::KEPT`] where there were more.
    pub fn since(&self, seen: u32) -> impl Iterator<Item = Key> + use<> {
        let pad = *self;
        let new = pad.count.wrapping_sub(seen).min(Self::KEPT as u32);
        (0..new).filter_map(move |n| pad.last[pad.count.wrapping_sub(new - n) as usize % Self::KEPT])
    }
}

/// How light it is around the kiosk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ambient {
    /// Night, lamps out: the screen would dazzle.
    Dark,
    /// An evening's light.
    Dim,
    /// Day, or not known.
    #[default]
    Day,
}

/// What a person should look into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// The microcontroller board is not the one that the board-config describes.
    BoardMismatch,
    /// The board reports that something of it is broken, too hot or without supply.
    BoardFault,
    /// The board restarted by its watchdog, a panic, or gave a new program up.
    BoardRestarted,
    /// The board cut this machine's supply because it was silent.
    HostPowerCycled,
    /// The service door or the terminal's bracket is open.
    CaseOpened,
}

/// What hardware says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceEvent {
    /// Somebody came near (`true`) or left.
    Presence(bool),
    /// A key of the pad went down.
    Key(Key),
    /// A key of the pad is still held: the same once more, but no touch.
    KeyHeld(Key),
    /// How light it is around the kiosk has changed.
    Ambient(Ambient),
    /// A person should look into something. Said once when it begins.
    Alarm {
        /// What.
        alarm: Alarm,
        /// For that person: what exactly, without names or numbers of guests.
        detail: String,
    },
    /// Headphones were plugged in (`true`) or out.
    Headphones(bool),
    /// A guest card was seen; the adapter has made the pseudonym.
    CardSeen {
        /// `<key version>:<hex>`.
        token: String,
        /// How.
        method: Method,
        /// How far proven.
        assurance: Assurance,
        /// Counter of a secure message.
        counter: Option<u32>,
    },
    /// A code was scanned. What it means: [`crate::scan`].
    Scanned {
        /// Its characters.
        code: String,
        /// Its pseudonym, `<key version>:<hex>`.
        token: String,
    },
    /// A bank card was held to the guest-card reader.
    BankCardSeen,
    /// A card was held to the reader that identifies nobody.
    CardRefused(CardRefusal),
    /// The look-up that [`crate::Effect::Identify`] asked for. `None`: nobody known by that token.
    Identified {
        /// The token asked for.
        token: String,
        /// Who it is.
        guest: Option<Guest>,
        /// True where the look-up has proven the card, too, which this kiosk alone could not.
        proven: bool,
    },
    /// These visitors are to be forgotten: the backend says so.
    Forgotten {
        /// Their pseudonyms, all that were merged.
        visitors: Vec<String>,
    },
    /// The terminal has taken the command of this attempt. Comes before any status of it.
    CommandAcknowledged {
        /// Which attempt.
        attempt: Id,
    },
    /// An intermediate status of the terminal.
    TerminalStatus {
        /// Which attempt.
        attempt: Id,
        /// ZVT intermediate status byte.
        code: u8,
    },
    /// The end of a [`crate::Effect::Command`].
    CommandEnded {
        /// Which attempt.
        attempt: Id,
        /// How it ended.
        outcome: CommandOutcome,
    },
    /// The answer to a [`crate::Effect::Enquire`].
    Enquired {
        /// On whose behalf it was asked.
        attempt: Id,
        /// What the terminal says.
        enquiry: Enquiry,
    },
    /// The answer to [`crate::Effect::Account`].
    Account {
        /// Which question.
        attempt: Id,
        /// What the backend says.
        answer: AccountAnswer,
    },
    /// What the terminal wants printed of this attempt; masked lines only. Comes before the attempt's end.
    Slips {
        /// Which attempt.
        attempt: Id,
        /// For the guest.
        customer: Vec<String>,
        /// For the shop.
        merchant: Vec<String>,
    },
    /// The cash drawer was to be opened and nothing that could do it is there.
    DrawerStuck,
    /// The fiscal device has signed the receipt of an order, or has not in time.
    Sealed {
        /// Which order.
        order: Id,
        /// False where the receipt goes out without a signature for now.
        signed: bool,
        /// Which receipt, and what the device said, for the book.
        note: String,
    },
    /// Whether the fiscal device answers.
    SealerAnswers(bool),
    /// The receipt is on paper, or why not.
    Printed {
        /// Which order.
        order: Id,
        /// Health of the printer afterwards; `Ok` and `Low` mean that it was printed.
        health: Health,
    },
    /// The answer to [`crate::Effect::SignIn`].
    SignedIn {
        /// Which question.
        request: u32,
        /// Who it is, or why not.
        result: SignInResult,
    },
    /// The answer to [`crate::Effect::ChoosePin`].
    PinChosen {
        /// Which question.
        request: u32,
        /// True where it is on disk and in force; false where it is the old one or could not be kept.
        taken: bool,
    },
    /// The answer to [`crate::Effect::Look`].
    Found {
        /// Which question.
        request: u32,
        /// What was read.
        answer: Answer,
    },
    /// The answer to [`crate::Effect::Cards`].
    Cards {
        /// Which question.
        request: u32,
        /// What became of it.
        answer: CardAnswer,
    },
    /// A card lay on the reader while cards are made.
    CardStep(CardStep),
    /// The answer to [`crate::Effect::EditStaff`].
    StaffEdited {
        /// Which question.
        request: u32,
        /// What became of it.
        edited: Edited,
    },
    /// This person does not work here any more, by a staff list that is newer than their sign-in: told again until nobody
    /// of that number is signed in.
    StaffGone {
        /// Staff number.
        staff: String,
    },
    /// What the fleet tells this kiosk.
    Fleet(Fleet),
    /// The badges of those who work here now: a badge in this list opens the desk instead of a visit.
    Badges(Vec<String>),
    /// A device came, went, or changed.
    Health(DeviceKind, Health),
    /// A device that this kiosk does not have: nobody is sent to it, and nobody misses it.
    NotFitted(DeviceKind),
}
