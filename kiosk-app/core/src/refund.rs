//! What is given back: how much it is worth, exact to the cent over any number of partial refunds, and where it goes.
//!
//! - A refund names lines and quantities. A combo goes back with its parts, in whole combos.
//! - What is worth what is *cumulative*: of a line of `q` pieces, `k` pieces are worth `round(amount * k / q)`, and a refund
//!   is worth the difference between what has gone back after it and before it. So the parts always sum up to the whole,
//!   and no order of refunds is better than another. Added tax is what the tax of the order was before, less what
//!   it is on what remains; tip and points follow the share of the goods.
//! - Cash goes back in coins that there are: a part in cash is rounded by itself, and what that adds or takes is written
//!   beside it; never more than is left of its payment.
//! - It goes back the way it came: to each payment no more than it brought, less what already went back to it; what can go
//!   back without cash goes back without cash first.

use crate::{
    basket::{PricedModifier, TaxAmount},
    cash,
    catalogue::Service,
    ids::Id,
    money::{Minor, scale},
    payments::Tender,
};
use alloc::{string::String, vec::Vec};

/// The most lines of one refund; an order has no more.
pub const LINES_MAX: usize = 500;

/// An order as it was sold, read back from disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sold {
    /// The order.
    pub order: Id,
    /// The visit it was placed in.
    pub visit: Option<Id>,
    /// Called out: 'A-17'.
    pub number: String,
    /// Called out, may be empty. For the screen, never for reports.
    pub called_name: String,
    /// Eat in or takeaway.
    pub service: Service,
    /// The shop's day.
    pub business_date: String,
    /// When it was placed.
    pub placed_utc_ms: Option<i64>,
    /// Where it stands.
    pub state: SoldState,
    /// The till's receipt number, `None` where it has none yet.
    pub serial: Option<u32>,
    /// Lines, combo parts after their combo.
    pub lines: Vec<SoldLine>,
    /// Tax, one entry a code.
    pub tax: Vec<TaxAmount>,
    /// On top of the goods.
    pub tip: Minor,
    /// Loyalty points that it earned, less those that it burned.
    pub points: i64,
    /// What was to be paid, the tip not included.
    pub total: Minor,
    /// What cash rounding added to that, or took off.
    pub rounding: Minor,
    /// What was paid, payment by payment, oldest first.
    pub taken: Vec<Taken>,
    /// What has gone back, or may have: a refund whose end nobody knows counts.
    pub returned: Vec<Pick>,
}

/// Where an order stands, as far as the desk is concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SoldState {
    /// To be paid.
    #[default]
    Unpaid,
    /// Paid, with the kitchen or handed over.
    Paid,
    /// Will not be made.
    Cancelled,
}

/// A line of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SoldLine {
    /// Number within the order.
    pub line: u32,
    /// The combo it belongs to.
    pub parent: Option<u32>,
    /// SKU.
    pub sku: String,
    /// As on the receipt.
    pub name: String,
    /// How many.
    pub quantity: u16,
    /// The whole line, modifiers included, its share of discounts taken off.
    pub amount: Minor,
    /// Tax code.
    pub tax_code: String,
    /// As on the receipt; their amounts are in the line's.
    pub modifiers: Vec<PricedModifier>,
}

/// Money that an order brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The payment.
    pub payment: Id,
    /// The attempt that brought it.
    pub attempt: Id,
    /// How.
    pub tender: Tender,
    /// How much, tip included.
    pub amount: Minor,
    /// The terminal's receipt number.
    pub receipt: Option<u32>,
    /// True where a reversal on this terminal can undo it: same terminal, before its end of day.
    pub reversible: bool,
    /// Scheme and last digits, may be empty.
    pub masked: String,
    /// How much of it went back, or may have.
    pub returned: Minor,
}

/// So many of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pick {
    /// Its number within the order; never a combo part.
    pub line: u32,
    /// How many, at least 1.
    pub quantity: u16,
}

/// Why nothing can go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundError {
    /// Nothing was picked.
    Nothing,
    /// The order has no such line, or it is part of a combo.
    NoSuchLine,
    /// More than what is left of that line.
    TooMany,
    /// More than what the payments have left.
    NotPaid,
}

/// What a refund is worth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Worth {
    /// Line by line, in the order's order: what was picked and its amount (added tax not included), combo parts in it.
    pub lines: Vec<(Pick, Minor)>,
    /// Sum of the lines.
    pub goods: Minor,
    /// Tax in it, one entry a code; amounts above zero.
    pub tax: Vec<TaxAmount>,
    /// Tip that goes back with it.
    pub tip: Minor,
    /// Points that are taken back (above zero) or given back (below).
    pub points: i64,
    /// What goes back: goods, added tax and tip.
    pub total: Minor,
}

/// How money goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The terminal undoes its payment.
    Reverse {
        /// Receipt number of that payment.
        receipt: u32,
    },
    /// To a card at the terminal.
    Card,
    /// Out of the drawer.
    Cash,
    /// To the gift card, wallet or points that it came from.
    Account,
}

/// Money that goes back to one payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Back {
    /// The payment.
    pub payment: Id,
    /// The attempt that brought it.
    pub original: Id,
    /// The tender of that payment.
    pub tender: Tender,
    /// How much.
    pub amount: Minor,
    /// What cash rounding adds to that (above zero) or takes off.
    pub rounding: Minor,
    /// How.
    pub way: Way,
}

impl Back {
    /// What the guest gets.
    pub fn handed(&self) -> Minor {
        self.amount + self.rounding
    }

    /// The same out of the drawer, in multiples of `unit`, and no more than `left`.
    pub(crate) fn in_cash(self, unit: Minor, left: Minor) -> Self {
        let nearest = cash::rounded(self.amount, unit);
        let handed = if nearest > left { cash::floor(left, unit) } else { nearest };
        Self { way: Way::Cash, rounding: handed - self.amount, ..self }
    }
}

impl Sold {
    /// How many of a line have gone back, or may have.
    pub fn returned_of(&self, line: u32) -> u16 {
        returned_of(&self.returned, line)
    }

    /// Lines that can be picked: all but combo parts.
    pub fn tops(&self) -> impl Iterator<Item = &SoldLine> {
        self.lines.iter().filter(|line| line.parent.is_none())
    }

    /// A line with its combo parts, in whole.
    pub fn whole(&self, line: &SoldLine) -> Minor {
        let parts = self.lines.iter().filter(|part| part.parent == Some(line.line));
        line.amount + parts.map(|part| part.amount).sum()
    }

    /// What can still go back to all payments together.
    pub fn left(&self) -> Minor {
        self.taken.iter().map(|taken| taken.left()).sum()
    }

    /// What is picked is worth, given what has gone back before.
    ///
    /// # Errors
    /// [`RefundError`], but never [`RefundError::NotPaid`].
    pub fn worth(&self, picks: &[Pick]) -> Result<Worth, RefundError> {
        if picks.is_empty() || picks.iter().any(|pick| pick.quantity == 0) || picks.len() > LINES_MAX {
            return Err(RefundError::Nothing);
        }
        let mut after = self.returned.clone();
        for pick in picks {
            let line = self.tops().find(|line| line.line == pick.line).ok_or(RefundError::NoSuchLine)?;
            after.push(*pick);
            if u32::from(line.quantity) < sum_of(&after, pick.line) {
                return Err(RefundError::TooMany);
            }
        }
        Ok(self.between(&self.returned, &after))
    }

    fn between(&self, before: &[Pick], after: &[Pick]) -> Worth {
        let mut lines = Vec::new();
        for line in self.tops() {
            let (was, is) = (returned_of(before, line.line), returned_of(after, line.line));
            if is > was {
                let pick = Pick { line: line.line, quantity: is - was };
                lines.push((pick, self.gone(line, is) - self.gone(line, was)));
            }
        }
        let goods: Minor = lines.iter().map(|(_, amount)| *amount).sum();
        let tax: Vec<TaxAmount> = self.tax.iter().map(|tax| self.tax_between(tax, before, after)).collect();
        let added: Minor = tax.iter().filter(|tax| !tax.included).map(|tax| tax.amount).sum();
        let all: Minor = self.lines.iter().map(|line| line.amount).sum();
        let (was, is) = (self.goods_gone(before), self.goods_gone(after));
        let tip = share(self.tip, is, all) - share(self.tip, was, all);
        let points = share(Minor(self.points), is, all) - share(Minor(self.points), was, all);
        let tax = tax.into_iter().filter(|tax| tax.base != Minor::ZERO || tax.amount != Minor::ZERO).collect();
        Worth { lines, goods, tax, tip, points: points.0, total: goods + added + tip }
    }

    /// What has gone back of a line and its parts once `pieces` of it have.
    fn gone(&self, line: &SoldLine, pieces: u16) -> Minor {
        let with_parts = self.lines.iter().filter(|part| part.line == line.line || part.parent == Some(line.line));
        with_parts.map(|part| gone(part.amount, pieces, line.quantity)).sum()
    }

    fn goods_gone(&self, returned: &[Pick]) -> Minor {
        self.tops().map(|line| self.gone(line, returned_of(returned, line.line))).sum()
    }

    /// What has gone back of the lines of a tax code.
    fn code_gone(&self, code: &str, returned: &[Pick]) -> Minor {
        let amount = |line: &SoldLine| {
            let top = line.parent.unwrap_or(line.line);
            let of = self.lines.iter().find(|l| l.line == top).map_or(line.quantity, |l| l.quantity);
            gone(line.amount, returned_of(returned, top), of)
        };
        self.lines.iter().filter(|line| is_levied(&line.tax_code, code)).map(amount).sum()
    }

    /// The tax of the order before, less the tax of what remains after.
    fn tax_between(&self, tax: &TaxAmount, before: &[Pick], after: &[Pick]) -> TaxAmount {
        let all: Minor = self.lines.iter().filter(|line| is_levied(&line.tax_code, &tax.code)).map(|line| line.amount).sum();
        // The tax of an order of what remains; where the order was sold with another rounding, its share of that.
        let by_rate = |left: Minor| {
            let rate = u64::from(tax.rate_ppm);
            scale(left, rate, if tax.included { 1_000_000 + rate } else { 1_000_000 })
        };
        let exact = by_rate(all) == tax.amount;
        let at = |returned: &[Pick]| {
            let left = all - self.code_gone(&tax.code, returned);
            (left, if exact { by_rate(left) } else { share(tax.amount, left, all) })
        };
        let ((left_before, tax_before), (left_after, tax_after)) = (at(before), at(after));
        let (gross, amount) = (left_before - left_after, tax_before - tax_after);
        let base = if tax.included { gross - amount } else { gross };
        TaxAmount { base, amount, ..tax.clone() }
    }

    /// What all that has not gone back is worth.
    fn remaining(&self) -> Minor {
        self.total + self.tip - self.between(&[], &self.returned).total
    }

    /// Where `total` goes. Payments that can take it without cash come first, oldest first; cash goes in multiples of
    /// `cash_unit`.
    ///
    /// # Errors
    /// [`RefundError::NotPaid`] where the payments have less left.
    pub fn split(&self, total: Minor, cash_unit: Minor) -> Result<Vec<Back>, RefundError> {
        if total <= Minor::ZERO {
            return Err(RefundError::Nothing);
        }
        // What rounding took off was never paid, and is not missing when all goes back.
        let unpaid = (-self.rounding).max(Minor::ZERO);
        if total > self.left() + unpaid {
            return Err(RefundError::NotPaid);
        }
        let (mut left, mut backs) = (total, Vec::new());
        let (cash, others): (Vec<_>, Vec<_>) = self.taken.iter().partition(|taken| taken.tender == Tender::Cash);
        for taken in others {
            let amount = taken.left().min(left);
            if amount > Minor::ZERO {
                left -= amount;
                backs.push(taken.back(amount));
            }
        }
        let last = total == self.remaining();
        for taken in cash.into_iter().filter(|taken| taken.left() > Minor::ZERO) {
            let amount = if left <= taken.left() + unpaid { left } else { taken.left() };
            if amount > Minor::ZERO {
                left -= amount;
                let back = taken.back(amount);
                // With the last of the goods goes the last of the coins.
                let ends = last && left == Minor::ZERO && (taken.left() - amount).0.abs() <= cash_unit.0;
                let rounding = taken.left() - amount;
                backs.push(if ends { Back { rounding, ..back } } else { back.in_cash(cash_unit, taken.left()) });
            }
        }
        if left > Minor::ZERO { Err(RefundError::NotPaid) } else { Ok(backs) }
    }
}

impl Taken {
    /// What of it has not gone back.
    pub fn left(&self) -> Minor {
        (self.amount - self.returned).max(Minor::ZERO)
    }

    fn back(&self, amount: Minor) -> Back {
        let way = match (self.tender, self.receipt) {
            (Tender::Cash, _) => Way::Cash,
            // A reversal undoes the whole payment or nothing.
            (Tender::Card, Some(receipt)) if self.reversible && amount == self.amount && self.returned == Minor::ZERO => {
                Way::Reverse { receipt }
            }
            (Tender::Card, _) => Way::Card,
            (Tender::Wallet | Tender::Gift | Tender::Points, _) => Way::Account,
        };
        Back { payment: self.payment, original: self.attempt, tender: self.tender, amount, rounding: Minor::ZERO, way }
    }
}

/// True where a line's tax code is `code`, or names it beside others ('gst+qst').
fn is_levied(of_line: &str, code: &str) -> bool {
    of_line.split('+').any(|one| one == code)
}

fn sum_of(picks: &[Pick], line: u32) -> u32 {
    picks.iter().filter(|pick| pick.line == line).map(|pick| u32::from(pick.quantity)).sum()
}

fn returned_of(picks: &[Pick], line: u32) -> u16 {
    u16::try_from(sum_of(picks, line)).unwrap_or(u16::MAX)
}

/// What `pieces` of `of` are worth.
fn gone(amount: Minor, pieces: u16, of: u16) -> Minor {
    if pieces >= of { amount } else { scale(amount, u64::from(pieces), u64::from(of)) }
}

/// The share of `whole` that belongs to `part` of `all`; all of it where nothing can be told apart.
fn share(whole: Minor, part: Minor, all: Minor) -> Minor {
    match (u64::try_from(part.0), u64::try_from(all.0)) {
        (_, Ok(0)) => Minor::ZERO,
        (Ok(part), Ok(all)) => scale(whole, part, all),
        _ => Minor::ZERO,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn line(line: u32, parent: Option<u32>, quantity: u16, amount: i64, tax: &str) -> SoldLine {
        SoldLine { line, parent, quantity, amount: Minor(amount), tax_code: tax.into(), ..SoldLine::default() }
    }

    fn tax(code: &str, rate_ppm: u32, included: bool, sum: i64) -> TaxAmount {
        let rate = u64::from(rate_ppm);
        let amount = scale(Minor(sum), rate, if included { 1_000_000 + rate } else { 1_000_000 });
        let base = if included { Minor(sum) - amount } else { Minor(sum) };
        TaxAmount { code: code.into(), rate_ppm, base, amount, included }
    }

    fn taken(n: u8, tender: Tender, amount: i64) -> Taken {
        Taken {
            payment: Id([n; 16]),
            attempt: Id([n + 100; 16]),
            tender,
            amount: Minor(amount),
            receipt: (tender == Tender::Card).then_some(u32::from(n)),
            reversible: tender == Tender::Card,
            masked: String::new(),
            returned: Minor::ZERO,
        }
    }

    /// Three coffees with an included tax, a combo of two parts of two rates, a mug whose tax is added; a tip.
    fn order() -> Sold {
        let lines = vec![
            line(1, None, 3, 1_000, "full"),
            line(2, None, 2, 0, "full"),
            line(3, Some(2), 2, 1_291, "full"),
            line(4, Some(2), 2, 708, "reduced"),
            line(5, None, 1, 1_295, "sales"),
        ];
        let tax = vec![tax("full", 190_000, true, 2_291), tax("reduced", 70_000, true, 708), tax("sales", 88_750, false, 1_295)];
        let added = tax[2].amount;
        let total = Minor(1_000 + 1_291 + 708 + 1_295) + added;
        let tip = Minor(333);
        let taken = vec![taken(1, Tender::Card, (total + tip).0)];
        Sold { lines, tax, total, tip, points: 44, taken, state: SoldState::Paid, ..Sold::default() }
    }

    fn pick(line: u32, quantity: u16) -> Pick {
        Pick { line, quantity }
    }

    #[test]
    fn a_third_of_a_line_is_rounded_once_and_the_last_third_takes_what_is_left() {
        let mut sold = order();
        let mut all = Vec::new();
        for _ in 0..3 {
            let worth = sold.worth(&[pick(1, 1)]).unwrap();
            all.push(worth.goods.0);
            sold.returned.push(pick(1, 1));
        }
        assert_eq!(all, [333, 334, 333]);
        assert_eq!(sold.worth(&[pick(1, 1)]), Err(RefundError::TooMany));
    }

    #[test]
    fn a_combo_goes_back_with_its_parts_and_added_tax_with_its_goods() {
        let sold = order();
        let combo = sold.worth(&[pick(2, 1)]).unwrap();
        assert_eq!(combo.goods, Minor(1_000), "half of 1291 and of 708, each rounded away from zero");
        assert_eq!(combo.tax.iter().map(|tax| tax.code.as_str()).collect::<Vec<_>>(), ["full", "reduced"]);
        let mug = sold.worth(&[pick(5, 1)]).unwrap();
        assert_eq!((mug.goods, mug.tax[0].amount), (Minor(1_295), Minor(115)));
        assert_eq!(mug.total, Minor(1_295 + 115) + mug.tip);
        assert_eq!(sold.worth(&[pick(3, 1)]), Err(RefundError::NoSuchLine), "a part alone");
        assert_eq!(sold.worth(&[pick(9, 1)]), Err(RefundError::NoSuchLine));
        assert_eq!(sold.worth(&[pick(1, 0)]), Err(RefundError::Nothing));
        assert_eq!(sold.worth(&[]), Err(RefundError::Nothing));
        assert_eq!(sold.worth(&[pick(5, 1), pick(5, 1)]), Err(RefundError::TooMany));
    }

    #[test]
    fn a_whole_card_payment_is_reversed_and_a_part_of_it_refunded() {
        let mut sold = order();
        let all = sold.total + sold.tip;
        assert_eq!(sold.split(all, Minor(1)).unwrap()[0].way, Way::Reverse { receipt: 1 });
        assert_eq!(sold.split(Minor(1), Minor(1)).unwrap()[0].way, Way::Card);
        sold.taken[0].reversible = false;
        assert_eq!(sold.split(all, Minor(1)).unwrap()[0].way, Way::Card);
        assert_eq!(sold.split(all + Minor(1), Minor(1)), Err(RefundError::NotPaid));
        assert_eq!(sold.split(Minor::ZERO, Minor(1)), Err(RefundError::Nothing));
    }

    #[test]
    fn cash_goes_back_in_coins_and_never_more_than_was_paid() {
        // Twice 6.21, paid with 12.40 in five-cent coins.
        let lines = vec![line(1, None, 2, 1_242, "x")];
        let mut sold = Sold { lines, total: Minor(1_242), rounding: Minor(-2), ..Sold::default() };
        sold.taken = vec![taken(1, Tender::Cash, 1_240)];
        let unit = Minor(5);
        let all = sold.split(Minor(1_242), unit).unwrap();
        assert_eq!((all[0].amount, all[0].rounding, all[0].handed()), (Minor(1_242), Minor(-2), Minor(1_240)));
        assert_eq!(sold.split(Minor(1_243), unit), Err(RefundError::NotPaid));
        for handed in [620, 620] {
            let worth = sold.worth(&[pick(1, 1)]).unwrap();
            let back = sold.split(worth.total, unit).unwrap()[0];
            assert_eq!(back.handed(), Minor(handed));
            sold.taken[0].returned += back.handed();
            sold.returned.push(pick(1, 1));
        }
        assert_eq!(sold.left(), Minor::ZERO);
        // Rounded up, the guest gets the whole of it back in the end.
        let lines = vec![line(1, None, 2, 1_243, "x")];
        let mut sold = Sold { lines, total: Minor(1_243), rounding: Minor(2), ..Sold::default() };
        sold.taken = vec![taken(1, Tender::Cash, 1_245)];
        for handed in [620, 625] {
            let worth = sold.worth(&[pick(1, 1)]).unwrap();
            let back = sold.split(worth.total, unit).unwrap()[0];
            assert_eq!(back.handed(), Minor(handed));
            sold.taken[0].returned += back.handed();
            sold.returned.push(pick(1, 1));
        }
        // A card payment that goes back in cash: the nearest coins would be more than it brought.
        let back = taken(2, Tender::Card, 1_243).back(Minor(1_243)).in_cash(unit, Minor(1_243));
        assert_eq!((back.way, back.handed()), (Way::Cash, Minor(1_240)));
    }

    #[test]
    fn each_of_two_taxes_on_the_same_goods_goes_back_with_them() {
        // Revenu Québec's example (see `price`): 100.00, GST 5.00, QST 9.98; and a book with GST alone.
        let lines = vec![line(1, None, 2, 10_000, "gst+qst"), line(2, None, 1, 2_000, "gst")];
        let tax = vec![tax("gst", 50_000, false, 12_000), tax("qst", 99_750, false, 10_000)];
        let sold = Sold { lines, tax, total: Minor(12_000 + 600 + 998), ..Sold::default() };
        let half = sold.worth(&[pick(1, 1)]).unwrap();
        assert_eq!(half.tax.iter().map(|tax| tax.amount.0).collect::<Vec<_>>(), [250, 499]);
        assert_eq!(sold.worth(&[pick(1, 2), pick(2, 1)]).unwrap().total, sold.total);
    }

    #[test]
    fn cash_goes_back_last() {
        let mut sold = order();
        sold.taken = vec![taken(1, Tender::Cash, 500), taken(2, Tender::Gift, 300), taken(3, Tender::Card, 400)];
        let backs = sold.split(Minor(900), Minor(1)).unwrap();
        let brief: Vec<_> = backs.iter().map(|back| (back.tender, back.amount.0, back.way)).collect();
        assert_eq!(
            brief,
            [(Tender::Gift, 300, Way::Account), (Tender::Card, 400, Way::Reverse { receipt: 3 }), (Tender::Cash, 200, Way::Cash)]
        );
    }

    proptest! {
        #[test]
        fn refunds_in_any_order_sum_up_to_the_whole_to_the_cent(
            amounts in prop::collection::vec((1u16..9, 0i64..100_000, 0usize..3), 1..6),
            tip in 0i64..10_000, points in -500i64..500, steps in prop::collection::vec((0usize..6, 1u16..4), 0..60),
        ) {
            let codes = [("full", 190_000, true), ("reduced", 70_000, true), ("sales", 88_750, false)];
            let lines: Vec<SoldLine> = amounts.iter().zip(1..).map(|((quantity, amount, code), number)| {
                line(number, None, *quantity, *amount, codes[*code].0)
            }).collect();
            let sum = |code: &str| lines.iter().filter(|l| l.tax_code == code).map(|l| l.amount.0).sum::<i64>();
            let tax: Vec<TaxAmount> = codes.iter().map(|(code, rate, included)| tax(code, *rate, *included, sum(code))).collect();
            let goods: Minor = lines.iter().map(|l| l.amount).sum();
            prop_assume!(goods > Minor::ZERO);
            let total = goods + tax.iter().filter(|t| !t.included).map(|t| t.amount).sum::<Minor>();
            let mut sold = Sold { lines, tax: tax.clone(), total, tip: Minor(tip), points, ..Sold::default() };
            sold.taken = vec![taken(1, Tender::Card, (total.0 + tip) / 2), taken(2, Tender::Cash, total.0 + tip - (total.0 + tip) / 2)];
            let paid = sold.left();
            let (mut back, mut points_back, mut tax_back) = (Minor::ZERO, 0, Minor::ZERO);
            let rest = (0..sold.lines.len()).flat_map(|at| core::iter::repeat_n((at, 1), 9));
            for (at, quantity) in steps.into_iter().chain(rest) {
                let Some(line) = sold.lines.get(at).map(|l| l.line) else { continue };
                let Ok(worth) = sold.worth(&[pick(line, quantity)]) else { continue };
                prop_assert!(worth.total >= Minor::ZERO && worth.tip >= Minor::ZERO);
                for tax in &worth.tax {
                    prop_assert!(tax.amount >= Minor::ZERO);
                }
                back += worth.total;
                points_back += worth.points;
                tax_back += worth.tax.iter().map(|tax| tax.amount).sum();
                sold.returned.push(pick(line, quantity));
                if worth.total == Minor::ZERO { continue; }
                for part in sold.split(worth.total, Minor(1)).unwrap() {
                    let taken = sold.taken.iter_mut().find(|taken| taken.attempt == part.original).unwrap();
                    taken.returned += part.amount;
                    prop_assert!(taken.returned <= taken.amount, "never more than that tender paid");
                }
                prop_assert!(back <= paid);
            }
            prop_assert_eq!(back, paid);
            prop_assert_eq!(points_back, points);
            prop_assert_eq!(tax_back, tax.iter().map(|tax| tax.amount).sum());
        }
    }
}
