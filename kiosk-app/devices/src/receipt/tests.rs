#![allow(clippy::unwrap_used)]
use super::*;
use kiosk_core::{
    Id, Tender,
    basket::{LineId, Priced, PricedModifier, TaxAmount},
};
use kiosk_core::{Minor, Receipt, Service, basket::PricedLine};
use proptest::prelude::*;

fn line(n: u32, parent: Option<u32>, name: &str, quantity: u16, minor: i64) -> PricedLine {
    PricedLine {
        line: n,
        parent,
        id: LineId(n),
        sku: format!("sku-{n}"),
        name: name.into(),
        quantity,
        amount: Minor(minor),
        modifiers: vec![],
        tax_code: "A".into(),
    }
}

fn receipt(language: &str) -> Receipt {
    let mut flat_white = line(1, None, "Flat white", 2, 840);
    let modifier = |name: &str, quantity, minor| PricedModifier {
        group: "milk".into(),
        sku: "oat".into(),
        name: name.into(),
        quantity,
        amount: Minor(minor),
    };
    flat_white.modifiers = vec![modifier("Oat milk", 1, 120), modifier("Sugar", 2, 0)];
    let tax = TaxAmount { code: "A".into(), rate_ppm: 70_000, base: Minor(1813), amount: Minor(127), included: true };
    Receipt {
        order: Id([1; 16]),
        number: "A-17".into(),
        called_name: "Jane".into(),
        service: Service::Takeaway,
        priced: Priced {
            lines: vec![
                flat_white,
                line(2, None, "Burger menu with everything the kitchen has to offer", 1, 0),
                line(3, Some(2), "Burger", 1, 800),
                line(4, Some(2), "Fries", 1, 300),
            ],
            tax: vec![tax],
            goods: Minor(1940),
            total: Minor(1940),
        },
        paid: vec![(Tender::Card, Minor(1940))],
        masked: "VISA **** 1234".into(),
        settlement: Default::default(),
        copy: false,
        language: language.into(),
        placed_utc_ms: Some(1_795_255_800_000),
    }
}

fn layout(columns: u8, code_page: CodePage) -> ReceiptLayout {
    ReceiptLayout {
        header: vec!["Boyd's".into(), "Pier 4".into()],
        footer: vec!["boyds.example".into()],
        columns,
        code_page,
        currency: Currency::EUR,
        page_url: Some("https://boyds.example/p/x".into()),
        offset_min: 60,
        logo: None,
    }
}

fn text(receipt: &Receipt, layout: &ReceiptLayout) -> String {
    to_text(&render_receipt(receipt, layout)).join("\n")
}

#[test]
fn a_receipt_says_what_was_bought_what_was_paid_and_the_tax_in_it() {
    let shown = text(&receipt("en-GB"), &layout(42, CodePage::Pc858));
    let expect = "Boyd's
Pier 4

Your order
A-17
Jane
Takeaway
2026-11-21 11:10
------------------------------------------
2 x Flat white                        8.40
    + Oat milk (1.20)
    + 2 x Sugar
1 x Burger menu with everything      11.00
    the kitchen has to offer
  1 x Burger
  1 x Fries
------------------------------------------
Total                            EUR 19.40
Card                                 19.40
VISA **** 1234
------------------------------------------
Tax                Net       Tax     Gross
A 7%             18.13      1.27     19.40

Your receipt and your order on your phone:
[QR https://boyds.example/p/x]

boyds.example
Thank you!
[cut]";
    assert_eq!(shown, expect);
}

#[test]
fn russian_is_printed_through_either_cyrillic_table() {
    for page in [CodePage::Pc866, CodePage::Wpc1251] {
        let mut r = receipt("ru");
        r.priced.lines[0].name = "Флэт уайт".into();
        let shown = text(&r, &layout(48, page));
        for word in ["Ваш заказ", "С собой", "2 x Флэт уайт", "8,40", "Итого", "Карта", "Спасибо!", "21.11.2026 11:10"]
        {
            assert!(shown.contains(word), "{word} in\n{shown}");
        }
    }
}

#[test]
fn a_reprint_says_copy_at_both_ends() {
    let mut r = receipt("en");
    assert!(!text(&r, &layout(42, CodePage::Pc858)).contains("COPY"));
    r.copy = true;
    assert_eq!(text(&r, &layout(42, CodePage::Pc858)).matches("COPY").count(), 2);
}

#[test]
fn tax_that_is_added_stands_between_goods_and_total() {
    let mut r = receipt("en");
    r.priced.tax[0] = TaxAmount { code: "NYC".into(), rate_ppm: 88_750, base: Minor(1940), amount: Minor(172), included: false };
    r.priced.total = Minor(2112);
    let shown = text(&r, &layout(42, CodePage::Pc858));
    let at = |t: &str| shown.find(t).unwrap_or_else(|| panic!("{t} in\n{shown}"));
    assert!(at("Goods") < at("Tax NYC 8.875%") && at("Tax NYC 8.875%") < at("EUR 21.12"));
}

proptest! {
    #[test]
    fn no_line_is_wider_than_the_paper_whatever_the_names(
        name in "\\PC{0,120}", called in "\\PC{0,60}", modifier in "\\PC{0,80}", columns in 24u8..=64, amount in any::<i64>(),
    ) {
        let mut r = receipt("en");
        r.priced.lines[0].name = name;
        r.priced.lines[0].modifiers[0].name = modifier;
        r.priced.lines[1].amount = Minor(amount);
        r.priced.total = Minor(amount);
        r.priced.tax[0].base = Minor(amount);
        r.called_name = called;
        let columns_usize = usize::from(columns);
        for l in to_text(&render_receipt(&r, &layout(columns, CodePage::Pc866))) {
            prop_assert!(l.starts_with('[') || l.chars().count() <= columns_usize, "{} > {columns}: {l:?}", l.chars().count());
        }
    }
}

#[test]
fn a_test_page_shows_every_column_and_that_nothing_was_sold() {
    let page = kiosk_core::paper::TestPage {
        id: Id([7; 16]),
        till: "k-01".into(),
        language: "en-GB".into(),
        at_utc_ms: Some(1_795_255_800_000),
    };
    let text = to_text(&render(&Paper::Test(page), &layout(42, CodePage::Pc858))).join("\n");
    for words in ["TEST PRINT", "k-01", "123456789012345678901234567890123456789012\n", "ÄÖÜ äöü ß"] {
        assert!(text.contains(words), "{words} in {text}");
    }
    assert!(!text.contains("Receipt"), "{text}");
}
