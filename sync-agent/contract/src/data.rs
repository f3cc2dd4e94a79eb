//! `data` by event type, version 1: what devices fill in and [`crate::validate()`] checks. Members that may be absent are
//! `Option` (or an empty `Vec`); all others are required by the contract. Words are strings, because enumerations are
//! open; those of version 1 are named where the member is.
#![allow(missing_docs)] // The members are the contract's words; a sentence for each would only repeat them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Declares a shape: all members beside `Option` are required.
macro_rules! shapes {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $ty:ty,)* })*) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
            pub struct $name { $($(#[$field_meta])* pub $field: $ty,)* }

            impl $name {
                /// As an event's `data`.
                pub fn to_value(&self) -> Value {
                    serde_json::to_value(self).unwrap_or_default()
                }
            }
        )*
    };
}

/// An amount of money: integer minor units of an ISO 4217 currency.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    /// Minor units: cents for EUR, yen for JPY.
    pub minor: i64,
    /// ISO 4217, `EUR`.
    pub currency: String,
}

impl Money {
    /// An amount.
    pub fn new(minor: i64, currency: &str) -> Self {
        Self { minor, currency: currency.to_owned() }
    }
}

shapes! {
    /// An order line. `amount` is for the whole line, before discounts, modifiers included.
    Line {
        line: u32,
        /// The line of the combo it belongs to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<u32>,
        sku: String,
        name: String,
        quantity: u32,
        amount: Money,
        #[serde(default)]
        modifiers: Vec<Modifier>,
        tax_code: String,
    }

    /// A modifier of a line.
    Modifier {
        group: String,
        sku: String,
        name: String,
        quantity: u32,
        amount: Money,
    }

    /// A discount: `amount` is positive; without `line` it is for the order.
    Discount {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        line: Option<u32>,
        kind: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        amount: Money,
    }

    /// A tax: `rate` is a decimal as text, `0.07`.
    Tax {
        code: String,
        rate: String,
        base: Money,
        amount: Money,
        included: bool,
    }

    /// `cem.presence.seen.v1`
    PresenceSeen {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seconds: Option<u32>,
    }

    /// `cem.visit.started.v1`; `trigger` presence, touch, tap, staff; `role` kiosk, counter.
    VisitStarted {
        trigger: String,
        role: String,
        language: String,
    }

    /// `cem.visit.identified.v1`; `method` ntag424, uid, qr, phone, hce; `assurance` high, low; `token` is
    /// `<key version>:<hex>`; `counter` that of the card's secure message.
    VisitIdentified {
        method: String,
        assurance: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        visits_before: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        counter: Option<u32>,
    }

    /// `cem.visitor.joined.v1`; the kiosk made the envelope's `visitor`.
    VisitorJoined {
        token: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        display_name: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        language: Option<String>,
        text_version: String,
    }

    /// `cem.visit.stage_changed.v1`; stages attract, greeting, browse, item, basket, checkout, paying, done, feedback;
    /// `touches` in the stage left.
    StageChanged {
        from: String,
        to: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        touches: Option<u32>,
    }

    /// `cem.item.viewed.v1`
    ItemViewed {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sku: Option<String>,
    }

    /// `cem.search.made.v1`
    SearchMade {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        query: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        results: Option<u32>,
    }

    /// `cem.basket.changed.v1`; `action` add, remove, change; `by` customer, usual, offer, consultant, staff.
    BasketChanged {
        action: String,
        line: Line,
        by: String,
    }

    /// `cem.offer.shown.v1`, `.accepted.v1`, `.dismissed.v1`; `reason` as told to the customer.
    Offer {
        offer: String,
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        control: Option<bool>,
    }

    /// `cem.consultant.answered.v1`
    ConsultantAnswered {
        question: String,
        answer: String,
    }

    /// `cem.order.placed.v1`; `service` eat_in, takeaway; `page` is the SHA-256 of the guest page's token.
    OrderPlaced {
        order: String,
        number: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        called_name: Option<String>,
        service: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        table: Option<String>,
        lines: Vec<Line>,
        discounts: Vec<Discount>,
        tax: Vec<Tax>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tip: Option<Money>,
        total: Money,
        business_date: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        page: Option<String>,
    }

    /// `cem.order.progressed.v1`; `state` received, making, ready, collected, cancelled.
    OrderProgressed {
        order: String,
        state: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        promised: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        station: Option<String>,
    }

    /// `cem.payment.*.v1`; `tender` card, wallet, cash, gift, points; `original` and `lines` for refunds.
    Payment {
        payment: String,
        order: String,
        attempt: String,
        tender: String,
        amount: Money,
        /// What of `amount` cash rounding added (above zero) or took off.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rounding: Option<Money>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        terminal: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        outcome: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        original: Option<String>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        lines: Vec<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        staff: Option<String>,
    }

    /// `cem.till.opened.v1`, `.closed.v1`, `.cash_moved.v1`, `.drawer_opened.v1`
    Till {
        till: String,
        shift: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        counted: Option<Money>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expected: Option<Money>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        amount: Option<Money>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        staff: Option<String>,
    }

    /// `cem.loyalty.earned.v1`, `.burned.v1`; `entry` is the ledger's idempotent id.
    Loyalty {
        entry: String,
        points: i64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        order: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        balance_after: Option<i64>,
        pending: bool,
    }

    /// `cem.wallet.credited.v1`, `.debited.v1`, `.reversed.v1`
    WalletEntry {
        entry: String,
        amount: Money,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        order: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lease: Option<String>,
    }

    /// `cem.referral.used.v1`, `.earned.v1`
    Referral {
        code: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        points: Option<i64>,
    }

    /// `cem.price.matched.v1`, `cem.price.overridden.v1`
    PriceChanged {
        sku: String,
        from: Money,
        to: Money,
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        staff: Option<String>,
    }

    /// `cem.receipt.issued.v1`; `channel` print, qr, email.
    ReceiptIssued {
        order: String,
        channel: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        copy: Option<bool>,
    }

    /// `cem.feedback.given.v1`; any of `csat` 1-5, `ces` 1-7, `nps` 0-10, `comment`; `channel` kiosk, guest_page,
    /// counter; `touchpoint` ordering, food, staff.
    FeedbackGiven {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        csat: Option<u8>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ces: Option<u8>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nps: Option<u8>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        comment: Option<String>,
        channel: String,
        touchpoint: String,
    }

    /// `cem.visit.ended.v1`; `outcome` completed, abandoned, timed_out, staff_closed.
    VisitEnded {
        outcome: String,
        duration_ms: u64,
        touches: u32,
    }

    /// `cem.help.called.v1`, `.answered.v1`
    Help {
        place: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seconds: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        staff: Option<String>,
    }

    /// `cem.task.raised.v1`, `.closed.v1`
    Task {
        task: String,
        kind: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        staff: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        outcome: Option<String>,
    }

    /// `cem.staff.signed_in.v1`, `.looked_up.v1`, `.approved.v1`, `.gesture_granted.v1`
    Staff {
        staff: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        amount: Option<Money>,
        #[doc = "The assertion that the person had signed in at this device, as in the header `CEM-Staff`."]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        proof: Option<String>,
    }

    /// `cem.article.sold_out.v1`, `.back.v1`
    Article {
        sku: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        staff: Option<String>,
    }

    /// `cem.consent.changed.v1`; levels none, service, personal, marketing. `dietary`: allergens that the guest wants kept, by a
    /// consent of its own; empty where they want them kept no longer, absent where nothing was said about it.
    ConsentChanged {
        from: String,
        to: String,
        text_version: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dietary: Option<Vec<String>>,
    }

    /// `cem.visitor.erasure_requested.v1`; `by` guest, staff.
    ErasureRequested {
        by: String,
    }

    /// `cem.problem.shown.v1`
    ProblemShown {
        problem: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stage: Option<String>,
    }

    /// `cem.device.clock_sampled.v1`; `uptime` as in the envelope, `backend_time` RFC 3339.
    ClockSampled {
        boot: String,
        uptime: String,
        backend_time: String,
        round_trip_ms: u64,
    }

    /// `cem.log.lost.v1`: the numbers `from` to `to` of `log` will never come.
    LogLost {
        log: String,
        from: u64,
        to: u64,
    }
}
