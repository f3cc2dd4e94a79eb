//! The thread `fiscal`: each receipt of the till's book is signed by the device that the law wants, in the order of the numbers.
//!
//! The book is the truth about what is to be signed: it is read from disk, woken by each commit that sold or refunded. A sale
//! never waits for a signature; its receipt does, for a bounded time, and says so where it came too late. What is not signed
//! yet is tried again until it is, over restarts too.

use super::Wires;
use crate::{
    desk::EntryBody,
    journal::{Journal, JournalError, Wait},
    supervise::supervised,
};
use edge_db::{Commit, Outbox, TillRow};
use kiosk_core::{DeviceEvent, Id, Paper, till::EntryKind};
use kiosk_devices::{FiscalDevice, FiscalRequest, Seal, fiscal::FiscalTax, receipt::ReceiptWords};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, SyncSender},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Seals at hand for receipts that are printed.
const RECENT: usize = 64;
/// Lines of the book read at a time.
const BATCH: usize = 500;
/// Lines of the book in which a start looks for receipts without a signature: a month of a busy shop.
const LOOK_BACK: u64 = 50_000;
/// How often a stop is looked for.
const LOOK: Duration = Duration::from_secs(1);
/// How long after a failure the device is asked again, if no sale wakes it earlier.
const RETRY: Duration = Duration::from_secs(15);

/// What the book keeps of a signature.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    receipt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    seal: Option<Seal>,
}

/// What is known of signatures, for whoever prints.
#[derive(Debug)]
pub(crate) struct Seals {
    known: Mutex<Known>,
    changed: Condvar,
    wait: Duration,
    outbox: Arc<Outbox>,
}

#[derive(Debug, Default)]
struct Known {
    recent: VecDeque<(u32, Seal)>,
    lost: bool,
}

impl Seals {
    /// A receipt waits for `wait` at most.
    pub(crate) fn new(outbox: Arc<Outbox>, wait: Duration) -> Self {
        Self { known: Mutex::default(), changed: Condvar::new(), wait, outbox }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, receipt: u32, seal: Seal) {
        let mut known = self.lock();
        if known.recent.len() >= RECENT {
            known.recent.pop_front();
        }
        known.recent.push_back((receipt, seal));
        known.lost = false;
        self.changed.notify_all();
    }

    fn lose(&self) {
        self.lock().lost = true;
        self.changed.notify_all();
    }

    /// Puts the signature on a receipt, or that there is none yet.
    pub(crate) fn onto(&self, paper: &mut Paper) {
        let words = ReceiptWords::of(paper.language());
        let (serial, order, lines, code) = match paper {
            Paper::Sale(sale) => {
                let order = Some(sale.order);
                (&sale.settlement.serial, order, &mut sale.settlement.fiscal, &mut sale.settlement.fiscal_qr)
            }
            Paper::Refund(refund) if !refund.in_doubt => (&refund.serial, None, &mut refund.fiscal, &mut refund.fiscal_qr),
            _ => return,
        };
        let Some(receipt) = serial.rsplit('-').next().and_then(|digits| digits.parse().ok()) else { return };
        match self.seal(receipt, order) {
            Some(seal) => (*lines, *code) = (seal.lines, seal.qr),
            None => *lines = vec![words.unsigned.to_owned()],
        }
    }

    fn seal(&self, receipt: u32, order: Option<Id>) -> Option<Seal> {
        let until = Instant::now() + self.wait;
        let mut known = self.lock();
        loop {
            if let Some((_, seal)) = known.recent.iter().rev().find(|(number, _)| *number == receipt) {
                return Some(seal.clone());
            }
            let left = until.saturating_duration_since(Instant::now());
            if known.lost || left.is_zero() {
                drop(known);
                return order.and_then(|order| self.in_book(receipt, order));
            }
            known = self.changed.wait_timeout(known, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// One that was signed long ago.
    fn in_book(&self, receipt: u32, order: Id) -> Option<Seal> {
        let rows = self.outbox.till_entries_of(crate::record::uuid(order)).ok()?;
        let notes = rows.iter().filter(|row| row.kind == EntryKind::Signed.word()).filter_map(note_of);
        notes.filter(|note| note.receipt == receipt).find_map(|note| note.seal)
    }
}

/// A journal that wakes the thread after each commit that has a receipt in it.
pub(crate) struct Waking {
    pub(crate) journal: Box<dyn Journal>,
    pub(crate) wake: SyncSender<()>,
}

impl Journal for Waking {
    fn commit(&mut self, commit: Commit, wait: Wait) -> Result<(), JournalError> {
        let receipts = commit.till.entries.iter().any(is_receipt);
        self.journal.commit(commit, wait)?;
        if receipts {
            // Full means that it is awake already.
            let _ = self.wake.try_send(());
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), JournalError> {
        self.journal.flush()
    }
}

/// What the thread works with.
pub(crate) struct FiscalSide {
    pub(crate) device: Box<dyn FiscalDevice>,
    pub(crate) seals: Arc<Seals>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) till: String,
    pub(crate) woken: Receiver<()>,
}

/// Starts the thread.
pub(crate) fn start(side: FiscalSide, wires: Wires) -> std::io::Result<JoinHandle<()>> {
    let stopping = wires.stopping.clone();
    let lost = wires.clone();
    let seals = side.seals.clone();
    let mut worker =
        Worker { side, wires, from: None, owed: BTreeMap::new(), told: BTreeSet::new(), lost: false, retry_at: None };
    let broken = move || {
        seals.lose();
        lost.send(DeviceEvent::SealerAnswers(false));
    };
    supervised("fiscal", stopping, broken, move || worker.run())
}

struct Worker {
    side: FiscalSide,
    wires: Wires,
    /// The next line of the book to be read, once it was looked through.
    from: Option<u64>,
    /// Receipts without a signature.
    owed: BTreeMap<u32, TillRow>,
    /// Those that went out without.
    told: BTreeSet<u32>,
    lost: bool,
    retry_at: Option<Instant>,
}

impl Worker {
    fn run(&mut self) {
        loop {
            if let Err(error) = self.read_book() {
                tracing::error!(%error, "the till's book cannot be read for signing");
                self.retry_at = Some(Instant::now() + RETRY);
            }
            self.sign();
            loop {
                if self.wires.stopping.is_stopped() {
                    return;
                }
                match self.side.woken.recv_timeout(LOOK) {
                    Ok(()) => break,
                    Err(RecvTimeoutError::Timeout) if self.retry_at.is_some_and(|at| at <= Instant::now()) => break,
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        }
    }

    /// Takes up what the book has since the last look.
    fn read_book(&mut self) -> Result<(), edge_db::CommitError> {
        let till = self.side.till.clone();
        let first_look = self.from.is_none();
        let mut from = match self.from {
            Some(from) => from,
            None => self.side.outbox.till(&till)?.map_or(0, |head| head.last_entry).saturating_sub(LOOK_BACK) + 1,
        };
        // Receipts from before there was such a device are not its business.
        let mut signs = !first_look;
        loop {
            let rows = self.side.outbox.till_entries(&till, from, BATCH)?;
            let Some(last) = rows.last() else { break };
            from = last.number + 1;
            for row in rows {
                let note =
                    (row.kind == EntryKind::Signed.word() || row.kind == EntryKind::Unsigned.word()).then(|| note_of(&row));
                match (note.flatten(), row.serial) {
                    (Some(Note { receipt, seal: Some(seal) }), _) => {
                        signs = true;
                        self.owed.remove(&receipt);
                        if first_look {
                            self.side.seals.put(receipt, seal);
                        }
                    }
                    (Some(Note { receipt, seal: None }), _) => {
                        signs = true;
                        self.told.insert(receipt);
                        let begun = self.side.outbox.till_entries_of(row.order.unwrap_or_default())?;
                        if let Some(receipt_row) =
                            begun.into_iter().find(|row| row.serial == Some(receipt)).filter(|_| first_look)
                        {
                            self.owed.insert(receipt, receipt_row);
                        }
                    }
                    (None, Some(receipt)) if signs && is_receipt(&row) => drop(self.owed.insert(receipt, row)),
                    _ => {}
                }
            }
        }
        self.from = Some(from);
        Ok(())
    }

    /// In the order of the numbers, up to the first that is not signed.
    fn sign(&mut self) {
        self.retry_at = None;
        while let Some((receipt, row)) = self.owed.first_key_value().map(|(receipt, row)| (*receipt, row.clone())) {
            let Some(request) = request_of(&row) else {
                tracing::error!(receipt, "a receipt of a later release cannot be signed");
                self.owed.remove(&receipt);
                continue;
            };
            match self.side.device.sign(&request) {
                Ok(seal) => {
                    self.owed.remove(&receipt);
                    self.side.seals.put(receipt, seal.clone());
                    self.answers(true);
                    self.tell(&row, Note { receipt, seal: Some(seal) });
                }
                Err(error) => {
                    tracing::error!(%error, receipt, owed = self.owed.len(), "a receipt is not signed yet");
                    self.side.seals.lose();
                    self.answers(false);
                    self.retry_at = Some(Instant::now() + RETRY);
                    return self.tell_unsigned();
                }
            }
        }
    }

    /// Each receipt that goes out without a signature is written down once.
    fn tell_unsigned(&mut self) {
        let untold: Vec<TillRow> =
            self.owed.iter().filter(|(receipt, _)| !self.told.contains(receipt)).map(|(_, row)| row.clone()).collect();
        for row in untold {
            let Some(receipt) = row.serial else { continue };
            self.told.insert(receipt);
            self.tell(&row, Note { receipt, seal: None });
        }
    }

    fn tell(&self, row: &TillRow, note: Note) {
        let signed = note.seal.is_some();
        let note = serde_json::to_string(&note).unwrap_or_default();
        self.wires.send(DeviceEvent::Sealed { order: Id(row.order.unwrap_or_default().into_bytes()), signed, note });
    }

    fn answers(&mut self, answers: bool) {
        if self.lost == answers {
            self.lost = !answers;
            self.wires.send(DeviceEvent::SealerAnswers(answers));
        }
    }
}

fn is_receipt(row: &TillRow) -> bool {
    row.serial.is_some() && [EntryKind::Sold, EntryKind::Refunded].iter().any(|kind| kind.word() == row.kind)
}

fn note_of(row: &TillRow) -> Option<Note> {
    let body: EntryBody = serde_json::from_value(row.body.clone()).ok()?;
    serde_json::from_str(&body.reason).ok()
}

fn request_of(row: &TillRow) -> Option<FiscalRequest> {
    let body: EntryBody = serde_json::from_value(row.body.clone()).ok()?;
    let tax = |tax: &crate::desk::TaxBody| FiscalTax {
        code: tax.code.clone(),
        rate_ppm: tax.rate_ppm,
        base: tax.base,
        amount: tax.amount,
    };
    Some(FiscalRequest {
        till: row.till.clone(),
        receipt: row.serial?,
        kind: if row.kind == EntryKind::Sold.word() { "sale" } else { "refund" }.to_owned(),
        total: body.amount,
        currency: body.currency.clone(),
        at_ms: body.at_utc_ms,
        tax: body.detail.tax.iter().map(tax).collect(),
    })
}
