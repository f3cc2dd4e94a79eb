//! The contract's words for the core's enumerations. Written out by hand: a domain name may change, a wire word may not.

use edge_db::AttemptKind;
use kiosk_core::{
    By, ClockQuality, CommandKind, Service, Stage, Tender,
    device::{Alarm, Assurance, Consent, DeviceKind, Health, Method},
    event::{BasketAction, Outcome, Problem, Progress, TaskKind, Trigger},
};

pub(crate) fn trigger(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Presence => "presence",
        Trigger::Touch => "touch",
        Trigger::Tap => "tap",
        Trigger::Staff => "staff",
    }
}

pub(crate) fn method(method: Method) -> &'static str {
    match method {
        Method::Ntag424 => "ntag424",
        Method::Uid => "uid",
        Method::Qr => "qr",
        Method::Phone => "phone",
        Method::Hce => "hce",
    }
}

pub(crate) fn assurance(assurance: Assurance) -> &'static str {
    match assurance {
        Assurance::Low => "low",
        Assurance::High => "high",
    }
}

pub(crate) fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Attract => "attract",
        Stage::Greeting => "greeting",
        Stage::Browse => "browse",
        Stage::Item => "item",
        Stage::Basket => "basket",
        Stage::Checkout => "checkout",
        Stage::Paying => "paying",
        Stage::Done => "done",
        Stage::Feedback => "feedback",
    }
}

pub(crate) fn action(action: BasketAction) -> &'static str {
    match action {
        BasketAction::Add => "add",
        BasketAction::Remove => "remove",
        BasketAction::Change => "change",
    }
}

pub(crate) fn by(by: By) -> &'static str {
    match by {
        By::Customer => "customer",
        By::Usual => "usual",
        By::Offer => "offer",
        By::Consultant => "consultant",
        By::Staff => "staff",
    }
}

pub(crate) fn service(service: Service) -> &'static str {
    match service {
        Service::EatIn => "eat_in",
        Service::Takeaway => "takeaway",
    }
}

pub(crate) fn tender(tender: Tender) -> &'static str {
    match tender {
        Tender::Card => "card",
        Tender::Cash => "cash",
        Tender::Wallet => "wallet",
        Tender::Gift => "gift",
        Tender::Points => "points",
    }
}

pub(crate) fn task(kind: TaskKind) -> &'static str {
    match kind {
        TaskKind::OpenParts => "open_parts",
        TaskKind::Refund => "refund",
        TaskKind::MissingPayment => "missing_payment",
        TaskKind::CompareTotals => "compare_totals",
    }
}

pub(crate) fn attempt_kind(kind: CommandKind) -> AttemptKind {
    match kind {
        CommandKind::Authorise => AttemptKind::Authorise,
        CommandKind::Reverse => AttemptKind::Reverse,
        CommandKind::Refund => AttemptKind::Refund,
        CommandKind::EndOfDay => AttemptKind::EndOfDay,
    }
}

pub(crate) fn command_kind(kind: AttemptKind) -> CommandKind {
    match kind {
        AttemptKind::Authorise => CommandKind::Authorise,
        AttemptKind::Reverse => CommandKind::Reverse,
        AttemptKind::Refund => CommandKind::Refund,
        AttemptKind::EndOfDay => CommandKind::EndOfDay,
    }
}

/// The tender of a stored word.
pub(crate) fn tender_of(word: &str) -> Option<Tender> {
    [Tender::Card, Tender::Cash, Tender::Wallet, Tender::Gift, Tender::Points].into_iter().find(|t| tender(*t) == word)
}

pub(crate) fn progress(progress: Progress) -> &'static str {
    match progress {
        Progress::Received => "received",
        Progress::Making => "making",
        Progress::Ready => "ready",
        Progress::Collected => "collected",
        Progress::Cancelled => "cancelled",
    }
}

pub(crate) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Completed => "completed",
        Outcome::Abandoned => "abandoned",
        Outcome::TimedOut => "timed_out",
        Outcome::StaffClosed => "staff_closed",
    }
}

pub(crate) fn problem(problem: Problem) -> &'static str {
    match problem {
        Problem::CardDeclined => "card_declined",
        Problem::TerminalLost => "terminal_lost",
        Problem::PaymentUnknown => "payment_unknown",
        Problem::PrinterBlocked => "printer_blocked",
        Problem::ReaderLost => "reader_lost",
        Problem::BankCardAtReader => "bank_card_at_reader",
        Problem::RandomCard => "random_card",
        Problem::CardNotTaken => "card_not_taken",
        Problem::CardNotGenuine => "card_not_genuine",
        Problem::CardBlocked => "card_blocked",
        Problem::UnknownCard => "unknown_card",
        Problem::CodeRefused => "code_refused",
        Problem::CodeUnchecked => "code_unchecked",
        Problem::CodeUnknown => "code_unknown",
        Problem::CannotRecord => "cannot_record",
        Problem::GiftUnknown => "gift_unknown",
        Problem::GiftRefused => "gift_refused",
        Problem::GiftOffline => "gift_offline",
        Problem::ClockUnset => "clock_unset",
        Problem::SoldOut => "sold_out",
    }
}

pub(crate) fn alarm(alarm: Alarm) -> &'static str {
    match alarm {
        Alarm::BoardMismatch => "board_mismatch",
        Alarm::BoardFault => "board_fault",
        Alarm::BoardRestarted => "board_restarted",
        Alarm::HostPowerCycled => "host_power_cycled",
        Alarm::CaseOpened => "case_opened",
    }
}

pub(crate) fn device(kind: DeviceKind) -> &'static str {
    match kind {
        DeviceKind::Reader => "reader",
        DeviceKind::Scanner => "scanner",
        DeviceKind::Terminal => "terminal",
        DeviceKind::Printer => "printer",
        DeviceKind::Peripherals => "board",
        DeviceKind::Backend => "backend",
        DeviceKind::Disk => "disk",
        DeviceKind::Clock => "clock",
    }
}

pub(crate) fn health(health: Health) -> &'static str {
    match health {
        Health::Ok => "ok",
        Health::Low => "low",
        Health::Blocked => "blocked",
        Health::Lost => "lost",
    }
}

/// The core's and the contract's levels of consent.
pub(crate) fn consent(consent: Consent) -> cem_contract::Consent {
    match consent {
        Consent::None => cem_contract::Consent::None,
        Consent::Service => cem_contract::Consent::Service,
        Consent::Personal => cem_contract::Consent::Personal,
        Consent::Marketing => cem_contract::Consent::Marketing,
    }
}

/// And back.
pub(crate) fn consent_of(consent: cem_contract::Consent) -> Consent {
    match consent {
        cem_contract::Consent::None => Consent::None,
        cem_contract::Consent::Service => Consent::Service,
        cem_contract::Consent::Personal => Consent::Personal,
        cem_contract::Consent::Marketing => Consent::Marketing,
    }
}

pub(crate) fn clock(quality: ClockQuality) -> cem_contract::Clock {
    match quality {
        ClockQuality::Synced => cem_contract::Clock::Synced,
        ClockQuality::Estimated => cem_contract::Clock::Estimated,
        ClockQuality::Unset => cem_contract::Clock::Unset,
    }
}

/// Millionths as a decimal without needless digits: 70_000 is '0.07'.
pub(crate) fn rate(ppm: u32) -> String {
    let text = format!("{}.{:06}", ppm / 1_000_000, ppm % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_written_without_needless_digits() {
        assert_eq!(rate(70_000), "0.07");
        assert_eq!(rate(0), "0");
        assert_eq!(rate(1_000_000), "1");
        assert_eq!(rate(88_750), "0.08875");
    }

    #[test]
    fn a_stored_tender_is_read_back() {
        assert_eq!(tender_of("gift"), Some(Tender::Gift));
        assert_eq!(tender_of("shells"), None);
    }
}
