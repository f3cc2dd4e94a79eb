//! `kiosk-app check`: tries every device that a board-config names, and says what is wrong and what to do.
//!
//! Nothing is sold, printed or opened: the terminal is registered with, the printer asked for its status, the reader and
//! the board listened to for a moment. The kiosk itself must not be running, because devices take one caller at a time.

use kiosk_core::{
    DeviceEvent,
    desk::Seen,
    device::{DeviceKind, Health},
};
use kiosk_devices::{
    BoardConfig, CodeScanner, FiscalDevice, FiscalError, PaymentTerminal, Peripherals, ReaderError, ReceiptPrinter, ScannerError,
    TagReader,
    board::{Fiscal, Printer, Reader, Serial, Terminal},
    open_fiscal, open_peripherals, open_printer, open_reader, open_scanner, open_terminal,
};
use std::{
    fmt, fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// How long the reader and the board are listened to: both speak at least twice in that time.
const LISTEN: Duration = Duration::from_secs(3);
/// Seconds since 1970 before which a clock was never set: 2026-01-01.
const CLOCK_FLOOR_S: u64 = 1_767_225_600;

/// A part of the kiosk that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Part {
    Display,
    Touch,
    Clock,
    Reader,
    Scanner,
    Terminal,
    Printer,
    Board,
    Fiscal,
}

impl Part {
    /// The English word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Display => "display",
            Self::Touch => "touch",
            Self::Clock => "clock",
            Self::Reader => "reader",
            Self::Scanner => "scanner",
            Self::Terminal => "terminal",
            Self::Printer => "printer",
            Self::Board => "board",
            Self::Fiscal => "fiscal",
        }
    }
}

/// How a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It answered.
    Works,
    /// The board-config does not name one.
    NotFitted,
    /// It works, and somebody should look at it.
    Doubtful,
    /// It does not work.
    Fault,
}

/// What was found out about a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which part.
    pub part: Part,
    /// How it is.
    pub verdict: Verdict,
    /// What was seen.
    pub what: String,
    /// What to do, empty where there is nothing to do.
    pub cure: String,
}

impl Finding {
    fn seen(&self) -> Option<Seen> {
        Some(match (self.part, self.verdict) {
            (Part::Display, Verdict::Works) => Seen::Screen,
            (Part::Display, Verdict::Doubtful) => Seen::NoScreen,
            (Part::Display, Verdict::Fault) => Seen::OtherScreen,
            (Part::Touch, Verdict::Works) => Seen::Glass,
            (Part::Touch, _) => Seen::NoGlass,
            (Part::Clock, Verdict::Works) => Seen::Clock,
            (Part::Clock, Verdict::Doubtful) => Seen::ClockForgets,
            (Part::Clock, Verdict::Fault) => Seen::ClockUnset,
            _ => return None,
        })
    }
    fn works(part: Part, what: impl Into<String>) -> Self {
        Self { part, verdict: Verdict::Works, what: what.into(), cure: String::new() }
    }
    fn not_fitted(part: Part) -> Self {
        Self { part, verdict: Verdict::NotFitted, what: "not named by the board-config".into(), cure: String::new() }
    }
    fn doubtful(part: Part, what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { part, verdict: Verdict::Doubtful, what: what.into(), cure: cure.into() }
    }
    fn fault(part: Part, what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { part, verdict: Verdict::Fault, what: what.into(), cure: cure.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.verdict {
            Verdict::Works => "ok   ",
            Verdict::NotFitted => "-    ",
            Verdict::Doubtful => "look ",
            Verdict::Fault => "FAULT",
        };
        write!(f, "{sign} {:<9} {}", self.part.word(), self.what)?;
        if self.cure.is_empty() { Ok(()) } else { write!(f, "\n      {:<9} do: {}", "", self.cure) }
    }
}

/// Tries everything that `board` names, on this machine. Takes some seconds.
pub fn check(board: &BoardConfig) -> Vec<Finding> {
    let machine = Path::new("/");
    vec![
        display(board, machine),
        touch(machine),
        clock(SystemTime::now(), machine),
        reader(board, open_reader(board)),
        scanner(open_scanner(board)),
        terminal(board, open_terminal(board)),
        printer(board, open_printer(board)),
        peripherals(board, open_peripherals(board)),
        fiscal(board, SystemTime::now(), open_fiscal(board)),
    ]
}

/// What the kernel tells of screen, glass and clock: for a kiosk that runs, whose devices take nobody else.
pub(crate) fn seen(board: &BoardConfig) -> Vec<Seen> {
    let machine = Path::new("/");
    [display(board, machine), touch(machine), clock(SystemTime::now(), machine)].iter().filter_map(Finding::seen).collect()
}

/// The connected screen, as the kernel tells of it below `/sys/class/drm`.
fn display(board: &BoardConfig, root: &Path) -> Finding {
    let part = Part::Display;
    let wanted = (board.display.width_px, board.display.height_px);
    let connected = folders(&root.join("sys/class/drm"))
        .into_iter()
        .filter(|connector| text(&connector.join("status")).as_deref() == Some("connected"))
        .find_map(|connector| text(&connector.join("modes"))?.lines().next().and_then(mode));
    let Some((width, height)) = connected else {
        return Finding::doubtful(
            part,
            "no connected screen is known to the kernel",
            "plug the screen in and start again; in a container or under a desktop this line can be ignored",
        );
    };
    if (width, height) == wanted || (height, width) == wanted {
        return Finding::works(part, format!("{width} x {height} pixels"));
    }
    Finding::fault(
        part,
        format!("the screen is {width} x {height} pixels, the board-config says {} x {}", wanted.0, wanted.1),
        "choose the board-config of this screen, or correct [display] width_px and height_px (as mounted, after rotation)",
    )
}

fn touch(root: &Path) -> Finding {
    let part = Part::Touch;
    let inputs = root.join("sys/class/input");
    let is_touch = |folder: &PathBuf| {
        // Absolute axes 0x35 and 0x36 are ABS_MT_POSITION_X and _Y, 0 and 1 ABS_X and ABS_Y (linux/input-event-codes.h).
        let axes = text(&folder.join("device/capabilities/abs")).unwrap_or_default();
        let low = axes.split_whitespace().last().and_then(|word| u64::from_str_radix(word, 16).ok()).unwrap_or(0);
        low & 0b11 == 0b11 || low & (0b11 << 0x35) == 0b11 << 0x35
    };
    let found = folders(&inputs).into_iter().filter(|f| f.file_name().is_some_and(|n| n.to_string_lossy().starts_with("event")));
    match found.into_iter().find(is_touch) {
        None => {
            Finding::doubtful(part, "no touch screen is known to the kernel", "plug its USB or ribbon cable in and start again")
        }
        Some(folder) => {
            let name = text(&folder.join("device/name")).unwrap_or_default();
            Finding::works(part, format!("'{name}'"))
        }
    }
}

fn clock(now: SystemTime, root: &Path) -> Finding {
    let part = Part::Clock;
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    if seconds < CLOCK_FLOOR_S {
        return Finding::fault(
            part,
            "the clock was never set",
            "connect to the network, or set date and time in the first-start assistant before the first sale",
        );
    }
    if folders(&root.join("sys/class/rtc")).is_empty() {
        return Finding::doubtful(
            part,
            "set, but no battery-backed clock is fitted",
            "fit an RTC with its battery (see board-configs/README.md): after a power cut without network nobody knows the date",
        );
    }
    Finding::works(part, "set, and kept by a battery-backed clock")
}

fn reader(board: &BoardConfig, opened: Option<Box<dyn TagReader>>) -> Finding {
    let part = Part::Reader;
    let (Some(Reader::Sidecar { socket }), Some(mut reader)) = (&board.reader, opened) else {
        return Finding::not_fitted(part);
    };
    match reader.next(LISTEN) {
        // Beats are swallowed: a live reader without a card answers with a time-out.
        Ok(_) | Err(ReaderError::Timeout) => Finding::works(part, "it speaks"),
        Err(ReaderError::Lost(why)) => Finding::fault(
            part,
            format!("silent at {}: {why}", socket.display()),
            "look whether its service runs (systemctl status cem-nfc-sidecar) and whether the reader's cable is in",
        ),
    }
}

/// A scanner says nothing by itself: whether its port opens is all that can be asked.
fn scanner(opened: Option<Box<dyn CodeScanner>>) -> Finding {
    let part = Part::Scanner;
    let Some(mut scanner) = opened else { return Finding::not_fitted(part) };
    match scanner.next(Duration::ZERO) {
        Ok(_) | Err(ScannerError::Timeout) => Finding::works(part, "its port opens; scan something to see that it reads"),
        Err(ScannerError::Lost(why)) => Finding::fault(
            part,
            format!("its port cannot be opened: {why}"),
            "look whether its cable is in and [scanner] path is its name; a keyboard must be readable by this user (group input)",
        ),
    }
}

fn terminal(board: &BoardConfig, opened: Option<Box<dyn PaymentTerminal>>) -> Finding {
    let part = Part::Terminal;
    let Some(config) = &board.terminal else { return Finding::not_fitted(part) };
    let Some(mut terminal) = opened else {
        return Finding::fault(part, "its settings cannot be used", "correct [terminal]: the password has six digits");
    };
    let address = address_of(config);
    match terminal.probe() {
        Health::Ok | Health::Low => Finding::works(part, format!("{address} took our registration")),
        Health::Blocked => Finding::fault(
            part,
            format!("{address} answers and refuses us"),
            "set the same six-digit till password here and at the terminal, end any payment at it, and allow a till over TCP",
        ),
        Health::Lost => Finding::fault(
            part,
            format!("{address} does not answer"),
            "switch it on, compare its address in its network menu with [terminal] address, and try `ping` from this machine",
        ),
    }
}

fn address_of(terminal: &Terminal) -> &str {
    match terminal {
        Terminal::Zvt { address, .. } | Terminal::Nexo { address, .. } => address,
    }
}

fn printer(board: &BoardConfig, opened: Option<Box<dyn ReceiptPrinter>>) -> Finding {
    let part = Part::Printer;
    let (Some(config), Some(mut printer)) = (&board.printer, opened) else { return Finding::not_fitted(part) };
    let place = match config {
        Printer::Tcp { address, .. } => address.clone(),
        Printer::File { path, .. } | Printer::Serial { path, .. } => path.display().to_string(),
    };
    match printer.health() {
        Health::Ok => Finding::works(part, place),
        Health::Low => Finding::doubtful(part, format!("{place}: paper is nearly out"), "put a new roll in"),
        Health::Blocked => Finding::fault(part, format!("{place} cannot print"), "put paper in and close the cover"),
        Health::Lost => Finding::fault(
            part,
            format!("{place} cannot be reached"),
            "switch it on, and compare its address or device with [printer]; a device file must be writable by the kiosk's user",
        ),
    }
}

fn peripherals(board: &BoardConfig, opened: std::io::Result<Option<Box<dyn Peripherals>>>) -> Finding {
    let part = Part::Board;
    let Some(Serial::Serial { path, .. }) = &board.peripherals else { return Finding::not_fitted(part) };
    let path = path.display();
    let mut hand = match opened {
        Ok(Some(hand)) => hand,
        Ok(None) => return Finding::not_fitted(part),
        Err(error) => return Finding::fault(part, format!("{path}: {error}"), "the system is out of file handles: restart it"),
    };
    // Other events may come first; a board has far fewer than this in a moment.
    for _ in 0..64 {
        match hand.next(LISTEN) {
            Some(DeviceEvent::Health(DeviceKind::Peripherals, Health::Ok)) => {
                return Finding::works(part, format!("{path} answers"));
            }
            Some(DeviceEvent::Alarm { detail, .. }) => {
                return Finding::doubtful(
                    part,
                    format!("{path}: {detail}"),
                    "compare the board with [peripherals] of the board-config",
                );
            }
            Some(DeviceEvent::Health(DeviceKind::Peripherals, _)) | None => break,
            Some(_) => {}
        }
    }
    Finding::fault(
        part,
        format!("{path} does not answer"),
        "plug the board in, flash it (firmware/README.md), and compare its device with [peripherals] path",
    )
}

/// A certificate that ends sooner than this should be renewed now.
const RENEW_WITHIN_DAYS: i64 = 30;

fn fiscal(board: &BoardConfig, now: SystemTime, opened: Option<Box<dyn FiscalDevice>>) -> Finding {
    let part = Part::Fiscal;
    let (Some(Fiscal::Tcp { address, .. }), Some(mut device)) = (&board.fiscal, opened) else {
        return Finding::not_fitted(part);
    };
    let state = match device.state() {
        Ok(state) => state,
        Err(FiscalError::Refused(why)) => {
            return Finding::fault(
                part,
                format!("{address} answers and would not sign: {why}"),
                "renew or activate the device with its maker; until then receipts are handled by [fiscal] on_outage",
            );
        }
        Err(FiscalError::Lost(error)) => {
            return Finding::fault(
                part,
                format!("{address} does not answer: {error}"),
                "switch it on, and compare its address with [fiscal] address",
            );
        }
    };
    let now_ms =
        now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    let days = state.valid_until_ms.map(|until| (until - now_ms) / (24 * 60 * 60 * 1000));
    let what = format!("{address}: {} has signed {} times", state.device, state.counter);
    match days {
        Some(days) if days < RENEW_WITHIN_DAYS => Finding::doubtful(
            part,
            format!("{what}; its certificate ends in {} days", days.max(0)),
            "have its certificate renewed before it ends: afterwards nothing is signed",
        ),
        _ => Finding::works(part, what),
    }
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(of).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    found.sort();
    found
}

fn text(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// `1920x1080`, `720x1280i`.
fn mode(line: &str) -> Option<(u32, u32)> {
    let (width, height) = line.split_once('x')?;
    let digits: String = height.chars().take_while(char::is_ascii_digit).collect();
    Some((width.parse().ok()?, digits.parse().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use kiosk_devices::{FiscalRequest, FiscalState, Seal};

    const BOARD: &str = r#"
        name = "test"
        [display]
        width_px = 720
        height_px = 1280
        dpi = 210
    "#;

    fn board(more: &str) -> BoardConfig {
        BoardConfig::parse(&format!("{BOARD}{more}"), Path::new("board.toml")).unwrap()
    }

    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn a_screen_of_another_size_is_a_fault_that_names_both() {
        let card = "sys/class/drm/card1-DSI-1";
        let (status, modes) = (format!("{card}/status"), format!("{card}/modes"));
        let good = machine(&[(&status, "connected\n"), (&modes, "720x1280\n")]);
        assert_eq!(display(&board(""), good.path()).verdict, Verdict::Works);
        let turned = machine(&[(&status, "connected\n"), (&modes, "1280x720\n")]);
        assert_eq!(display(&board(""), turned.path()).verdict, Verdict::Works, "mounted upright");
        let other = machine(&[(&status, "connected\n"), (&modes, "1920x1080i\n720x1280\n")]);
        let found = display(&board(""), other.path());
        assert_eq!(found.verdict, Verdict::Fault);
        assert!(found.what.contains("1920 x 1080") && found.what.contains("720 x 1280"), "{found}");
        let none = machine(&[(&status, "disconnected\n"), (&modes, "")]);
        assert_eq!(display(&board(""), none.path()).verdict, Verdict::Doubtful);
    }

    #[test]
    fn a_touch_screen_is_known_by_its_axes() {
        let event = "sys/class/input/event3/device";
        let (abs, name) = (format!("{event}/capabilities/abs"), format!("{event}/name"));
        let touch_screen = machine(&[(&abs, "260800000000003\n"), (&name, "Goodix Capacitive TouchScreen\n")]);
        let found = touch(touch_screen.path());
        assert_eq!((found.verdict, found.what.as_str()), (Verdict::Works, "'Goodix Capacitive TouchScreen'"));
        let keyboard = machine(&[(&abs, "0\n"), (&name, "Keyboard\n")]);
        assert_eq!(touch(keyboard.path()).verdict, Verdict::Doubtful);
    }

    #[test]
    fn a_clock_of_1970_is_a_fault_and_one_without_a_battery_is_doubtful() {
        let bare = machine(&[]);
        let today = SystemTime::UNIX_EPOCH + Duration::from_secs(CLOCK_FLOOR_S + 1);
        assert_eq!(clock(SystemTime::UNIX_EPOCH, bare.path()).verdict, Verdict::Fault);
        assert_eq!(clock(today, bare.path()).verdict, Verdict::Doubtful);
        assert_eq!(clock(today, machine(&[("sys/class/rtc/rtc0/name", "rtc")]).path()).verdict, Verdict::Works);
    }

    #[test]
    fn what_is_not_fitted_is_no_fault_and_what_is_unreachable_names_its_cure() {
        let found = check(&board(""));
        let of = |part| found.iter().find(|finding| finding.part == part).unwrap().verdict;
        assert_eq!((of(Part::Reader), of(Part::Terminal)), (Verdict::NotFitted, Verdict::NotFitted));
        assert_eq!((of(Part::Printer), of(Part::Board)), (Verdict::NotFitted, Verdict::NotFitted));
        assert_eq!(of(Part::Fiscal), Verdict::NotFitted);

        // Port 9 of the loopback is closed: the answer comes at once.
        let named = board(
            r#"
            [terminal]
            kind = "zvt"
            address = "127.0.0.1:9"
            password = "000000"
            side = "right"
            [printer]
            kind = "tcp"
            address = "127.0.0.1:9"
            columns = 42
            code_page = "pc866"
            [reader]
            kind = "sidecar"
            socket = "no-such.sock"
            [fiscal]
            kind = "tcp"
            address = "127.0.0.1:9"
        "#,
        );
        let found = check(&named);
        for part in [Part::Reader, Part::Terminal, Part::Printer, Part::Fiscal] {
            let finding = found.iter().find(|finding| finding.part == part).unwrap();
            assert_eq!(finding.verdict, Verdict::Fault, "{finding}");
            assert!(!finding.cure.is_empty());
        }
    }

    /// A device that answers `state` once.
    struct Says(Option<Result<FiscalState, FiscalError>>);

    impl FiscalDevice for Says {
        fn sign(&mut self, _: &FiscalRequest) -> Result<Seal, FiscalError> {
            panic!("a check signs nothing")
        }

        fn state(&mut self) -> Result<FiscalState, FiscalError> {
            self.0.take().unwrap()
        }
    }

    #[test]
    fn a_fiscal_device_is_asked_and_signs_nothing() {
        let board = board("[fiscal]\nkind = \"tcp\"\naddress = \"10.0.0.3:20010\"\n");
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(CLOCK_FLOOR_S);
        let said = |state| fiscal(&board, now, Some(Box::new(Says(Some(state)))));
        let ready = |valid_until_ms| Ok(FiscalState { device: "S-7".into(), counter: 12, valid_until_ms });
        let good_for = |days: i64| ready(Some(CLOCK_FLOOR_S as i64 * 1000 + days * 86_400_000));

        let good = said(ready(None));
        assert_eq!((good.verdict, good.what.as_str()), (Verdict::Works, "10.0.0.3:20010: S-7 has signed 12 times"));
        assert_eq!(said(good_for(31)).verdict, Verdict::Works);
        for (days, words) in [(29, "ends in 29 days"), (-3, "ends in 0 days")] {
            let ending = said(good_for(days));
            assert!(ending.verdict == Verdict::Doubtful && ending.what.ends_with(words), "{ending}");
        }
        let refuses = said(Err(FiscalError::Refused("the certificate has expired".into())));
        assert!(refuses.verdict == Verdict::Fault && refuses.what.contains("the certificate has expired"), "{refuses}");
    }
}
