//! Tax regimes against examples that others have worked out and published.
#![allow(clippy::unwrap_used)]

use crate::{
    basket::{Basket, Item, Line, LineId, Priced},
    cash,
    catalogue::{Catalogue, Lang, Service, Tax, TaxId, TaxRounding},
    fixture::cafe,
    money::{Currency, Minor},
};
use alloc::{vec, vec::Vec};

/// A line: how many, for how much in all, with which entry of the taxes.
type Bought = (u16, i64, u32);

fn price(currency: Currency, taxes: Vec<Tax>, bought: &[Bought]) -> Priced {
    let catalogue = Catalogue { currency, taxes, ..cafe() };
    let lines = bought.iter().zip(1..).map(|(&(quantity, amount, tax), id)| Line {
        id: LineId(id),
        item: Item::Open { sku: "x".into(), name: "X".into(), quantity, amount: Minor(amount), tax: TaxId(tax) },
    });
    Basket { service: Service::EatIn, lines: lines.collect() }.price(&catalogue, Lang(0))
}

fn tax(code: &str, rate_ppm: u32, included: bool, rounding: TaxRounding) -> Tax {
    Tax { code: code.into(), rate_ppm, included, rounding, parts: Vec::new() }
}

fn taxes(priced: &Priced) -> Vec<(&str, i64)> {
    priced.tax.iter().map(|tax| (tax.code.as_str(), tax.amount.0)).collect()
}

/// European value-added tax, in the price: 'Der vermaledeite Kassenzettel', https://hszemi.de/2014/08/. Three tomatoes at 0.85
/// with 7 %, two pens at 1.55 with 19 %: 5.65 in all; 17 + 49 cents of tax on the sums of the rates, 18 + 50 on the pieces.
/// That a member state may choose is Court of Justice C-484/06 (Ahold) and C-302/07 (J D Wetherspoon).
#[test]
fn german_value_added_tax_is_in_the_price_by_sum_or_by_piece() {
    let bought = [(3, 255, 0), (2, 310, 1)];
    let by = |rounding| vec![tax("7", 70_000, true, rounding), tax("19", 190_000, true, rounding)];
    let sums = price(Currency::EUR, by(TaxRounding::Order), &bought);
    assert_eq!((sums.total, taxes(&sums)), (Minor(565), vec![("7", 17), ("19", 49)]));
    let pieces = price(Currency::EUR, by(TaxRounding::Piece), &bought);
    assert_eq!((pieces.total, taxes(&pieces)), (Minor(565), vec![("7", 18), ("19", 50)]));
    assert_eq!(pieces.tax[0].base, Minor(255 - 18), "base and tax are the price");
}

/// The same article with the rate of where it is eaten: Germany's Federal Ministry of Finance, letter of 2 July 2020 (7 % of
/// food to take away, 19 % in the house at the time), on a gross price, by the formula of section 15.4 (2) of the
/// Umsatzsteuer-Anwendungserlass: gross * 19 / 119 and gross * 7 / 107; 119.00 hold 19.00, 107.00 hold 7.00.
#[test]
fn the_rate_depends_on_where_it_is_eaten() {
    for (rate, gross, held) in [(190_000, 11_900, 1_900), (70_000, 10_700, 700)] {
        let priced = price(Currency::EUR, vec![tax("x", rate, true, TaxRounding::Order)], &[(1, gross, 0)]);
        assert_eq!((priced.total.0, priced.tax[0].amount.0), (gross, held));
    }
}

/// Canada: taxes side by side, added, each to the cent; then, in cash only, five-cent coins.
/// Budget 2012, https://www.budget.canada.ca/2012/themes/rounding-arrondissement-eng.html: a coffee of 1.83 and a sandwich of
/// 2.86 are 4.92 with 5 % GST by card, 4.90 in cash. Revenu Quebec, 'Calculating the Taxes',
/// http://www.revenuquebec.ca/en/entreprise/taxes/tvq_tps/calcul-taxes.aspx: 100.00, GST 5.00, QST 9.98, total 114.98.
#[test]
fn canadian_taxes_are_added_each_by_itself_and_cash_ends_in_five_cents() {
    let cad = Currency::new("CAD", 2).unwrap();
    let both = Tax { code: "gst+qst".into(), parts: vec![TaxId(0), TaxId(1)], ..Tax::default() };
    let by = |rounding| vec![tax("gst", 50_000, false, rounding), tax("qst", 99_750, false, rounding), both.clone()];
    let lunch = price(cad, by(TaxRounding::Order), &[(1, 183, 0), (1, 286, 0)]);
    assert_eq!((lunch.total, taxes(&lunch)), (Minor(492), vec![("gst", 23)]));
    assert_eq!(cash::rounded(lunch.total, cash::unit_of(cad)), Minor(490));
    let good = price(cad, by(TaxRounding::Order), &[(1, 10_000, 2)]);
    assert_eq!((good.total, taxes(&good)), (Minor(11_498), vec![("gst", 500), ("qst", 998)]));
    assert_eq!(good.lines[0].tax_code, "gst+qst");
    // A book with GST alone beside it: one entry a tax, over all that it is levied on.
    let with_book = price(cad, by(TaxRounding::Order), &[(1, 10_000, 2), (1, 2_000, 0)]);
    assert_eq!(taxes(&with_book), [("gst", 600), ("qst", 998)]);
}

/// Switzerland: value-added tax in the price, to the centime and never rounded to coins; then, in cash only, five Rappen. Sorba,
/// 'Pauschalbetrag wird immer gerundet' (support.sorba.ch, article 202644661): 1000.00 with 8 % in it hold 74.074074.
/// Comarch POS, 'Rounding of cash payments for the Swiss market' (help.comarch.com/pos): 16.97 are 16.95 in cash, 16.99 are
/// 17.00, 999.99 are 1000.00; by card each stays as it is. Sage X3, 'automatic Swiss Rappen rounding' (online-help.sagex3.com): 110.01 are 110.00, 110.14 are 110.15.
#[test]
fn swiss_value_added_tax_is_in_the_price_and_cash_ends_in_five_rappen() {
    let chf = Currency::new("CHF", 2).unwrap();
    let sold = |rate, gross| price(chf, vec![tax("mwst", rate, true, TaxRounding::Order)], &[(1, gross, 0)]);
    let flat = sold(80_000, 100_000);
    assert_eq!((flat.total, taxes(&flat), flat.tax[0].base), (Minor(100_000), vec![("mwst", 7_407)], Minor(92_593)));
    for (bill, coins) in [(1_697, 1_695), (1_699, 1_700), (99_999, 100_000), (11_001, 11_000), (11_014, 11_015)] {
        let priced = sold(81_000, bill);
        assert_eq!((priced.total, cash::rounded(priced.total, cash::unit_of(chf))), (Minor(bill), Minor(coins)));
    }
}

/// Sales tax of the United States: added, 'carried to the third decimal place, and rounded up to the next whole cent whenever
/// the third decimal place is greater than four', per item or per invoice as the seller elects (Streamlined Sales and Use Tax
/// Agreement, section 324; in the same words Vienna, West Virginia, ordinance 13-14). Amounts: seven purchases of the table
/// at https://pennyfreebiz.com/home-iRoundTable.php, with their totals to the cent and to the nickel.
#[test]
fn american_sales_tax_comes_on_top_per_item_or_per_invoice() {
    let table = [
        (20_773, 88_050, 22_602, 22_600),
        (22_368, 48_650, 23_456, 23_455),
        (21_260, 46_310, 22_245, 22_245),
        (10_399, 132_730, 11_779, 11_780),
        (17_287, 56_860, 18_270, 18_270),
        (6_746, 122_370, 7_572, 7_570),
        (22_672, 112_130, 25_214, 25_215),
    ];
    for (net, rate, total, nickels) in table {
        let priced = price(Currency::USD, vec![tax("sales", rate, false, TaxRounding::Order)], &[(1, net, 0)]);
        assert_eq!(priced.total, Minor(total));
        // Where a shop has no pennies left, it says so itself: no law has taken them from the currency.
        assert_eq!(cash::rounded(priced.total, Minor(5)), Minor(nickels));
        assert_eq!(cash::unit_of(Currency::USD), Minor(1));
    }
    // 8 % of 0.56 is 0.0448, of three 0.1344: four cents an item, thirteen on the invoice.
    let three = |rounding| price(Currency::USD, vec![tax("sales", 80_000, false, rounding)], &[(3, 168, 0)]).tax[0].amount;
    assert_eq!(three(TaxRounding::Piece), Minor(12));
    assert_eq!((three(TaxRounding::Line), three(TaxRounding::Order)), (Minor(13), Minor(13)));
    // Two lines of which each would be rounded up: 6 % of 0.59 is 0.0354.
    let two = |rounding| price(Currency::USD, vec![tax("s", 60_000, false, rounding)], &[(1, 59, 0), (1, 59, 0)]).tax[0].amount;
    assert_eq!((two(TaxRounding::Line), two(TaxRounding::Order)), (Minor(8), Minor(7)));
}
