use kiosk_core::device::Health;
use kiosk_devices::{DrawerPin, PrintError, ReceiptPrinter, TcpPrinter, printer::PrinterLimits};
use kiosk_sim::PrinterSim;
use std::{net::TcpListener, path::PathBuf, time::Duration};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn limits() -> PrinterLimits {
    PrinterLimits { connect: MS(10_000), status: MS(10_000), job: MS(10_000), finish: MS(10_000) }
}

fn bench() -> (tempfile::TempDir, PathBuf, PrinterSim) {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("receipts.bin");
    let sim = PrinterSim::start(([127, 0, 0, 1], 0).into(), &out).unwrap();
    (dir, out, sim)
}

/// Text, commands, and a QR code whose data looks like a status query.
const JOB: &[u8] = b"\x1b@\x1c.\x1bt\x11Boyd's\n\x1d(k\x06\x001P0\x10\x04\x01\x1b-\x01end\n\x1dVB\x00";

#[test]
fn a_job_is_on_paper_when_print_returns() {
    let (_dir, out, sim) = bench();
    let mut printer = TcpPrinter::new(&sim.address().to_string(), limits());
    assert_eq!(printer.health(), Health::Ok);
    assert_eq!(printer.print(JOB).unwrap(), Health::Ok);
    assert_eq!(std::fs::read(&out).unwrap(), JOB);
    sim.obey("paper low").unwrap();
    assert_eq!(printer.print(JOB).unwrap(), Health::Low);
    assert_eq!(std::fs::read(&out).unwrap(), [JOB, JOB].concat());
}

#[test]
fn without_paper_nothing_is_sent_and_with_new_paper_it_works_again() {
    let (_dir, out, sim) = bench();
    let mut printer = TcpPrinter::new(&sim.address().to_string(), limits());
    sim.obey("paper out").unwrap();
    assert_eq!(printer.health(), Health::Blocked);
    assert!(matches!(printer.print(JOB), Err(PrintError::Blocked)));
    sim.obey("paper ok").unwrap();
    assert_eq!(std::fs::read(&out).unwrap(), b"");
    assert_eq!(printer.print(JOB).unwrap(), Health::Ok);
    assert_eq!(std::fs::read(&out).unwrap(), JOB);
}

#[test]
fn a_drawer_at_the_printer_is_pulsed_once_and_leaves_no_ink_and_one_without_paper_says_so() {
    let (_dir, out, sim) = bench();
    let mut printer = TcpPrinter::new(&sim.address().to_string(), limits());
    printer.kick(DrawerPin::Pin2).unwrap();
    assert_eq!(sim.drawer_pulses(), 1);
    sim.obey("paper out").unwrap();
    assert!(matches!(printer.kick(DrawerPin::Pin2), Err(PrintError::Blocked)));
    assert_eq!((sim.drawer_pulses(), std::fs::read(&out).unwrap().len()), (1, 0));
}

#[test]
fn a_printer_that_is_not_there_is_lost() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut printer = TcpPrinter::new(&address.to_string(), limits());
    assert_eq!(printer.health(), Health::Lost);
    assert!(matches!(printer.print(JOB), Err(PrintError::Lost(_))));
}

#[test]
fn a_printer_that_never_answers_gets_its_job_all_the_same() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let job = std::thread::spawn(move || {
        let mut all = vec![];
        std::io::Read::read_to_end(&mut listener.accept().unwrap().0, &mut all).unwrap();
        all
    });
    let mut printer = TcpPrinter::new(&address.to_string(), PrinterLimits { status: MS(10), ..limits() });
    assert_eq!(printer.print(JOB).unwrap(), Health::Ok);
    assert!(job.join().unwrap().ends_with(JOB));
}

#[test]
fn a_printer_that_stops_during_a_job_is_blocked_and_prints_the_rest_later() {
    let (_dir, out, sim) = bench();
    let (relay, upstream) = (TcpListener::bind("127.0.0.1:0").unwrap(), sim.address());
    let address = relay.local_addr().unwrap();
    let sim = std::sync::Arc::new(sim);
    let shears = std::sync::Arc::clone(&sim);
    // Between kiosk and printer: after the first status answers the paper ends.
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut kiosk, _) = relay.accept().unwrap();
        let mut printer = std::net::TcpStream::connect(upstream).unwrap();
        let (mut asked, mut answered) = ([0; 9], [0; 3]);
        kiosk.read_exact(&mut asked).unwrap();
        printer.write_all(&asked).unwrap();
        printer.read_exact(&mut answered).unwrap();
        shears.obey("paper out").unwrap();
        kiosk.write_all(&answered).unwrap();
        let (mut a, mut b) = (kiosk.try_clone().unwrap(), printer.try_clone().unwrap());
        std::thread::spawn(move || drop(std::io::copy(&mut b, &mut a)));
        drop(std::io::copy(&mut kiosk, &mut printer));
    });
    let mut printer = TcpPrinter::new(&address.to_string(), PrinterLimits { finish: MS(30), ..limits() });
    assert!(matches!(printer.print(JOB), Err(PrintError::Stopped)));
    assert_eq!(std::fs::read(&out).unwrap(), b"");
    sim.obey("paper ok").unwrap();
    assert_eq!(std::fs::read(&out).unwrap(), JOB);
}
