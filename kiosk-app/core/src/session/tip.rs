//! Something for the people who work here: asked once at checkout, never chosen beforehand, and paying without an answer is
//! an answer.

use super::{Session, TipOffer, Visit};
use crate::{
    config::{PayConfig, Tip},
    event::Stage,
    money::Minor,
};
use alloc::vec::Vec;

impl Session {
    pub(super) fn choose_tip(&mut self, config: &PayConfig, tip: Option<u8>) {
        let there = tip.is_none_or(|at| usize::from(at) < config.tips.len());
        if let (Stage::Basket | Stage::Checkout, Some(visit)) = (self.stage, self.visit.as_deref_mut())
            && there
            && visit.order.is_none()
        {
            visit.tip = Some(tip);
        }
    }
}

impl Visit {
    /// What the chosen tip comes to.
    pub(super) fn tip_amount(&self, config: &PayConfig) -> Minor {
        let chosen = self.tip.flatten().and_then(|at| config.tips.get(usize::from(at)));
        chosen.map_or(Minor::ZERO, |tip| tip.of(self.priced.goods))
    }

    /// The tips on offer, while there is still a choice.
    pub(super) fn tips(&self, config: &PayConfig) -> Vec<TipOffer> {
        if self.order.is_some() || self.priced.goods <= Minor::ZERO {
            return Vec::new();
        }
        let offer = |tip: &Tip| TipOffer {
            share_ppm: if let Tip::Share(ppm) = tip { Some(*ppm) } else { None },
            amount: tip.of(self.priced.goods),
        };
        config.tips.iter().map(offer).collect()
    }
}
