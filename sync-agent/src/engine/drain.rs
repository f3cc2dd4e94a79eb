//! One log on its way to one backend: what is settled, what is on its way, what must be sent again.

use std::collections::VecDeque;

use super::Effect;
use super::ranges::Ranges;

/// Why a chunk is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Numbers that were never settled.
    Fresh,
    /// Numbers that the backend asked for again.
    Resend,
    /// A quarantined event that a person sent again.
    Replay,
}

/// Numbers that are sent together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    pub(super) numbers: Vec<u64>,
    pub(super) why: Why,
    /// How often it failed although others succeeded meanwhile.
    pub(super) attempts: u32,
    /// The engine's count of successes when it last failed.
    pub(super) seen: u64,
    /// Not before this time.
    pub(super) due_ms: u64,
    /// The route took an empty batch after it refused this chunk or its parent.
    pub(super) probed: bool,
}

impl Chunk {
    pub(super) fn new(numbers: Vec<u64>, why: Why) -> Chunk {
        Chunk { numbers, why, attempts: 0, seen: u64::MAX, due_ms: 0, probed: false }
    }

    /// Two chunks of half the size; attempts count anew.
    pub(super) fn halves(mut self) -> [Chunk; 2] {
        let second = self.numbers.split_off(self.numbers.len() / 2);
        self.attempts = 0;
        self.seen = u64::MAX;
        self.due_ms = 0;
        let other = Chunk { numbers: second, ..self.clone() };
        [self, other]
    }
}

/// What is to be read next of one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Need {
    Fresh { after: u64 },
    Range { from: u64, to: u64 },
    Chunk(Chunk),
}

/// The state of one log.
#[derive(Debug, Clone)]
pub(super) struct Drain {
    /// Every number up to here is settled.
    pub(super) watermark: u64,
    /// Highest number that was ever taken from the file in this run.
    pub(super) cursor: u64,
    /// The file may hold numbers after `cursor`.
    pub(super) more: bool,
    /// A conflict closed this log: nothing of it is sent any more.
    pub(super) retired: bool,
    settled: Ranges,
    again: VecDeque<Chunk>,
    resend: VecDeque<(u64, u64)>,
    /// Answers to requests before this one say nothing new about what the backend lacks.
    pub(super) resent_at: u64,
    /// Numbers of which the backend was told that they are lost.
    told_lost: Ranges,
    /// Unsettled numbers that were taken, waiting or on their way.
    outstanding: usize,
}

impl Drain {
    pub(super) fn new(watermark: u64) -> Drain {
        Drain {
            watermark,
            cursor: watermark,
            more: true,
            retired: false,
            settled: Ranges::default(),
            again: VecDeque::new(),
            resend: VecDeque::new(),
            resent_at: 0,
            told_lost: Ranges::default(),
            outstanding: 0,
        }
    }

    /// What to read now, or the time at which something becomes due.
    pub(super) fn need(&mut self, now_ms: u64, window: usize) -> Result<Need, Option<u64>> {
        if self.retired {
            return Err(None);
        }
        if let Some(index) = self.again.iter().position(|chunk| chunk.due_ms <= now_ms)
            && let Some(chunk) = self.again.remove(index)
        {
            return Ok(Need::Chunk(chunk));
        }
        if let Some((from, to)) = self.resend.pop_front() {
            return Ok(Need::Range { from, to });
        }
        if self.more && self.outstanding < window {
            return Ok(Need::Fresh { after: self.cursor });
        }
        Err(self.again.iter().map(|chunk| chunk.due_ms).min())
    }

    /// Whether there is anything to send or to wait for.
    pub(super) fn has_work(&self) -> bool {
        !self.retired && (self.more || !self.again.is_empty() || !self.resend.is_empty())
    }

    /// Fresh numbers were read and are about to be sent.
    pub(super) fn took(&mut self, numbers: Vec<u64>, next: u64) -> Chunk {
        self.cursor = self.cursor.max(next);
        self.outstanding += numbers.len();
        Chunk::new(numbers, Why::Fresh)
    }

    /// Sends a chunk again, before anything new.
    pub(super) fn push_back(&mut self, chunk: Chunk) {
        if !self.retired && !chunk.numbers.is_empty() {
            self.again.push_back(chunk);
        }
    }

    /// Puts the rest of a range that the backend asked for back.
    pub(super) fn push_range(&mut self, from: u64, to: u64) {
        if from <= to && !self.retired {
            self.resend.push_back((from, to));
        }
    }

    /// The backend lacks these numbers. Only those count that were settled before the request was sent whose
    /// answer says so; later ones are on their way or about to be.
    pub(super) fn wanted(&mut self, from: u64, to: u64, settled_then: u64) {
        let to = to.min(settled_then);
        if from >= 1 && from <= to {
            self.push_range(from, to);
        }
    }

    /// Numbers that the backend asked for wait to be sent.
    pub(super) fn is_resending(&self) -> bool {
        !self.resend.is_empty() || self.again.iter().any(|chunk| chunk.why == Why::Resend)
    }

    /// The file cannot give these numbers back; the effect that says so, once for each number.
    pub(super) fn lost(&mut self, log: usize, from: u64, to: u64) -> Option<Effect> {
        let news = (from..=to.min(from.saturating_add(1_000_000))).any(|n| !self.told_lost.contains(n));
        self.told_lost.insert_range(from, to);
        news.then_some(Effect::Lost { log, from, to })
    }

    /// A number needs nothing more. Says whether this is news.
    pub(super) fn settle(&mut self, number: u64) -> bool {
        if self.is_settled(number) {
            return false;
        }
        self.settled.insert(number);
        true
    }

    pub(super) fn is_settled(&self, number: u64) -> bool {
        number <= self.watermark || self.settled.contains(number)
    }

    /// Numbers that the file cannot give back and that nobody will send.
    pub(super) fn settle_range(&mut self, from: u64, to: u64) {
        self.settled.insert_range(from.max(self.watermark + 1), to);
    }

    /// Forgets the outstanding part of numbers that were settled or dropped.
    pub(super) fn landed(&mut self, count: usize) {
        self.outstanding = self.outstanding.saturating_sub(count);
    }

    /// Moves the watermark over what is contiguous; the new one, if it moved.
    pub(super) fn advance(&mut self) -> Option<u64> {
        let before = self.watermark;
        while let Some(end) = self.settled.take_from(self.watermark + 1) {
            self.watermark = end;
        }
        (self.watermark > before).then_some(self.watermark)
    }

    /// Takes everything that waits out of a log that was closed by a conflict.
    pub(super) fn retire(&mut self) {
        self.retired = true;
        self.more = false;
        self.again.clear();
        self.resend.clear();
        self.outstanding = 0;
    }

    pub(super) fn effect_of_watermark(&mut self, log: usize) -> Option<Effect> {
        self.advance().map(|number| Effect::Watermark { log, number })
    }
}
