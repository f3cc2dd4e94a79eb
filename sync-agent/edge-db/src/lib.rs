//! The device's SQLite files: what the kiosk and the agent remember when the power goes.

mod agent;
mod ballast;
mod error;
mod file;
mod identity;
pub mod link;
mod log;
mod money;
mod open;
mod options;
mod outbox;
mod reader;
mod retention;
mod rows;
mod salvage;
mod schema;
mod writer;

pub use agent::{AgentStore, CachedProfile, QuarantineState, Quarantined};
pub use error::{CommitError, OpenError, ReadError, Refused, WriteError};
pub use identity::Identity;
pub use open::Opened;
pub use options::{Clock, Durability, Limits, OutboxOptions};
pub use outbox::{Health, Outbox, Ticket};
pub use reader::LogReader;
pub use retention::{Watermark, watermarks};
pub use rows::{
    AttemptRow, AttemptState, Batch, Class, Commit, Committed, Hole, LogInfo, OrderCounter, OrderRow, OrderState, Row,
};
pub use salvage::SalvageReport;

pub use cem_contract::NewEvent;
