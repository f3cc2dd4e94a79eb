use kiosk_devices::{ReaderError, ReaderLine, SidecarReader, TagReader};
use kiosk_sim::{Card, ReaderSim};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(5);

struct Bench {
    _dir: tempfile::TempDir,
    sim: ReaderSim,
    reader: SidecarReader,
}

fn bench(lost_after: Duration) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("reader.sock");
    let sim = ReaderSim::start(&path).unwrap();
    Bench { _dir: dir, sim, reader: SidecarReader::new(&path).lost_after(lost_after) }
}

impl Bench {
    fn line(&mut self) -> ReaderLine {
        self.reader.next(SOON).unwrap()
    }
}

#[test]
fn a_card_is_placed_and_removed() {
    let mut b = bench(SOON);
    assert!(matches!(b.line(), ReaderLine::Up { .. }));
    b.sim.obey("place jane").unwrap();
    let ReaderLine::Tap(tag) = b.line() else { panic!() };
    assert_eq!(tag.uid.bytes(), Card::Jane.uid().unwrap());
    b.sim.obey("place bank").unwrap();
    assert_eq!(b.line(), ReaderLine::Gone);
    assert_eq!(b.line(), ReaderLine::BankCard);
    b.sim.obey("remove").unwrap();
    assert_eq!(b.line(), ReaderLine::Gone);
    assert!(matches!(b.reader.next(Duration::from_millis(5)), Err(ReaderError::Timeout)));
}

#[test]
fn a_card_that_lay_there_first_is_seen_by_a_kiosk_that_comes_later() {
    let mut b = bench(SOON);
    b.sim.obey("place ivan").unwrap();
    assert!(matches!(b.line(), ReaderLine::Up { .. }));
    assert!(matches!(b.line(), ReaderLine::Tap(_)));
}

#[test]
fn a_silent_reader_is_lost_and_comes_back_without_a_restart() {
    let mut b = bench(Duration::from_millis(700));
    assert!(matches!(b.line(), ReaderLine::Up { .. }));
    // Beats keep it alive beyond the limit.
    assert!(matches!(b.reader.next(Duration::from_millis(1000)), Err(ReaderError::Timeout)));
    b.sim.obey("lost").unwrap();
    assert!(b.sim.obey("place jane").is_err());
    assert!(matches!(b.reader.next(SOON), Err(ReaderError::Lost(_))));
    b.sim.obey("back").unwrap();
    let back = std::iter::repeat_with(|| b.reader.next(SOON)).take(20).find_map(Result::ok);
    assert!(matches!(back, Some(ReaderLine::Up { .. })));
}

#[test]
fn without_a_socket_the_reader_is_lost_at_once() {
    let mut reader = SidecarReader::new(std::path::Path::new("/nonexistent/reader.sock"));
    for _ in 0..3 {
        assert!(matches!(reader.next(Duration::from_millis(20)), Err(ReaderError::Lost(_))));
    }
}

#[test]
fn what_is_not_known_is_answered_with_what_is() {
    let b = bench(SOON);
    assert_eq!(b.sim.obey("place bob").unwrap_err(), "'bob' is not known here; there is jane, ivan, stranger, bank");
    assert_eq!(b.sim.obey("dance").unwrap_err(), "'dance' is not known here; there is place, remove, lost, back");
    assert!(b.sim.obey("remove").is_err());
}
