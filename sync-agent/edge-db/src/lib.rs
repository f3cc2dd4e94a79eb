//! The device's SQLite files: what the kiosk and the agent remember when the power goes.
//!
//! One process writes a file, by one thread ([`Outbox`], [`AgentStore`]); others read it ([`LogReader`]). A commit holds
//! events, orders, payment attempts and the day's order counter in one transaction, and counts as done after its fsync.
//! Events are validated and sealed as the contract says ([`cem_contract::NewEvent`]); what is stored are the exact bytes
//! that go on the wire.
//!
//! The crate never speaks to a network, never acts on hardware, never lets another process write into a file, and never
//! drops an event that it has taken before the backend has it.
//!
//! # Example
//!
//! ```
//! use edge_db::{Class, Commit, LogReader, Outbox, OutboxOptions};
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("kiosk.db");
//! # let mut options = OutboxOptions::new(&path, "/stores/s-001/devices/k-01");
//! # options.limits = edge_db::Limits::small();
//! # let event = cem_contract::NewEvent {
//! #     id: uuid::Uuid::now_v7(), kind: "cem.help.called.v1".into(), time_ms: 0, visitid: None, visitor: None,
//! #     consent: Default::default(), clock: Default::default(), boot: "b".into(), uptime_ms: 1,
//! #     data: serde_json::json!({"place": "kiosk"}),
//! # };
//! let outbox = Outbox::open(options)?;
//! let ticket = outbox.submit(Commit::events(Class::Telemetry, vec![event]))?;
//! let committed = ticket.wait()?; // on disk now
//! assert_eq!(committed.sequences[0].1, 1);
//!
//! let reader = LogReader::open(&path)?.expect("the file is there");
//! let batch = reader.after(committed.log, 0, 100, 1 << 20)?;
//! assert_eq!(batch.rows.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Disk layout
//!
//! | File | What |
//! |---|---|
//! | `kiosk.db`, `agent.db` | the database: pages of 4096 bytes, `application_id` 'CEM1' |
//! | `…-wal` | SQLite's log, grown to [`Limits::wal_bytes`] with written zeros beforehand and kept |
//! | `…-shm` | SQLite's shared index of the WAL, no data |
//! | `…-lock` | the writer's flock (the database itself carries SQLite's own locks) |
//! | `…-ballast` | zeros, deleted when the disk is full |
//! | `….exported` | up to which line the till's book is kept elsewhere, as whoever exported it said |
//! | `….salvage` | a new file being made out of a damaged one |
//! | `….damaged-N`, `….damaged-N-wal` | damaged files, kept for a person to look at and to delete |
//!
//! | Table | In | What |
//! |---|---|---|
//! | `schema(module, version, min_reader)` | both | who may open the file; version N opens N+1 where `min_reader` says so |
//! | `meta` | both | whose file it is, counts |
//! | `logs`, `events` | both | a log's head and first number; events by `log << 40 \| sequence` |
//! | `orders`, `attempts`, `order_counters` | kiosk.db | the money |
//! | `till_entries`, `tills`, `refunds`, `staff` | kiosk.db | the till's book and its numbers, what refunds are for, wrong PINs |
//! | `acked`, `resend`, `quarantine`, `profiles`, `tokens`, `state` | agent.db | the agent's bookkeeping |
//!
//! Rows that matter carry a CRC-32 over their fields and their place.
//!
//! # What is promised
//!
//! - A commit that was answered `Ok` survives a crash of the process, of the system, and a power cut, at any moment.
//! - `sequence` has no gap and no double within a log, whatever fails. A commit that fails uses no number.
//! - A commit is there as a whole or not at all; one that is refused takes no other with it.
//! - A damaged row is reported ([`Batch::holes`]), never handed out and never skipped in silence.
//! - At the bound of the file: first acknowledged rows go before their time, then [`Class::Telemetry`] is refused, then
//!   [`Class::Sale`]; [`Class::Settlement`] may fill the file to its end and gets the ballast when the disk itself is full.
//!   Telemetry refused gets no number and is counted.
//! - A line of the till's book is given up only after its shift and the terminal's period are closed: once it is exported
//!   ([`note_exported`]) and as old as orders are kept, or after [`Limits::till_days`], exported or not.
//! - A disk that is full is reported and survived. A write or fsync that failed ends the writer ([`Refused::Poisoned`]):
//!   the process must exit and recover from disk, because nobody knows what the kernel still holds.
//! - A file that was copied, restored, salvaged or belongs to another source opens a log of its own before its first
//!   event ([`Opened::new_log`]).
//! - A reader, even one that hangs, never makes the writer wait; it can only make the WAL grow, which counts against the
//!   file's bound.
//!
//! # What is not
//!
//! - A disk that acknowledges an fsync and forgets the data loses what it was told last. Where the backend had
//!   acknowledged more than the file remembers, a new log is opened; where not, the loss cannot be seen.
//! - The same for a WAL whose bytes change at rest: SQLite stops at the first frame that does not fit.
//! - What the agent's file remembers beside its log (acknowledgements, quarantine, profiles) may be some moments old after
//!   a power cut: then events are sent twice, and the backend answers `duplicate`.
//! - The files are not encrypted, but for the visitor cache ([`CacheKey`]). A damaged file that was kept aside still holds what it held: erasure
//!   ([`Outbox::forget`]) does not reach it, nor a copy that somebody made.
//! - Nothing else may open a live file: no `sqlite3` shell, no copy while the writer runs.
//!
//! How it is checked: `tests/it/power.rs` cuts the power at every write, `tests/it/faults.rs` fails every write and flips
//! bits, `tests/it/kill.rs` kills the process, `tests/it/model.rs` compares with a list. `CEM_POWER_IMAGES`,
//! `CEM_FAULT_STEP=1`, `CEM_FLIPS` and `CEM_KILLS` make them longer.

#![forbid(unsafe_code)]

mod agent;
mod ballast;
mod carve;
mod error;
mod exported;
mod file;
mod forget;
mod identity;
pub mod link;
mod log;
mod money;
mod notes;
mod open;
mod options;
mod outbox;
mod pace;
mod reader;
mod retention;
mod rows;
mod salvage;
mod schema;
mod seal;
mod taps;
mod till;
mod writer;

pub use agent::{
    AgentStore, CachedProfile, QuarantineState, Quarantined, StoredRoster, cached_profile, is_card_blocked, is_locked,
    staff_roster,
};
pub use error::{CommitError, OpenError, ReadError, Refused, WriteError};
pub use exported::{Exported, exported, note_exported};
pub use forget::Person;
pub use identity::Identity;
pub use open::Opened;
pub use options::{Clock, Durability, Limits, OutboxOptions};
pub use outbox::{Health, Outbox, Ticket};
pub use reader::LogReader;
pub use retention::{Watermark, watermarks};
pub use rows::{
    AttemptKind, AttemptNote, AttemptRow, AttemptState, Batch, Class, Commit, Committed, Hole, LogInfo, OrderCounter, OrderRow,
    OrderState, RefundRow, Row, StaffRow, TerminalRow, TillHead, TillRow, TillRows,
};
pub use salvage::SalvageReport;
pub use seal::CacheKey;

pub use cem_contract::NewEvent;
