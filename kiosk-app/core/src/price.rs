//! The exact price of a basket.
//!
//! - A line is (article or size + modifiers) times quantity, in whole minor units.
//! - A combo's price is split over its parts in proportion to their stand-alone prices, by largest remainder, for one
//!   combo, and then multiplied: so each part is taxed by its own code, and two combos are exactly twice one. The combo
//!   line itself carries only its own modifiers, mostly 0; [`Priced::whole`] is what a guest expects to read there. A
//!   filling's surcharge and modifiers are on its own line.
//! - Tax is included, `gross * rate / (1 + rate)`, or added, `net * rate`. It is rounded half away from zero, once on the sum
//!   of its code over the order, or on each line, or on each piece, as the tax says ([`crate::catalogue::TaxRounding`]). Of
//!   several taxes on the same goods each is reckoned by itself. The total is the goods and the added taxes.

use crate::{
    basket::{Basket, Draft, Item, Line, Priced, PricedLine, PricedModifier, TaxAmount},
    catalogue::{Article, Catalogue, GroupId, Lang, Service, Tax, TaxId, TaxRounding},
    draft::{base_price, chosen},
    money::{self, Minor},
};
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

impl Basket {
    /// Prices every line for the basket's service. A line of another catalogue's article is left out.
    pub fn price(&self, catalogue: &Catalogue, lang: Lang) -> Priced {
        let mut pricing = Pricing { catalogue, lang, service: self.service, lines: Vec::new(), sums: Vec::new() };
        for line in &self.lines {
            pricing.line(line);
        }
        pricing.finish()
    }
}

impl Priced {
    /// Lines that are no combo parts.
    pub fn tops(&self) -> impl Iterator<Item = &PricedLine> {
        self.lines.iter().filter(|line| line.parent.is_none())
    }

    /// The amount of a line with its combo parts: what the guest reads beside it.
    pub fn whole(&self, line: &PricedLine) -> Minor {
        line.amount + self.parts(line).map(|part| part.amount).sum()
    }

    /// The combo parts of a line.
    pub fn parts(&self, line: &PricedLine) -> impl Iterator<Item = &PricedLine> {
        let number = line.line;
        self.lines.iter().filter(move |part| part.parent == Some(number))
    }

    /// How many articles, a combo counted once.
    pub fn count(&self) -> u32 {
        self.tops().map(|line| u32::from(line.quantity)).fold(0, u32::saturating_add)
    }
}

struct Pricing<'a> {
    catalogue: &'a Catalogue,
    lang: Lang,
    service: Service,
    lines: Vec<PricedLine>,
    sums: Vec<Sum>,
}

/// What one tax is levied on so far.
struct Sum {
    tax: TaxId,
    /// Of its lines.
    goods: Minor,
    /// Where it is rounded before the end.
    rounded: Minor,
}

/// What a line is before it gets its number.
struct New<'a> {
    parent: Option<u32>,
    line: &'a Line,
    sku: &'a str,
    name: String,
    quantity: u16,
    amount: Minor,
    modifiers: Vec<PricedModifier>,
    tax: TaxId,
}

impl<'a> Pricing<'a> {
    fn line(&mut self, line: &'a Line) {
        match &line.item {
            Item::Open { sku, name, quantity, amount, tax } => {
                let (sku, name, quantity, amount, tax) = (sku.as_str(), name.clone(), *quantity, *amount, *tax);
                self.push(New { parent: None, line, sku, name, quantity, amount, modifiers: Vec::new(), tax });
            }
            Item::Configured(draft) => {
                if let Some(article) = self.catalogue.article(draft.article) {
                    self.configured(line, draft, article);
                }
            }
        }
    }

    fn configured(&mut self, line: &'a Line, draft: &'a Draft, article: &'a Article) {
        let base = base_price(article, draft.variant, self.service);
        // An unfilled combo has nothing to split its price over and keeps it.
        let fillings: Vec<_> = draft.fillings(self.catalogue).collect();
        let own = if fillings.is_empty() { base } else { Minor::ZERO };
        let parent = self.article(None, line, article, draft.variant, &draft.counts, draft.quantity, own);
        let standalone: Vec<Minor> = fillings.iter().map(|(o, inner, _)| base_price(inner, o.variant, self.service)).collect();
        let shares = money::allocate(base, &standalone);
        for ((offered, inner, slot), share) in fillings.into_iter().zip(shares) {
            let unit = share + offered.surcharge.get(self.service);
            self.article(Some(parent), line, inner, offered.variant, &slot.counts, draft.quantity, unit);
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn article(
        &mut self,
        parent: Option<u32>,
        line: &'a Line,
        article: &'a Article,
        variant: Option<u8>,
        counts: &'a [Vec<u8>],
        quantity: u16,
        unit: Minor,
    ) -> u32 {
        let variant = variant.and_then(|v| article.variants.get(usize::from(v)));
        let name = article.name.get(self.lang);
        let (sku, name) = match variant {
            None => (&article.sku, name.to_string()),
            Some(variant) => (&variant.sku, format!("{name}, {}", variant.name.get(self.lang))),
        };
        let modifiers = self.modifiers(&article.groups, counts, quantity);
        let amount = unit.times(u32::from(quantity)) + modifiers.iter().map(|m| m.amount).sum();
        self.push(New { parent, line, sku, name, quantity, amount, modifiers, tax: article.tax.get(self.service) })
    }

    fn modifiers(&self, groups: &[GroupId], counts: &[Vec<u8>], quantity: u16) -> Vec<PricedModifier> {
        let modifiers = chosen(self.catalogue, groups, counts).map(|(group, choice, count)| PricedModifier {
            group: group.key.clone(),
            sku: choice.sku.clone(),
            name: choice.name.get(self.lang).to_string(),
            quantity: count,
            amount: choice.price.get(self.service).times(u32::from(count) * u32::from(quantity)),
        });
        modifiers.collect()
    }

    fn push(&mut self, new: New<'_>) -> u32 {
        let number = u32::try_from(self.lines.len()).unwrap_or(u32::MAX).saturating_add(1);
        for (id, tax) in self.catalogue.levies(new.tax) {
            let rounded = match tax.rounding {
                TaxRounding::Order => Minor::ZERO,
                TaxRounding::Line => tax_on(tax, new.amount, 1),
                TaxRounding::Piece => tax_on(tax, new.amount, new.quantity),
            };
            match self.sums.iter_mut().find(|sum| sum.tax == id) {
                Some(sum) => {
                    sum.goods += new.amount;
                    sum.rounded += rounded;
                }
                None => self.sums.push(Sum { tax: id, goods: new.amount, rounded }),
            }
        }
        self.lines.push(PricedLine {
            line: number,
            parent: new.parent,
            id: new.line.id,
            sku: new.sku.to_string(),
            name: new.name,
            quantity: new.quantity,
            amount: new.amount,
            modifiers: new.modifiers,
            tax_code: self.catalogue.tax(new.tax).map_or_else(String::new, |tax| tax.code.clone()),
        });
        number
    }

    fn finish(mut self) -> Priced {
        self.sums.sort_unstable_by_key(|sum| sum.tax);
        let goods = self.lines.iter().map(|line| line.amount).sum();
        let tax: Vec<TaxAmount> = self.sums.iter().filter_map(|sum| sum.tax(self.catalogue)).collect();
        let added = tax.iter().filter(|tax| !tax.included).map(|tax| tax.amount).sum();
        Priced { lines: self.lines, tax, goods, total: goods + added }
    }
}

impl Sum {
    fn tax(&self, catalogue: &Catalogue) -> Option<TaxAmount> {
        let tax = catalogue.tax(self.tax)?;
        let amount = if tax.rounding == TaxRounding::Order { tax_on(tax, self.goods, 1) } else { self.rounded };
        let base = if tax.included { self.goods - amount } else { self.goods };
        Some(TaxAmount { code: tax.code.clone(), rate_ppm: tax.rate_ppm, base, amount, included: tax.included })
    }
}

/// The tax on an amount, rounded on each of its `pieces`.
fn tax_on(tax: &Tax, amount: Minor, pieces: u16) -> Minor {
    let (rate, pieces) = (u64::from(tax.rate_ppm), pieces.max(1));
    let by = if tax.included { 1_000_000 + rate } else { 1_000_000 };
    money::scale(amount, rate, by * u64::from(pieces)).times(u32::from(pieces))
}

#[cfg(test)]
mod regimes;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        basket::{DraftPart, LineId},
        catalogue::{ArticleId, ByService, Tax},
        fixture::{BURGER, COFFEE, COLA, COMBO, CROISSANT, FRIES, MUG, REDUCED, cafe},
    };
    use alloc::vec;
    use proptest::prelude::*;

    fn draft(article: ArticleId, quantity: u16) -> Draft {
        Draft { quantity, ..Draft::new(article, &cafe()).unwrap() }
    }

    fn basket(service: Service, items: impl IntoIterator<Item = Item>) -> Basket {
        let lines = items.into_iter().zip(1..).map(|(item, id)| Line { id: LineId(id), item }).collect();
        Basket { service, lines }
    }

    fn combo(side: u8, drink: u8, quantity: u16) -> Draft {
        let cafe = cafe();
        let mut combo = draft(COMBO, quantity);
        combo.choose_part(&cafe, 1, side);
        combo.choose_part(&cafe, 2, drink);
        combo.set_choice(&cafe, Some(2), 0, 1, 1);
        combo
    }

    fn amounts(priced: &Priced) -> Vec<i64> {
        priced.lines.iter().map(|l| l.amount.0).collect()
    }

    #[test]
    fn included_tax_is_taken_out_of_the_sum_of_its_code() {
        // Two burgers at 8.90 (19 %) and three croissants at 3.20 (7 %), eaten in.
        let priced = basket(Service::EatIn, [Item::Configured(draft(BURGER, 2)), Item::Configured(draft(CROISSANT, 3))])
            .price(&cafe(), Lang(0));
        assert_eq!(amounts(&priced), [1780, 960]);
        let [reduced, full] = &priced.tax[..] else { panic!("{:?}", priced.tax) };
        assert_eq!((reduced.code.as_str(), reduced.base, reduced.amount), ("reduced", Minor(897), Minor(63)));
        assert_eq!((full.code.as_str(), full.base, full.amount), ("full", Minor(1496), Minor(284)));
        assert_eq!((priced.goods, priced.total), (Minor(2740), Minor(2740)));
    }

    #[test]
    fn the_service_decides_price_and_tax() {
        let items = || [Item::Configured(draft(BURGER, 1))];
        let takeaway = basket(Service::Takeaway, items()).price(&cafe(), Lang(0));
        assert_eq!((takeaway.total, takeaway.tax[0].code.as_str()), (Minor(850), "reduced"));
        assert_eq!(takeaway.tax[0].amount, Minor(56), "8.50 * 7 / 107 = 0.5561");
        let eat_in = basket(Service::EatIn, items()).price(&cafe(), Lang(0));
        assert_eq!((eat_in.total, eat_in.tax[0].code.as_str()), (Minor(890), "full"));
    }

    #[test]
    fn added_tax_comes_on_top_rounded_once() {
        // 8.875 % of 12.95 is 1.1493; of 38.85 it is 3.4479, not three times 1.15.
        let one = basket(Service::EatIn, [Item::Configured(draft(MUG, 1))]).price(&cafe(), Lang(0));
        assert_eq!((one.goods, one.tax[0].amount, one.total), (Minor(1295), Minor(115), Minor(1410)));
        let three = basket(Service::EatIn, [Item::Configured(draft(MUG, 3))]).price(&cafe(), Lang(0));
        assert_eq!((three.goods, three.tax[0].amount, three.total), (Minor(3885), Minor(345), Minor(4230)));
        assert!(!one.tax[0].included);
    }

    #[test]
    fn a_combo_is_split_over_its_parts_by_their_own_prices() {
        // 11.90 over burger 8.90, fries 3.50, small cola 2.90: 6.9222, 2.7222, 2.2556.
        let priced = basket(Service::EatIn, [Item::Configured(combo(0, 0, 1))]).price(&cafe(), Lang(0));
        assert_eq!(amounts(&priced), [0, 692, 272, 226]);
        assert_eq!(priced.lines.iter().map(|l| l.parent).collect::<Vec<_>>(), [None, Some(1), Some(1), Some(1)]);
        assert_eq!(priced.lines[3].sku, "cola-s");
        assert_eq!(priced.lines[3].name, "cola, small");
        assert_eq!((priced.goods, priced.whole(&priced.lines[0]), priced.count()), (Minor(1190), Minor(1190), 1));
        let codes: Vec<_> = priced.tax.iter().map(|t| (t.code.as_str(), (t.base + t.amount).0)).collect();
        assert_eq!(codes, [("reduced", 272), ("full", 918)]);
    }

    #[test]
    fn surcharges_and_modifiers_stand_on_the_line_they_belong_to() {
        let priced = basket(Service::EatIn, [Item::Configured(combo(1, 2, 2))]).price(&cafe(), Lang(0));
        let [top, _, side, drink] = &priced.lines[..] else { panic!() };
        assert_eq!(top.amount, Minor(0));
        assert_eq!(drink.modifiers[0].amount, Minor(100), "oat milk, twice");
        assert_eq!(priced.whole(top), Minor(2 * (1190 + 30 + 40 + 50)));
        assert_eq!(side.tax_code, "reduced");
    }

    #[test]
    fn modifiers_name_their_group_and_count_for_the_whole_line() {
        let mut burger = draft(BURGER, 3);
        burger.set_choice(&cafe(), None, 0, 0, 2);
        let priced = basket(Service::EatIn, [Item::Configured(burger)]).price(&cafe(), Lang(1));
        let cheese = &priced.lines[0].modifiers[0];
        assert_eq!(
            (cheese.group.as_str(), cheese.sku.as_str(), cheese.quantity, cheese.amount),
            ("extras", "cheese", 2, Minor(720))
        );
        assert_eq!(priced.total, Minor(3 * 890 + 720));
    }

    #[test]
    fn an_open_price_line_is_taken_as_it_is() {
        let open = Item::Open { sku: "w1".into(), name: "Cheese, 213 g".into(), quantity: 1, amount: Minor(417), tax: REDUCED };
        let priced = basket(Service::EatIn, [open]).price(&cafe(), Lang(0));
        assert_eq!((priced.total, priced.lines[0].tax_code.as_str()), (Minor(417), "reduced"));
    }

    #[test]
    fn the_article_of_another_catalogue_is_left_out() {
        let stray = Draft { article: ArticleId(99), ..draft(BURGER, 1) };
        let priced = basket(Service::EatIn, [Item::Configured(stray)]).price(&cafe(), Lang(0));
        assert_eq!(priced, Priced::default());
    }

    fn arbitrary_draft() -> impl Strategy<Value = Draft> {
        let counts = || prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 0..3);
        let part = (prop::option::of(0u8..4), counts()).prop_map(|(choice, counts)| DraftPart { choice, counts });
        (0u32..10, prop::option::of(0u8..3), counts(), prop::collection::vec(part, 0..5), any::<u16>()).prop_map(
            |(article, variant, counts, parts, quantity)| Draft {
                article: ArticleId(article),
                variant,
                counts,
                parts,
                quantity,
                editing: None,
            },
        )
    }

    fn item() -> impl Strategy<Value = Item> {
        let plain = (0usize..6, 1u16..=99).prop_map(|(which, quantity)| {
            Item::Configured(match which {
                0 => draft(CROISSANT, quantity),
                1 => draft(FRIES, quantity),
                2 => draft(MUG, quantity),
                3 => Draft { variant: Some(1), ..draft(COLA, quantity) },
                4 => Draft { counts: vec![vec![0, 1]], ..draft(COFFEE, quantity) },
                _ => draft(BURGER, quantity),
            })
        });
        let combos =
            (0u8..2, 0u8..3, 1u16..=99).prop_map(|(side, drink, quantity)| Item::Configured(combo(side, drink, quantity)));
        let open = (0i64..1_000_000, 0u32..3).prop_map(|(amount, tax)| Item::Open {
            sku: "open".into(),
            name: "Open".into(),
            quantity: 1,
            amount: Minor(amount),
            tax: TaxId(tax),
        });
        prop_oneof![3 => plain, 2 => combos, 1 => open]
    }

    fn service() -> impl Strategy<Value = Service> {
        prop_oneof![Just(Service::EatIn), Just(Service::Takeaway)]
    }

    fn sums_hold(priced: &Priced) -> Result<(), TestCaseError> {
        let lines: i128 = priced.lines.iter().map(|l| i128::from(l.amount.0)).sum();
        prop_assert_eq!(lines, i128::from(priced.goods.0));
        let added: Minor = priced.tax.iter().filter(|t| !t.included).map(|t| t.amount).sum();
        prop_assert_eq!(priced.total, priced.goods + added);
        for tax in &priced.tax {
            let of_code: Minor = priced.lines.iter().filter(|l| l.tax_code == tax.code).map(|l| l.amount).sum();
            let base = if tax.included { tax.base + tax.amount } else { tax.base };
            prop_assert_eq!(of_code, base);
            // The rounding error is at most half a minor unit: |amount * (d) - sum * rate| <= d / 2.
            let rate = i128::from(tax.rate_ppm);
            let by = if tax.included { 1_000_000 + rate } else { 1_000_000 };
            prop_assert!((i128::from(tax.amount.0) * by - i128::from(of_code.0) * rate).abs() * 2 <= by);
        }
        let tops: Minor = priced.tops().map(|line| priced.whole(line)).sum();
        prop_assert_eq!(tops, priced.goods);
        Ok(())
    }

    proptest! {
        #[test]
        fn lines_and_taxes_sum_up(items in prop::collection::vec(item(), 0..12), service in service()) {
            let basket = basket(service, items);
            sums_hold(&basket.price(&cafe(), Lang(0)))?;
        }

        #[test]
        fn the_order_of_lines_changes_no_sum(
            (items, shuffled) in prop::collection::vec(item(), 0..10)
                .prop_flat_map(|items| (Just(items.clone()), Just(items).prop_shuffle())),
            service in service(),
        ) {
            let (one, other) = (basket(service, items).price(&cafe(), Lang(0)), basket(service, shuffled).price(&cafe(), Lang(0)));
            prop_assert_eq!((one.goods, one.total, one.tax), (other.goods, other.total, other.tax));
        }

        #[test]
        fn n_of_a_thing_cost_n_times_one(side in 0u8..2, drink in 0u8..3, n in 1u16..=99, service in service()) {
            let of = |quantity| basket(service, [Item::Configured(combo(side, drink, quantity))]).price(&cafe(), Lang(0));
            let (one, many) = (of(1), of(n));
            for (a, b) in one.lines.iter().zip(&many.lines) {
                prop_assert_eq!(a.amount.times(u32::from(n)), b.amount);
            }
        }

        #[test]
        fn the_price_of_a_draft_is_the_price_of_its_line(side in 0u8..2, drink in 0u8..3, n in 1u16..=99, service in service()) {
            let draft = combo(side, drink, n);
            let priced = basket(service, [Item::Configured(draft.clone())]).price(&cafe(), Lang(0));
            prop_assert_eq!(draft.price(&cafe(), service), Some(priced.goods));
        }

        #[test]
        fn one_line_split_in_two_costs_the_same(a in 1u16..50, b in 1u16..49, service in service()) {
            let one = basket(service, [Item::Configured(combo(0, 1, a + b))]).price(&cafe(), Lang(0));
            let two = basket(service, [Item::Configured(combo(0, 1, a)), Item::Configured(combo(0, 1, b))]).price(&cafe(), Lang(0));
            prop_assert_eq!((one.total, one.tax), (two.total, two.tax));
        }

        #[test]
        fn arbitrary_drafts_panic_nowhere(
            drafts in prop::collection::vec(arbitrary_draft(), 0..5),
            service in service(),
            set in (prop::option::of(any::<u8>()), 0u8..4, 0u8..5, any::<u8>()),
        ) {
            let cafe = cafe();
            for mut draft in drafts.clone() {
                let _ = (draft.is_complete(&cafe), draft.price(&cafe, service), draft.allergens(&cafe));
                draft.set_choice(&cafe, set.0, set.1, set.2, set.3);
                draft.choose_part(&cafe, set.1, set.2);
                draft.choose_variant(&cafe, set.3);
            }
            sums_hold(&basket(service, drafts.into_iter().map(Item::Configured)).price(&cafe, Lang(0)))?;
        }

        #[test]
        fn absurd_prices_and_rates_saturate_instead_of_panicking(price in any::<i64>(), rate in any::<u32>(), included in any::<bool>()) {
            let mut cafe = cafe();
            cafe.taxes[0] = Tax { code: "x".into(), rate_ppm: rate, included, ..Tax::default() };
            cafe.articles[CROISSANT.0 as usize].price = ByService::both(Minor(price));
            let _ = basket(Service::EatIn, [Item::Configured(draft(CROISSANT, 99)), Item::Configured(combo(1, 0, 99))]).price(&cafe, Lang(0));
        }
    }
}
