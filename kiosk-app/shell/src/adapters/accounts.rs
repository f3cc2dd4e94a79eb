//! The thread `accounts`: asks the agent about gift cards, one question at a time. What is not answered is said to be silent; the
//! core asks again under the same key.

use super::Wires;
use crate::supervise::supervised;
use cem_contract::{
    data::Money,
    gift::{GONE, GiftSaid, GiftWant, NOT_USABLE, TOO_LITTLE, TOO_MANY, UNKNOWN},
};
use edge_db::link::{Answer, Ask, AskClient};
use kiosk_core::{AccountAnswer, AccountAsk, AccountRefusal, Currency, DeviceEvent, Id, Minor};
use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};
use uuid::Uuid;

/// Questions that wait; more come again by themselves.
const QUEUE: usize = 16;
/// The agent has less than that for the backend's answer.
const BUDGET: Duration = Duration::from_secs(5);
/// How often the thread looks whether it shall end.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Who is asked: given key and question, what is the answer?
pub(crate) type Office = Box<dyn FnMut(Uuid, GiftWant) -> Answer + Send>;

/// The agent behind this socket.
pub(crate) fn agent_at(path: PathBuf) -> Office {
    let mut client = AskClient::new(path);
    Box::new(move |key, want| client.ask(&Ask::Gift { key, want: Box::new(want) }, BUDGET).unwrap_or(Answer::Unavailable))
}

/// The shell's end.
pub(crate) struct AccountHand(SyncSender<(Id, AccountAsk, Currency)>);

impl AccountHand {
    /// Hands a question over. One that finds no room is not answered, and asked again.
    pub(crate) fn ask(&self, attempt: Id, ask: AccountAsk, currency: Currency) {
        if self.0.try_send((attempt, ask, currency)).is_err() {
            tracing::warn!("too many questions about gift cards wait");
        }
    }
}

/// Starts the thread.
pub(crate) fn start(mut office: Office, wires: Wires) -> std::io::Result<(AccountHand, JoinHandle<()>)> {
    let (questions, queue) = sync_channel(QUEUE);
    let asked = Arc::new(Mutex::new(None));
    let (stopping, to_loop, open) = (wires.stopping.clone(), wires.clone(), asked.clone());
    let lost = move || {
        if let Some(attempt) = open.lock().unwrap_or_else(PoisonError::into_inner).take() {
            to_loop.send(DeviceEvent::Account { attempt, answer: AccountAnswer::Silent });
        }
    };
    let thread = supervised("accounts", stopping, lost, move || run(&mut office, &wires, &queue, &asked))?;
    Ok((AccountHand(questions), thread))
}

fn run(office: &mut Office, wires: &Wires, queue: &Receiver<(Id, AccountAsk, Currency)>, asked: &Mutex<Option<Id>>) {
    let set = |attempt| *asked.lock().unwrap_or_else(PoisonError::into_inner) = attempt;
    while !wires.stopping.is_stopped() {
        match queue.recv_timeout(LOOK_EVERY) {
            Ok((attempt, ask, currency)) => {
                set(Some(attempt));
                let answer = said(&office(Uuid::from_bytes(attempt.0), want(&ask, currency)), currency);
                set(None);
                wires.send(DeviceEvent::Account { attempt, answer });
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn want(ask: &AccountAsk, currency: Currency) -> GiftWant {
    let money = |amount: Minor| Money::new(amount.0, currency.letters());
    match ask {
        AccountAsk::Look { code } => GiftWant::Look { code: code.expose().to_owned() },
        AccountAsk::Hold { code, amount } => GiftWant::Hold { code: code.expose().to_owned(), amount: money(*amount) },
        AccountAsk::Capture => GiftWant::Capture,
        AccountAsk::Release => GiftWant::Release,
        AccountAsk::Refund { original, amount } => {
            GiftWant::Refund { hold: Uuid::from_bytes(original.0).to_string(), amount: money(*amount) }
        }
    }
}

/// A word that this version does not know settles nothing.
fn said(answer: &Answer, currency: Currency) -> AccountAnswer {
    let Answer::Gift { said } = answer else { return AccountAnswer::Silent };
    match said {
        GiftSaid::Balance(money) if money.currency == currency.letters() => AccountAnswer::Balance(Minor(money.minor)),
        GiftSaid::Balance(_) => AccountAnswer::Refused(AccountRefusal::NotUsable),
        GiftSaid::Moved(state) => match state.as_str() {
            "held" => AccountAnswer::Held,
            "captured" => AccountAnswer::Captured,
            "released" => AccountAnswer::Released,
            "refunded" => AccountAnswer::Refunded,
            _ => AccountAnswer::Silent,
        },
        GiftSaid::Refused(kind) => match kind.as_str() {
            UNKNOWN => AccountAnswer::Refused(AccountRefusal::Unknown),
            TOO_LITTLE => AccountAnswer::Refused(AccountRefusal::TooLittle),
            NOT_USABLE => AccountAnswer::Refused(AccountRefusal::NotUsable),
            TOO_MANY => AccountAnswer::Refused(AccountRefusal::TooMany),
            GONE => AccountAnswer::Refused(AccountRefusal::Gone),
            _ => AccountAnswer::Silent,
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::adapters::test_wires;
    use kiosk_core::GiftCode;

    #[test]
    fn a_question_goes_out_under_the_attempts_key_and_an_unknown_word_settles_nothing() {
        let (wires, heard) = test_wires();
        let words = ["held", "captured", "later_word"];
        let mut at = 0;
        let office: Office = Box::new(move |key, want| {
            assert_eq!(key.as_bytes(), &[7; 16]);
            assert!(matches!(want, GiftWant::Hold { .. } | GiftWant::Capture));
            at += 1;
            Answer::Gift { said: GiftSaid::Moved(words[at - 1].into()) }
        });
        let (hand, thread) = start(office, wires.clone()).unwrap();
        let (attempt, code) = (Id([7; 16]), GiftCode::parse("1234567890123456").unwrap());
        let asks = [AccountAsk::Hold { code, amount: Minor(500) }, AccountAsk::Capture, AccountAsk::Capture];
        for (ask, answer) in asks.into_iter().zip([AccountAnswer::Held, AccountAnswer::Captured, AccountAnswer::Silent]) {
            hand.ask(attempt, ask, Currency::EUR);
            assert_eq!(heard.event(), DeviceEvent::Account { attempt, answer });
        }
        drop(hand);
        thread.join().unwrap();
    }

    #[test]
    fn money_of_another_currency_is_not_spent_and_without_an_agent_there_is_silence() {
        let dollars = Answer::Gift { said: GiftSaid::Balance(Money::new(500, "USD")) };
        assert_eq!(said(&dollars, Currency::EUR), AccountAnswer::Refused(AccountRefusal::NotUsable));
        assert_eq!(said(&Answer::Unavailable, Currency::EUR), AccountAnswer::Silent);
    }
}
