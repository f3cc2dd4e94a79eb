//! The heart of the agent without IO: given results and a time it says what to read, send and write next.
//!
//! The driver does what [`Engine::poll`] says and reports back with [`Engine::sent`] and [`Engine::answered`]; it never
//! decides anything. So the same code runs in the agent, in tests with a scripted backend, and ten thousand times on
//! a virtual clock in the fleet simulation.
//!
//! Rules kept here:
//! - only a result for an event settles it; every other answer leaves its events to be sent again;
//! - a rejected event is quarantined and the rest goes on;
//! - a request refused as a whole (4xx) is halved until one event is left, and that one is quarantined only after
//!   `[]` was answered 200 on the same route;
//! - ten quarantines without an `accepted` between them: stop, alarm, and look again slowly without quarantining;
//! - a chunk whose outcome stays unknown while others succeed is halved as well, so that an event that breaks the
//!   backend delays nobody but itself.

mod drain;
mod ranges;
mod words;

use std::collections::BTreeMap;

pub use drain::{Chunk, Why};
use drain::{Drain, Need};
pub use ranges::Ranges;
pub use words::{Command, Effect, Limits, OnConflict, Order, Outcome, Ticket, Verdict};

use crate::retry::{Gate, Permit, Retry, TRIP};

/// Quarantines without an `accepted` between them that stop sending.
pub const MAX_STREAK: u32 = 10;
/// Unknown outcomes of one chunk, others succeeding meanwhile, after which it is halved.
const SPLIT_AFTER: u32 = 3;
/// A stopped engine looks again after this many caps of the retry policy.
const LOOK_AGAIN_CAPS: u64 = 10;
/// Smallest learned size of a batch, in bytes.
const MIN_CEILING_BYTES: usize = 32 * 1024;
/// Successes after which a learned ceiling is doubled again.
const RAISE_AFTER: u32 = 32;

#[derive(Debug)]
struct Flight {
    log: usize,
    chunk: Option<Chunk>,
    bytes: usize,
    permit: Permit,
    settled_then: Vec<u64>,
}

#[derive(Debug)]
struct Suspect {
    log: usize,
    chunk: Chunk,
    reason: String,
}

/// All logs of a device on their way to one backend.
#[derive(Debug)]
pub struct Engine {
    retry: Retry,
    limits: Limits,
    drains: Vec<(Drain, OnConflict)>,
    flights: BTreeMap<Ticket, Flight>,
    suspects: Vec<Suspect>,
    next_ticket: u64,
    turn: usize,
    successes: u64,
    streak: u32,
    stopped_until_ms: Option<u64>,
    route_alarmed: bool,
    look_again_ms: u64,
    ceiling_bytes: usize,
    raise_in: u32,
}

impl Engine {
    /// An engine without logs. `cap_ms` is the cap of the retry policy.
    #[must_use]
    pub fn new(retry: Retry, limits: Limits, cap_ms: u64) -> Engine {
        Engine {
            retry,
            limits,
            drains: Vec::new(),
            flights: BTreeMap::new(),
            suspects: Vec::new(),
            next_ticket: 0,
            turn: 0,
            successes: 0,
            streak: 0,
            stopped_until_ms: None,
            route_alarmed: false,
            look_again_ms: cap_ms.saturating_mul(LOOK_AGAIN_CAPS),
            ceiling_bytes: limits.max_bytes,
            raise_in: 0,
        }
    }

    /// Adds a log of which everything up to `watermark` is settled; its index.
    pub fn add_log(&mut self, watermark: u64, on_conflict: OnConflict) -> usize {
        self.drains.push((Drain::new(watermark), on_conflict));
        self.drains.len() - 1
    }

    /// The file of this log may hold more than was read.
    pub fn woken(&mut self, log: usize) {
        if let Some((drain, _)) = self.drains.get_mut(log)
            && !drain.retired
        {
            drain.more = true;
        }
    }

    /// Highest number of a log that was taken from its file.
    #[must_use]
    pub fn cursor(&self, log: usize) -> u64 {
        self.drains.get(log).map_or(0, |(drain, _)| drain.cursor)
    }

    /// Everything up to this number of a log is settled.
    #[must_use]
    pub fn watermark(&self, log: usize) -> u64 {
        self.drains.get(log).map_or(0, |(drain, _)| drain.watermark)
    }

    /// Numbers above the watermark of a log that need nothing more.
    #[must_use]
    pub fn is_settled(&self, log: usize, number: u64) -> bool {
        self.drains.get(log).is_some_and(|(drain, _)| drain.is_settled(number))
    }

    /// Sends a quarantined event again.
    pub fn replay(&mut self, log: usize, number: u64) {
        if let Some((drain, _)) = self.drains.get_mut(log) {
            drain.push_back(Chunk::new(vec![number], Why::Replay));
        }
    }

    /// The token file changed.
    pub fn token_changed(&mut self, now_ms: u64) {
        self.retry.token_changed(now_ms);
    }

    /// Nothing is on its way and nothing is left to send.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.flights.is_empty() && self.suspects.is_empty() && !self.drains.iter().any(|(d, _)| d.has_work())
    }

    /// Requests on their way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// Why sending stands still, if it does, for `once` and for people.
    #[must_use]
    pub fn trouble(&self) -> Option<&'static str> {
        if self.stopped_until_ms.is_some() {
            Some("the backend refuses event after event: sending is stopped")
        } else if self.retry.is_refused() {
            Some("the backend refuses the device token")
        } else if self.retry.failures() >= TRIP {
            Some("the backend cannot be reached or gives no valid answer")
        } else {
            None
        }
    }

    /// The backend refused the token and has not taken it since.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.retry.is_refused()
    }

    /// Sending is stopped after too many quarantines in a row.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopped_until_ms.is_some()
    }

    /// Failures of the path in a row.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.retry.failures()
    }

    /// What to do now.
    pub fn poll(&mut self, now_ms: u64) -> Command {
        if self.is_drained() || self.flights.values().any(|f| f.chunk.is_none()) {
            return Command::Sleep { until_ms: None };
        }
        let mut parallel = match self.retry.gate(now_ms) {
            Gate::Wait { until_ms } => return Command::Sleep { until_ms: Some(until_ms) },
            Gate::Probe if self.flights.is_empty() => return self.probe(),
            Gate::Probe => return Command::Sleep { until_ms: None },
            Gate::Open { parallel } => parallel,
        };
        if !self.suspects.is_empty() {
            return self.probe();
        }
        if let Some(until) = self.stopped_until_ms {
            if now_ms < until {
                return Command::Sleep { until_ms: Some(until) };
            }
            parallel = 1;
        }
        if self.flights.len() >= parallel {
            return Command::Sleep { until_ms: None };
        }
        self.next_read(now_ms)
    }

    /// Rows of an order were read: `numbers` of them go into one request of `bytes` bytes, and nothing is left to read
    /// up to `next` (for a fresh read; the end of the file when `numbers` is empty and `next` did not move).
    /// Without a ticket there is nothing to send.
    pub fn sent(&mut self, order: Order, numbers: Vec<u64>, next: u64, bytes: usize) -> (Option<Ticket>, Vec<Effect>) {
        let mut effects = Vec::new();
        let Some((drain, _)) = self.drains.get_mut(order.log) else { return (None, effects) };
        if drain.retired {
            return (None, effects);
        }
        let log = order.log;
        let chunk = match order.chunk {
            Some(mut chunk) => {
                let there = |n: &u64| numbers.binary_search(n).is_ok();
                let gone: Vec<u64> = chunk.numbers.iter().copied().filter(|n| !there(n)).collect();
                chunk.numbers.retain(there);
                settle_gone(drain, &chunk, &gone);
                effects.extend(gone.into_iter().filter_map(|n| drain.lost(log, n, n)));
                chunk
            }
            None if order.resend => {
                let end = if numbers.is_empty() { order.to } else { next.min(order.to) };
                effects.extend(gaps(order.after, &numbers, end).filter_map(|(from, to)| drain.lost(log, from, to)));
                drain.push_range(end + 1, order.to);
                Chunk::new(numbers, Why::Resend)
            }
            None => {
                for (from, to) in gaps(order.after, &numbers, next) {
                    drain.settle_range(from, to);
                    effects.extend(drain.lost(log, from, to));
                }
                drain.more = next > order.after;
                drain.took(numbers, next)
            }
        };
        effects.extend(drain.effect_of_watermark(log));
        if chunk.numbers.is_empty() {
            return (None, effects);
        }
        (Some(self.fly(log, Some(chunk), bytes)), effects)
    }

    /// The rows of an order could not be read now: it is tried again after `delay_ms`.
    pub fn read_failed(&mut self, now_ms: u64, order: Order, delay_ms: u64) {
        let Some((drain, _)) = self.drains.get_mut(order.log) else { return };
        match order.chunk {
            Some(mut chunk) => {
                chunk.due_ms = now_ms + delay_ms;
                drain.push_back(chunk);
            }
            None if order.resend => drain.push_range(order.after + 1, order.to),
            // The next wake-up or look at the file raises `more` again.
            None => drain.more = false,
        }
    }

    /// What became of a request.
    pub fn answered(&mut self, now_ms: u64, ticket: Ticket, outcome: Outcome) -> Vec<Effect> {
        let Some(mut flight) = self.flights.remove(&ticket) else { return Vec::new() };
        let Some(chunk) = flight.chunk.take() else { return self.probe_answered(now_ms, flight.permit, outcome) };
        if chunk.why == Why::Resend
            && let Some((drain, _)) = self.drains.get_mut(flight.log)
        {
            drain.resent_at = self.next_ticket;
        }
        self.chunk_answered(now_ms, ticket, flight, chunk, outcome)
    }

    /// Closes a log whose events moved elsewhere.
    pub fn retire(&mut self, log: usize) {
        if let Some((drain, _)) = self.drains.get_mut(log) {
            drain.retire();
        }
        self.suspects.retain(|s| s.log != log);
    }

    fn probe(&mut self) -> Command {
        Command::Probe(self.fly(usize::MAX, None, 2))
    }

    fn fly(&mut self, log: usize, chunk: Option<Chunk>, bytes: usize) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let settled_then = self.drains.iter().map(|(d, _)| d.watermark).collect();
        self.flights.insert(ticket, Flight { log, chunk, bytes, permit: self.retry.permit(), settled_then });
        ticket
    }

    fn next_read(&mut self, now_ms: u64) -> Command {
        let mut wake: Option<u64> = None;
        for offset in 0..self.drains.len() {
            let log = (self.turn + offset) % self.drains.len();
            match self.drains[log].0.need(now_ms, self.limits.window) {
                Ok(need) => {
                    self.turn = log + 1;
                    return Command::Read(self.order(log, need));
                }
                Err(due) => wake = [wake, due].into_iter().flatten().min(),
            }
        }
        Command::Sleep { until_ms: wake }
    }

    fn order(&self, log: usize, need: Need) -> Order {
        let (after, to, chunk, resend) = match need {
            Need::Fresh { after } => (after, u64::MAX, None, false),
            Need::Range { from, to } => (from - 1, to, None, true),
            Need::Chunk(chunk) => {
                let first = chunk.numbers.first().copied().unwrap_or(1);
                (first - 1, chunk.numbers.last().copied().unwrap_or(first), Some(chunk), false)
            }
        };
        let max_events = self.limits.max_events;
        Order { log, after, to, max_events, max_bytes: self.ceiling_bytes, chunk, resend }
    }

    fn probe_answered(&mut self, now_ms: u64, permit: Permit, outcome: Outcome) -> Vec<Effect> {
        match outcome {
            Outcome::Answered { .. } => {
                self.works(now_ms);
                self.route_alarmed = false;
                let suspects = std::mem::take(&mut self.suspects);
                suspects.into_iter().flat_map(|suspect| self.convict(now_ms, suspect)).collect()
            }
            other => {
                for Suspect { log, chunk, .. } in std::mem::take(&mut self.suspects) {
                    self.push_back(log, chunk);
                }
                self.route_failed(now_ms, permit, other)
            }
        }
    }

    /// The route takes an empty batch, so that it was the events: halve, or keep the one apart.
    fn convict(&mut self, now_ms: u64, suspect: Suspect) -> Vec<Effect> {
        let Suspect { log, mut chunk, reason } = suspect;
        chunk.probed = true;
        if chunk.numbers.len() > 1 {
            chunk.halves().into_iter().for_each(|half| self.push_back(log, half));
            return Vec::new();
        }
        self.quarantine(now_ms, log, chunk, reason)
    }

    /// Keeps the one event of a chunk apart.
    fn quarantine(&mut self, now_ms: u64, log: usize, chunk: Chunk, reason: String) -> Vec<Effect> {
        let Some(&number) = chunk.numbers.first() else { return Vec::new() };
        if let Some(until) = &mut self.stopped_until_ms {
            *until = now_ms + self.look_again_ms;
            self.push_back(log, chunk);
            return Vec::new();
        }
        let mut effects = vec![Effect::Quarantine { log, number, reason }];
        let Some((drain, _)) = self.drains.get_mut(log) else { return Vec::new() };
        drain.settle(number);
        if chunk.why == Why::Fresh {
            drain.landed(1);
        }
        effects.extend(drain.effect_of_watermark(log));
        effects.extend(self.count_quarantine(now_ms));
        effects
    }

    fn count_quarantine(&mut self, now_ms: u64) -> Option<Effect> {
        self.streak += 1;
        if self.streak < MAX_STREAK || self.stopped_until_ms.is_some() {
            return None;
        }
        self.stopped_until_ms = Some(now_ms + self.look_again_ms);
        let detail =
            format!("{MAX_STREAK} events in a row were quarantined and none accepted: sending is stopped, nothing is lost");
        Some(Effect::Alarm { kind: "sending_stopped", detail })
    }

    fn chunk_answered(&mut self, now_ms: u64, ticket: Ticket, flight: Flight, chunk: Chunk, outcome: Outcome) -> Vec<Effect> {
        let log = flight.log;
        if self.drains.get(log).is_none_or(|(d, _)| d.retired) {
            return Vec::new();
        }
        match outcome {
            Outcome::Answered { verdicts, resend } if verdicts.len() == chunk.numbers.len() => {
                self.works(now_ms);
                self.raise_ceiling();
                let effects = self.judge(now_ms, log, chunk, verdicts);
                self.wanted(ticket, &flight, &resend);
                effects
            }
            Outcome::Answered { .. } => {
                let what = "the answer has another number of results than the request has events".to_owned();
                self.unknown(now_ms, flight.permit, log, chunk, Outcome::Unknown { what, retry_after_ms: None })
            }
            Outcome::TooLarge => self.too_large(now_ms, log, chunk, flight.bytes),
            Outcome::Refused(reason) => self.whole_refused(now_ms, log, chunk, reason),
            other => self.unknown(now_ms, flight.permit, log, chunk, other),
        }
    }

    /// The backend lacks numbers that this device has settled: they go out again, one round at a time.
    fn wanted(&mut self, ticket: Ticket, flight: &Flight, resend: &[(usize, u64, u64)]) {
        let resending = |flights: &BTreeMap<Ticket, Flight>, log: usize| {
            flights.values().any(|f| f.log == log && f.chunk.as_ref().is_some_and(|c| c.why == Why::Resend))
        };
        let busy: Vec<bool> =
            self.drains.iter().enumerate().map(|(log, (d, _))| d.is_resending() || resending(&self.flights, log)).collect();
        for &(log, from, to) in resend {
            let then = flight.settled_then.get(log).copied().unwrap_or(0);
            if let Some((drain, _)) = self.drains.get_mut(log)
                && !busy[log]
                && ticket.0 >= drain.resent_at
            {
                drain.wanted(from, to, then);
            }
        }
    }

    /// The backend lacks these runs of a log of which it was told that all is settled up to `settled`. While others are on
    /// their way again nothing is done: it asks once more.
    pub fn lacking(&mut self, log: usize, runs: &[(u64, u64)], settled: u64) {
        let flies = self.flights.values().any(|f| f.log == log && f.chunk.as_ref().is_some_and(|c| c.why == Why::Resend));
        let Some((drain, _)) = self.drains.get_mut(log) else { return };
        if !flies && !drain.is_resending() {
            runs.iter().for_each(|&(from, to)| drain.wanted(from, to, settled));
        }
    }

    fn too_large(&mut self, now_ms: u64, log: usize, chunk: Chunk, bytes: usize) -> Vec<Effect> {
        self.works(now_ms);
        if chunk.numbers.len() == 1 {
            return self.quarantine(
                now_ms,
                log,
                chunk,
                format!("413: this single event of {bytes} bytes is too large for the backend"),
            );
        }
        self.ceiling_bytes = self.ceiling_bytes.min((bytes / 2).max(MIN_CEILING_BYTES));
        self.raise_in = RAISE_AFTER;
        chunk.halves().into_iter().for_each(|half| self.push_back(log, half));
        Vec::new()
    }

    fn whole_refused(&mut self, now_ms: u64, log: usize, chunk: Chunk, reason: String) -> Vec<Effect> {
        if chunk.probed && chunk.numbers.len() > 1 {
            self.works(now_ms);
            chunk.halves().into_iter().for_each(|half| self.push_back(log, half));
        } else {
            self.suspects.push(Suspect { log, chunk, reason });
        }
        Vec::new()
    }

    fn unknown(&mut self, now_ms: u64, permit: Permit, log: usize, mut chunk: Chunk, outcome: Outcome) -> Vec<Effect> {
        let alone = self.successes > chunk.seen;
        chunk.seen = self.successes;
        chunk.attempts = if alone { chunk.attempts + 1 } else { chunk.attempts.max(1) };
        if chunk.attempts >= SPLIT_AFTER && chunk.numbers.len() > 1 {
            chunk.halves().into_iter().for_each(|half| self.push_back(log, half));
        } else {
            let wait = if alone { self.retry.delay_ms(chunk.attempts) } else { 0 };
            chunk.due_ms = now_ms + wait;
            self.push_back(log, chunk);
        }
        self.route_failed(now_ms, permit, outcome)
    }

    fn route_failed(&mut self, now_ms: u64, permit: Permit, outcome: Outcome) -> Vec<Effect> {
        let refused_route = |what: String| {
            let detail = format!("the backend refuses even an empty batch ({what}): check [backend] url; nothing is quarantined");
            Effect::Alarm { kind: "route_refused", detail }
        };
        match outcome {
            Outcome::Unauthorised(what) => {
                let new = self.retry.refused(now_ms);
                let detail = format!("the backend refuses the device token ({what}): sending waits, nothing is lost");
                new.then_some(Effect::Alarm { kind: "token_refused", detail }).into_iter().collect()
            }
            Outcome::Unknown { retry_after_ms, .. } => {
                self.retry.failed(now_ms, permit, retry_after_ms);
                Vec::new()
            }
            Outcome::Refused(what) => {
                self.retry.failed(now_ms, permit, None);
                let new = !std::mem::replace(&mut self.route_alarmed, true);
                new.then(|| refused_route(what)).into_iter().collect()
            }
            Outcome::TooLarge | Outcome::Answered { .. } => {
                self.retry.failed(now_ms, permit, None);
                Vec::new()
            }
        }
    }

    fn works(&mut self, now_ms: u64) {
        self.successes += 1;
        self.retry.succeeded(now_ms);
    }

    fn raise_ceiling(&mut self) {
        if self.ceiling_bytes < self.limits.max_bytes {
            self.raise_in = self.raise_in.saturating_sub(1);
            if self.raise_in == 0 {
                self.ceiling_bytes = (self.ceiling_bytes * 2).min(self.limits.max_bytes);
                self.raise_in = RAISE_AFTER;
            }
        }
    }

    /// Applies one verdict for each event.
    fn judge(&mut self, now_ms: u64, log: usize, chunk: Chunk, verdicts: Vec<Verdict>) -> Vec<Effect> {
        let mut effects = Vec::new();
        if verdicts.contains(&Verdict::Accepted) {
            self.streak = 0;
            self.stopped_until_ms = None;
        } else if let Some(until) = &mut self.stopped_until_ms {
            *until = now_ms + self.look_again_ms;
        }
        let (mut later, mut landed) = (Vec::new(), 0);
        for (&number, verdict) in chunk.numbers.iter().zip(verdicts) {
            let stopped = self.stopped_until_ms.is_some();
            let Some((drain, on_conflict)) = self.drains.get_mut(log) else { break };
            match verdict {
                Verdict::Accepted | Verdict::Duplicate => {
                    let new = verdict == Verdict::Accepted;
                    drain.settle(number);
                    landed += 1;
                    effects.push(Effect::Stored { log, number, new, replayed: chunk.why == Why::Replay });
                }
                Verdict::Conflict(reason) if *on_conflict == OnConflict::Move && chunk.why == Why::Fresh => {
                    effects.extend(drain.effect_of_watermark(log));
                    self.retire(log);
                    effects.push(Effect::Conflict { log, reason });
                    return effects;
                }
                Verdict::Conflict(reason) => {
                    drain.settle(number);
                    landed += 1;
                    effects.push(Effect::Adopt { log, number, reason });
                }
                Verdict::Rejected(_) if stopped => later.push(number),
                Verdict::Rejected(reason) => {
                    drain.settle(number);
                    landed += 1;
                    effects.push(Effect::Quarantine { log, number, reason });
                    effects.extend(self.count_quarantine(now_ms));
                }
                Verdict::Retry(_) => later.push(number),
            }
        }
        self.defer(now_ms, log, &chunk, later);
        let Some((drain, _)) = self.drains.get_mut(log) else { return effects };
        if chunk.why == Why::Fresh {
            drain.landed(landed);
        }
        effects.extend(drain.effect_of_watermark(log));
        effects
    }

    /// Events that the backend wants later, or that are not judged while sending is stopped.
    fn defer(&mut self, now_ms: u64, log: usize, chunk: &Chunk, later: Vec<u64>) {
        if later.is_empty() {
            return;
        }
        let attempts = chunk.attempts + 1;
        let due_ms = now_ms + 1 + self.retry.delay_ms(attempts);
        self.push_back(log, Chunk { numbers: later, attempts, due_ms, ..chunk.clone() });
    }

    fn push_back(&mut self, log: usize, chunk: Chunk) {
        if let Some((drain, _)) = self.drains.get_mut(log) {
            drain.push_back(chunk);
        }
    }
}

fn settle_gone(drain: &mut Drain, chunk: &Chunk, gone: &[u64]) {
    gone.iter().for_each(|&n| {
        drain.settle(n);
    });
    if chunk.why == Why::Fresh {
        drain.landed(gone.len());
    }
}

/// The numbers in `after+1..=to` that are not among `numbers` (ascending), as ranges.
fn gaps(after: u64, numbers: &[u64], to: u64) -> impl Iterator<Item = (u64, u64)> {
    let mut expected = after + 1;
    let mut found = Vec::new();
    for &number in numbers {
        if number > expected {
            found.push((expected, number - 1));
        }
        expected = number + 1;
    }
    if expected <= to && to != u64::MAX {
        found.push((expected, to));
    }
    found.into_iter()
}

#[cfg(test)]
mod tests;
