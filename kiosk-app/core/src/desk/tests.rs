//! Days at the desk, through [`crate::Kiosk::step`].

#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    ArticleId, CommandOutcome, DeviceEvent, Effect, Event, Input, Intent, Service, Stage, Tender,
    device::{Assurance, DeviceKind, Method},
    event::Progress,
    fixture::{CROISSANT, FRIES},
    payments::Verdict,
    refund::{SoldLine, SoldState, Taken, Way},
    rig::Rig,
    session::Failure,
    staff::{Credential, Pin, SignInResult, StaffRole},
    terminal::{Command, DayTotals, SchemeTotal, TerminalReceipt},
    till::Entry,
};
use alloc::vec;

mod cards;

impl Rig {
    fn desk(&mut self, intent: DeskIntent) -> &mut Self {
        self.input(Input::Desk(intent))
    }

    fn view(&self) -> DeskView {
        *self.see().desk.expect("the desk is open")
    }

    fn request(&self) -> u32 {
        let request = self.last.iter().find_map(|effect| match effect {
            Effect::SignIn { request, .. } | Effect::ChoosePin { request, .. } | Effect::Look { request, .. } => Some(*request),
            _ => None,
        });
        request.expect("nothing was asked")
    }

    fn shows(&mut self, staff: &str, result: SignInResult) -> &mut Self {
        self.desk(DeskIntent::SignIn(Credential::Pin { staff: staff.into(), pin: Pin::new("907152").unwrap() }));
        let request = self.request();
        self.device(DeviceEvent::SignedIn { request, result })
    }

    fn signed_in(&mut self, person: Person) -> &mut Self {
        self.desk(DeskIntent::Open).shows(&person.id.clone(), SignInResult::Welcome(person))
    }

    fn opens(&mut self, sold: Sold) -> &mut Self {
        self.desk(DeskIntent::OpenOrder(sold.order));
        let request = self.request();
        self.device(DeviceEvent::Found { request, answer: Answer::Order(Some(sold.into())) })
    }

    fn sells(&mut self, article: ArticleId, tender: Tender) -> Id {
        self.touch(Intent::Begin).touch(Intent::ChooseService(Service::Takeaway)).touch(Intent::QuickAdd(article));
        self.touch(Intent::Checkout).touch(Intent::Pay(tender));
        self.see().order.unwrap().order
    }

    fn commands(&self) -> Vec<(Id, Command)> {
        let command = |effect: &Effect| match effect {
            Effect::Command { attempt, command } => Some((*attempt, *command)),
            _ => None,
        };
        self.all.iter().filter_map(command).collect()
    }

    /// The terminal carries its last command out, under this receipt number.
    fn carries_out(&mut self, number: u32) -> &mut Self {
        let (attempt, command) = *self.commands().last().unwrap();
        let receipt = TerminalReceipt { number, amount: command.amount(), ..TerminalReceipt::default() };
        self.device(DeviceEvent::CommandEnded { attempt, outcome: CommandOutcome::Approved(receipt) })
    }

    fn book(&self) -> Vec<&Entry> {
        self.events()
            .into_iter()
            .filter_map(|event| if let Event::Booked(entry) = event { Some(&**entry) } else { None })
            .collect()
    }

    fn booked(&self, kind: EntryKind) -> Vec<i64> {
        self.book().into_iter().filter(|entry| entry.kind == kind).map(|entry| entry.amount.0).collect()
    }
}

fn mia() -> Person {
    Person { id: "1001".into(), name: "Mia".into(), role: StaffRole::Staff, must_reset: false }
}

fn sam() -> Person {
    Person { id: "1002".into(), name: "Sam".into(), role: StaffRole::Manager, must_reset: false }
}

fn welcome(person: Person) -> SignInResult {
    SignInResult::Welcome(person)
}

/// Two croissants of 3.20, paid by card.
fn paid(order: Id, attempt: Id, receipt: u32) -> Sold {
    let line = SoldLine { line: 1, quantity: 2, amount: Minor(640), tax_code: "reduced".into(), ..SoldLine::default() };
    let taken = Taken {
        payment: Id([50; 16]),
        attempt,
        tender: Tender::Card,
        amount: Minor(640),
        receipt: Some(receipt),
        reversible: true,
        masked: "Visa **** 1234".into(),
        returned: Minor::ZERO,
    };
    Sold {
        order,
        number: "A-1".into(),
        state: SoldState::Paid,
        total: Minor(640),
        lines: vec![line],
        taken: vec![taken],
        serial: Some(1),
        ..Sold::default()
    }
}

fn unpaid(order: Id, amount: i64) -> Sold {
    let line = SoldLine { line: 1, quantity: 1, amount: Minor(amount), ..SoldLine::default() };
    Sold { order, number: "A-1".into(), total: Minor(amount), lines: vec![line], ..Sold::default() }
}

const WHY: Reason = Reason::WrongArticle;

#[test]
fn a_badge_of_the_roster_opens_the_desk_and_asks_for_the_pin_where_it_can_be_copied() {
    let mut rig = Rig::new();
    rig.device(DeviceEvent::Badges(vec!["1:ba".into()]));
    rig.device(DeviceEvent::CardSeen { token: "1:ba".into(), method: Method::Uid, assurance: Assurance::Low, counter: None });
    assert!(matches!(rig.last.as_slice(), [Effect::SignIn { credential: Credential::Badge { proof: false, .. }, .. }]));
    let request = rig.request();
    rig.device(DeviceEvent::SignedIn { request, result: SignInResult::PinNeeded(mia()) });
    assert_eq!((rig.view().page, rig.view().sign_in.known), (DeskPage::SignIn, Some(mia())));
    rig.shows("1001", welcome(mia()));
    assert_eq!((rig.view().page, rig.view().person), (DeskPage::Home, Some(mia())));
    assert_eq!(rig.count(|event| matches!(event, Event::StaffSignedIn { staff } if staff == "1001")), 1);
    assert_eq!(rig.see().stage, Stage::Attract, "no visit began");
    // Another card is a guest's.
    rig.desk(DeskIntent::SignOut).tap("1:aa");
    assert_eq!(rig.see().stage, Stage::Greeting);
}

#[test]
fn who_has_left_is_signed_out_and_nobody_else() {
    let mut rig = Rig::new();
    rig.signed_in(mia());
    rig.device(DeviceEvent::StaffGone { staff: "1002".into() });
    assert_eq!(rig.view().person, Some(mia()));
    rig.device(DeviceEvent::StaffGone { staff: "1001".into() });
    assert_eq!(rig.see().desk, None);
    assert!(rig.last.contains(&Effect::SignOut));
}

#[test]
fn a_wrong_pin_is_refused_with_its_pause_and_nobody_is_signed_in() {
    let mut rig = Rig::new();
    rig.desk(DeskIntent::Open).shows("1001", SignInResult::Refused { pause_ms: 60_000 });
    let view = rig.view();
    assert_eq!((view.person, view.sign_in.refused), (None, true));
    assert_eq!(view.sign_in.paused_until_ms, Some(rig.mono_ms + 60_000));
    rig.desk(DeskIntent::XReport).desk(DeskIntent::Go(DeskPage::Till));
    assert_eq!(rig.view().page, DeskPage::SignIn, "nothing is done before somebody is signed in");
    rig.desk(DeskIntent::SignIn(Credential::Pin { staff: "x".repeat(99), pin: Pin::new("1111").unwrap() }));
    assert!(rig.last.is_empty());
}

#[test]
fn a_pin_given_by_somebody_else_is_replaced_before_anything_is_done() {
    let mut rig = Rig::new();
    rig.signed_in(Person { must_reset: true, ..mia() });
    assert_eq!(rig.view().page, DeskPage::ChoosePin);
    rig.desk(DeskIntent::Go(DeskPage::Till));
    assert_eq!(rig.view().page, DeskPage::ChoosePin);
    rig.desk(DeskIntent::ChoosePin(Pin::new("1234").unwrap()));
    assert_eq!((rig.view().notice, rig.last.is_empty()), (Some(Notice::EasyPin), true));
    rig.desk(DeskIntent::ChoosePin(Pin::new("4096").unwrap()));
    let request = rig.request();
    rig.device(DeviceEvent::PinChosen { request, taken: true });
    assert_eq!((rig.view().page, rig.view().notice), (DeskPage::Home, Some(Notice::PinChanged)));
}

#[test]
fn silence_signs_out_and_the_visit_behind_the_desk_goes_on() {
    let mut rig = Rig::browsing();
    rig.signed_in(mia()).wait(89_999);
    assert!(rig.see().desk.is_some());
    rig.desk(DeskIntent::Touched).wait(90_000);
    assert!(rig.see().desk.is_none());
    assert!(rig.all.contains(&Effect::SignOut));
}

#[test]
fn staff_need_somebody_elses_approval_where_the_table_says_so() {
    let mut rig = Rig::new();
    let order = rig.sells(CROISSANT, Tender::Cash);
    rig.touch(Intent::Finish).signed_in(mia()).opens(unpaid(order, 320));
    rig.desk(DeskIntent::Void(WHY));
    let approval = rig.view().approval.unwrap();
    assert_eq!((approval.act, approval.role, approval.order.as_str()), (Act::Void, StaffRole::Manager, "A-1"));
    rig.shows("1001", welcome(Person { role: StaffRole::Manager, ..mia() }));
    assert_eq!(rig.view().notice, Some(Notice::OwnApproval));
    rig.shows("1003", welcome(Person { id: "1003".into(), ..mia() }));
    assert_eq!(rig.view().notice, Some(Notice::RoleTooSmall));
    assert_eq!(rig.booked(EntryKind::Void), []);
    rig.shows("1002", welcome(sam()));
    assert_eq!((rig.view().approval, rig.view().notice), (None, Some(Notice::Voided)));
    let entry = rig.book().into_iter().find(|entry| entry.kind == EntryKind::Void).unwrap().clone();
    assert_eq!((entry.staff.as_str(), entry.approver.as_str(), entry.reason.as_str()), ("1001", "1002", "wrong_article"));
    let approved = |event: &Event| matches!(event, Event::StaffApproved { staff, act: Act::Void, .. } if staff == "1002");
    assert_eq!(rig.count(approved), 1);
    assert_eq!(rig.count(|event| matches!(event, Event::OrderProgressed { state: Progress::Cancelled, .. })), 1);
    rig.desk(DeskIntent::Go(DeskPage::Till)).desk(DeskIntent::Finish);
    assert_eq!(rig.view().notice, Some(Notice::MayNot), "a Z is a manager's");
}

#[test]
fn what_could_not_be_recorded_was_not_done() {
    let mut rig = Rig::new();
    rig.signed_in(sam()).desk(DeskIntent::OpenShift { float: Minor(10_000) });
    assert!(matches!(rig.last.as_slice(), [Effect::Record(_), Effect::OpenDrawer]), "the drawer waits for the disk");
    rig.fail(Failure::Record);
    assert_eq!((rig.view().notice, rig.view().till.open), (Some(Notice::CannotRecord), false));
    rig.desk(DeskIntent::OpenShift { float: Minor(10_000) });
    assert_eq!(rig.view().till.number, 1);
    assert_eq!(rig.book().last().unwrap().number, 1, "the number that was not recorded is given again");
    rig.fail(Failure::Device(DeviceKind::Peripherals));
    assert_eq!(rig.view().notice, Some(Notice::NoDrawer));
}

#[test]
fn cash_is_taken_for_an_order_of_the_counter_with_its_change() {
    let mut rig = Rig::new();
    let order = rig.sells(CROISSANT, Tender::Cash);
    rig.touch(Intent::Finish).signed_in(mia()).opens(unpaid(order, 320));
    assert_eq!(rig.view().due, Minor(320));
    rig.desk(DeskIntent::TakeCash { given: Minor(500) });
    assert_eq!(rig.view().notice, Some(Notice::NoShift), "there is no float to give change from");
    rig.desk(DeskIntent::OpenShift { float: Minor(10_000) }).desk(DeskIntent::TakeCash { given: Minor(300) });
    assert_eq!(rig.view().notice, Some(Notice::TooLittle));
    rig.desk(DeskIntent::TakeCash { given: Minor(500) });
    let cash = rig.view().cash.unwrap();
    assert_eq!((cash.due, cash.change), (Minor(320), Minor(180)));
    let [Effect::Record(_), Effect::OpenDrawer, Effect::Print(crate::Paper::Sale(receipt)), ..] = rig.last.as_slice() else {
        panic!("{:?}", rig.last)
    };
    assert_eq!(receipt.settlement.serial, "1-000001");
    assert_eq!((rig.booked(EntryKind::Paid), rig.booked(EntryKind::Sold)), (vec![320], vec![320]));
    rig.desk(DeskIntent::TakeCash { given: Minor(500) });
    assert_eq!(rig.view().notice, Some(Notice::NotNow), "once");
}

#[test]
fn cash_is_rounded_to_coins_as_a_line_of_its_own_in_order_till_and_receipt() {
    let pay = crate::config::PayConfig { cash_unit: Some(Minor(50)), ..Default::default() };
    let mut rig = Rig::with(Config { pay, ..Config::default() });
    let order = rig.sells(CROISSANT, Tender::Cash);
    assert_eq!((rig.see().to_pay, rig.see().to_pay_in_cash), (Minor(320), Minor(300)));
    rig.touch(Intent::Finish).signed_in(sam()).opens(unpaid(order, 320));
    assert_eq!((rig.view().due, rig.view().due_in_cash), (Minor(320), Minor(300)));
    rig.desk(DeskIntent::OpenShift { float: Minor(10_000) }).desk(DeskIntent::TakeCash { given: Minor(500) });
    let cash = rig.view().cash.unwrap();
    assert_eq!((cash.due, cash.rounding, cash.change), (Minor(300), Minor(-20), Minor(200)));
    let [Effect::Record(_), Effect::OpenDrawer, Effect::Print(crate::Paper::Sale(receipt)), ..] = rig.last.as_slice() else {
        panic!("{:?}", rig.last)
    };
    assert_eq!((receipt.priced.total, receipt.settlement.rounding), (Minor(320), Minor(-20)));
    assert_eq!(receipt.paid, [(Tender::Cash, Minor(300))]);
    assert_eq!((rig.booked(EntryKind::Paid), rig.booked(EntryKind::Sold)), (vec![300], vec![320]));
    assert_eq!(rig.book().last().unwrap().detail.rounding, Minor(-20));
    rig.desk(DeskIntent::Go(DeskPage::Till)).desk(DeskIntent::XReport);
    let report = rig.view().report.unwrap();
    assert_eq!(report.rounding, Minor(-20));
    assert!(report.tenders.iter().any(|(tender, count)| *tender == Tender::Cash && count.amount == Minor(300)));
    // All of it goes back: what was never paid is not given.
    let taken =
        Taken { tender: Tender::Cash, amount: Minor(300), reversible: false, ..paid(order, Id([9; 16]), 0).taken[0].clone() };
    let sold = Sold { state: SoldState::Paid, rounding: Minor(-20), taken: vec![taken], ..unpaid(order, 320) };
    rig.opens(sold);
    rig.desk(DeskIntent::Go(DeskPage::Refund)).desk(DeskIntent::PickAll).desk(DeskIntent::Refund { reason: WHY });
    assert_eq!((rig.booked(EntryKind::Returned), rig.booked(EntryKind::Refunded)), (vec![-300], vec![-320]));
    assert_eq!(rig.book().last().unwrap().detail.rounding, Minor(20));
}

#[test]
fn the_parts_of_an_order_that_is_not_made_go_back_and_it_is_cancelled() {
    let mut rig = Rig::new();
    let first = paid(Id([1; 16]), Id([2; 16]), 17).taken[0].clone();
    let part = |payment: u8, attempt: u8, receipt: u32| Taken {
        payment: Id([payment; 16]),
        attempt: Id([attempt; 16]),
        amount: Minor(400),
        receipt: Some(receipt),
        ..first.clone()
    };
    let order = Sold { taken: vec![part(50, 2, 17), part(51, 3, 18)], ..unpaid(Id([1; 16]), 1_200) };
    rig.signed_in(sam()).opens(order);
    assert_eq!(rig.view().due, Minor(400));
    rig.desk(DeskIntent::Void(WHY));
    assert_eq!(rig.commands().last().unwrap().1, Command::Reverse { amount: Minor(400), receipt: 17 });
    rig.carries_out(19).wait(0);
    assert_eq!(rig.commands().last().unwrap().1, Command::Reverse { amount: Minor(400), receipt: 18 });
    rig.carries_out(20).wait(0);
    assert_eq!((rig.booked(EntryKind::Returned), rig.booked(EntryKind::Void)), (vec![-400, -400], vec![1_200]));
    assert_eq!(rig.booked(EntryKind::Refunded), Vec::<i64>::new(), "it was never sold");
    assert_eq!(rig.count(|event| matches!(event, Event::OrderProgressed { state: Progress::Cancelled, .. })), 1);
}

#[test]
fn a_part_goes_back_to_the_card_and_the_whole_by_a_reversal() {
    let mut rig = Rig::new();
    rig.signed_in(sam()).opens(paid(Id([1; 16]), Id([2; 16]), 17));
    rig.desk(DeskIntent::Go(DeskPage::Refund)).desk(DeskIntent::Pick(Pick { line: 1, quantity: 1 }));
    let view = rig.view().refund.unwrap();
    assert_eq!(view.backs, [(Tender::Card, Minor(320), Way::Card)]);
    rig.desk(DeskIntent::Refund { reason: WHY });
    assert_eq!(rig.commands().last().unwrap().1, Command::Refund { amount: Minor(320) });
    assert!(rig.last_events().iter().any(|event| matches!(event, Event::RefundBegun(_))), "what for, before the first byte");
    assert!(rig.view().busy);
    rig.carries_out(18);
    assert_eq!((rig.booked(EntryKind::Returned), rig.booked(EntryKind::Refunded)), (vec![-320], vec![-320]));
    assert_eq!(rig.view().notice, Some(Notice::Refunded));
    let printed = |effect: &Effect| matches!(effect, Effect::Print(crate::Paper::Refund(p)) if p.serial == "1-000001");
    assert!(rig.last.iter().any(printed));
    let mut rig = Rig::new();
    rig.signed_in(sam()).opens(paid(Id([1; 16]), Id([2; 16]), 17));
    rig.desk(DeskIntent::Go(DeskPage::Refund)).desk(DeskIntent::PickAll).desk(DeskIntent::Refund { reason: WHY });
    assert_eq!(rig.commands().last().unwrap().1, Command::Reverse { amount: Minor(640), receipt: 17 });
}

#[test]
fn cash_is_offered_where_the_terminal_declines_and_needs_a_float() {
    let mut rig = Rig::new();
    rig.signed_in(sam()).opens(paid(Id([1; 16]), Id([2; 16]), 17));
    rig.desk(DeskIntent::Go(DeskPage::Refund)).desk(DeskIntent::PickAll).desk(DeskIntent::Refund { reason: WHY });
    let (attempt, _) = *rig.commands().last().unwrap();
    rig.device(DeviceEvent::CommandEnded { attempt, outcome: CommandOutcome::Declined { code: 5 } });
    assert!(rig.view().refund.unwrap().offer_cash);
    rig.desk(DeskIntent::RefundInCash);
    assert_eq!(rig.view().notice, Some(Notice::NoShift));
    rig.desk(DeskIntent::OpenShift { float: Minor(10_000) });
    rig.desk(DeskIntent::RefundInCash);
    assert_eq!((rig.booked(EntryKind::Returned), rig.view().notice), (vec![-640], Some(Notice::Refunded)));
    assert!(rig.last.contains(&Effect::OpenDrawer));
    assert_eq!(rig.count(|event| matches!(event, Event::Booked(e) if e.tender == Some(Tender::Cash) && e.amount.0 == -640)), 1);
}

#[test]
fn a_refund_in_doubt_is_an_unknown_payment_until_somebody_decides() {
    let mut rig = Rig::new();
    rig.signed_in(sam()).opens(paid(Id([1; 16]), Id([2; 16]), 17));
    rig.desk(DeskIntent::Go(DeskPage::Refund)).desk(DeskIntent::PickAll).desk(DeskIntent::Refund { reason: WHY });
    let (attempt, _) = *rig.commands().last().unwrap();
    rig.device(DeviceEvent::CommandEnded { attempt, outcome: CommandOutcome::Unknown });
    assert_eq!(rig.view().notice, Some(Notice::RefundUnknown));
    assert!(rig.last.iter().any(|effect| matches!(effect, Effect::Print(crate::Paper::Refund(p)) if p.in_doubt)));
    assert_eq!(rig.booked(EntryKind::Returned), []);
    let unknown = rig.view().unknown;
    assert_eq!((unknown.len(), unknown[0].refund, unknown[0].number.as_str()), (1, true, "A-1"));
    rig.desk(DeskIntent::Resolve { attempt, verdict: Verdict::Charged { reference: Some(18) } });
    assert_eq!((rig.booked(EntryKind::Returned), rig.booked(EntryKind::Refunded)), (vec![-640], vec![-640]));
    assert_eq!(rig.booked(EntryKind::Verdict), [640]);
    assert_eq!(rig.view().unknown, []);
}

#[test]
fn a_price_is_changed_with_a_reason_and_leaves_a_trace() {
    let mut rig = Rig::browsing();
    rig.touch(Intent::QuickAdd(FRIES));
    let (line, before) = (rig.see().basket.lines[0].id, rig.see().basket.total);
    rig.signed_in(sam()).desk(DeskIntent::Override { line, amount: Minor(300), reason: Reason::PriceMatch });
    assert_eq!((before, rig.see().basket.total), (Minor(350), Minor(300)));
    let fact = |event: &Event| matches!(event, Event::PriceOverridden { from: Minor(350), to: Minor(300), .. });
    assert_eq!((rig.count(fact), rig.booked(EntryKind::Override)), (1, vec![-50]));
    rig.desk(DeskIntent::Override { line, amount: Minor(-1), reason: WHY });
    assert_eq!(rig.view().notice, Some(Notice::BadAmount));
}

/// Open the shift, sell, settle an unknown payment, give one line back, count, Z: all agrees.
#[test]
fn a_whole_day_balances() {
    let mut rig = Rig::new();
    rig.signed_in(sam()).desk(DeskIntent::OpenShift { float: Minor(10_000) }).desk(DeskIntent::SignOut);
    let first = rig.sells(CROISSANT, Tender::Card);
    rig.carries_out(1);
    let printed = rig.last.iter().find_map(|effect| match effect {
        Effect::Print(crate::Paper::Sale(receipt)) => Some(receipt.settlement.serial.clone()),
        _ => None,
    });
    assert_eq!(printed.as_deref(), Some("1-000001"));
    rig.touch(Intent::Finish);
    rig.sells(FRIES, Tender::Card);
    let (doubtful, _) = *rig.commands().last().unwrap();
    rig.device(DeviceEvent::CommandEnded { attempt: doubtful, outcome: CommandOutcome::Unknown }).touch(Intent::Finish);
    rig.wait(200_000);
    let counter = rig.sells(CROISSANT, Tender::Cash);
    rig.touch(Intent::Finish);

    rig.signed_in(sam()).desk(DeskIntent::Go(DeskPage::Unknown));
    assert_eq!(rig.view().unknown[0].number, "A-2");
    rig.desk(DeskIntent::Resolve { attempt: doubtful, verdict: Verdict::Charged { reference: Some(2) } });
    assert_eq!(rig.view().notice, Some(Notice::Resolved));
    rig.opens(unpaid(counter, 320)).desk(DeskIntent::TakeCash { given: Minor(400) });
    rig.opens(Sold { order: first, ..paid(first, rig.commands()[0].0, 1) });
    rig.desk(DeskIntent::Go(DeskPage::Refund)).desk(DeskIntent::Pick(Pick { line: 1, quantity: 1 }));
    rig.desk(DeskIntent::Refund { reason: WHY }).carries_out(3);
    rig.desk(DeskIntent::MoveCash { how: CashMove::SafeDrop, amount: Minor(5_000), reason: Reason::TooMuchCash });
    rig.desk(DeskIntent::NoSale { reason: Reason::DrawerCheck });

    rig.desk(DeskIntent::Go(DeskPage::Till)).desk(DeskIntent::Close);
    assert_eq!(rig.view().closing.unwrap().expected, None, "counted blind");
    rig.desk(DeskIntent::EndOfDay);
    assert_eq!(rig.view().notice, Some(Notice::CountFirst));
    rig.desk(DeskIntent::Count { amount: Minor(5_319) });
    let closing = rig.view().closing.unwrap();
    assert_eq!((closing.expected, closing.over), (Some(Minor(5_320)), Some(Minor(-1))));
    rig.desk(DeskIntent::Finish);
    assert_eq!(rig.view().notice, Some(Notice::EndOfDayFirst));
    rig.desk(DeskIntent::EndOfDay);
    let (attempt, command) = *rig.commands().last().unwrap();
    assert_eq!(command, Command::EndOfDay);
    let rows = vec![SchemeTotal { scheme: "Visa".into(), count: 3, amount: Minor(350) }];
    let totals = DayTotals { rows, amount: Minor(350), first_receipt: Some(1), last_receipt: Some(3), ..DayTotals::default() };
    rig.device(DeviceEvent::CommandEnded { attempt, outcome: CommandOutcome::Totals(totals) });
    let closing = rig.view().closing.unwrap();
    let comparison = closing.comparison.unwrap();
    assert!(comparison.balances(), "{comparison:?}");
    assert_eq!(comparison.confirmed, [doubtful]);
    assert!(closing.ready);
    rig.desk(DeskIntent::Finish);
    assert_eq!((rig.view().notice, rig.view().till.open), (Some(Notice::Closed), false));
    let report = rig.view().report.unwrap();
    assert_eq!((report.number, report.sales.count, report.sales.amount), (Some(1), 3, Minor(990)));
    assert_eq!((report.refunds.amount, report.no_sales), (Minor(320), 1));
    let cash = report.cash.unwrap();
    assert_eq!((cash.expected, cash.counted), (Minor(5_320), Some(Minor(5_319))));
    assert_eq!(report.serials, Some(("1-000001".into(), "1-000004".into())));
    let numbers: Vec<u64> = rig.book().iter().map(|entry| entry.number).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    let book: Vec<Entry> = rig.book().into_iter().cloned().collect();
    assert_eq!(Till::restored(0, 0, 0, &book).shift, None, "a restart knows that it is closed");
}

#[test]
fn a_verdict_that_the_end_of_day_contradicts_becomes_a_task() {
    let mut rig = Rig::new();
    rig.sells(FRIES, Tender::Card);
    let (doubtful, _) = *rig.commands().last().unwrap();
    rig.device(DeviceEvent::CommandEnded { attempt: doubtful, outcome: CommandOutcome::Unknown }).touch(Intent::Finish);
    rig.wait(200_000);
    rig.signed_in(sam()).desk(DeskIntent::Go(DeskPage::Unknown));
    rig.desk(DeskIntent::Resolve { attempt: doubtful, verdict: Verdict::NotCharged });
    rig.desk(DeskIntent::Go(DeskPage::Till)).desk(DeskIntent::Close).desk(DeskIntent::EndOfDay);
    let (attempt, _) = *rig.commands().last().unwrap();
    let totals = DayTotals { amount: Minor(350), ..DayTotals::default() };
    rig.device(DeviceEvent::CommandEnded { attempt, outcome: CommandOutcome::Totals(totals) });
    assert_eq!(rig.count(|event| matches!(event, Event::TaskRaised { subject, .. } if *subject == doubtful)), 1);
    let comparison = rig.view().closing.unwrap().comparison.unwrap();
    assert_eq!((comparison.differing.len(), comparison.differing[0].terminal), (1, Some(Minor(350))));
    assert_eq!(rig.booked(EntryKind::Contradicted).len(), 1);
}

#[test]
fn an_unknown_payment_is_carried_over_by_name_before_a_z() {
    let mut rig = Rig::new();
    rig.sells(FRIES, Tender::Card);
    let (doubtful, _) = *rig.commands().last().unwrap();
    rig.device(DeviceEvent::CommandEnded { attempt: doubtful, outcome: CommandOutcome::Unknown }).touch(Intent::Finish);
    rig.wait(200_000);
    rig.signed_in(sam()).desk(DeskIntent::NoSale { reason: Reason::Test });
    rig.desk(DeskIntent::Go(DeskPage::Till)).desk(DeskIntent::Close).desk(DeskIntent::EndOfDay);
    let (attempt, _) = *rig.commands().last().unwrap();
    rig.device(DeviceEvent::CommandEnded { attempt, outcome: CommandOutcome::Declined { code: 0x6f } });
    assert!(rig.view().closing.unwrap().no_totals);
    rig.desk(DeskIntent::Finish);
    assert_eq!(rig.view().notice, Some(Notice::UnknownLeft));
    rig.desk(DeskIntent::CarryOver(doubtful)).desk(DeskIntent::CarryOver(doubtful));
    assert_eq!((rig.booked(EntryKind::Carried).len(), rig.view().unknown[0].carried_by.as_str()), (1, "1002"));
    rig.desk(DeskIntent::Finish);
    let report = rig.view().report.unwrap();
    assert_eq!((report.unresolved.len(), report.unresolved[0].staff.as_str()), (1, "1002"));
    assert_eq!(rig.view().unknown.len(), 1, "it is still to be settled");
}
