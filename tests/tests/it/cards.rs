//! The reader's process with the real libnfc, on a simulated reader, supervised as in a kiosk: every card, every fault.

use cem_tests::proc;
use kiosk_devices::{ReaderError, ReaderLine, SidecarReader, TagKind, TagReader};
use kiosk_sim::{
    Pn532Sim,
    nfc::{Fault, Keys, Ntag424, Timing, Vanish},
};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

struct Bench {
    _folder: tempfile::TempDir,
    sim: Pn532Sim,
    reader: SidecarReader,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tty = folder.path().join("reader.tty");
        let sim = Pn532Sim::start(&tty, Timing::INSTANT, Keys::KNOWN).unwrap();
        let program = proc::programs().unwrap().join("nfc-sidecar");
        assert!(program.exists(), "nfc-sidecar is not built; `cargo xtask test` builds it first");
        let reader = SidecarReader::start(&program, &["--tty".to_owned(), tty.display().to_string()]);
        let mut bench = Self { _folder: folder, sim, reader };
        bench.until("it works", |line| matches!(line, Ok(ReaderLine::Up { .. })));
        bench
    }

    /// The first thing heard that is like that, lost and found included.
    fn until(&mut self, what: &str, like: impl Fn(&Result<ReaderLine, ReaderError>) -> bool) -> ReaderLine {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let heard = self.reader.next(Duration::from_millis(50));
            if like(&heard) {
                return heard.unwrap_or(ReaderLine::Gone);
            }
        }
        panic!("waited in vain for: {what}")
    }

    fn tap(&mut self, what: &str) -> kiosk_devices::Tag {
        match self.until(what, |line| matches!(line, Ok(ReaderLine::Tap(_)))) {
            ReaderLine::Tap(tag) => tag,
            other => panic!("{other:?}"),
        }
    }

    fn lay(&mut self, word: &str) -> kiosk_devices::Tag {
        self.sim.obey(&format!("place {word}")).unwrap();
        let tag = self.tap(word);
        self.sim.obey("remove").unwrap();
        self.until("it is gone", |line| matches!(line, Ok(ReaderLine::Gone)));
        tag
    }
}

#[test]
fn every_kind_of_card_is_told_apart_and_a_bank_card_is_read_no_further() {
    let mut bench = Bench::new();
    let jane = bench.lay("jane");
    assert_eq!((jane.kind, jane.uid.bytes().len()), (TagKind::Ntag424, 7));
    let again = bench.lay("jane");
    assert!(jane.url.is_some() && again.url.is_some() && jane.url != again.url, "each tap is a new message");
    for (word, kind, bytes) in [("ring", TagKind::Uid, 7), ("four", TagKind::Uid, 4), ("phone", TagKind::Uid, 4)] {
        let tag = bench.lay(word);
        assert_eq!((tag.kind, tag.uid.bytes().len(), tag.url), (kind, bytes, None), "{word}");
    }
    assert_eq!(bench.lay("app").kind, TagKind::Hce);
    let bank = kiosk_sim::nfc::BankCard::default();
    let read = bank.read.clone();
    bench.sim.place(Box::new(bank));
    bench.until("a bank card", |line| matches!(line, Ok(ReaderLine::BankCard)));
    assert!(bench.reader.exchange(&[0, 0xA4, 4, 0, 0], PATIENCE).is_err(), "the kiosk cannot talk to it either");
    assert_eq!(read.load(std::sync::atomic::Ordering::Relaxed), 0, "nothing was asked of it after it was known");
}

#[test]
fn commands_reach_the_card_of_their_tap_and_no_other() {
    let mut bench = Bench::new();
    bench.sim.place(Box::new(Ntag424::blank([4, 1, 2, 3, 4, 5, 6])));
    bench.tap("a blank card");
    let version = card_auth::ntag424::get_key_version(card_auth::ntag424::KeyNo::File);
    assert_eq!(bench.reader.exchange(&version, PATIENCE).unwrap(), [0, 0x91, 0]);
    bench.sim.vanish(Vanish { at: 1, done: true });
    assert!(bench.reader.exchange(&version, PATIENCE).is_err(), "it left with the answer");
    bench.until("it is gone", |line| matches!(line, Ok(ReaderLine::Gone)));
    assert!(bench.reader.exchange(&version, PATIENCE).is_err(), "no card is there");
    assert!(bench.reader.exchange(&[0; 256], PATIENCE).is_err(), "more than libnfc's buffer holds");
    bench.lay("jane");
}

#[test]
fn no_fault_of_a_reader_ends_more_than_its_process() {
    let mut bench = Bench::new();
    for (word, fault) in Fault::WORDS {
        bench.sim.fault(Some(fault));
        match fault {
            // Until told otherwise: the kiosk hears that the reader is down, and then that it is back.
            Fault::Silent | Fault::AckOnly | Fault::Asleep => {
                bench.until(word, |line| matches!(line, Ok(ReaderLine::Down { .. }) | Err(ReaderError::Lost(_))));
                bench.sim.fault(None);
            }
            // Only an opening asks for the firmware.
            Fault::LoseFirmware => {
                bench.sim.unplug();
                bench.until(word, |line| matches!(line, Ok(ReaderLine::Down { .. })));
                bench.sim.plug().unwrap();
                bench.sim.fault(Some(fault));
            }
            _ => {}
        }
        bench.sim.obey("place jane").unwrap();
        let tag = bench.tap(word);
        assert_eq!(tag.kind, TagKind::Ntag424, "{word}");
        // With a length that cannot be, libnfc hands on a number that no card has; it differs from the one in the card's
        // message, and the kiosk refuses it.
        assert!(fault == Fault::LongUid || tag.uid.bytes()[0] == 4, "{word}");
        bench.sim.obey("remove").unwrap();
        bench.until(word, |line| matches!(line, Ok(ReaderLine::Gone) | Err(ReaderError::Lost(_))));
    }
}

#[test]
fn a_reader_that_is_unplugged_is_missed_and_works_again_once_it_is_back() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        let pulled = Instant::now();
        bench.sim.unplug();
        bench.until("it is missed", |line| matches!(line, Ok(ReaderLine::Down { .. })));
        assert!(pulled.elapsed() < Duration::from_secs(5), "{:?}", pulled.elapsed());
        bench.sim.plug().unwrap();
        bench.until("it is back", |line| matches!(line, Ok(ReaderLine::Up { .. })));
        bench.lay("jane");
    }
}

#[test]
fn a_second_process_does_not_get_the_reader_of_the_first() {
    let bench = Bench::new();
    let tty = bench._folder.path().join("reader.tty");
    let program = proc::programs().unwrap().join("nfc-sidecar");
    let mut second = SidecarReader::start(&program, &["--tty".to_owned(), tty.display().to_string()]);
    let end = Instant::now() + PATIENCE;
    let why = std::iter::repeat_with(|| second.next(Duration::from_millis(100)))
        .take_while(|_| Instant::now() < end)
        .find_map(|heard| if let Ok(ReaderLine::Down { why }) = heard { Some(why) } else { None });
    assert!(why.unwrap().contains("another process has the reader"));
}
