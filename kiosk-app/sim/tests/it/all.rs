use kiosk_core::{
    Command, CommandOutcome, Currency, DeviceEvent, Id, Minor,
    device::{DeviceKind, Health},
};
use kiosk_devices::{AbortFlag, BoardConfig, FinancialRequest, board::Reader, open_peripherals, open_printer, open_terminal};
use kiosk_sim::{AllSims, Mode, Plan, control, nfc::Keys};
use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

const SOON: Duration = Duration::from_secs(5);

fn start(run: &Path, board: Option<&Path>) -> AllSims {
    let delay = Duration::from_millis(1);
    let plan = Plan { run: run.into(), to: None, board: board.map(Into::into), cards: Keys::KNOWN, mode: Mode::Approve, delay };
    AllSims::start(&plan).unwrap()
}

#[test]
fn the_board_config_it_writes_leads_to_every_simulator() {
    let dir = tempfile::tempdir().unwrap();
    let all = start(dir.path(), None);
    let config = BoardConfig::load(&all.board_config()).unwrap();
    // Which process works it is that process's test.
    let Some(Reader::Nfc { tty, .. }) = &config.reader else { panic!("no reader") };
    assert!(tty.exists());
    let mut terminal = open_terminal(&config).unwrap();
    let request =
        FinancialRequest { attempt: Id([1; 16]), command: Command::Authorise { amount: Minor(100) }, currency: Currency::EUR };
    let outcome = terminal.run(&request, &AbortFlag::new(), &mut |_| {}).0;
    assert!(matches!(outcome, CommandOutcome::Approved(_)));
    let mut printer = open_printer(&config).unwrap();
    assert_eq!(printer.print(b"x\n").unwrap(), Health::Ok);
    assert_eq!(std::fs::read(dir.path().join("receipts.bin")).unwrap(), b"x\n");
    let mut board = open_peripherals(&config).unwrap().unwrap();
    assert_eq!(board.next(SOON), Some(DeviceEvent::Health(DeviceKind::Peripherals, Health::Ok)));
}

#[test]
fn a_board_with_the_other_protocol_gets_that_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let other = dir.path().join("other.toml");
    let text = "name = \"x\"\n[display]\nwidth_px = 1280\nheight_px = 800\ndpi = 150\n[terminal]\nkind = \"nexo\"\n\
        address = \"127.0.0.1:1\"\ncertificate_sha256 = \"\"\npoi_id = \"POI-1\"\nsale_id = \"K-1\"\nside = \"left\"\n";
    std::fs::write(&other, text).unwrap();
    let all = start(dir.path(), Some(&other));
    let mut terminal = open_terminal(&BoardConfig::load(&all.board_config()).unwrap()).unwrap();
    assert_eq!(terminal.probe(), Health::Ok);
}

#[test]
fn every_control_socket_answers_each_line_with_one() {
    let dir = tempfile::tempdir().unwrap();
    let _all = start(dir.path(), None);
    for (name, line) in
        [("reader", "place jane"), ("terminal", "mode decline"), ("printer", "paper out"), ("board", "presence on")]
    {
        let path = dir.path().join(format!("{name}.ctl"));
        assert_eq!(control::send(&path, line).unwrap(), Ok(()), "{name}");
        assert!(control::send(&path, "nonsense").unwrap().unwrap_err().contains("not known"), "{name}");
    }
    let mut stream = UnixStream::connect(dir.path().join("reader.ctl")).unwrap();
    stream.write_all(b"remove\nremove\n").unwrap();
    let mut answers = BufReader::new(stream).lines();
    assert_eq!(answers.next().unwrap().unwrap(), "ok");
    assert_eq!(answers.next().unwrap().unwrap(), "error: no card is on the reader");
}

#[test]
fn a_board_without_a_device_stays_without_it() {
    let dir = tempfile::tempdir().unwrap();
    let bare = dir.path().join("bare.toml");
    std::fs::write(&bare, "name = \"bare\"\n[display]\nwidth_px = 1280\nheight_px = 800\ndpi = 150\n").unwrap();
    let all = start(dir.path(), Some(&bare));
    let config = BoardConfig::load(&all.board_config()).unwrap();
    assert_eq!((config.display.width_px, config.reader, config.terminal), (1280, None, None));
}

#[test]
fn sockets_and_links_go_with_the_simulators_and_stale_ones_are_replaced() {
    let dir = tempfile::tempdir().unwrap();
    std::mem::forget(std::os::unix::net::UnixListener::bind(dir.path().join("reader.ctl")).unwrap());
    drop(start(dir.path(), None));
    for name in ["reader.sock", "reader.ctl", "terminal.ctl", "printer.ctl", "board.ctl", "board.pty"] {
        assert!(std::fs::symlink_metadata(dir.path().join(name)).is_err(), "{name} is left over");
    }
}

#[test]
fn every_board_config_of_the_project_is_valid() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../board-configs");
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    let configs: Vec<_> = files.iter().filter(|p| p.extension().is_some_and(|e| e == "toml")).collect();
    assert!(!configs.is_empty());
    for path in configs {
        BoardConfig::load(path).unwrap();
    }
}
