//! Board-configs, good and bad.

#![allow(clippy::unwrap_used)]
use super::*;

const GOOD: &str = "name = \"x\"\n[display]\nwidth_px = 720\nheight_px = 1280\ndpi = 212\n\n[terminal]\nkind = \"zvt\"\n\
    address = \"10.0.0.2:20007\"\npassword = \"000000\"\nside = \"right\"\n\n[printer]\nkind = \"file\"\npath = \"r.bin\"\n\
    columns = 42\ncode_page = \"pc866\"\n";

fn message(text: &str) -> String {
    BoardConfig::parse(text, Path::new("dir/b.toml")).unwrap_err().to_string()
}

#[test]
fn relative_paths_start_at_the_folder_of_the_file() {
    let board = BoardConfig::parse(GOOD, Path::new("dir/b.toml")).unwrap();
    assert!(matches!(board.printer, Some(Printer::File { path, .. }) if path == Path::new("dir/r.bin")));
    assert_eq!(board.terminal.unwrap().side(), Side::Right);
    assert_eq!(board.reader, None);
}

#[test]
fn a_typo_is_named_with_file_line_and_key() {
    let text = message(&GOOD.replace("dpi =", "dip ="));
    assert!(text.starts_with("dir/b.toml:5: "), "{text}");
    assert!(text.contains("dip"), "{text}");
    let text = message(&GOOD.replace("side = \"right\"", "side = \"up\""));
    assert!(text.starts_with("dir/b.toml:") && text.contains("up"), "{text}");
    let text = message(&GOOD.replace("dpi = 212", "dpi = \"x\""));
    assert!(text.starts_with("dir/b.toml:5: display.dpi: "), "{text}");
}

#[test]
fn a_value_out_of_range_is_named_with_line_and_cure() {
    assert_eq!(message(&GOOD.replace("dpi = 212", "dpi = 9")), "dir/b.toml:5: display.dpi: 9 is not in 60..=600");
    let text = message(&GOOD.replace("\"000000\"", "\"12\""));
    assert_eq!(text, "dir/b.toml:10: terminal.password: must be six digits, as set at the terminal");
    let text = message(&GOOD.replace("10.0.0.2:20007", "10.0.0.2"));
    assert!(text.starts_with("dir/b.toml:9: terminal.address: '10.0.0.2' is not host:port"), "{text}");
}

#[test]
fn what_a_terminal_does_by_itself_is_read_and_held_to_reason() {
    let own = |text: &str| BoardConfig::parse(text, Path::new("b.toml")).map(|board| board.terminal.unwrap().own());
    assert_eq!(own(GOOD).unwrap(), TerminalOwn::default());
    let with = |rest: &str| GOOD.replace("\n[printer]", &format!("\n[terminal.own]\n{rest}\n[printer]"));
    let read = own(&with("by_hand = false\nprocessing_s = 45")).unwrap();
    assert_eq!(read, TerminalOwn { by_hand: false, processing_s: 45, ..TerminalOwn::default() });
    let text = own(&with("processing_s = 3")).unwrap_err().to_string();
    assert!(text.ends_with("terminal.own.processing_s: 3 is not in 10..=900"), "{text}");
    assert!(own(&with("by_foot = true")).is_err());
}

#[test]
fn a_device_that_signs_is_reached_as_the_config_says() {
    let fiscal = |rest: &str| {
        let text = format!("{GOOD}[fiscal]\nkind = \"tcp\"\naddress = \"10.0.0.3:20010\"\n{rest}");
        BoardConfig::parse(&text, Path::new("b.toml")).map(|board| board.fiscal.unwrap())
    };
    assert!(matches!(fiscal("").unwrap(), Fiscal::Tcp { wait_s: 3, on_outage: OnOutage::Sell, .. }));
    assert!(matches!(fiscal("on_outage = \"refuse\"").unwrap(), Fiscal::Tcp { on_outage: OnOutage::Refuse, .. }));
    assert!(fiscal("wait_s = 90").unwrap_err().to_string().ends_with("fiscal.wait_s: 90 is not in 1..=30"));
}

#[test]
fn a_drawer_hangs_on_the_printer_where_the_config_says_so() {
    let printer = |text: &str| BoardConfig::parse(text, Path::new("b.toml")).unwrap().printer.unwrap();
    assert_eq!(printer(GOOD).drawer(), None);
    assert_eq!(printer(&format!("{GOOD}drawer = \"pin5\"\n")).drawer(), Some(DrawerPin::Pin5));
}

#[test]
fn what_is_expected_of_the_microcontroller_board_is_checked_word_by_word() {
    let with = |rest: &str| format!("{GOOD}\n[peripherals]\nkind = \"serial\"\npath = \"tty\"\n{rest}");
    let text = message(&with("fitted = [\"keypad\", \"kettle\"]\n"));
    assert!(text.starts_with("dir/b.toml:22: peripherals.fitted: 'kettle' is not known; there are keypad, "), "{text}");
    let text = message(&with("firmware = \"1.0\"\n"));
    assert_eq!(text, "dir/b.toml:22: peripherals.firmware: must be three numbers, such as 0.1.0");
    let text = message(&with("volume = 101\n"));
    assert_eq!(text, "dir/b.toml:22: peripherals.volume: 101 is not in 0..=100");
    let text = message(&with("[peripherals.pins]\ndrawer = 13\n"));
    assert!(text.contains("peripherals.pins: uart_tx is missing"), "{text}");
    let table: String = pins::FIRMWARE.iter().map(|(part, gpio)| format!("{} = {gpio}\n", part.word())).collect();
    let good = BoardConfig::parse(&with(&format!("[peripherals.pins]\n{table}")), Path::new("b.toml")).unwrap();
    let expect = good.peripherals.unwrap().expect();
    assert_eq!((expect.pins, expect.fitted), (Some(pins::checksum(&pins::FIRMWARE)), None));
}

#[test]
fn every_board_config_that_comes_with_the_product_can_be_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../board-configs");
    for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if file.extension().is_some_and(|extension| extension == "toml") {
            BoardConfig::load(&file).unwrap();
        }
    }
}

#[test]
fn a_missing_file_says_so() {
    let text = BoardConfig::load(Path::new("/nonexistent/b.toml")).unwrap_err().to_string();
    assert!(text.contains("/nonexistent/b.toml: cannot be read"), "{text}");
}

#[test]
fn a_scanner_is_named_with_its_port_and_bounds() {
    let scanner = |rest: &str| {
        let text = format!("{GOOD}\n[scanner]\n{rest}");
        BoardConfig::parse(&text, Path::new("dir/b.toml")).map(|board| board.scanner.unwrap())
    };
    let fault = |rest: &str| scanner(rest).unwrap_err().to_string();
    let serial = scanner("kind = \"serial\"\npath = \"scanner\"\n").unwrap();
    assert_eq!(serial, Scanner::Serial { path: "dir/scanner".into(), baud: 9600, max: 512 });
    let hid = scanner("kind = \"hid\"\npath = \"/dev/input/event7\"\nmax = 64\n").unwrap();
    assert_eq!(hid, Scanner::Hid { path: "/dev/input/event7".into(), max: 64 });
    assert!(fault("kind = \"serial\"\npath = \"s\"\nbaud = 300\n").contains("scanner.baud: 300 is not one of"));
    assert!(fault("kind = \"hid\"\npath = \"s\"\nmax = 0\n").ends_with("scanner.max: 0 is not in 1..=4096"));
    assert!(scanner("kind = \"hid\"\npath = \"s\"\nbaud = 9600\n").is_err(), "a keyboard has no speed");
}
