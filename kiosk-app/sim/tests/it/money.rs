//! One suite for both protocols: the kiosk cannot tell which one it speaks.

use kiosk_core::{
    Command, CommandOutcome, Currency, DayTotals, Enquiry, Id, Minor, Paper, TerminalReceipt, TerminalWord, device::Health,
    paper::CardSlip,
};
use kiosk_devices::{
    AbortFlag, CodePage, FinancialRequest, NexoTerminal, PaymentTerminal, ReceiptLayout, Slips, ZvtTerminal,
    mask::luhn,
    nexo::{NexoLimits, NexoNames, Pin},
    render,
    zvt::{SlipsTo, ZvtLimits, ZvtPassword},
};
use kiosk_sim::{Kind, Mode, TerminalSim};
use std::{
    collections::HashMap,
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

const MS: fn(u64) -> Duration = Duration::from_millis;

struct Bench {
    name: &'static str,
    sim: TerminalSim,
    terminal: Box<dyn PaymentTerminal>,
    /// Attempts begun.
    n: u8,
}

fn zvt(sim: &TerminalSim) -> Box<dyn PaymentTerminal> {
    let s = MS(10_000);
    let limits = ZvtLimits { connect: s, acknowledge: s, register: s, reply: s, total: s, abort: MS(20) };
    let password = ZvtPassword::parse("000000").unwrap();
    Box::new(ZvtTerminal::new(&sim.address().to_string(), password, limits, SlipsTo::Till))
}

fn nexo(sim: &TerminalSim, pin: Pin) -> Box<dyn PaymentTerminal> {
    let limits = NexoLimits { connect: MS(10_000), reply: MS(10_000), answer: MS(10_000), settle: MS(60), look: MS(10) };
    let names = NexoNames { sale: "KIOSK-1".into(), poi: "POI-1".into() };
    Box::new(NexoTerminal::new(&sim.address().to_string(), pin, names, limits))
}

fn both(mode: Mode) -> [Bench; 2] {
    let listen = ([127, 0, 0, 1], 0).into();
    let one = TerminalSim::start(listen, mode, MS(1)).unwrap();
    let other = TerminalSim::start_nexo(listen, mode, MS(1)).unwrap();
    let (a, b) = (zvt(&one), nexo(&other, other.pin().unwrap()));
    [Bench { name: "zvt", sim: one, terminal: a, n: 0 }, Bench { name: "nexo", sim: other, terminal: b, n: 0 }]
}

impl Bench {
    fn run(&mut self, command: Command) -> (CommandOutcome, Slips) {
        self.n += 1;
        let request = FinancialRequest { attempt: Id([self.n; 16]), command, currency: Currency::EUR };
        self.terminal.run(&request, &AbortFlag::new(), &mut |_| {})
    }

    fn sell(&mut self, amount: i64) -> CommandOutcome {
        self.run(Command::Authorise { amount: Minor(amount) }).0
    }

    fn approved(&mut self, command: Command) -> TerminalReceipt {
        match self.run(command).0 {
            CommandOutcome::Approved(receipt) => receipt,
            other => panic!("{}: {other:?}", self.name),
        }
    }

    fn close(&mut self) -> DayTotals {
        match self.run(Command::EndOfDay).0 {
            CommandOutcome::Totals(day) => day,
            other => panic!("{}: {other:?}", self.name),
        }
    }

    fn last(&mut self) -> Option<u32> {
        match self.terminal.enquire(Id([self.n; 16])) {
            Enquiry::Last(last) => last.map(|receipt| receipt.number),
            other => panic!("{}: {other:?}", self.name),
        }
    }
}

#[test]
fn a_day_is_sold_reversed_refunded_and_closed() {
    for mut bench in both(Mode::Approve) {
        assert_eq!(bench.terminal.probe(), Health::Ok);
        let sale = |amount| Command::Authorise { amount: Minor(amount) };
        let first = bench.approved(sale(1000));
        assert_eq!((first.number, first.amount, first.currency), (1, Minor(1000), Some(Currency::EUR)));
        assert_eq!(first.terminal, "52500001");
        assert_eq!(bench.approved(sale(550)).number, 2);
        assert_eq!(bench.approved(Command::Reverse { amount: Minor(1000), receipt: 1 }).number, 3);
        let again = bench.run(Command::Reverse { amount: Minor(1000), receipt: 1 }).0;
        assert!(matches!(again, CommandOutcome::Declined { code: 0xB4 | 0xB5 }), "{again:?}");
        assert_eq!(bench.approved(Command::Refund { amount: Minor(50) }).amount, Minor(50));
        let day = bench.close();
        assert_eq!((day.amount, day.rows.len(), day.rows[0].count), (Minor(500), 1, 4), "{}", bench.name);
        assert_eq!(bench.approved(sale(1)).number, 1, "numbering restarts");
        assert_eq!(
            bench.sim.books().iter().map(|t| t.kind).collect::<Vec<_>>()[..3],
            [Kind::Sale, Kind::Sale, Kind::Reversal(1)]
        );
    }
}

#[test]
fn slips_come_for_guest_and_shop_and_no_card_number_with_them() {
    for mut bench in both(Mode::Approve) {
        let (_, slips) = bench.run(Command::Authorise { amount: Minor(1250) });
        assert!(slips.customer[0].contains("Kundenbeleg") && slips.merchant[0].contains("Händlerbeleg"), "{slips:?}");
        assert!(slips.customer.iter().any(|line| line.starts_with("Karte ************")), "{slips:?}");
        assert!(slips.merchant.iter().any(|line| line.contains("12,50")));
    }
}

#[test]
fn a_refusal_of_the_bank_moves_nothing() {
    for mut bench in both(Mode::Decline) {
        assert_eq!(bench.sell(100), CommandOutcome::Declined { code: 5 }, "{}", bench.name);
        assert_eq!(bench.sim.books(), []);
    }
}

#[test]
fn cut_after_approval_it_is_unknown_over_zvt_and_found_by_its_reference_over_nexo() {
    let [mut zvt, mut nexo] = both(Mode::Cut);
    assert_eq!(zvt.sell(700), CommandOutcome::Unknown);
    assert_eq!(zvt.last(), Some(1), "the enquiry shows it to whoever decides");
    assert!(matches!(nexo.sell(700), CommandOutcome::Approved(receipt) if receipt.number == 1));
    assert_eq!(nexo.sim.books().len(), 1);
}

#[test]
fn a_terminal_that_approves_and_then_denies_leaves_it_unknown() {
    for mut bench in both(Mode::Cut) {
        bench.sim.obey("enquiry deny").unwrap();
        assert_eq!(bench.sell(700), CommandOutcome::Unknown, "{}", bench.name);
        assert_eq!(bench.last(), None, "{}", bench.name);
        bench.sim.obey("enquiry unsupported").unwrap();
        assert_eq!(bench.terminal.enquire(Id([1; 16])), Enquiry::Unsupported);
    }
}

#[test]
fn used_by_hand_in_between_zvt_shows_the_other_receipt_and_nexo_our_own() {
    let [mut zvt, mut nexo] = both(Mode::Cut);
    zvt.sell(700);
    zvt.sim.obey("hand 700").unwrap();
    assert_eq!(zvt.last(), Some(2), "not ours, though the amount is the same");
    nexo.sell(700);
    nexo.sim.obey("hand 700").unwrap();
    assert_eq!(nexo.last(), Some(1));
}

#[test]
fn a_terminal_that_takes_back_what_it_said_is_found_out_by_its_totals() {
    for mut bench in both(Mode::Deaf) {
        assert!(matches!(bench.sell(700), CommandOutcome::Approved(_)));
        while !bench.sim.books()[0].reversed {
            std::thread::yield_now();
        }
        bench.sim.obey("mode approve").unwrap();
        bench.sell(300);
        assert_eq!(bench.close().amount, Minor(300), "{}", bench.name);
    }
}

#[test]
fn a_silent_terminal_ends_unknown_and_a_guest_who_stops_is_told_by_the_terminal() {
    for mut bench in both(Mode::Manual) {
        let (abort, request) = (AbortFlag::new(), Command::Authorise { amount: Minor(5) });
        let request = FinancialRequest { attempt: Id([9; 16]), command: request, currency: Currency::EUR };
        let mut words = vec![];
        let outcome = bench.terminal.run(&request, &abort, &mut |word| {
            words.push(word);
            abort.raise();
        });
        assert_eq!(outcome.0, CommandOutcome::Declined { code: 0x6C }, "{}", bench.name);
        assert_eq!(words[0], TerminalWord::Acknowledged);
    }
}

#[test]
fn a_terminal_with_another_certificate_gets_not_one_byte_of_a_command() {
    let [_, bench] = both(Mode::Approve);
    let mut stranger = nexo(&bench.sim, Pin::of(b"another certificate"));
    let request = FinancialRequest { attempt: Id([1; 16]), command: Command::EndOfDay, currency: Currency::EUR };
    assert_eq!(stranger.run(&request, &AbortFlag::new(), &mut |_| {}).0, CommandOutcome::NotSent);
    assert_eq!(stranger.probe(), Health::Lost);
}

/// Card numbers of 13 to 19 digits that pass Luhn's check.
fn canaries(n: u64) -> Vec<u64> {
    let number = |i: u64| {
        let digits = 12 + (i % 7) as u32;
        let body = (4 * 10u64.pow(digits - 1) + i.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 10u64.pow(digits - 1))
            .min(922_337_203_685_477_579);
        let of = |number: u64| number.to_string().bytes().map(|b| b - b'0').collect::<Vec<_>>();
        (0..10).map(|check| body * 10 + check).find(|number| luhn(of(*number).into_iter())).unwrap()
    };
    (0..n).map(number).collect()
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The number as text, as UTF-16 of it nobody would write, as BCD, and in groups of four.
fn forms(number: u64) -> Vec<Vec<u8>> {
    let text = number.to_string();
    let padded = if text.len().is_multiple_of(2) { text.clone() } else { format!("{text}f") };
    let bcd = (0..padded.len()).step_by(2).map(|i| u8::from_str_radix(&padded[i..i + 2], 16).unwrap()).collect();
    let groups = text.as_bytes().chunks(4).map(|c| std::str::from_utf8(c).unwrap()).collect::<Vec<_>>().join(" ");
    vec![text.into_bytes(), bcd, groups.into_bytes()]
}

#[test]
fn of_a_thousand_card_numbers_none_comes_out_of_the_adapters() {
    let log = Log::default();
    let writer = log.clone();
    let everything = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone());
    let layout = ReceiptLayout {
        header: vec![],
        footer: vec![],
        columns: 42,
        code_page: CodePage::Pc858,
        currency: Currency::EUR,
        page_url: None,
        offset_min: 0,
        logo: None,
    };
    let numbers = canaries(1000);
    let mut out = Vec::new();
    tracing::subscriber::with_default(everything.finish(), || {
        for mut bench in both(Mode::Approve) {
            bench.sim.obey("delay 0").unwrap();
            for (n, number) in numbers.iter().enumerate() {
                bench.sim.obey(&format!("card {number}")).unwrap();
                let command = Command::Authorise { amount: Minor(100 + n as i64) };
                let attempt = Id((n as u128 + 1).to_be_bytes());
                let request = FinancialRequest { attempt, command, currency: Currency::EUR };
                let (outcome, slips) = bench.terminal.run(&request, &AbortFlag::new(), &mut |_| {});
                assert!(matches!(outcome, CommandOutcome::Approved(_)), "{outcome:?}");
                out.extend(format!("{outcome:?}{slips:?}").into_bytes());
                out.extend(format!("{:?}", bench.terminal.enquire(attempt)).into_bytes());
                let slip = CardSlip {
                    attempt,
                    number: String::new(),
                    lines: slips.merchant,
                    merchant: true,
                    copy: false,
                    language: "en".into(),
                };
                out.extend(render(&Paper::Slip(slip), &layout));
            }
            assert!(bench.sim.books().iter().map(|t| t.card).eq(numbers.iter().copied()), "the numbers were in the terminal");
        }
    });
    out.extend(log.0.lock().unwrap().iter());
    assert!(String::from_utf8_lossy(&out).contains("Apdu(04 0F, "), "the log does not see the messages at all");
    assert_eq!(count(&out, numbers.iter().flat_map(|n| forms(*n))), 0);
    out.extend(numbers[17].to_string().into_bytes());
    assert_eq!(count(&out, numbers.iter().flat_map(|n| forms(*n))), 1, "the search finds what is there");
}

/// How many times any of the needles is in `hay`.
fn count(hay: &[u8], needles: impl Iterator<Item = Vec<u8>>) -> usize {
    let mut by_head: HashMap<[u8; 6], Vec<Vec<u8>>> = HashMap::new();
    for needle in needles {
        by_head.entry(needle[..6].try_into().unwrap()).or_default().push(needle);
    }
    let at = |at: usize| <[u8; 6]>::try_from(&hay[at..at + 6]).ok().and_then(|head| by_head.get(&head));
    (0..hay.len().saturating_sub(5)).filter(|i| at(*i).into_iter().flatten().any(|needle| hay[*i..].starts_with(needle))).count()
}
