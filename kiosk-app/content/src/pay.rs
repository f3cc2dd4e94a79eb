//! `[pay]` of `shop.toml`: which ways to pay the shop offers, and what it asks beside them. Everything may be left out.
//!
//! ```toml
//! [pay]
//! counter = true                   # 'at the counter' is offered; default true
//! cash = "0.05"                    # smallest amount paid in coins; default: what the currency has
//! tips = ["5%", "10%", "1.00"]     # beside 'no tip'; default: tips are not asked for
//! parts = 4                        # in how many equal parts an order may be paid, 2 to 4; default: in one
//! gift = true                      # gift cards that the backend keeps; default false
//!
//! [pay.instalments]                # reckoned for the guest, agreed with a person
//! from = "300.00"
//! months = [6, 12, 24]
//! rate = "9.9"                     # yearly borrowing rate in percent, nominal
//! fee = "0.00"                     # paid at the beginning; default none
//! ```

use crate::{
    amount::amount,
    fields::{Fields, Owner, Spot},
    group::minor,
    problem::shown,
};
use kiosk_core::{
    config::{PayConfig, Tip},
    instalment::{Instalments, MONTHS_MAX},
    money::{Currency, Minor},
};

/// More tips than this are no choice but a list.
const TIPS_MAX: usize = 4;
/// As many lengths of a plan.
const PLANS_MAX: usize = 4;
/// The highest amount in this section, in minor units.
const AMOUNT_MAX: i64 = 100_000_000;
/// A percentage with four digits after the point is a whole number of millionths.
const PERCENT: Currency = Currency { code: *b"XXX", exponent: 4 };

/// Reads the section; what is not there is not offered.
pub(crate) fn read(root: &Fields<'_>, currency: Currency) -> PayConfig {
    let owner = Owner { kind: "the section [pay]", name: "" };
    let Some(fields) = root.get("pay").and_then(|value| Fields::of(root.scope, owner, value)) else {
        return PayConfig::default();
    };
    fields.only(&["counter", "cash", "tips", "parts", "gift", "instalments"]);
    let unit = fields.get("cash").map(|_| minor(&fields, "cash", currency, AMOUNT_MAX, "\"0.05\""));
    if unit == Some(Minor::ZERO) {
        let what = "\"cash\" of the section [pay] is nothing.".to_owned();
        fields.scope.problem(fields.at_key("cash"), what, "Write the smallest coin, such as \"0.05\", or take it out.");
    }
    PayConfig {
        counter: fields.bool("counter", true),
        cash_unit: unit,
        tips: tips(&fields, currency),
        parts: fields.whole("parts", 2..=4).and_then(|parts| u8::try_from(parts).ok()).unwrap_or(0),
        gift: fields.bool("gift", false),
        instalments: instalments(&fields, currency),
    }
}

fn tips(fields: &Fields<'_>, currency: Currency) -> Vec<Tip> {
    fields.strings("tips", TIPS_MAX, "[\"5%\", \"10%\"]").filter_map(|spot| tip(fields, spot, currency)).collect()
}

fn tip(fields: &Fields<'_>, spot: Spot<'_>, currency: Currency) -> Option<Tip> {
    let found = match spot.text.strip_suffix('%') {
        // Up to the whole of it.
        Some(percent) => amount(percent.trim(), PERCENT, 1_000_000).ok().map(|ppm| Tip::Share(u32::try_from(ppm.0).unwrap_or(0))),
        None => amount(spot.text, currency, AMOUNT_MAX).ok().map(Tip::Amount),
    };
    let found = found.filter(|tip| !matches!(tip, Tip::Share(0) | Tip::Amount(Minor::ZERO)));
    if found.is_none() {
        let what = format!("\"tips\" of {} has \"{}\", which is no tip.", fields.owner, shown(spot.text));
        fields.scope.problem(
            spot.at,
            what,
            "Write a share such as \"10%\" or an amount such as \"1.00\"; 'no tip' is always there.",
        );
    }
    found
}

fn instalments(fields: &Fields<'_>, currency: Currency) -> Option<Instalments> {
    let owner = Owner { kind: "the section [pay.instalments]", name: "" };
    let fields = Fields::of(fields.scope, owner, fields.get("instalments")?)?;
    fields.only(&["from", "months", "rate", "fee"]);
    let months = fields.numbers("months", PLANS_MAX, 2..=u32::from(MONTHS_MAX));
    if months.is_empty() {
        fields.missing("months", "[6, 12]");
    }
    let rate = minor(&fields, "rate", PERCENT, 2_000_000, "\"9.9\"");
    let fee = fields.get("fee").map_or(Minor::ZERO, |_| minor(&fields, "fee", currency, AMOUNT_MAX, "\"0.00\""));
    Some(Instalments {
        from: minor(&fields, "from", currency, AMOUNT_MAX, "\"300.00\""),
        months: months.into_iter().filter_map(|months| u16::try_from(months).ok()).collect(),
        rate_ppm: u32::try_from(rate.0).unwrap_or(0),
        fee,
    })
}
