//! The newest lines of this program's log, for the service pages. The log itself goes on to wherever it goes.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::{Mutex, PoisonError},
};

/// Lines that are kept.
const KEPT: usize = 200;
/// Bytes of one line that are kept.
const LINE_BYTES: usize = 300;

static LINES: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// Writes a log where `to` leads, and keeps its newest lines in memory.
#[derive(Debug)]
pub struct KeptLog<W>(pub W);

impl<W: Write> Write for KeptLog<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.0.write(bytes)?;
        keep(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn keep(bytes: &[u8]) {
    let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    for line in String::from_utf8_lossy(bytes).lines().filter(|line| !line.trim().is_empty()) {
        let end = line.char_indices().map(|(at, _)| at).take_while(|at| *at <= LINE_BYTES).last().unwrap_or(0);
        let line = if line.len() > LINE_BYTES { &line[..end] } else { line };
        lines.push_back(line.to_owned());
        if lines.len() > KEPT {
            lines.pop_front();
        }
    }
}

/// The newest lines, newest last.
pub(crate) fn newest(count: usize) -> Vec<String> {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    lines.iter().skip(lines.len().saturating_sub(count)).cloned().collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_written_goes_on_and_its_newest_lines_are_kept() {
        let mut log = KeptLog(Vec::new());
        for n in 0..KEPT + 5 {
            writeln!(log, "a line of this test {n} {}", "é".repeat(LINE_BYTES)).unwrap();
        }
        assert!(log.0.len() > KEPT * LINE_BYTES);
        let newest = newest(2);
        assert!(newest.len() == 2 && newest.iter().all(|line| line.len() <= LINE_BYTES + 2), "{newest:?}");
    }
}
