// SPDX-License-Identifier: GPL-3.0-only
//! The pages of the shop's own people, each as it may stand.

use crate::ui::view_model::{
    Scene, closed,
    desk::{self, Ask},
    page::PageView,
    setup,
};
use kiosk_core::{
    ClockQuality, Id, Lang, Minor, Now, Snapshot, Tender,
    desk::{
        Aiming, ApprovalView, CardStep, CardsView, CashMove, CashView, ClosingView, Colleague, DeskPage, DeskView, GivenPin,
        GlassView, Holder, MakingView, Notice, OrderLine, RefundView, Seen, ServiceFacts, ServiceView, SignInView, TillView,
        UnknownView,
    },
    device::{DeviceKind, Method},
    payments::Verdict,
    refund::{Pick, Sold, SoldLine, SoldState, Taken, Way, Worth},
    setup::{Joined, Joining, Network, SetupTrouble, SetupView, Step, Tried, Wifi},
    staff::{Act, May, Person, StaffRole},
    terminal::{Enquiry, TerminalReceipt},
    till::{Comparison, Differing, TerminalFact},
};
use kiosk_shell::Content;

/// Sunday, 22 November 2026, a morning in the shop.
const MORNING: Now = Now { mono_ms: 60_000, utc_ms: Some(1_795_253_460_000), offset_min: 60, quality: ClockQuality::Estimated };

/// A page of a shop in a language.
type Make = fn(&Content, Lang) -> PageView;

/// Name of its picture, and the page.
pub(super) const ALL: &[(&str, Make)] = &[
    ("setup-language", |_, lang| first(lang, Step::Language, |_| {})),
    ("setup-network", |_, lang| first(lang, Step::Network, |view| view.network = Some(network(false)))),
    ("setup-network-looking", |_, lang| first(lang, Step::Network, |_| {})),
    ("setup-network-online", |_, lang| first(lang, Step::Network, |view| view.network = Some(network(true)))),
    ("setup-passphrase-wrong", |_, lang| {
        first(lang, Step::Passphrase, |view| view.trouble = Some(SetupTrouble::WrongPassphrase))
    }),
    ("setup-clock", |_, lang| first(lang, Step::Clock, |_| {})),
    ("setup-clock-set", |_, lang| first(lang, Step::SetClock, |view| view.trouble = Some(SetupTrouble::NoDate))),
    ("setup-zone", |_, lang| first(lang, Step::Zone, |_| {})),
    ("setup-screen", |_, lang| first(lang, Step::Screen, |_| {})),
    ("setup-code", |_, lang| first(lang, Step::Code, |_| {})),
    ("setup-code-late", |_, lang| first(lang, Step::Code, |view| view.trouble = Some(SetupTrouble::LateCode))),
    ("setup-joining", |_, lang| first(lang, Step::Joining, |view| view.joining = Joining::Trusted)),
    ("setup-devices", |_, lang| first(lang, Step::Devices, |view| view.devices = Some(tried(true)))),
    ("setup-devices-fault", |_, lang| first(lang, Step::Devices, |view| view.devices = Some(tried(false)))),
    ("setup-test-sale", |_, lang| first(lang, Step::TestSale, |_| {})),
    ("setup-test-sale-done", |_, lang| first(lang, Step::TestSale, |view| view.tested = true)),
    ("setup-ready", |_, lang| first(lang, Step::Ready, |_| {})),
    ("closed", |shop, lang| closed(shop, &Snapshot { out_of_service: true, lang, ..Snapshot::default() })),
    ("closed-identify", |shop, lang| closed(shop, &Snapshot { identify: Some("k-01".to_owned()), lang, ..Snapshot::default() })),
    ("desk-staff", |shop, lang| desk(shop, lang, DeskPage::Staff, None, |view| view.people = people())),
    ("desk-colleague", |shop, lang| {
        desk(shop, lang, DeskPage::Colleague, None, |view| {
            view.people = people();
            view.colleague = Some("1002".to_owned());
        })
    }),
    ("desk-colleague-pin", |shop, lang| {
        desk(shop, lang, DeskPage::Colleague, None, |view| {
            view.people = people();
            view.colleague = Some("1002".to_owned());
            view.given_pin = Some(GivenPin("604817".to_owned()));
            view.notice = None;
        })
    }),
    ("desk-new-name", |shop, lang| desk(shop, lang, DeskPage::Staff, Some(Ask::NewName("1007".to_owned())), |_| {})),
    ("desk-new-role", |shop, lang| {
        desk(shop, lang, DeskPage::Staff, Some(Ask::NewRole("1007".to_owned(), "Zoe".to_owned())), |_| {})
    }),
    ("desk-end", |shop, lang| desk(shop, lang, DeskPage::Colleague, Some(Ask::EndOf("1002".to_owned())), |_| {})),
    ("service", |shop, lang| desk(shop, lang, DeskPage::Service, None, |view| view.service = Some(service()))),
    ("service-touch", |shop, lang| desk(shop, lang, DeskPage::TouchTest, None, |view| view.service = Some(service()))),
    ("service-check", |shop, lang| {
        desk(shop, lang, DeskPage::Check, None, |view| {
            let facts = ServiceFacts { seen: vec![Seen::Screen, Seen::Glass, Seen::ClockForgets], ..ServiceFacts::default() };
            view.service = Some(ServiceView { facts: Some(facts), ..ServiceView::default() });
        })
    }),
    ("service-mark", |shop, lang| desk(shop, lang, DeskPage::Glass, None, |view| view.service = Some(ServiceView::default()))),
    ("service-marks-unfit", |shop, lang| {
        desk(shop, lang, DeskPage::Glass, None, |view| {
            let glass = GlassView { aiming: Aiming::Unfit, ..GlassView::default() };
            view.service = Some(ServiceView { glass, ..ServiceView::default() });
        })
    }),
    ("service-log", |shop, lang| desk(shop, lang, DeskPage::Log, None, |view| view.service = Some(service()))),
    ("desk-sign-in", |shop, lang| desk(shop, lang, DeskPage::SignIn, None, |view| view.person = None)),
    ("desk-pin-refused", |shop, lang| {
        desk(shop, lang, DeskPage::SignIn, Some(Ask::Pin("1001".to_owned())), |view| {
            view.person = None;
            view.sign_in = SignInView { refused: true, ..SignInView::default() };
        })
    }),
    ("desk-choose-pin", |shop, lang| desk(shop, lang, DeskPage::ChoosePin, None, |view| view.notice = Some(Notice::EasyPin))),
    ("desk-home", |shop, lang| desk(shop, lang, DeskPage::Home, None, |_| {})),
    ("desk-unknown", |shop, lang| desk(shop, lang, DeskPage::Unknown, None, |_| {})),
    ("desk-verdict", |shop, lang| {
        desk(shop, lang, DeskPage::Unknown, Some(Ask::Verdict(Id([1; 16]), Verdict::Charged { reference: Some(118) })), |_| {})
    }),
    ("desk-approval", |shop, lang| {
        desk(shop, lang, DeskPage::Refund, None, |view| {
            let (amount, order) = (Some(Minor(520)), "A-17".to_owned());
            view.approval = Some(ApprovalView { act: Act::Refund, role: StaffRole::Manager, amount, order });
        })
    }),
    ("desk-orders", |shop, lang| desk(shop, lang, DeskPage::Orders, None, |_| {})),
    ("desk-order", |shop, lang| desk(shop, lang, DeskPage::Order, None, |_| {})),
    ("desk-refund", |shop, lang| desk(shop, lang, DeskPage::Refund, None, |_| {})),
    ("desk-refund-reason", |shop, lang| desk(shop, lang, DeskPage::Refund, Some(Ask::RefundReason), |_| {})),
    ("desk-refund-done", |shop, lang| desk(shop, lang, DeskPage::Order, None, |view| view.notice = Some(Notice::Refunded))),
    ("desk-cash", |shop, lang| desk(shop, lang, DeskPage::Cash, None, |view| view.due = Minor(2180))),
    ("desk-change", |shop, lang| {
        desk(shop, lang, DeskPage::Cash, None, |view| {
            view.cash = Some(CashView { due: Minor(2180), rounding: Minor::ZERO, given: Minor(5000), change: Minor(2820) });
        })
    }),
    ("desk-cards", |shop, lang| desk(shop, lang, DeskPage::Cards, None, |_| {})),
    ("desk-cards-name", |shop, lang| desk(shop, lang, DeskPage::Cards, Some(Ask::HolderName), |_| {})),
    ("desk-cards-found", |shop, lang| {
        desk(shop, lang, DeskPage::Cards, None, |view| {
            view.cards = CardsView {
                search: "jan".to_owned(),
                found: vec![jane(), Holder { points: 12, ..Holder::default() }],
                ..cards()
            };
        })
    }),
    ("desk-cards-count", |shop, lang| desk(shop, lang, DeskPage::Cards, Some(Ask::CardCount), |_| {})),
    ("desk-card-holder", |shop, lang| desk(shop, lang, DeskPage::Holder, None, |view| view.cards = cards())),
    ("desk-card-lost", |shop, lang| desk(shop, lang, DeskPage::Holder, Some(Ask::CardsLost), |view| view.cards = cards())),
    ("desk-card-blocked", |shop, lang| {
        desk(shop, lang, DeskPage::Holder, None, |view| view.cards = CardsView { blocked: Some(2), ..cards() })
    }),
    ("desk-card-making", |shop, lang| desk(shop, lang, DeskPage::Making, None, |view| view.cards = making(None, 0, 25))),
    ("desk-card-taken-away", |shop, lang| {
        desk(shop, lang, DeskPage::Making, None, |view| view.cards = making(Some(CardStep::TakenAway), 7, 25))
    }),
    ("desk-card-replaced", |shop, lang| {
        desk(shop, lang, DeskPage::Making, None, |view| {
            let step = CardStep::Made { made: 1, of: 1, blocked: 1 };
            view.cards = CardsView { holder: Some(jane()), ..making(Some(step), 1, 1) };
        })
    }),
    ("desk-till", |shop, lang| desk(shop, lang, DeskPage::Till, None, |_| {})),
    ("desk-till-closed", |shop, lang| desk(shop, lang, DeskPage::Till, None, |view| view.till = TillView::default())),
    ("desk-count", |shop, lang| desk(shop, lang, DeskPage::Closing, None, |view| view.closing = Some(ClosingView::default()))),
    ("desk-closing", |shop, lang| desk(shop, lang, DeskPage::Closing, None, |_| {})),
];

fn first(lang: Lang, step: Step, change: fn(&mut SetupView)) -> PageView {
    let mut view = SetupView {
        step,
        lang,
        ssid: "Boyd’s guests".to_owned(),
        zone: "Europe/Berlin".to_owned(),
        zones: ["Europe/Berlin", "Europe/London", "Europe/Lisbon", "Europe/Moscow", "Asia/Tbilisi", "America/New_York"]
            .map(str::to_owned)
            .to_vec(),
        backend: "https://cem.boyds.example".to_owned(),
        joined: Joined { store: "s-001".to_owned(), device: "k-01".to_owned(), role: "kiosk".to_owned() },
        ..SetupView::default()
    };
    change(&mut view);
    setup::page(&view, &MORNING)
}

fn network(online: bool) -> Network {
    let wifi = |ssid: &str, signal, locked| Wifi { ssid: ssid.to_owned(), signal, locked };
    Network {
        joined: online.then(|| "Boyd’s till".to_owned()),
        wifi: vec![wifi("Boyd’s till", 88, true), wifi("Boyd’s guests", 61, false), wifi("Harbour office", 22, true)],
        online,
        ..Network::default()
    }
}

fn tried(all_well: bool) -> Vec<Tried> {
    let device = |kind, works, what: &str| Tried { kind, works, what: what.to_owned() };
    let printer =
        if all_well { "192.168.1.51:9100" } else { "192.168.1.51:9100 cannot print. Put paper in and close the cover." };
    vec![
        device(DeviceKind::Terminal, Some(true), "192.168.1.50:20007 took our registration"),
        device(DeviceKind::Printer, Some(all_well), printer),
        device(DeviceKind::Reader, Some(true), "it speaks"),
        device(DeviceKind::Peripherals, None, "not named by the board-config"),
    ]
}

/// A page of the desk, on which Mia works.
fn desk(shop: &Content, lang: Lang, page: DeskPage, ask: Option<Ask>, change: fn(&mut DeskView)) -> PageView {
    let mia = Person { id: "1001".to_owned(), name: "Mia".to_owned(), role: StaffRole::Staff, must_reset: false };
    let mut view = DeskView {
        page,
        person: Some(mia),
        may: Act::ALL.map(|act| (act, May::Yes)).to_vec(),
        unknown: vec![unknown()],
        orders: orders(),
        more_orders: true,
        order: Some(Box::new(sold())),
        refund: Some(refund()),
        till: till(),
        closing: Some(closing()),
        ..DeskView::default()
    };
    change(&mut view);
    desk::page(&scene(shop, &Snapshot { lang, ..Snapshot::default() }), &view, ask.as_ref())
}

fn scene<'a>(shop: &'a Content, snapshot: &'a Snapshot) -> Scene<'a> {
    Scene {
        snapshot,
        catalogue: &shop.catalogue,
        shop: &shop.shop,
        board: super::facts(102),
        now: MORNING,
        still_there_ms: 15_000,
    }
}

/// A kiosk that serves no guest.
fn closed(shop: &Content, snapshot: &Snapshot) -> PageView {
    closed::page(&scene(shop, snapshot)).unwrap_or_default()
}

fn people() -> Vec<Colleague> {
    let one = |staff: &str, name: &str, role, badge, must_reset| Colleague {
        staff: staff.to_owned(),
        name: name.to_owned(),
        role,
        badge,
        pin: true,
        must_reset,
        ends_utc_ms: None,
    };
    vec![
        one("1001", "Mia", StaffRole::Manager, true, false),
        Colleague { ends_utc_ms: before(-60 * 24 * 9), ..one("1002", "Ben", StaffRole::Staff, true, false) },
        one("1003", "Sam", StaffRole::Service, false, false),
        one("1007", "Zoe", StaffRole::Staff, false, true),
    ]
}

fn service() -> ServiceView {
    let facts = ServiceFacts {
        software: "0.1.0".to_owned(),
        host: "kiosk-01".to_owned(),
        address: Some("192.168.20.31".to_owned()),
        unsent: Some(3),
        oldest_s: Some(150),
        key_version: Some(1),
        roster_version: Some(6),
        disk_free_mib: Some(21_504),
        log: vec![
            "2026-11-22T09:28:11Z  INFO device health device=Printer health=Blocked".to_owned(),
            "2026-11-22T09:29:40Z  WARN a card was refused: its message was used before".to_owned(),
            "2026-11-22T09:30:02Z  INFO device health device=Printer health=Ok".to_owned(),
        ],
        seen: Vec::new(),
    };
    ServiceView { facts: Some(facts), card: Some(Method::Ntag424), touched: 0b0000_0101_1111, ..ServiceView::default() }
}

/// So many minutes before the morning's picture.
fn before(minutes: i64) -> Option<i64> {
    MORNING.utc_ms.map(|ms| ms - minutes * 60_000)
}

fn unknown() -> UnknownView {
    let receipt =
        TerminalReceipt { terminal: "52500041".to_owned(), number: 118, amount: Minor(2180), ..TerminalReceipt::default() };
    UnknownView {
        attempt: Id([1; 16]),
        order: Id([2; 16]),
        number: "A-16".to_owned(),
        refund: false,
        tender: Tender::Card,
        amount: Minor(2180),
        at_utc_ms: before(7),
        seen: Some(Enquiry::Last(Some(receipt))),
        asking: false,
        why: "no_answer".to_owned(),
        carried_by: String::new(),
        verdicts: vec![Verdict::Charged { reference: Some(118) }, Verdict::NotCharged],
    }
}

fn orders() -> Vec<OrderLine> {
    let line = |number: &str, minutes, total, state| OrderLine {
        number: number.to_owned(),
        placed_utc_ms: before(minutes),
        total: Minor(total),
        state,
        ..OrderLine::default()
    };
    vec![
        line("A-18", 2, 1_290, SoldState::Unpaid),
        line("A-17", 5, 680, SoldState::Paid),
        OrderLine { unknown: true, ..line("A-16", 7, 2_180, SoldState::Unpaid) },
        OrderLine { returned: true, ..line("A-15", 16, 1_230, SoldState::Paid) },
        line("A-14", 21, 390, SoldState::Cancelled),
    ]
}

fn sold() -> Sold {
    let line = |line, name: &str, quantity, amount| SoldLine {
        line,
        name: name.to_owned(),
        quantity,
        amount: Minor(amount),
        ..SoldLine::default()
    };
    Sold {
        number: "A-17".to_owned(),
        called_name: "Jane".to_owned(),
        placed_utc_ms: before(5),
        state: SoldState::Paid,
        lines: vec![line(1, "Flat white", 2, 780), line(2, "Almond croissant", 1, 290), line(3, "Orange juice", 1, 420)],
        total: Minor(1_490),
        taken: vec![Taken {
            payment: Id([3; 16]),
            attempt: Id([4; 16]),
            tender: Tender::Card,
            amount: Minor(1_490),
            receipt: Some(117),
            reversible: true,
            masked: "Visa **** 4242".to_owned(),
            returned: Minor::ZERO,
        }],
        returned: vec![Pick { line: 2, quantity: 1 }],
        ..Sold::default()
    }
}

fn jane() -> Holder {
    Holder { visitor: "v_1".to_owned(), name: "Jane Boyd".to_owned(), phone_ending: "4711".to_owned(), points: 412 }
}

fn cards() -> CardsView {
    CardsView { holder: Some(jane()), ..CardsView::default() }
}

fn making(last: Option<CardStep>, made: u16, count: u16) -> CardsView {
    CardsView { making: Some(MakingView { count, made, replaces: false, last }), ..CardsView::default() }
}

fn refund() -> RefundView {
    RefundView {
        picks: vec![Pick { line: 1, quantity: 1 }],
        worth: Some(Worth { total: Minor(390), ..Worth::default() }),
        backs: vec![(Tender::Card, Minor(390), Way::Reverse { receipt: 117 })],
        ..RefundView::default()
    }
}

fn till() -> TillView {
    TillView {
        till: "till 1".to_owned(),
        open: true,
        cash: true,
        number: 41,
        business_date: "2026-11-21".to_owned(),
        overdue: false,
        opened_utc_ms: before(171),
        opened_by: "1001".to_owned(),
        moves: vec![
            (CashMove::PaidIn, Minor(5_000), "change_money".to_owned()),
            (CashMove::PaidOut, Minor(1_240), "supplies".to_owned()),
        ],
    }
}

fn closing() -> ClosingView {
    let fact =
        TerminalFact { order_number: "A-16".to_owned(), amount: Minor(2_180), at_utc_ms: before(7), ..TerminalFact::default() };
    let comparison = Comparison {
        journal: Minor(41_320),
        difference: Minor(2_180),
        differing: vec![Differing { fact, ..Differing::default() }],
        explained: true,
        ..Comparison::default()
    };
    ClosingView {
        counted: Some(Minor(18_250)),
        expected: Some(Minor(18_300)),
        over: Some(Minor(-50)),
        comparison: Some(Box::new(comparison)),
        unknown: 1,
        ..ClosingView::default()
    }
}
