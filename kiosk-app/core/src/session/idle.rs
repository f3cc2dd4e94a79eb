//! Time: what happens when nothing does.

use super::{Overlay, Session, turn::Turn};
use crate::{
    config::Config,
    event::{Outcome, Stage},
};

impl Session {
    pub(super) fn tick(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now.mono_ms;
        let due = |at: Option<u64>| at.is_some_and(|at| at <= now);
        if due(self.lookup_until_ms()) {
            self.lookup_over(turn);
        }
        if due(self.notice_until_ms) {
            self.close_overlay();
        }
        if due(self.attract_reset_ms) {
            self.attract_reset_ms = None;
            self.easy_access = false;
        }
        if self.gives_next() {
            self.give_back(turn);
        }
        self.gift_overdue(turn);
        self.tick_time(turn);
        if due(self.silence_until_ms(turn.config)) {
            self.silence(turn);
        }
    }

    /// When the next tick is due; always some time while a visit runs, if not through the session then through the
    /// payment it waits for.
    pub(crate) fn next_tick_ms(&self, config: &Config) -> Option<u64> {
        if self.gives_next() {
            return Some(0);
        }
        let timers = [
            self.lookup_until_ms(),
            self.notice_until_ms,
            self.gift_until_ms(),
            self.attract_reset_ms,
            self.silence_until_ms(config),
            self.fitness.next_tick_ms(),
        ];
        timers.into_iter().flatten().min()
    }

    fn lookup_until_ms(&self) -> Option<u64> {
        self.visit.as_deref()?.lookup.as_ref().filter(|l| !l.late).map(|l| l.until_ms)
    }

    /// When silence has lasted long enough. `None` at the attract screen, and while the terminal works: a guest who looks
    /// for a card is not gone.
    fn silence_until_ms(&self, config: &Config) -> Option<u64> {
        let visit = self.visit.as_deref()?;
        if self.is_paying() {
            return None;
        }
        if let Some(Overlay::StillThere { until_ms }) = self.overlay {
            return Some(until_ms);
        }
        let patience = match self.stage {
            Stage::Done | Stage::Feedback => config.done_ms,
            _ => config.idle_ms,
        };
        Some(visit.last_input_ms.saturating_add(patience))
    }

    fn silence(&mut self, turn: &mut Turn<'_>) {
        match self.overlay {
            _ if matches!(self.stage, Stage::Done | Stage::Feedback) => self.end(turn, Outcome::Completed),
            Some(Overlay::StillThere { .. }) => self.end(turn, Outcome::TimedOut),
            _ => {
                self.close_overlay();
                self.overlay = Some(Overlay::StillThere { until_ms: turn.after(turn.config.still_there_ms) });
            }
        }
    }
}
