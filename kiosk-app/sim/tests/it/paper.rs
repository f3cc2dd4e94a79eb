//! What stands on paper, dot by dot. The goldens are looked at by people; to make them anew after a change that is wanted,
//! run with `KIOSK_SIM_GOLDEN=write` and look again.

use kiosk_core::{
    Currency, Id, Minor, Paper, Priced, PricedLine, Receipt, RefundReceipt, Report, Service, TaxAmount, Tender,
    basket::{LineId, PricedModifier},
    paper::{
        CardSlip, CarriedOver, CashGiven, CashReport, Count, Difference, RefundedLine, ReportKind, Settlement, TerminalReport,
    },
};
use kiosk_devices::{Bitmap, CodePage, ReceiptLayout, render};
use kiosk_sim::paper::{picture, png};
use std::path::PathBuf;

fn layout(columns: u8, code_page: CodePage) -> ReceiptLayout {
    let mut logo = Bitmap::new(96, 48);
    for (x, y) in (0..96usize).flat_map(|x| (0..48usize).map(move |y| (x, y))) {
        if x.abs_diff(48).pow(2) / 4 + y.abs_diff(24).pow(2) < 520 && (x / 8 + y / 8).is_multiple_of(2) {
            logo.set(x, y);
        }
    }
    ReceiptLayout {
        header: vec!["Boyd's Café".into(), "Pier 4, 20457 Hamburg".into(), "VAT DE 123 456 789".into()],
        footer: vec!["boyds.example".into()],
        columns,
        code_page,
        currency: Currency::EUR,
        page_url: Some("https://boyds.example/p/0190f3c8".into()),
        offset_min: 60,
        logo: Some(logo),
    }
}

fn line(n: u32, name: &str, quantity: u16, minor: i64) -> PricedLine {
    PricedLine {
        line: n,
        parent: None,
        id: LineId(n),
        sku: format!("sku-{n}"),
        name: name.into(),
        quantity,
        amount: Minor(minor),
        modifiers: vec![],
        tax_code: "A".into(),
    }
}

fn tax(minor: i64, of: i64) -> Vec<TaxAmount> {
    vec![TaxAmount { code: "A".into(), rate_ppm: 70_000, base: Minor(of - minor), amount: Minor(minor), included: true }]
}

fn receipt(language: &str, names: [&str; 2], called: &str) -> Receipt {
    let mut coffee = line(1, names[0], 2, 840);
    coffee.modifiers.push(PricedModifier {
        group: "milk".into(),
        sku: "oat".into(),
        name: "Oat milk".into(),
        quantity: 1,
        amount: Minor(120),
    });
    let lines = vec![coffee, line(2, names[1], 1, 1100)];
    Receipt {
        order: Id([1; 16]),
        number: "A-17".into(),
        called_name: called.into(),
        service: Service::Takeaway,
        priced: Priced { lines, tax: tax(127, 1940), goods: Minor(1940), total: Minor(1940) },
        paid: vec![(Tender::Card, Minor(1500)), (Tender::Cash, Minor(640))],
        masked: "VISA **** 1234".into(),
        settlement: Settlement {
            serial: "K1-000471".into(),
            tip: Minor(200),
            cash: Some(CashGiven { given: Minor(1000), change: Minor(360) }),
            slip: vec!["* * Kundenbeleg * *".into(), "Karte ************1234".into(), "Betrag EUR        15,00".into()],
            ..Settlement::default()
        },
        copy: false,
        language: language.into(),
        placed_utc_ms: Some(1_795_255_800_000),
    }
}

fn refund() -> RefundReceipt {
    RefundReceipt {
        rounding: Minor::ZERO,
        refund: Id([2; 16]),
        serial: "K1-000472".into(),
        number: "A-17".into(),
        of_serial: "K1-000471".into(),
        lines: vec![RefundedLine { name: "Flat white".into(), quantity: 1, amount: Minor(420) }],
        tax: tax(27, 420),
        tip: Minor(40),
        total: Minor(460),
        paid: vec![(Tender::Card, Minor(460))],
        masked: "VISA **** 1234".into(),
        slip: vec![],
        fiscal: Vec::new(),
        fiscal_qr: String::new(),
        in_doubt: true,
        reason: "Cold".into(),
        staff: "Mia".into(),
        copy: true,
        language: "en".into(),
        at_utc_ms: Some(1_795_256_800_000),
    }
}

fn report() -> Report {
    let count = |count, minor| Count { count, amount: Minor(minor) };
    Report {
        period: Id([3; 16]),
        kind: ReportKind::Z,
        number: Some(12),
        till: "Counter 1".into(),
        business_date: "2026-11-21".into(),
        from_utc_ms: Some(1_795_240_000_000),
        to_utc_ms: Some(1_795_280_000_000),
        staff: "Mia".into(),
        serials: Some(("K1-000401".into(), "K1-000472".into())),
        sales: count(71, 145_230),
        tax: tax(9501, 145_230),
        refunds: count(1, 460),
        voids: count(2, 900),
        discounts: count(5, 1250),
        tips: Minor(2310),
        rounding: Minor(-2),
        tenders: vec![(Tender::Card, count(60, 120_000)), (Tender::Cash, count(11, 24_770))],
        cash: Some(CashReport {
            float: Minor(10_000),
            sales: Minor(24_770),
            refunds: Minor(0),
            paid_in: Minor(0),
            paid_out: Minor(1200),
            dropped: Minor(20_000),
            expected: Minor(13_570),
            counted: Some(Minor(13_520)),
        }),
        terminal: Some(TerminalReport {
            rows: vec![("girocard".into(), count(40, 80_000)), ("VISA".into(), count(20, 40_000))],
            terminal: count(60, 120_000),
            journal: count(60, 119_350),
            differences: vec![Difference { name: "0471".into(), terminal: Some(Minor(650)), journal: None }],
        }),
        unresolved: vec![CarriedOver { number: "A-16".into(), amount: Minor(650), staff: "Mia".into() }],
        no_sales: 3,
        copy: false,
        language: "en".into(),
    }
}

/// Compares with the golden of that name; writes it if told to.
fn golden(name: &str, paper: &Paper, columns: u8, page: CodePage) -> Bitmap {
    let drawn = picture(&render(paper, &layout(columns, page)), columns);
    let bytes = png(&drawn).unwrap();
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.png"));
    if std::env::var_os("KIOSK_SIM_GOLDEN").is_some() {
        std::fs::write(&file, &bytes).unwrap();
    }
    let kept = std::fs::read(&file).unwrap();
    if kept != bytes {
        let seen = std::env::temp_dir().join(format!("{name}.png"));
        std::fs::write(&seen, &bytes).unwrap();
        panic!("{} is not what is printed now: {}", file.display(), seen.display());
    }
    drawn
}

/// What a telephone reads off the paper.
fn codes(paper: &Bitmap) -> Vec<String> {
    let grey = |x: usize, y: usize| if paper.get(x, y) { 0 } else { 255 };
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(paper.width(), paper.height(), grey);
    image.detect_grids().iter().map(|grid| grid.decode().unwrap().1).collect()
}

#[test]
fn a_receipt_with_logo_tip_change_card_slip_and_a_code_that_can_be_read() {
    let sale = Paper::Sale(receipt("en", ["Flat white", "Burger menu with everything the kitchen has"], "Jane"));
    let paper = golden("sale", &sale, 42, CodePage::Pc858);
    assert_eq!(codes(&paper), ["https://boyds.example/p/0190f3c8"]);
}

#[test]
fn arabic_is_shaped_and_runs_from_the_right() {
    let sale = Paper::Sale(receipt("ar", ["قهوة بالحليب", "برجر مع بطاطس"], "ليلى"));
    let paper = golden("sale-arabic", &sale, 48, CodePage::Pc858);
    assert_eq!(codes(&paper).len(), 1);
}

#[test]
fn what_the_russian_table_lacks_is_drawn_among_its_text() {
    let sale = Paper::Sale(receipt("ru", ["Флэт уайт", "Crème brûlée"], "Zoë"));
    golden("sale-russian", &sale, 32, CodePage::Pc866);
}

#[test]
fn refund_report_and_merchant_copy() {
    golden("refund-copy", &Paper::Refund(refund()), 42, CodePage::Pc858);
    golden("report-z", &Paper::Report(report()), 42, CodePage::Pc858);
    let lines = vec!["* * Händlerbeleg * *".into(), "Karte 4111111111111111".into(), "Betrag EUR        12,50".into()];
    let slip =
        CardSlip { attempt: Id([4; 16]), number: "A-17".into(), lines, merchant: true, copy: false, language: "en".into() };
    golden("slip-merchant", &Paper::Slip(slip), 42, CodePage::Pc858);
}
