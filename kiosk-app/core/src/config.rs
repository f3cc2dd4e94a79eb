//! What a shop decides about the course of a visit.

use crate::{
    cash,
    catalogue::{Lang, Service, TaxId},
    instalment::Instalments,
    money::{self, Currency, Minor},
    staff::Permissions,
};
use alloc::{string::String, vec::Vec};

/// Settings of one kiosk. All times are in milliseconds of `Now::mono_ms`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Stands before the order number, so that two kiosks never call the same: 'A-17'.
    pub device: char,
    /// Language of the attract screen, and of a visit until the guest chose one.
    pub language: Lang,
    /// Service assumed where it is not asked, and for the usual.
    pub service: Service,
    /// True to ask 'eat in or takeaway?' at the beginning.
    pub ask_service: bool,
    /// Silence after which 'still there?' is asked.
    pub idle_ms: u64,
    /// How long 'still there?' waits for an answer before the basket is wiped.
    pub still_there_ms: u64,
    /// How long 'thank you' stays without a touch.
    pub done_ms: u64,
    /// How long a quiet notice stays ('that card is not known here').
    pub notice_ms: u64,
    /// How long after a restart the guest who paid before it is told what became of it.
    pub recovered_ms: u64,
    /// True to ask a guest whose card nobody knows whether they want to be known next time.
    pub joining: bool,
    /// How long a look-up of a card may take before the visit goes on anonymously.
    pub identify_budget_ms: u64,
    /// What the terminal is trusted with.
    pub terminal: TerminalLimits,
    /// Minutes after local midnight at which the business day turns, 0 to 1439.
    pub day_turn_min: u16,
    /// The till and its desk.
    pub desk: DeskConfig,
    /// Ways to pay.
    pub pay: PayConfig,
    /// True where the law forbids to sell while the fiscal device does not answer.
    pub sells_signed_only: bool,
    /// Tax of open-price lines.
    pub open_price_tax: TaxId,
    /// Makes ids unique; drawn anew by the shell at each start. Not a secret.
    pub seed: [u8; 32],
}

/// What a shop decides about paying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayConfig {
    /// True to offer 'pay at the counter'.
    pub counter: bool,
    /// The smallest amount that is paid in coins; `None` for what the currency has ([`crate::cash::unit_of`]).
    pub cash_unit: Option<Minor>,
    /// Tips that are offered beside 'no tip'; none is ever chosen beforehand. Empty: tips are not asked for.
    pub tips: Vec<Tip>,
    /// In how many equal parts an order may be paid; 0 or 1: in one.
    pub parts: u8,
    /// True to take gift cards, which the backend keeps.
    pub gift: bool,
    /// Instalments that are reckoned for orders that are dear enough.
    pub instalments: Option<Instalments>,
}

/// A tip that is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tip {
    /// Millionths of the goods, added tax not counted.
    Share(u32),
    /// So much.
    Amount(Minor),
}

impl Tip {
    /// What it comes to.
    pub fn of(self, goods: Minor) -> Minor {
        match self {
            Self::Share(ppm) => money::scale(goods, u64::from(ppm), 1_000_000),
            Self::Amount(amount) => amount,
        }
    }
}

impl Default for PayConfig {
    fn default() -> Self {
        Self { counter: true, cash_unit: None, tips: Vec::new(), parts: 0, gift: false, instalments: None }
    }
}

impl PayConfig {
    /// What is paid in coins instead of `amount`.
    pub fn in_cash(&self, amount: Minor, currency: Currency) -> Minor {
        cash::rounded(amount, self.unit(currency))
    }

    /// The smallest amount that is paid in coins.
    pub(crate) fn unit(&self, currency: Currency) -> Minor {
        self.cash_unit.unwrap_or_else(|| cash::unit_of(currency))
    }
}

/// Settings of the till and its desk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeskConfig {
    /// Name of the till: stands before its receipt numbers.
    pub till: String,
    /// What each act needs.
    pub may: Permissions,
    /// True where a badge with proof signs in without a PIN.
    pub badge_alone: bool,
    /// Silence after which nobody is signed in any more.
    pub idle_ms: u64,
    /// Above this much, giving back and changing a price need a manager even where the table says staff. `None`: no limit.
    pub staff_limit: Option<Minor>,
}

impl Default for DeskConfig {
    fn default() -> Self {
        Self { till: "1".into(), may: Permissions::default(), badge_alone: true, idle_ms: 90_000, staff_limit: None }
    }
}

/// Bounds on one card payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalLimits {
    /// Silence after which an attempt counts as unknown. Longer than the terminal's own limit, which normally speaks first.
    pub answer_ms: u64,
    /// The greatest amount sent to the terminal; above it a person is called.
    pub amount_max: Minor,
    /// The longest that the terminal goes on with a command after its line was lost: only then does 'no such receipt' count.
    pub processing_ms: u64,
    /// How long the terminal may take to reverse by itself what nobody acknowledged: so long must a receipt stay the last.
    pub reversal_ms: u64,
    /// True where somebody can make a sale at the terminal itself (it has keys or a menu).
    pub by_hand: bool,
    /// The shortest time in which somebody can make such a sale.
    pub hand_ms: u64,
}

impl Default for TerminalLimits {
    fn default() -> Self {
        Self {
            answer_ms: 180_000,
            amount_max: Minor(1_000_000),
            processing_ms: 90_000,
            reversal_ms: 10_000,
            by_hand: true,
            hand_ms: 20_000,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            device: 'A',
            language: Lang(0),
            service: Service::EatIn,
            ask_service: true,
            idle_ms: 60_000,
            still_there_ms: 15_000,
            done_ms: 20_000,
            notice_ms: 6_000,
            recovered_ms: 60_000,
            joining: true,
            identify_budget_ms: 300,
            terminal: TerminalLimits::default(),
            day_turn_min: 240,
            desk: DeskConfig::default(),
            pay: PayConfig::default(),
            sells_signed_only: false,
            open_price_tax: TaxId(0),
            seed: *b"a fixed seed makes tests repeat.",
        }
    }
}
