//! kiosk-shell: the loop of a kiosk, without a screen. Inputs in, effects out, what happened onto the disk first.
//!
//! ```text
//! ShellHandle::send ──▶ queue ──▶ thread `shell`: Kiosk::step ──▶ Record ──▶ kiosk.db (waited for)
//!                         ▲                   │                ──▶ Charge, Print, … ──▶ adapter threads
//!                         └── DeviceEvent ◀───┼────────────────────────────────────────────────┘
//!                                             ▼
//!                                 Arc<Snapshot> to the screen's sink
//! ```
//!
//! - [`Shell`] runs a kiosk: one queue, one loop, one named thread a device (`terminal`, `printer`, `reader`, `board`,
//!   `identify`, `backend`, `accounts`, `desk`, `fiscal`), `keys`, which asks the agent for this device's keys, and `content`, which
//!   watches the shop's folder.
//! - [`Engine`] is the same without threads and clock, for tests and replays: [`Engine::handle`] carries out law 1, record,
//!   then act. [`replay`] makes one for baskets that were sold elsewhere.
//! - [`Recorder`] turns domain events into wire events and rows.
//! - [`KioskConfig`] is `kiosk.toml`; [`Content`] is the shop's folder.
//!
//! # Bounds, and what happens at them
//!
//! | Queue | Bound | At the bound |
//! |---|---|---|
//! | touches into the loop | 4096 messages | the newest touch is refused, counted, logged; the caller is told |
//! | device events into the loop | the same queue | the adapter waits; nothing is lost |
//! | charges | 1, and one at a time | not sent: `CommandEnded(NotSent)` |
//! | receipts | 8 | refused: `EffectFailed(Device(Printer))` |
//! | board commands | 32 | a signal is left out, a drawer pulse refused |
//! | look-ups | 4 | the guest stays anonymous |
//!
//! # When something dies
//!
//! A panic in an adapter is reported as that device being lost (a charge in it as unknown), and the adapter runs again
//! after a back-off. A panic in the loop, or a disk of which nobody knows what is on it, ends the **process** with status
//! 70: the supervisor starts it again, and what is found on disk counts as sent.
//!
//! # What this crate never does
//! Decide anything about a visit, draw, talk HTTP, or let a card's number out of the reader's adapter.

#![forbid(unsafe_code)]

mod adapters;
mod agent;
pub mod audit;
mod cards;
pub mod check;
mod clock;
mod config;
mod content;
mod counter;
mod desk;
mod engine;
mod fleet;
mod glass;
mod guest;
mod issue;
mod issuing;
mod journal;
mod keys;
mod logs;
mod mailbox;
mod outbox;
mod page;
mod proof;
mod pseudonym;
mod record;
pub mod setup;
mod shell;
mod staff;
mod start;
mod supervise;
mod verify;
mod watch;
mod words;

pub use cards::{CardPolicy, Right};
pub use clock::{Clock, SystemClock, VirtualClock};
pub use config::{AgentPaths, KioskConfig, ProfileKey, Receipts, Role, SessionTimes, TenantKey};
pub use content::Content;
pub use counter::DeskSettings;
pub use engine::{Counts, Dead, Durability, Engine, Errand, NoPorts, Ports};
pub use fleet::{Camera, is_impersonal};
pub use glass::{Glazier, kept_glass};
pub use issuing::{IssueLine, IssueOrder, issue, read_pin};
pub use journal::{Journal, JournalError, Wait};
pub use kiosk_devices::{BoardConfig, board::Side as MountedAt};
pub use logs::KeptLog;
pub use mailbox::Refused;
pub use outbox::OutboxJournal;
pub use page::Pages;
pub use record::{Recorder, Recording};
pub use shell::{Shell, ShellHandle, Sink};
pub use start::{order_counter, replay, restored};
pub use watch::{TapLine, watch};
