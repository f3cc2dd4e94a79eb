// SPDX-License-Identifier: GPL-3.0-only
//! A page for the shop's own people: the first start, and the counter's business. One shape for all of them, so that who
//! knows one page knows all: what is this about, what is to be typed, a list, what can be done.

use super::desk::Ask;
use kiosk_core::{
    Minor,
    desk::{CashMove, DeskIntent, OrderSearch, Spot, StaffEdit},
    refund::Pick,
    setup::SetupIntent,
    staff::{Credential, Pin},
};

/// What something means; its colour follows, and never alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Tone {
    #[default]
    Plain,
    Good,
    Attention,
    Bad,
    Quiet,
}

/// What a touch on a page says.
#[derive(Clone, PartialEq, Eq)]
pub enum Said {
    /// To the first start.
    Setup(SetupIntent),
    /// To the desk.
    Desk(DeskIntent),
    /// To the screen itself: ask this first, or nothing any more.
    Ask(Option<Ask>),
}

impl Said {
    /// The same with another count, where it is about one.
    pub fn counted(&self, count: u16) -> Option<Self> {
        match self {
            Self::Desk(DeskIntent::Pick(pick)) => Some(Self::Desk(DeskIntent::Pick(Pick { quantity: count, ..*pick }))),
            Self::Setup(_) | Self::Desk(_) | Self::Ask(_) => None,
        }
    }
}

/// What is typed may be a secret: nothing of it is shown.
impl std::fmt::Debug for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Setup(_) => "Setup",
            Self::Desk(_) => "Desk",
            Self::Ask(_) => "Ask",
        })
    }
}

/// What becomes of what was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Entry {
    Passphrase,
    Proxy,
    Clock,
    Code,
    Backend,
    StaffNumber,
    /// Of this staff number.
    Pin(String),
    NewPin,
    OrderNumber,
    HolderName,
    CardCount,
    CashGiven,
    Float,
    CashMove(CashMove),
    Counted,
    /// Of a kiosk that is past its first start.
    ShopClock,
    /// Of somebody new.
    NewNumber,
    /// Of this number.
    NewName(String),
    /// Of this number.
    EndDate(String),
}

impl Entry {
    /// What it says once it is finished; `None` while too little was typed.
    pub fn said(&self, typed: &str) -> Option<Said> {
        let enough = !typed.is_empty();
        let amount = || typed.parse::<i64>().ok().map(Minor);
        Some(match self {
            Self::Passphrase if typed.len() >= 8 => Said::Setup(SetupIntent::Passphrase(typed.to_owned())),
            Self::Proxy => Said::Setup(SetupIntent::Proxy(typed.to_owned())),
            Self::Clock if typed.len() == 12 => Said::Setup(SetupIntent::Clock(typed.to_owned())),
            Self::ShopClock if typed.len() == 12 => Said::Desk(DeskIntent::SetClock(typed.to_owned())),
            Self::Code if enough => Said::Setup(SetupIntent::Code(typed.to_owned())),
            Self::Backend if enough => Said::Setup(SetupIntent::Backend(typed.to_owned())),
            Self::StaffNumber if enough => Said::Ask(Some(Ask::Pin(typed.to_owned()))),
            Self::Pin(staff) => Said::Desk(DeskIntent::SignIn(Credential::Pin { staff: staff.clone(), pin: Pin::new(typed)? })),
            Self::NewPin => Said::Desk(DeskIntent::ChoosePin(Pin::new(typed)?)),
            Self::OrderNumber => Said::Desk(DeskIntent::Find(OrderSearch { number: typed.to_owned(), ..OrderSearch::default() })),
            Self::HolderName if enough => Said::Desk(DeskIntent::FindHolder(typed.to_owned())),
            Self::CardCount => {
                Said::Desk(DeskIntent::MakeCards { count: typed.parse().ok().filter(|count| *count > 0)?, replaces: false })
            }
            Self::CashGiven => Said::Desk(DeskIntent::TakeCash { given: amount()? }),
            Self::Float => Said::Desk(DeskIntent::OpenShift { float: amount()? }),
            Self::CashMove(how) => Said::Ask(Some(Ask::CashReason(*how, amount()?))),
            Self::NewNumber if enough => Said::Ask(Some(Ask::NewName(typed.to_owned()))),
            Self::NewName(number) if !typed.trim().is_empty() => {
                Said::Ask(Some(Ask::NewRole(number.clone(), typed.trim().to_owned())))
            }
            Self::EndDate(staff) if typed.len() == 12 => {
                let (staff, local) = (staff.clone(), Some(typed.to_owned()));
                Said::Desk(DeskIntent::EditStaff(StaffEdit::End { staff, local }))
            }
            Self::Counted => Said::Desk(DeskIntent::Count { amount: amount()? }),
            _ => return None,
        })
    }
}

/// What a touch does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Does {
    /// Says this.
    Say(Said),
    /// Says what was typed.
    Enter,
}

/// What can be typed, and how it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typing {
    /// Digits as they are.
    Number,
    /// Digits as dots.
    Secret,
    /// Digits as an amount with this many decimals.
    Money {
        /// Decimals of the currency.
        exponent: u8,
    },
    /// Digits as '2026-11-22 10:31'.
    DateTime,
    /// Letters, digits and signs.
    Text,
}

/// What is asked for by keys on the glass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PadView {
    /// What is asked for; another one begins empty.
    pub entry: Entry,
    /// How it is typed and shown.
    pub typing: Typing,
    /// 'One-time code'.
    pub label: String,
    /// What stands there before anything is typed.
    pub given: String,
    /// The most characters.
    pub most: usize,
}

/// A few words that stand out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoticeView {
    /// What it means.
    pub tone: Tone,
    /// What happened.
    pub title: String,
    /// What is safe, and what to do.
    pub text: String,
}

/// A line of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageRowView {
    /// A heading before it, empty for none.
    pub section: String,
    /// What it is.
    pub title: String,
    /// More of it.
    pub detail: String,
    /// At the right: an amount, a count.
    pub value: String,
    /// A word or two on a pill.
    pub badge: String,
    /// What it means.
    pub tone: Tone,
    /// It is the chosen one.
    pub chosen: bool,
    /// What a touch says; of a counted line, what a new count says.
    pub says: Option<Said>,
    /// How many are chosen, and how many there may be; counted where `most` is above 0.
    pub count: u16,
    /// The most that can be chosen.
    pub most: u16,
}

impl PageRowView {
    /// A line that only tells.
    pub fn told(title: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { title: title.into(), detail: detail.into(), ..Self::default() }
    }

    /// A line that leads on.
    pub fn leading(title: impl Into<String>, detail: impl Into<String>, said: Said) -> Self {
        Self { says: Some(said), ..Self::told(title, detail) }
    }
}

/// A button at the bottom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionView {
    /// Its words.
    pub text: String,
    /// It can be touched now; one that enters needs enough typed, too.
    pub enabled: bool,
    /// What it does.
    pub does: Does,
    /// What it means.
    pub tone: Tone,
}

impl ActionView {
    /// Says something.
    pub fn say(text: &str, said: Said) -> Self {
        Self { text: text.to_owned(), enabled: true, does: Does::Say(said), tone: Tone::Plain }
    }

    /// Says what was typed.
    pub fn enter(text: &str) -> Self {
        Self { text: text.to_owned(), enabled: true, does: Does::Enter, tone: Tone::Plain }
    }

    /// The same, to be touched only where `enabled`.
    #[must_use]
    pub fn when(self, enabled: bool) -> Self {
        Self { enabled, ..self }
    }
}

/// A page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageView {
    /// 'Boyd’s · staff'.
    pub place: String,
    /// 'Mia · till 1', empty where nobody is signed in.
    pub who: String,
    /// What a touch on `who` says.
    pub leave: Option<Said>,
    /// What 'Back' says, `None` where there is no way back.
    pub back: Option<Said>,
    /// The question.
    pub title: String,
    /// One sentence under it.
    pub text: String,
    /// What stands out.
    pub notice: Option<NoticeView>,
    /// Figures: value and name.
    pub stats: Vec<(String, String)>,
    /// What is typed.
    pub pad: Option<PadView>,
    /// The list.
    pub rows: Vec<PageRowView>,
    /// The buttons; the last one is what the page asks for.
    pub actions: Vec<ActionView>,
    /// A mark to be touched: title and text stand beside it, and nothing else.
    pub mark: Option<Spot>,
    /// 'Sign out', 'Back', 'Delete', 'Space'.
    pub words: [&'static str; 4],
}

/// One text in every language, the one that is spoken.
macro_rules! say {
    ($tongue:expr, $en:expr, $ru:expr $(,)?) => {
        match $tongue {
            $crate::ui::words::Tongue::En => $en,
            $crate::ui::words::Tongue::Ru => $ru,
        }
    };
}
pub(super) use say;
