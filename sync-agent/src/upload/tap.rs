//! Reading the logs of a file: the kiosk's or the agent's own. Every call is one short read transaction.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use edge_db::{Batch, LogInfo, LogReader, ReadError, Row};
use uuid::Uuid;

use crate::engine::Order;

/// A file whose logs are drained. It may not exist yet, and may be replaced.
#[derive(Debug)]
pub(super) struct Tap {
    path: PathBuf,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    reader: LogReader,
    inode: (u64, u64),
    version: Option<i64>,
}

/// Rows for one request.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) rows: Vec<Row>,
    pub(super) next: u64,
}

impl Tap {
    pub(super) fn new(path: &Path) -> Tap {
        Tap { path: path.to_owned(), open: None }
    }

    /// The file's logs if something was committed since the last look, or if `always`.
    pub(super) fn look(&mut self, always: bool) -> Result<Option<Vec<LogInfo>>, ReadError> {
        let result = self.try_look(always);
        if result.is_err() {
            self.open = None;
        }
        result
    }

    fn try_look(&mut self, always: bool) -> Result<Option<Vec<LogInfo>>, ReadError> {
        let now = inode(&self.path);
        if self.open.as_ref().is_some_and(|open| Some(open.inode) != now) {
            self.open = None;
        }
        let Some(inode) = now else { return Ok(None) };
        let open = match &mut self.open {
            Some(open) => open,
            none => match LogReader::open(&self.path)? {
                Some(reader) => none.insert(Open { reader, inode, version: None }),
                None => return Ok(None),
            },
        };
        let version = open.reader.data_version()?;
        if open.version == Some(version) && !always {
            return Ok(None);
        }
        let logs = open.reader.logs()?;
        open.version = Some(version);
        Ok(Some(logs))
    }

    /// The rows of an order.
    pub(super) fn read(&mut self, log: Uuid, order: &Order) -> Result<Taken, ReadError> {
        let result = self.try_read(log, order);
        if matches!(result, Err(ReadError::Replaced { .. })) {
            self.open = None;
        }
        result
    }

    fn try_read(&self, log: Uuid, order: &Order) -> Result<Taken, ReadError> {
        let Some(open) = &self.open else { return Err(ReadError::Busy) };
        let Some(only) = order.only() else {
            let batch = open.reader.after(log, order.after, order.max_events, order.max_bytes)?;
            let mut rows = batch.rows;
            rows.retain(|row| row.sequence <= order.to);
            return Ok(Taken { rows, next: batch.next.min(order.to) });
        };
        let mut taken = Taken { rows: Vec::with_capacity(only.len()), next: order.after };
        while taken.next < order.to {
            let batch = open.reader.after(log, taken.next, order.max_events, order.max_bytes)?;
            if batch.next <= taken.next {
                break;
            }
            taken.next = batch.next;
            taken.rows.extend(batch.rows.into_iter().filter(|row| only.binary_search(&row.sequence).is_ok()));
        }
        Ok(taken)
    }

    /// Rows above a number.
    pub(super) fn after(&self, log: Uuid, after: u64, max_rows: usize) -> Result<Batch, ReadError> {
        let Some(open) = &self.open else { return Err(ReadError::Busy) };
        open.reader.after(log, after, max_rows, usize::MAX)
    }

    /// One row by its number.
    pub(super) fn at(&self, log: Uuid, sequence: u64) -> Result<Option<Row>, ReadError> {
        let Some(open) = &self.open else { return Err(ReadError::Busy) };
        Ok(open.reader.at(log, sequence)?.rows.pop())
    }
}

fn inode(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().filter(|m| m.len() > 0).map(|m| (m.dev(), m.ino()))
}
