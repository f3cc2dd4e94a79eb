// SPDX-License-Identifier: GPL-3.0-only
//! While money moves, and after it did.

use super::{Scene, Side};
use crate::ui::words;
use kiosk_core::{Minor, PricedLine, Tender, device::DeviceKind, event::Problem, session::PayView as Pay};

/// The longest text of a receipt's code, in bytes: more makes a code no telephone reads from a screen.
const CODE_BYTES: usize = 420;

/// Where the payment stands, for the guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum PayStep {
    #[default]
    Waiting,
    Pin,
    Processing,
    Remove,
    Cancelling,
    Declined,
    Lost,
    Unknown,
    Approved,
    Counter,
    Part,
    Giving,
    Staff,
    Gift,
}

/// While money moves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PayView {
    /// Where it stands.
    pub step: PayStep,
    /// Where the terminal is.
    pub terminal: Side,
    /// How much.
    pub amount: String,
    /// Number called out.
    pub number: String,
    /// The counter takes money.
    pub counter: bool,
    /// A gift card may pay the rest, or a part of it.
    pub gift: bool,
    /// Which part is at the terminal or comes next, of so many; zeros where it is paid in one.
    pub part: (u8, u8),
    /// What has been taken so far.
    pub taken: String,
    /// A part is with a colleague.
    pub looked_at: bool,
}

/// A gift card that is looked at. Its number is not in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GiftSheet {
    /// The backend is being asked.
    pub asking: bool,
    /// Last digits.
    pub ending: String,
    /// What is on it; empty while that is not known.
    pub balance: String,
    /// What would be used of it.
    pub uses: String,
    /// What would be left to pay; empty where nothing would.
    pub rest: String,
    /// Why it cannot be used.
    pub problem: Option<Problem>,
}

/// It is ordered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DoneView {
    /// Name called out, empty where it is the number.
    pub name: String,
    /// Number called out.
    pub number: String,
    /// How much.
    pub amount: String,
    /// How much in coins, where that is not the same.
    pub in_cash: String,
    /// Money has moved.
    pub paid: bool,
    /// What of it a gift card paid; empty for nothing.
    pub by_gift: String,
    /// Scheme and last digits, may be empty.
    pub masked: String,
    /// What the code of the receipt says.
    pub code: String,
    /// The printer is fitted and works.
    pub printer: bool,
    /// The receipt is on paper.
    pub printed: bool,
    /// 1 to 5, 0 before the touch.
    pub rated: u8,
    /// Points, `None` where there are none to be shown.
    pub points: Option<i64>,
}

pub(super) fn view(scene: &Scene<'_>) -> PayView {
    let s = scene.snapshot;
    let part = s.part;
    PayView {
        part: part.map_or((0, 0), |part| (part.number, part.of)),
        taken: scene.money(part.map_or(Minor::ZERO, |part| part.taken)),
        looked_at: part.is_some_and(|part| part.unknown > Minor::ZERO),
        step: step(s.pay),
        terminal: scene.board.terminal.unwrap_or_default(),
        amount: scene.money(part.map_or(s.to_pay, |part| part.amount)),
        number: s.order.as_ref().map(|order| order.number.clone()).unwrap_or_default(),
        counter: s.pay_at_counter,
        gift: s.gift,
    }
}

pub(super) fn gift(scene: &Scene<'_>) -> GiftSheet {
    let Some(gift) = &scene.snapshot.gift_view else { return GiftSheet::default() };
    GiftSheet {
        asking: gift.asking,
        ending: gift.ending.clone(),
        balance: gift.balance.map(|balance| scene.money(balance)).unwrap_or_default(),
        uses: scene.money(gift.uses),
        rest: Some(gift.rest).filter(|rest| *rest > Minor::ZERO).map(|rest| scene.money(rest)).unwrap_or_default(),
        problem: gift.problem,
    }
}

pub(super) fn done(scene: &Scene<'_>) -> DoneView {
    let s = scene.snapshot;
    let Some(order) = &s.order else { return DoneView::default() };
    // What is left for the counter; all of it once it is paid.
    let paid = s.pay == Pay::Approved;
    let amount = s.to_pay - s.part.filter(|_| !paid).map_or(Minor::ZERO, |part| part.taken);
    DoneView {
        name: order.called_name.clone(),
        number: order.number.clone(),
        amount: scene.money(amount),
        in_cash: Some(s.to_pay_in_cash).filter(|cash| !paid && *cash != amount).map(|cash| scene.money(cash)).unwrap_or_default(),
        paid,
        by_gift: s
            .part
            .map(|part| part.gift)
            .filter(|gift| *gift > Minor::ZERO)
            .map(|gift| scene.money(gift))
            .unwrap_or_default(),
        masked: s.masked.replace('*', "•"),
        code: code(scene),
        printer: scene.works(DeviceKind::Printer),
        printed: s.receipt_printed,
        rated: s.rated.unwrap_or(0),
        points: s.guest.as_ref().map(|guest| guest.points).filter(|points| *points > 0),
    }
}

fn step(pay: Pay) -> PayStep {
    match pay {
        Pay::None => PayStep::Waiting,
        Pay::Waiting { tender: Tender::Gift, .. } => PayStep::Gift,
        Pay::Waiting { code, .. } => code.map_or(PayStep::Waiting, of_status),
        Pay::Cancelling => PayStep::Cancelling,
        Pay::Declined { .. } => PayStep::Declined,
        Pay::TerminalLost => PayStep::Lost,
        Pay::Checking | Pay::Unknown => PayStep::Unknown,
        Pay::Part => PayStep::Part,
        Pay::GivingBack => PayStep::Giving,
        Pay::ToStaff => PayStep::Staff,
        Pay::Approved => PayStep::Approved,
        Pay::AtCounter => PayStep::Counter,
    }
}

/// The intermediate status of ZVT's 04 FF (ECR interface ZVT, revision 13.09, chapter 'Intermediate Status'), in what it
/// asks of the guest. 'Insert card' (0A) is what terminals say for any way of showing a card.
fn of_status(code: u8) -> PayStep {
    match code {
        0x01 | 0x02 | 0x14 => PayStep::Pin,
        0x04..=0x06 | 0x0e | 0x17 | 0xd2 | 0xe0 => PayStep::Processing,
        0x0b | 0x41..=0x5a => PayStep::Remove,
        _ => PayStep::Waiting,
    }
}

/// A receipt that a telephone shows as text, without any network.
fn code(scene: &Scene<'_>) -> String {
    let Some(order) = &scene.snapshot.order else { return String::new() };
    let (order_word, total_word) = words::receipt_words(scene.tongue());
    let mut code = format!("{}\n{order_word} {}, {}\n", scene.shop.name, order.number, order.business_date);
    let tail = format!("{total_word} {}", scene.money(order.to_pay()));
    let line = |line: &PricedLine| format!("{} × {} {}\n", line.quantity, line.name, scene.money(order.priced.whole(line)));
    let room = CODE_BYTES.saturating_sub(tail.len());
    for text in order.priced.tops().map(line) {
        if code.len() + text.len() + "…\n".len() > room {
            code.push_str("…\n");
            break;
        }
        code.push_str(&text);
    }
    code + &tail
}
