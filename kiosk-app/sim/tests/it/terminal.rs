use kiosk_core::{Command, CommandOutcome, Currency, Id, Minor, TerminalReceipt, TerminalWord, device::Health};
use kiosk_devices::{
    AbortFlag, FinancialRequest, PaymentTerminal, ZvtTerminal,
    zvt::{Framer, SlipsTo, ZvtLimits, ZvtPassword, command},
};
use kiosk_sim::{Mode, TerminalSim, Transaction};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex},
    time::Duration,
};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn limits() -> ZvtLimits {
    let patient = MS(10_000);
    ZvtLimits { connect: patient, acknowledge: patient, register: patient, reply: patient, total: MS(30_000), abort: MS(20) }
}

fn client(address: SocketAddr, limits: ZvtLimits) -> ZvtTerminal {
    ZvtTerminal::new(&address.to_string(), ZvtPassword::parse("000000").unwrap(), limits, SlipsTo::Terminal)
}

fn sim(mode: Mode) -> TerminalSim {
    TerminalSim::start(([127, 0, 0, 1], 0).into(), mode, MS(1)).unwrap()
}

const REQUEST: FinancialRequest =
    FinancialRequest { attempt: Id([7; 16]), command: Command::Authorise { amount: Minor(1250) }, currency: Currency::EUR };

fn charge(terminal: &mut ZvtTerminal) -> CommandOutcome {
    terminal.run(&REQUEST, &AbortFlag::new(), &mut |_| {}).0
}

#[test]
fn an_approval_comes_with_amount_receipt_and_the_last_digits_only() {
    let sim = sim(Mode::Approve);
    let mut terminal = client(sim.address(), limits());
    let mut statuses = vec![];
    let (outcome, _) = terminal.run(&REQUEST, &AbortFlag::new(), &mut |word| statuses.push(word));
    let CommandOutcome::Approved(TerminalReceipt { amount: Minor(1250), number: 1, masked, .. }) = &outcome else {
        panic!("{outcome:?}")
    };
    assert!(masked.starts_with("VISA **** ") && masked.len() == 14, "{masked}");
    assert_eq!(statuses, [TerminalWord::Acknowledged, TerminalWord::Status(0x0A), TerminalWord::Status(0x0E)]);
    // The simulated terminal sends whole card numbers; none is in anything that came out.
    assert!(!format!("{outcome:?}{terminal:?}").contains("411111"));
    let [Transaction { receipt: 1, amount: 1250, reversed: false, by_hand: false, .. }] = sim.books()[..] else { panic!() };
}

#[test]
fn no_card_number_is_in_the_most_talkative_log() {
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
    let sim = sim(Mode::Approve);
    let log = Log::default();
    let writer = log.clone();
    let everything = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone());
    tracing::subscriber::with_default(everything.finish(), || {
        let mut terminal = client(sim.address(), limits());
        (0..20).for_each(|_| drop(charge(&mut terminal)));
    });
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(text.matches("Apdu(04 0F, ").count(), 20, "the log does not see the messages at all");
    for needle in ["411111", "41 11 11", "65, 17, 17", "0x41"] {
        assert!(!text.contains(needle), "{needle}");
    }
}

#[test]
fn one_connection_serves_many_payments() {
    let sim = sim(Mode::Approve);
    let mut terminal = client(sim.address(), limits());
    for n in 1..=5 {
        assert_eq!(terminal.probe(), Health::Ok);
        assert!(matches!(charge(&mut terminal), CommandOutcome::Approved(receipt) if receipt.number == n));
    }
    assert_eq!(sim.books().len(), 5);
}

#[test]
fn a_refusal_moves_no_money_and_says_why() {
    let sim = sim(Mode::Decline);
    assert_eq!(charge(&mut client(sim.address(), limits())), CommandOutcome::Declined { code: 5 });
    assert_eq!(sim.books(), []);
}

#[test]
fn a_silent_terminal_leaves_the_payment_unknown() {
    let sim = sim(Mode::Silent);
    let hasty = ZvtLimits { acknowledge: MS(300), ..limits() };
    let mut terminal = client(sim.address(), hasty);
    assert_eq!(terminal.probe(), Health::Ok);
    // The simulated terminal has taken the command, and acknowledges only our wish to stop: that settles nothing.
    assert_eq!(charge(&mut terminal), CommandOutcome::Unknown);
}

#[test]
fn a_guest_who_stops_is_declined_by_the_terminal_itself() {
    let sim = sim(Mode::Manual);
    let abort = AbortFlag::new();
    let mut terminal = client(sim.address(), limits());
    let mut asked = |word| {
        if matches!(word, TerminalWord::Status(_)) {
            abort.raise();
        }
    };
    let outcome = terminal.run(&REQUEST, &abort, &mut asked).0;
    assert_eq!(outcome, CommandOutcome::Declined { code: 0x6C });
    assert_eq!(sim.books(), []);
}

#[test]
fn a_charge_stopped_before_it_is_sent_is_not_sent() {
    let sim = sim(Mode::Approve);
    let abort = AbortFlag::new();
    abort.raise();
    let mut terminal = client(sim.address(), limits());
    assert_eq!(terminal.run(&REQUEST, &abort, &mut |_| {}).0, CommandOutcome::NotSent);
    assert_eq!(sim.books(), []);
    assert!(matches!(charge(&mut terminal), CommandOutcome::Approved(_)));
}

/// Runs a charge and gives the control line, which waits for it.
fn by_hand(line: &str, limits: ZvtLimits) -> (CommandOutcome, TerminalSim) {
    let sim = sim(Mode::Manual);
    let mut terminal = client(sim.address(), limits);
    let charge = std::thread::spawn(move || charge(&mut terminal));
    sim.obey(line).unwrap();
    (charge.join().unwrap(), sim)
}

#[test]
fn a_person_decides_in_manual_mode() {
    assert!(sim(Mode::Approve).obey("approve").is_err(), "nobody waits in another mode");
    assert!(matches!(by_hand("approve", limits()).0, CommandOutcome::Approved(_)));
    assert_eq!(by_hand("decline", limits()).0, CommandOutcome::Declined { code: 5 });
}

#[test]
fn a_terminal_that_stops_talking_leaves_the_payment_unknown() {
    let (outcome, sim) = by_hand("timeout", ZvtLimits { reply: MS(200), ..limits() });
    assert_eq!(outcome, CommandOutcome::Unknown);
    assert_eq!(sim.books(), []);
}

#[test]
fn without_a_terminal_nothing_is_sent() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut terminal = client(address, limits());
    assert_eq!(terminal.probe(), Health::Lost);
    assert_eq!(charge(&mut terminal), CommandOutcome::NotSent);
}

/// A terminal that answers each command with prepared bytes, a few at a time, and closes after the last.
fn scripted(script: &'static [&'static [u8]], piece: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        let (mut framer, mut heard) = (Framer::default(), [0; 64]);
        for answer in script {
            while framer.next().is_none() {
                match stream.read(&mut heard).unwrap_or(0) {
                    0 => return,
                    n => framer.push(&heard[..n]),
                }
            }
            for part in answer.chunks(piece) {
                stream.write_all(part).unwrap();
            }
        }
    });
    address
}

const REGISTERED: &[u8] = &[0x80, 0, 0, 0x06, 0x0F, 0];
const NOTHING: &[u8] = &[];

#[test]
fn a_connection_lost_after_the_command_is_unknown_and_before_it_not_sent() {
    // Registration, our acknowledgement of it, then the authorisation, taken and the line cut.
    let cut = scripted(&[REGISTERED, NOTHING, &[0x80, 0, 0]], 64);
    assert_eq!(charge(&mut client(cut, limits())), CommandOutcome::Unknown);
    let cut = scripted(&[&[0x80, 0, 0]], 64);
    assert_eq!(charge(&mut client(cut, limits())), CommandOutcome::NotSent);
}

#[test]
fn a_status_of_an_earlier_payment_cannot_settle_this_one() {
    // Before its completion of the registration the terminal says that something was approved: nothing is sent to it.
    let confused = scripted(&[&[0x80, 0, 0, 0x04, 0x0F, 0x02, 0x27, 0x00, 0x06, 0x0F, 0x00]], 64);
    assert_eq!(charge(&mut client(confused, limits())), CommandOutcome::NotSent);
}

#[test]
fn a_nonsense_answer_is_unknown_not_a_crash() {
    let nonsense = scripted(&[REGISTERED, NOTHING, &[0x80, 0, 0, 0x04, 0x0F, 0x02, 0x04, 0xFF]], 1);
    assert_eq!(charge(&mut client(nonsense, limits())), CommandOutcome::Unknown);
}

#[test]
fn a_terminal_that_refuses_the_registration_is_blocked() {
    let mut terminal = client(scripted(&[&[0x84, 0x9C, 0x00]], 64), limits());
    assert_eq!(terminal.probe(), Health::Blocked);
}

#[test]
fn a_till_that_does_not_acknowledge_the_approval_is_not_charged() {
    let sim = sim(Mode::Approve);
    let mut till = std::net::TcpStream::connect(sim.address()).unwrap();
    let authorise = command::authorization(Minor(1250), Currency::EUR).unwrap().encode();
    till.write_all(&authorise).unwrap();
    let mut framer = Framer::default();
    let mut chunk = [0; 64];
    loop {
        let n = till.read(&mut chunk).unwrap();
        framer.push(&chunk[..n]);
        let heard: Vec<_> = std::iter::from_fn(|| framer.next()).collect();
        if heard.iter().any(|a| a.control() == [0x04, 0x0F]) {
            break;
        }
        for _ in heard.iter().filter(|a| a.control() == [0x04, 0xFF]) {
            till.write_all(&[0x80, 0, 0]).unwrap();
        }
    }
    drop(till);
    while !sim.books().iter().any(|t| t.reversed) {
        std::thread::yield_now();
    }
}
