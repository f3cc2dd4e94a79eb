//! Who works here, edited by a manager at the desk; and the pages of whoever mends the kiosk.
//!
//! - An edit is carried out by the shell, which hands it to the agent; what counts is told by [`Edited`]. A new PIN is shown
//!   once, to be handed over, and replaced at its first use.
//! - A service person sees devices, queue, versions, network and the log. Orders, guests and the till are not theirs: nothing
//!   else of the desk answers them.

use super::{Desk, DeskIntent, DeskPage, GlassView, Notice, Query, Spot, What};
use crate::{
    device::{DeviceEvent, Method},
    effect::{Effect, Signal},
    event::Event,
    paper::{Paper, TestPage},
    session::{
        language_tag,
        turn::{Turn, Undo},
    },
    staff::{Act, StaffRole},
};
use alloc::{string::String, vec::Vec};
use core::fmt;

/// Somebody of the shop's staff, as the desk lists them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Colleague {
    /// Staff number.
    pub staff: String,
    /// Name on the screen.
    pub name: String,
    /// What they are.
    pub role: StaffRole,
    /// They have a badge.
    pub badge: bool,
    /// They have a PIN; one that was given and not yet replaced is `must_reset`.
    pub pin: bool,
    /// The PIN was given by somebody else.
    pub must_reset: bool,
    /// Their last moment, where one is set.
    pub ends_utc_ms: Option<i64>,
}

/// What a manager changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StaffEdit {
    /// Somebody new, with a PIN that is shown once.
    Add {
        /// Staff number.
        staff: String,
        /// Name on the screen.
        name: String,
        /// What they are.
        role: StaffRole,
    },
    /// Another role.
    Role {
        /// Staff number.
        staff: String,
        /// What they are from now on.
        role: StaffRole,
    },
    /// Another badge, or none.
    Badge {
        /// Staff number.
        staff: String,
        /// The badge's pseudonym.
        badge: Option<String>,
    },
    /// A new PIN, shown once.
    NewPin {
        /// Staff number.
        staff: String,
    },
    /// They leave.
    End {
        /// Staff number.
        staff: String,
        /// Local time as twelve digits, year first; `None`: now.
        local: Option<String>,
    },
}

impl StaffEdit {
    /// Whom it is about.
    pub fn staff(&self) -> &str {
        match self {
            Self::Add { staff, .. }
            | Self::Role { staff, .. }
            | Self::Badge { staff, .. }
            | Self::NewPin { staff }
            | Self::End { staff, .. } => staff,
        }
    }
}

/// A PIN that was given: for the screen and nothing else. `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq)]
pub struct GivenPin(pub String);

impl fmt::Debug for GivenPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GivenPin(..)")
    }
}

/// What became of an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edited {
    /// It counts here, and is carried to the backend. With the PIN that was given, where one was.
    Done(Option<GivenPin>),
    /// That number, name, time or badge cannot be, or is somebody else's.
    Refused,
    /// It could not be kept: the agent is not there, or too much waits for the backend.
    NotKept,
}

/// What was seen of the machine itself, which no adapter watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The screen that the board-config names.
    Screen,
    /// The kernel knows of no screen.
    NoScreen,
    /// A screen of another size than the board-config says.
    OtherScreen,
    /// Something that can be touched.
    Glass,
    /// Nothing that can be touched.
    NoGlass,
    /// A clock that goes on without power.
    Clock,
    /// A clock that is set and forgets the time without power.
    ClockForgets,
    /// A clock that was never set.
    ClockUnset,
}

/// What a service person reads of this kiosk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceFacts {
    /// Version of this program.
    pub software: String,
    /// The machine's name in its network.
    pub host: String,
    /// Its own address there.
    pub address: Option<String>,
    /// Events that are not at the backend yet.
    pub unsent: Option<u64>,
    /// How old the oldest of them is, in seconds.
    pub oldest_s: Option<u64>,
    /// Version of the key for cards.
    pub key_version: Option<u32>,
    /// Version of the staff list.
    pub roster_version: Option<u64>,
    /// Room on the disk, in MiB.
    pub disk_free_mib: Option<u64>,
    /// Screen, glass, clock.
    pub seen: Vec<Seen>,
    /// The newest lines of the log, newest last. They name no guest.
    pub log: Vec<String>,
}

/// What a service person tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    /// Read everything anew.
    Look,
    /// The light ring and the sound, one signal after the other.
    Light(u8),
    /// A touch at one of the places of the touch test.
    Touch(u8),
    /// The touch test from the beginning.
    TouchAgain,
    /// Print a page that sells nothing.
    Print,
    /// A touch on the page of marks.
    Aim(Spot),
    /// The marks from the first.
    AimAgain,
    /// No correction of touches any more.
    AimForget,
}

/// Places of the touch test.
pub const TOUCH_PLACES: u8 = 12;
const LIGHTS: [Signal; 5] = [Signal::TapHere, Signal::Thinking, Signal::Approved, Signal::CallStaff, Signal::Idle];

/// What the service pages show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceView {
    /// What was read.
    pub facts: Option<ServiceFacts>,
    /// A card that was held to the reader.
    pub card: Option<Method>,
    /// Places that were touched, a bit each.
    pub touched: u16,
    /// Which light comes next.
    pub light: u8,
    /// The marks.
    pub glass: GlassView,
}

impl Desk {
    /// Whether the person may do nothing but service.
    pub(super) fn only_service(&self) -> bool {
        self.person.as_ref().is_some_and(|person| person.role == StaffRole::Service)
    }

    /// The first page of who has signed in.
    pub(super) fn first_page(&mut self, turn: &mut Turn<'_>) {
        self.page = DeskPage::Home;
        if self.only_service() {
            self.show_service(turn);
        }
    }

    pub(super) fn show_staff(&mut self, turn: &mut Turn<'_>) {
        self.page = DeskPage::Staff;
        self.colleague = None;
        self.look_at_staff(turn);
    }

    fn look_at_staff(&mut self, turn: &mut Turn<'_>) {
        let request = self.ask(What::Staff);
        turn.effect(Effect::Look { request, query: Query::Staff });
    }

    pub(super) fn open_colleague(&mut self, staff: &str) {
        if self.people.iter().any(|colleague| colleague.staff == staff) {
            self.page = DeskPage::Colleague;
            self.colleague = Some(staff.into());
        }
        self.given_pin = None;
        self.wants_new_badge = false;
    }

    pub(super) fn edit_staff(&mut self, turn: &mut Turn<'_>, edit: StaffEdit) {
        self.wants_new_badge = false;
        self.given_pin = None;
        let request = self.ask(What::Edit);
        self.edited = Some(edit.staff().into());
        turn.effect(Effect::EditStaff { request, by: self.staff(), edit });
    }

    /// A card for somebody's badge. False where none is asked for.
    pub(super) fn new_badge(&mut self, turn: &mut Turn<'_>, event: &DeviceEvent) -> bool {
        let DeviceEvent::CardSeen { token, method, .. } = event else { return false };
        if self.page == DeskPage::Service {
            self.service.card = Some(*method);
            return true;
        }
        let Some(staff) = self.colleague.clone().filter(|_| self.wants_new_badge && self.waiting.is_none()) else { return false };
        turn.undo = Undo::Desk;
        self.edit_staff(turn, StaffEdit::Badge { staff, badge: Some(token.clone()) });
        true
    }

    pub(super) fn staff_edited(&mut self, turn: &mut Turn<'_>, request: u32, edited: Edited) {
        if self.answered(request) != Some(What::Edit) {
            return;
        }
        turn.undo = Undo::Desk;
        let Some(subject) = self.edited.take() else { return };
        match edited {
            Edited::Done(pin) => {
                self.given_pin = pin;
                self.colleague = Some(subject.clone());
                self.page = DeskPage::Colleague;
                turn.event(Event::StaffApproved { staff: self.staff(), act: Act::ManageStaff, subject, amount: None });
                self.look_at_staff(turn);
                // A PIN says more than that it is done: it has to be handed over now.
                self.notice = self.given_pin.is_none().then_some(Notice::StaffChanged);
            }
            Edited::Refused => self.notice = Some(Notice::StaffRefused),
            Edited::NotKept => self.notice = Some(Notice::StaffNotKept),
        }
    }

    pub(super) fn show_service(&mut self, turn: &mut Turn<'_>) {
        self.give_up_aiming(turn);
        self.page = DeskPage::Service;
        self.try_out(turn, Trial::Look);
    }

    pub(super) fn try_out(&mut self, turn: &mut Turn<'_>, trial: Trial) {
        match trial {
            Trial::Look => {
                let request = self.ask(What::Service);
                turn.effect(Effect::Look { request, query: Query::Service });
            }
            Trial::Light(at) => {
                let at = usize::from(at) % LIGHTS.len();
                self.service.light = u8::try_from((at + 1) % LIGHTS.len()).unwrap_or(0);
                turn.signal(LIGHTS[at]);
            }
            Trial::Touch(place) if place < TOUCH_PLACES => self.service.touched |= 1 << place,
            Trial::Touch(_) => {}
            Trial::TouchAgain => self.service.touched = 0,
            Trial::Print => {
                let id = turn.ids.next(turn.now);
                self.prints.push((id, false));
                let language = language_tag(turn.catalogue, turn.config.language);
                let page = TestPage { id, till: turn.config.desk.till.clone(), language, at_utc_ms: turn.now.utc_ms };
                turn.effect(Effect::Print(Paper::Test(page)));
            }
            Trial::Aim(spot) => self.aim(turn, spot),
            Trial::AimAgain if self.page == DeskPage::Glass => self.aim_again(turn),
            Trial::AimForget if self.page == DeskPage::Glass => self.forget_glass(turn),
            Trial::AimAgain | Trial::AimForget => {}
        }
    }

    /// Whether this is of the service pages, or leaves them.
    pub(super) fn is_service(intent: &DeskIntent) -> bool {
        matches!(
            intent,
            DeskIntent::Try(_)
                | DeskIntent::Go(
                    DeskPage::Service | DeskPage::Check | DeskPage::TouchTest | DeskPage::Glass | DeskPage::Log | DeskPage::Home
                )
        )
    }
}

#[cfg(test)]
mod tests;
