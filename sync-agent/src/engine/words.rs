//! What goes in and out of the engine.

use super::drain::Chunk;

/// The sizes of requests and of what is held in memory.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Events a request.
    pub max_events: usize,
    /// Bytes a request before compression.
    pub max_bytes: usize,
    /// Unsettled numbers a log at most, waiting and on their way.
    pub window: usize,
}

/// What the driver does next.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Read these rows and call [`super::Engine::sent`], or [`super::Engine::read_failed`].
    Read(Order),
    /// Send `[]` and call [`super::Engine::answered`] with this ticket.
    Probe(Ticket),
    /// Nothing to do before this time, a wake-up or an answer.
    Sleep {
        /// Milliseconds of the engine's clock.
        until_ms: Option<u64>,
    },
}

/// What to read: rows of `log` after `after` and up to `to`, or exactly the numbers of a chunk.
#[derive(Debug, PartialEq, Eq)]
pub struct Order {
    /// Which log, as numbered by [`super::Engine::add_log`].
    pub log: usize,
    /// Rows above this number.
    pub after: u64,
    /// Rows up to this number.
    pub to: u64,
    /// At most this many rows.
    pub max_events: usize,
    /// At most this many bytes, but always one row.
    pub max_bytes: usize,
    pub(super) chunk: Option<Chunk>,
    pub(super) resend: bool,
}

impl Order {
    /// The numbers to send, if not all that are there.
    #[must_use]
    pub fn only(&self) -> Option<&[u64]> {
        self.chunk.as_ref().map(|chunk| chunk.numbers.as_slice())
    }
}

/// Names a request on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(super) u64);

/// The word of the backend about one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Stored now.
    Accepted,
    /// Stored before.
    Duplicate,
    /// Can never be taken.
    Rejected(String),
    /// Not now.
    Retry(String),
    /// Its number belongs to another event.
    Conflict(String),
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// One verdict for each event, in order, and what the backend lacks: log, first and last number.
    Answered {
        /// By event.
        verdicts: Vec<Verdict>,
        /// Ranges that the backend wants again.
        resend: Vec<(usize, u64, u64)>,
    },
    /// 413.
    TooLarge,
    /// Another 4xx that speaks about the request as a whole.
    Refused(String),
    /// 401 or 403.
    Unauthorised(String),
    /// Anything else; the wish of the server for silence, if it had one.
    Unknown {
        /// What was seen.
        what: String,
        /// `Retry-After`.
        retry_after_ms: Option<u64>,
    },
}

/// What the driver writes down or tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// An event needs nothing more; true when it was stored by this request.
    Stored {
        /// Which log.
        log: usize,
        /// Its number.
        number: u64,
        /// False: the backend had it already.
        new: bool,
        /// It was sent by a person from the quarantine.
        replayed: bool,
    },
    /// Keep this event apart with its reason.
    Quarantine {
        /// Which log.
        log: usize,
        /// Its number.
        number: u64,
        /// Why, for people.
        reason: String,
    },
    /// Everything up to this number is settled: store it.
    Watermark {
        /// Which log.
        log: usize,
        /// The number.
        number: u64,
    },
    /// The backend asked for numbers that the file no longer holds: say so by `cem.log.lost.v1`.
    Lost {
        /// Which log.
        log: usize,
        /// First number.
        from: u64,
        /// Last number.
        to: u64,
    },
    /// The log's numbers are used by other events; the log is closed here, its unsettled events must move.
    Conflict {
        /// Which log.
        log: usize,
        /// The backend's words.
        reason: String,
    },
    /// The number of this one event is used by another: take it into the agent's own log.
    Adopt {
        /// Which log.
        log: usize,
        /// Its number.
        number: u64,
        /// The backend's words.
        reason: String,
    },
    /// A person should know.
    Alarm {
        /// A stable word.
        kind: &'static str,
        /// A sentence.
        detail: String,
    },
}

/// How a log heals when its numbers are used by other events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    /// The agent owns the file: a new log is opened and all unsettled events move.
    Move,
    /// Another process owns it: the event alone is adopted, until its owner opened a new log.
    Adopt,
}
