//! One visit folded from its events. Pure: the same events give the same visit.

use super::clock::Certainty;
use crate::feed;
use cem_contract::{Feedback, Visit, VisitOrder, VisitPayment, kinds, time};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Types whose `data` is folded; of all others only place, time and visitor count.
pub(super) const FOLDED: &[&str] = &[
    kinds::VISIT_STARTED,
    kinds::VISIT_IDENTIFIED,
    kinds::ORDER_PLACED,
    kinds::ORDER_PROGRESSED,
    kinds::PAYMENT_STARTED,
    kinds::PAYMENT_APPROVED,
    kinds::PAYMENT_DECLINED,
    kinds::PAYMENT_UNKNOWN,
    kinds::PAYMENT_RESOLVED,
    kinds::PAYMENT_REFUNDED,
    kinds::PAYMENT_REVERSED,
    kinds::RECEIPT_ISSUED,
    kinds::FEEDBACK_GIVEN,
    kinds::STAFF_GESTURE_GRANTED,
    kinds::VISIT_ENDED,
];

/// An event as the fold sees it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) source: String,
    pub(super) kind: String,
    /// The corrected time, where the device's clock was not synced.
    pub(super) time_ms: i64,
    pub(super) certainty: Certainty,
    pub(super) visitor: Option<String>,
    pub(super) data: Value,
}

/// A folded visit, with what the tables need beside its document.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Folded {
    pub(super) visit: Visit,
    pub(super) started_ms: i64,
    pub(super) feedback_ms: Option<i64>,
    /// The last token that identified somebody, for visits whose events name no visitor.
    pub(super) token: Option<String>,
    /// When each order of the visit was placed, in the order of `visit.orders`.
    pub(super) placed_ms: Vec<i64>,
}

/// Folds the events of a visit. They must be sorted by source, log, sequence and id: `sequence` orders what one device
/// did, and no clock is asked about it.
pub(super) fn fold(id: &str, events: &[Seen]) -> Folded {
    let mut fold = Fold::default();
    for event in events {
        fold.take(event);
    }
    fold.finish(id, events)
}

#[derive(Default)]
struct Fold {
    visit: Visit,
    started_ms: Option<i64>,
    token: Option<String>,
    orders: BTreeMap<String, Order>,
    feedback: Vec<(i64, Feedback)>,
    sources: BTreeSet<String>,
}

#[derive(Default)]
struct Order {
    placed_ms: Option<i64>,
    rank: usize,
    order: VisitOrder,
    payments: BTreeMap<String, (i64, VisitPayment)>,
    receipts: Vec<String>,
}

impl Fold {
    fn take(&mut self, event: &Seen) {
        self.sources.insert(event.source.clone());
        if event.visitor.is_some() {
            self.visit.visitor.clone_from(&event.visitor);
        }
        match event.kind.as_str() {
            kinds::VISIT_STARTED => self.started(event),
            kinds::VISIT_IDENTIFIED => {
                self.visit.method = event.text("method");
                self.visit.assurance = event.text("assurance");
                self.token = event.text("token").or(self.token.take());
            }
            kinds::ORDER_PLACED => self.placed(event),
            kinds::ORDER_PROGRESSED => self.progressed(event),
            kinds::RECEIPT_ISSUED => {
                let channel = event.text("channel").unwrap_or_default();
                self.order(event).receipts.push(channel);
            }
            kinds::FEEDBACK_GIVEN => self.feedback.push((event.time_ms, event.feedback())),
            kinds::STAFF_GESTURE_GRANTED => self.visit.gestures.push(event.data.clone()),
            kinds::VISIT_ENDED => {
                self.visit.ended = Some(time::rfc3339(event.time_ms));
                self.visit.outcome = event.text("outcome");
                self.visit.duration_ms = event.number("duration_ms");
                self.visit.touches = event.number("touches");
            }
            kind => {
                if let Some(state) = kind.strip_prefix("cem.payment.").and_then(|rest| rest.strip_suffix(".v1")) {
                    self.paid(event, state);
                }
            }
        }
    }

    fn started(&mut self, event: &Seen) {
        if self.started_ms.is_some_and(|at| at <= event.time_ms) {
            return;
        }
        self.started_ms = Some(event.time_ms);
        self.visit.trigger = event.text("trigger");
        self.visit.role = event.text("role");
        self.visit.language = event.text("language");
    }

    fn order(&mut self, event: &Seen) -> &mut Order {
        self.orders.entry(event.text("order").unwrap_or_default()).or_default()
    }

    fn placed(&mut self, event: &Seen) {
        let order = self.order(event);
        let member = |name: &str| event.data.get(name).cloned().unwrap_or_default();
        order.placed_ms = Some(event.time_ms);
        order.order = VisitOrder {
            order: event.text("order").unwrap_or_default(),
            number: member("number"),
            called_name: event.text("called_name"),
            service: event.text("service"),
            lines: member("lines"),
            discounts: member("discounts"),
            tax: member("tax"),
            tip: member("tip"),
            total: member("total"),
            business_date: event.text("business_date"),
            placed: time::rfc3339(event.time_ms),
            state: std::mem::take(&mut order.order.state),
            ..VisitOrder::default()
        };
    }

    /// Kitchens and counters have clocks and logs of their own, so the furthest state wins, not the last to be told.
    fn progressed(&mut self, event: &Seen) {
        let state = event.text("state").unwrap_or_default();
        let known = ["received", "making", "ready", "collected", "cancelled"];
        let rank = known.iter().position(|word| *word == state).map_or(1, |at| at + 1);
        let order = self.order(event);
        if (rank, state.as_str()) >= (order.rank, order.order.state.as_str()) {
            order.rank = rank;
            order.order.state = state;
        }
    }

    fn paid(&mut self, event: &Seen, state: &str) {
        let payment = event.text("payment").unwrap_or_default();
        let told = VisitPayment {
            payment: payment.clone(),
            attempt: event.data.get("attempt").cloned().unwrap_or_default(),
            tender: event.text("tender").unwrap_or_default(),
            amount: event.data.get("amount").cloned().unwrap_or_default(),
            state: state.to_owned(),
            outcome: event.text("outcome"),
        };
        let payments = &mut self.order(event).payments;
        let first_ms = payments.get(&payment).map_or(event.time_ms, |(at, _)| *at);
        payments.insert(payment, (first_ms, told));
    }

    fn finish(mut self, id: &str, events: &[Seen]) -> Folded {
        let first_ms = events.iter().map(|event| event.time_ms).min().unwrap_or(0);
        let started_ms = self.started_ms.unwrap_or(first_ms);
        self.feedback.sort_by_key(|(at, _)| *at);
        let mut orders: Vec<Order> = self.orders.into_values().filter(|order| order.placed_ms.is_some()).collect();
        orders.sort_by_key(|order| order.placed_ms);
        let feedback_ms = self.feedback.last().map(|(at, _)| *at);
        let placed_ms = orders.iter().filter_map(|order| order.placed_ms).collect();
        let visit = Visit {
            visitid: id.to_owned(),
            store: self.sources.iter().find_map(|source| feed::store_of(source)).map(str::to_owned),
            sources: self.sources.into_iter().collect(),
            started: time::rfc3339(started_ms),
            orders: orders.into_iter().map(Order::finish).collect(),
            feedback: self.feedback.into_iter().map(|(_, feedback)| feedback).collect(),
            events: events.len() as u64,
            clock: events.iter().map(|event| event.certainty).max().and_then(Certainty::mark).map(str::to_owned),
            ..self.visit
        };
        Folded { visit, started_ms, feedback_ms, token: self.token, placed_ms }
    }
}

impl Order {
    fn finish(self) -> VisitOrder {
        let mut payments: Vec<_> = self.payments.into_values().collect();
        payments.sort_by_key(|(at, _)| *at);
        let mut order = self.order;
        order.payments = payments.into_iter().map(|(_, payment)| payment).collect();
        order.receipts = self.receipts;
        if order.state.is_empty() {
            order.state = "placed".to_owned();
        }
        order
    }
}

impl Seen {
    fn text(&self, name: &str) -> Option<String> {
        self.data.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    fn number(&self, name: &str) -> Option<u64> {
        let value = self.data.get(name)?;
        value.as_u64().or_else(|| value.as_f64().filter(|float| *float >= 0.0).map(|float| float as u64))
    }

    fn feedback(&self) -> Feedback {
        let score = |name: &str| self.data.get(name).and_then(Value::as_i64);
        Feedback {
            csat: score("csat"),
            ces: score("ces"),
            nps: score("nps"),
            comment: self.text("comment"),
            channel: self.text("channel").unwrap_or_default(),
            touchpoint: self.text("touchpoint").unwrap_or_default(),
            at: time::rfc3339(self.time_ms),
        }
    }
}
