// SPDX-License-Identifier: GPL-3.0-only
//! Every view, and how it is reached.

use super::At;
use crate::{
    headless::Headless,
    rehearsal::Rehearsal,
    ui::{
        Ui,
        slint_app::{Chrome, MenuState},
        view_model::Side,
    },
};
use anyhow::Result;
use kiosk_core::{
    AccountAnswer, AccountRefusal, CommandOutcome, DeskIntent, DeviceEvent, Intent, Minor, Question, Service, Stage, Tender,
    catalogue::Allergen,
    device::{Ambient, CardRefusal, Consent, DeviceKind, Health},
};
use slint::ComponentHandle as _;

/// A view and the way to it.
pub(super) struct View {
    /// In the name of its picture.
    pub(super) name: &'static str,
    /// Where the visit stands then.
    pub(super) stage: At,
    /// Where the terminal is.
    pub(super) terminal: Option<Side>,
    /// What is sold out.
    pub(super) sold_out: &'static [&'static str],
    /// Intents and devices.
    pub(super) reach: fn(&mut Rehearsal) -> &mut Rehearsal,
    /// What is only the screen's.
    pub(super) touch: fn(&mut Ui, &Headless) -> Result<()>,
}

const fn view(name: &'static str, stage: Stage, reach: fn(&mut Rehearsal) -> &mut Rehearsal) -> View {
    View { name, stage, terminal: Some(Side::Right), sold_out: &[], reach, touch: |_, _| Ok(()) }
}

const fn touched(
    name: &'static str,
    stage: Stage,
    reach: fn(&mut Rehearsal) -> &mut Rehearsal,
    touch: fn(&mut Ui, &Headless) -> Result<()>,
) -> View {
    View { touch, ..view(name, stage, reach) }
}

/// Every view.
pub(super) const ALL: &[View] = &[
    view("attract", Stage::Attract, |r| r),
    view("attract-easy", Stage::Attract, |r| r.intent(Intent::ToggleEasyAccess)),
    view("attract-reader-lost", Stage::Attract, |r| r.health(DeviceKind::Reader, Health::Lost)),
    view("attract-closed", Stage::Attract, |r| r.intent(Intent::Begin).disk_full()),
    view("attract-checking", Stage::Attract, |r| r.restarted(None)),
    view("attract-received", Stage::Attract, |r| r.restarted(Some(true))),
    view("attract-not-taken", Stage::Attract, |r| r.restarted(Some(false))),
    view("attract-closed-later", Stage::Attract, |r| r.intent(Intent::Begin).disk_full().intent(Intent::Dismiss)),
    view("attract-team", Stage::Attract, |r| {
        r.health(DeviceKind::Printer, Health::Blocked).health(DeviceKind::Backend, Health::Lost)
    }),
    view("attract-no-time", Stage::Attract, |r| r.without_time()),
    view("attract-no-time-refused", Stage::Attract, |r| r.without_time().intent(Intent::Begin)),
    view("attract-dark", Stage::Attract, |r| r.device(DeviceEvent::Ambient(Ambient::Dark))),
    view("team-time", Stage::Attract, |r| r.without_time().desk(DeskIntent::Open)),
    view("team-time-wrong", Stage::Attract, |r| {
        r.without_time().desk(DeskIntent::Open).desk(DeskIntent::SetClock("202613011031".to_owned()))
    }),
    view("greeting", Stage::Greeting, |r| r.guest(true)),
    view("greeting-looking", Stage::Greeting, |r| r.card()),
    view("greeting-new", Stage::Greeting, |r| r.guest(false)),
    view("greeting-easy", Stage::Greeting, |r| r.guest(true).intent(Intent::ToggleEasyAccess)),
    view("greeting-why", Stage::Greeting, |r| r.guest(true).intent(Intent::AskWhy)),
    view("greeting-joined", Stage::Greeting, |r| r.stranger().intent(Intent::Agree(Question::Join))),
    view("privacy", Stage::Greeting, |r| r.guest(true).intent(Intent::AskPrivacy)),
    view("privacy-service", Stage::Greeting, |r| r.guest(false).intent(Intent::AskPrivacy)),
    view("ask-join", Stage::Greeting, |r| r.stranger()),
    view("ask-personal", Stage::Greeting, |r| r.guest(false).intent(Intent::Ask(Question::Level(Consent::Personal)))),
    view("ask-marketing", Stage::Greeting, |r| r.guest(true).intent(Intent::Ask(Question::Level(Consent::Marketing)))),
    view("forget", Stage::Greeting, |r| r.guest(true).intent(Intent::ForgetMe)),
    view("forgotten", Stage::Greeting, |r| r.guest(true).intents([Intent::ForgetMe, Intent::ForgetMe])),
    view("service", Stage::Browse, |r| r.intent(Intent::Begin)),
    view("menu", Stage::Browse, |r| r.browse()),
    view("menu-filled", Stage::Browse, |r| r.browse().fill().category("burgers")),
    view("menu-offline", Stage::Browse, |r| r.browse().category("coffee").health(DeviceKind::Backend, Health::Lost)),
    view("menu-terminal-lost", Stage::Browse, |r| r.browse().category("coffee").health(DeviceKind::Terminal, Health::Lost)),
    view("menu-dark", Stage::Browse, |r| r.browse().category("coffee").device(DeviceEvent::Ambient(Ambient::Dark))),
    view("menu-avoiding", Stage::Browse, |r| r.browse().category("breakfast").intent(Intent::ToggleAllergen(Allergen::Nuts))),
    view("menu-nothing-fits", Stage::Browse, |r| {
        r.browse().category("bakery").intents([Allergen::Gluten, Allergen::Milk].map(Intent::ToggleAllergen))
    }),
    touched(
        "menu-allergens",
        Stage::Browse,
        |r| r.browse().intent(Intent::ToggleAllergen(Allergen::Nuts)),
        |ui, _| {
            ui.app().global::<MenuState<'_>>().set_choosing_allergens(true);
            Ok(())
        },
    ),
    touched(
        "menu-languages",
        Stage::Browse,
        |r| r.browse(),
        |ui, _| {
            ui.app().global::<Chrome<'_>>().set_choosing_language(true);
            Ok(())
        },
    ),
    View { sold_out: &["pancake-stack", "flat-white"], ..view("menu-sold-out-card", Stage::Browse, |r| r.browse()) },
    view("menu-sold-out", Stage::Browse, |r| r.browse().category("cold-drinks").open("coconut-water")),
    view("menu-easy", Stage::Browse, |r| r.browse().fill().intent(Intent::ToggleEasyAccess)),
    view("item", Stage::Item, |r| r.browse().open("harbour-burger").choose(0, 1, 1).choose(1, 0, 1)),
    view("item-missing", Stage::Item, |r| r.browse().open("cappuccino")),
    view("item-combo", Stage::Item, |r| r.browse().open("burger-meal").intent(Intent::ChoosePart { part: 0, choice: 0 })),
    view("item-change", Stage::Item, |r| {
        let line = r.browse().fill().snapshot().basket.lines.first().map(|line| line.id);
        r.intents(line.map(Intent::EditLine))
    }),
    view("item-easy", Stage::Item, |r| r.browse().open("harbour-burger").intent(Intent::ToggleEasyAccess)),
    view("basket", Stage::Basket, |r| r.browse().fill().intent(Intent::OpenBasket)),
    view("basket-empty", Stage::Basket, |r| r.browse().intent(Intent::OpenBasket)),
    view("basket-takeaway", Stage::Basket, |r| {
        r.browse().fill().intents([Intent::OpenBasket, Intent::ChooseService(Service::Takeaway)])
    }),
    view("basket-easy", Stage::Basket, |r| r.browse().fill().intents([Intent::OpenBasket, Intent::ToggleEasyAccess])),
    view("start-over", Stage::Basket, |r| r.browse().fill().intents([Intent::OpenBasket, Intent::StartOver])),
    view("checkout", Stage::Checkout, |r| r.checkout()),
    view("checkout-parts", Stage::Checkout, |r| r.checkout().intent(Intent::Parts(2))),
    view("checkout-tip", Stage::Checkout, |r| r.checkout().intent(Intent::Tip(Some(1)))),
    view("checkout-instalments", Stage::Checkout, |r| {
        r.browse().open("harbour-burger").intents([Intent::SetQuantity(40), Intent::Add, Intent::OpenBasket, Intent::Checkout])
    }),
    view("checkout-terminal-lost", Stage::Checkout, |r| r.checkout().health(DeviceKind::Terminal, Health::Lost)),
    view("checkout-disk-full", Stage::Checkout, |r| r.checkout().pay().disk_full()),
    view("checkout-easy", Stage::Checkout, |r| r.checkout().intent(Intent::ToggleEasyAccess)),
    view("still-there", Stage::Checkout, |r| r.checkout().wait(60_000).wait(6_000)),
    view("person-called", Stage::Checkout, |r| r.checkout().intent(Intent::CallPerson)),
    view("bank-card", Stage::Browse, |r| r.browse().device(DeviceEvent::BankCardSeen)),
    view("random-card", Stage::Browse, |r| r.browse().device(DeviceEvent::CardRefused(CardRefusal::RandomNumber))),
    view("card-not-genuine", Stage::Browse, |r| r.browse().device(DeviceEvent::CardRefused(CardRefusal::NotGenuine))),
    view("card-blocked", Stage::Browse, |r| r.browse().device(DeviceEvent::CardRefused(CardRefusal::Blocked))),
    view("code-refused", Stage::Browse, |r| r.browse().device(DeviceEvent::CardRefused(CardRefusal::Code))),
    view("code-unchecked", Stage::Browse, |r| r.browse().scan("CEMG00").wait(300)),
    view("code-unknown", Stage::Browse, |r| r.browse().scan("4006381333931")),
    view("ask-join-menu", Stage::Browse, |r| r.browse().stranger()),
    touched(
        "menu-allergens-kept",
        Stage::Browse,
        |r| r.guest(true).intents([Intent::SeeMenu, Intent::ToggleAllergen(Allergen::Nuts), Intent::KeepDietary(true)]),
        |ui, _| {
            ui.app().global::<MenuState<'_>>().set_choosing_allergens(true);
            Ok(())
        },
    ),
    view("pay", Stage::Paying, |r| r.checkout().pay()),
    View { terminal: Some(Side::Left), ..view("pay-left", Stage::Paying, |r| r.checkout().pay()) },
    View { terminal: Some(Side::Below), ..view("pay-below", Stage::Paying, |r| r.checkout().pay()) },
    view("pay-pin", Stage::Paying, |r| r.checkout().pay().status(0x02)),
    view("pay-processing", Stage::Paying, |r| r.checkout().pay().status(0x04)),
    view("pay-remove", Stage::Paying, |r| r.checkout().pay().status(0x0b)),
    view("pay-stopping", Stage::Paying, |r| r.checkout().pay().intent(Intent::CancelPayment)),
    view("pay-declined", Stage::Paying, |r| r.checkout().pay().ended(CommandOutcome::Declined { code: 0x05 })),
    view("pay-lost", Stage::Paying, |r| r.checkout().pay().ended(CommandOutcome::NotSent)),
    view("pay-unknown", Stage::Paying, |r| r.checkout().pay().ended(CommandOutcome::Unknown)),
    view("pay-in-parts", Stage::Paying, |r| r.checkout().intent(Intent::Parts(2)).pay()),
    view("pay-part", Stage::Paying, |r| r.checkout().intent(Intent::Parts(2)).pay().approved()),
    view("pay-giving-back", Stage::Paying, |r| {
        r.checkout().intent(Intent::Parts(2)).pay().approved().intent(Intent::CancelPayment)
    }),
    view("pay-staff", Stage::Paying, |r| {
        let back = r.checkout().intent(Intent::Parts(2)).pay().approved().intent(Intent::CancelPayment);
        back.ended(CommandOutcome::Declined { code: 0x05 })
    }),
    view("gift", Stage::Checkout, |r| r.checkout().intent(Intent::OpenGift)),
    view("gift-unknown", Stage::Checkout, |r| r.checkout().gift().account(AccountAnswer::Refused(AccountRefusal::Unknown))),
    view("gift-balance", Stage::Checkout, |r| r.checkout().gift().account(AccountAnswer::Balance(Minor(1_000)))),
    view("gift-all", Stage::Checkout, |r| r.checkout().gift().account(AccountAnswer::Balance(Minor(5_000)))),
    view("gift-easy", Stage::Checkout, |r| {
        r.intent(Intent::ToggleEasyAccess).checkout().gift().account(AccountAnswer::Balance(Minor(1_000)))
    }),
    view("gift-offline", Stage::Checkout, |r| r.checkout().health(DeviceKind::Backend, Health::Lost).intent(Intent::OpenGift)),
    view("pay-gift", Stage::Paying, |r| {
        r.checkout().gift().account(AccountAnswer::Balance(Minor(1_000))).intent(Intent::UseGift(None))
    }),
    view("pay-after-gift", Stage::Paying, |r| {
        let held = r.checkout().gift().account(AccountAnswer::Balance(Minor(1_000))).intent(Intent::UseGift(None));
        held.account(AccountAnswer::Held)
    }),
    view("pay-easy", Stage::Paying, |r| r.checkout().pay().intent(Intent::ToggleEasyAccess)),
    view("done", Stage::Done, |r| r.checkout().pay().approved()),
    view("done-guest", Stage::Done, |r| r.guest(true).intent(Intent::OrderUsual).approved().printed(Health::Ok)),
    view("done-rated", Stage::Feedback, |r| r.checkout().pay().approved().printed(Health::Ok).intent(Intent::Rate(5))),
    view("done-counter", Stage::Done, |r| r.checkout().intent(Intent::Pay(Tender::Cash))),
    view("done-printer", Stage::Done, |r| r.checkout().pay().approved().printed(Health::Blocked)),
    view("done-joined-late", Stage::Done, |r| r.checkout().pay().approved().guest(true)),
    view("done-ask-join", Stage::Done, |r| {
        r.card().wait(300).browse().fill().intents([Intent::OpenBasket, Intent::Checkout]).pay().approved()
    }),
    view("done-ask-personal", Stage::Done, |r| {
        r.guest(false).browse().fill().intents([Intent::OpenBasket, Intent::Checkout]).pay().approved()
    }),
    view("done-easy", Stage::Done, |r| r.checkout().pay().approved().intent(Intent::ToggleEasyAccess)),
];
