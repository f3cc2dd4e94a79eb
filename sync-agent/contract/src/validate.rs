//! The validator that devices run before they commit and the backend before it accepts.
//!
//! An event of a known type is refused when a required field is missing or has the wrong JSON type, and for nothing
//! else: words of enumerations are open, business rules never refuse, unknown types and members are taken. Members
//! inside a shape (a line, a discount, a tax) are checked where they are present; only money needs both of its members,
//! because an amount without a currency is no amount.

use crate::{kinds, time};
use serde_json::{Map, Value};
use std::fmt;
use uuid::Uuid;

/// What is said of a member that is not there.
pub(crate) const MISSING: &str = "missing";

/// Why an event can never be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Invalid {
    /// Where: `data.lines[2].amount`, empty for the event as a whole.
    pub path: String,
    /// What: `missing`, `not an array`.
    pub problem: String,
}

impl Invalid {
    pub(crate) fn new(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { path: path.into(), problem: problem.into() }
    }
}

/// The `reason` on the wire: `data.lines: missing`.
impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.problem) } else { write!(f, "{}: {}", self.path, self.problem) }
    }
}

/// Checks an event that has no place in a log yet: what a device does before it commits.
pub fn validate(event: &crate::NewEvent) -> Result<(), Invalid> {
    event.validate()
}

/// Checks the `data` of a type. Unknown types are taken whatever they carry.
pub fn validate_data(kind: &str, data: Option<&Value>) -> Result<(), Invalid> {
    let Some(required) = required(kind) else { return Ok(()) };
    let members = match data {
        Some(Value::Object(members)) => members,
        Some(Value::Null) | None if required.is_empty() => return Ok(()),
        Some(Value::Null) | None => return Err(Invalid::new("data", MISSING)),
        Some(_) => return Err(Invalid::new("data", "not an object")),
    };
    for (name, shape) in required {
        match members.get(*name) {
            None => return Err(Invalid::new(format!("data.{name}"), MISSING)),
            Some(value) => check(*shape, value, &|| format!("data.{name}"))?,
        }
    }
    Ok(())
}

/// What a required field must look like.
#[derive(Clone, Copy)]
enum Shape {
    /// A string.
    Text,
    /// A number.
    Number,
    /// A string or a number: counters and numbers that shops write either way.
    Scalar,
    /// A boolean.
    Flag,
    /// A boolean or a number.
    FlagOrNumber,
    /// `{minor, currency}`.
    Money,
    /// One order line.
    Line,
    /// An array of a shape.
    List(&'static Shape),
    Modifier,
    Discount,
    Tax,
}

type Fields = &'static [(&'static str, Shape)];

const MODIFIERS: Shape = Shape::List(&Shape::Modifier);
const LINE: Fields = &[
    ("line", Shape::Scalar),
    ("parent", Shape::Scalar),
    ("sku", Shape::Text),
    ("name", Shape::Text),
    ("quantity", Shape::Scalar),
    ("amount", Shape::Money),
    ("modifiers", MODIFIERS),
    ("tax_code", Shape::Text),
];
const MODIFIER: Fields =
    &[("group", Shape::Text), ("sku", Shape::Text), ("name", Shape::Text), ("quantity", Shape::Scalar), ("amount", Shape::Money)];
const DISCOUNT: Fields =
    &[("line", Shape::Scalar), ("kind", Shape::Text), ("id", Shape::Scalar), ("reason", Shape::Text), ("amount", Shape::Money)];
const TAX: Fields =
    &[("code", Shape::Text), ("rate", Shape::Text), ("base", Shape::Money), ("amount", Shape::Money), ("included", Shape::Flag)];

fn check(shape: Shape, value: &Value, path: &dyn Fn() -> String) -> Result<(), Invalid> {
    let fail = |problem: &str| Err(Invalid::new(path(), problem));
    match (shape, value) {
        (Shape::Text, Value::String(_))
        | (Shape::Number, Value::Number(_))
        | (Shape::Scalar, Value::String(_) | Value::Number(_))
        | (Shape::Flag, Value::Bool(_))
        | (Shape::FlagOrNumber, Value::Bool(_) | Value::Number(_)) => Ok(()),
        (Shape::Text, _) => fail("not a string"),
        (Shape::Number, _) => fail("not a number"),
        (Shape::Scalar, _) => fail("neither a string nor a number"),
        (Shape::Flag, _) => fail("not a boolean"),
        (Shape::FlagOrNumber, _) => fail("neither a boolean nor a number"),
        (Shape::Money, Value::Object(money)) => check_money(money, path),
        (Shape::Money, _) => fail("not an amount of money, {\"minor\": 1250, \"currency\": \"EUR\"}"),
        (Shape::Line, Value::Object(members)) => check_members(LINE, members, path),
        (Shape::Modifier, Value::Object(members)) => check_members(MODIFIER, members, path),
        (Shape::Discount, Value::Object(members)) => check_members(DISCOUNT, members, path),
        (Shape::Tax, Value::Object(members)) => check_members(TAX, members, path),
        (Shape::Line | Shape::Modifier | Shape::Discount | Shape::Tax, _) => fail("not an object"),
        (Shape::List(of), Value::Array(items)) => {
            items.iter().enumerate().try_for_each(|(at, item)| check(*of, item, &|| format!("{}[{at}]", path())))
        }
        (Shape::List(_), _) => fail("not an array"),
    }
}

fn check_members(fields: Fields, members: &Map<String, Value>, path: &dyn Fn() -> String) -> Result<(), Invalid> {
    for (name, shape) in fields {
        match members.get(*name) {
            // A null inside a shape says the same as leaving the member out.
            None | Some(Value::Null) => {}
            Some(value) => check(*shape, value, &|| format!("{}.{name}", path()))?,
        }
    }
    Ok(())
}

fn check_money(money: &Map<String, Value>, path: &dyn Fn() -> String) -> Result<(), Invalid> {
    match money.get("minor") {
        None => return Err(Invalid::new(format!("{}.minor", path()), "missing")),
        Some(minor) if minor.as_i64().is_none() => {
            return Err(Invalid::new(format!("{}.minor", path()), "not an integer of minor units"));
        }
        Some(_) => {}
    }
    match money.get("currency") {
        None => Err(Invalid::new(format!("{}.currency", path()), "missing")),
        Some(currency) => check(Shape::Text, currency, &|| format!("{}.currency", path())),
    }
}

/// The fields marked as required in the contract's table, `None` for a type that is not in it.
fn required(kind: &str) -> Option<Fields> {
    use Shape::{FlagOrNumber, List, Number, Scalar, Text};
    const MONEY: Shape = Shape::Money;
    const LINES: Shape = List(&Shape::Line);
    const DISCOUNTS: Shape = List(&Shape::Discount);
    const TAXES: Shape = List(&Shape::Tax);
    Some(match kind {
        kinds::PRESENCE_SEEN | kinds::ITEM_VIEWED | kinds::SEARCH_MADE => &[],
        kinds::VISIT_STARTED => &[("trigger", Text), ("role", Text), ("language", Text)],
        kinds::VISIT_IDENTIFIED => &[("method", Text), ("assurance", Text)],
        kinds::VISITOR_JOINED => &[("token", Text), ("text_version", Scalar)],
        kinds::VISIT_STAGE_CHANGED => &[("from", Text), ("to", Text)],
        kinds::BASKET_CHANGED => &[("action", Text), ("line", Shape::Line), ("by", Text)],
        kinds::OFFER_SHOWN | kinds::OFFER_ACCEPTED | kinds::OFFER_DISMISSED => &[("offer", Text), ("reason", Text)],
        kinds::CONSULTANT_ANSWERED => &[("question", Text), ("answer", Text)],
        kinds::ORDER_PLACED => &[
            ("order", Text),
            ("number", Scalar),
            ("service", Text),
            ("lines", LINES),
            ("discounts", DISCOUNTS),
            ("tax", TAXES),
            ("total", MONEY),
            ("business_date", Text),
        ],
        kinds::ORDER_PROGRESSED => &[("order", Text), ("state", Text)],
        kinds::PAYMENT_STARTED
        | kinds::PAYMENT_APPROVED
        | kinds::PAYMENT_DECLINED
        | kinds::PAYMENT_UNKNOWN
        | kinds::PAYMENT_RESOLVED
        | kinds::PAYMENT_REFUNDED
        | kinds::PAYMENT_REVERSED => {
            &[("payment", Text), ("order", Text), ("attempt", Scalar), ("tender", Text), ("amount", MONEY)]
        }
        kinds::TILL_OPENED | kinds::TILL_CLOSED | kinds::TILL_CASH_MOVED | kinds::TILL_DRAWER_OPENED => {
            &[("till", Scalar), ("shift", Scalar)]
        }
        kinds::LOYALTY_EARNED | kinds::LOYALTY_BURNED => &[("entry", Text), ("points", Number), ("pending", FlagOrNumber)],
        kinds::WALLET_CREDITED | kinds::WALLET_DEBITED | kinds::WALLET_REVERSED => &[("entry", Text), ("amount", MONEY)],
        kinds::REFERRAL_USED | kinds::REFERRAL_EARNED => &[("code", Text)],
        kinds::PRICE_MATCHED | kinds::PRICE_OVERRIDDEN => &[("sku", Text), ("from", MONEY), ("to", MONEY), ("reason", Text)],
        kinds::RECEIPT_ISSUED => &[("order", Text), ("channel", Text)],
        kinds::FEEDBACK_GIVEN => &[("channel", Text), ("touchpoint", Text)],
        kinds::VISIT_ENDED => &[("outcome", Text), ("duration_ms", Number), ("touches", Number)],
        kinds::HELP_CALLED | kinds::HELP_ANSWERED => &[("place", Text)],
        kinds::TASK_RAISED | kinds::TASK_CLOSED => &[("task", Text), ("kind", Text)],
        kinds::STAFF_SIGNED_IN | kinds::STAFF_LOOKED_UP | kinds::STAFF_APPROVED | kinds::STAFF_GESTURE_GRANTED => {
            &[("staff", Text)]
        }
        kinds::ARTICLE_SOLD_OUT | kinds::ARTICLE_BACK => &[("sku", Text)],
        kinds::CONSENT_CHANGED => &[("from", Text), ("to", Text), ("text_version", Scalar)],
        kinds::VISITOR_ERASURE_REQUESTED => &[("by", Text)],
        kinds::PROBLEM_SHOWN => &[("problem", Text)],
        kinds::DEVICE_HEALTH | kinds::DEVICE_CONFIG_APPLIED | kinds::DEVICE_CONFIG_REFUSED | kinds::DEVICE_ALARM => &[],
        kinds::DEVICE_CLOCK_SAMPLED => &[("boot", Text), ("uptime", Scalar), ("backend_time", Text), ("round_trip_ms", Number)],
        kinds::LOG_LOST => &[("log", Text), ("from", Scalar), ("to", Scalar)],
        _ => return None,
    })
}

/// Takes the attributes of the envelope out of an event, checking each.
pub(crate) struct Envelope<'a> {
    members: &'a mut Map<String, Value>,
}

impl<'a> Envelope<'a> {
    pub(crate) fn new(members: &'a mut Map<String, Value>) -> Self {
        Self { members }
    }

    pub(crate) fn specversion(&mut self) -> Result<(), Invalid> {
        match self.text("specversion")?.as_str() {
            "1.0" => Ok(()),
            _ => Err(Invalid::new("specversion", "not 1.0")),
        }
    }

    pub(crate) fn take(&mut self, name: &str) -> Value {
        self.members.remove(name).unwrap_or_default()
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<String, Invalid> {
        match self.optional_text(name)? {
            None => Err(Invalid::new(name, "missing")),
            Some(text) if text.is_empty() => Err(Invalid::new(name, "empty")),
            Some(text) => Ok(text),
        }
    }

    pub(crate) fn optional_text(&mut self, name: &str) -> Result<Option<String>, Invalid> {
        match self.take(name) {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text)),
            _ => Err(Invalid::new(name, "not a string")),
        }
    }

    pub(crate) fn uuid(&mut self, name: &str) -> Result<Uuid, Invalid> {
        parse_uuid(&self.text(name)?).ok_or_else(|| Invalid::new(name, "not a UUID"))
    }

    pub(crate) fn time(&mut self, name: &str) -> Result<i64, Invalid> {
        self.optional_time(name)?.ok_or_else(|| Invalid::new(name, "missing"))
    }

    pub(crate) fn optional_time(&mut self, name: &str) -> Result<Option<i64>, Invalid> {
        let Some(text) = self.optional_text(name)? else { return Ok(None) };
        time::parse_rfc3339(&text).map(Some).ok_or_else(|| Invalid::new(name, "not an RFC 3339 time"))
    }

    pub(crate) fn sequence(&mut self, name: &str) -> Result<u64, Invalid> {
        time::parse_sequence(&self.text(name)?).ok_or_else(|| Invalid::new(name, "not 20 digits from 1 on"))
    }
}

/// The hyphenated form only: the library would also take braces and URNs.
fn parse_uuid(text: &str) -> Option<Uuid> {
    if text.len() != 36 { None } else { Uuid::try_parse(text).ok() }
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
