//! What the screen shows, as one value.

use super::{PayView, Session, Snapshot};
use crate::{
    catalogue::{Catalogue, Lang},
    config::Config,
    money::Minor,
};

impl Session {
    pub(crate) fn snapshot(&self, catalogue: &Catalogue, config: &Config) -> Snapshot {
        let blank = Snapshot {
            stage: self.stage,
            overlay: self.shown_overlay(config.ask_service),
            lang: if usize::from(self.lang.0) < catalogue.languages.len() { self.lang } else { Lang(0) },
            devices: self.fitness.shown(),
            asks_time: self.fitness.asks_time(),
            pad: self.pad,
            ambient: self.ambient,
            easy_access: self.easy_access,
            pay_at_counter: config.pay.counter,
            pay: PayView::None,
            ..Snapshot::default()
        };
        let Some(visit) = self.visit.as_deref() else { return blank };
        let draft = visit.draft.as_ref();
        let pay = &config.pay;
        let to_pay =
            visit.order.as_ref().map_or_else(|| visit.priced.total + visit.tip_amount(pay), |order| order.placed.to_pay());
        Snapshot {
            service: visit.service,
            guest: visit.guest.clone(),
            question: self.question(config.joining).filter(|_| visit.order.is_some() || self.overlay.is_some()),
            may_change: self.may_change(),
            identifying: visit.lookup.as_ref().is_some_and(|l| !l.late),
            usual: visit.usual_priced.clone(),
            category: visit.category,
            draft: draft.cloned(),
            draft_price: draft.and_then(|d| d.price(catalogue, visit.basket.service)),
            draft_complete: draft.is_some_and(|d| d.is_complete(catalogue)),
            basket: visit.priced.clone(),
            basket_count: visit.priced.count(),
            avoid: visit.avoid.clone(),
            pay: visit.pay,
            order: visit.order.as_ref().map(|order| order.placed.clone()),
            masked: visit.masked.clone(),
            rated: visit.rated,
            receipt_printed: visit.receipt_printed,
            visit: Some(visit.id),
            parts_max: if visit.order.is_none() { pay.parts } else { 0 },
            parts: visit.parts,
            part: visit.order.as_ref().and_then(|order| order.part_view()),
            gift: pay.gift,
            gift_view: self.gift_view(pay),
            tips: visit.tips(pay),
            tip: visit.tip,
            to_pay,
            to_pay_in_cash: pay.in_cash(
                to_pay - visit.order.as_ref().map_or(Minor::ZERO, |order| order.taken() + order.held()),
                catalogue.currency,
            ),
            instalments: pay.instalments.as_ref().map(|offer| offer.quotes(to_pay)).unwrap_or_default(),
            ..blank
        }
    }
}
