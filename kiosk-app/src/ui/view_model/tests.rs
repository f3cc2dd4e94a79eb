// SPDX-License-Identifier: GPL-3.0-only
#![allow(clippy::unwrap_used)]

use super::*;
use crate::rehearsal::Rehearsal;
use kiosk_core::{CommandOutcome, DeskIntent, Intent, Tender, catalogue::Allergen};
use kiosk_shell::Content;
use std::path::Path;

/// The demo shop, in which `lang` is spoken.
struct Shown {
    content: Content,
    rehearsal: Rehearsal,
    board: BoardFacts,
}

impl Shown {
    fn new(lang: u8) -> Self {
        let content = Content::load(Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/demo")).unwrap();
        let rehearsal = Rehearsal::new(content.catalogue.clone(), content.shop.pay.clone(), Lang(lang));
        let board = BoardFacts { terminal: Some(Side::Right), printer: true, reader: true, scanner: true, dpi: 210, dims: true };
        Self { content, rehearsal, board }
    }

    fn view(&self) -> ViewModel {
        let scene = Scene {
            snapshot: &self.rehearsal.snapshot(),
            catalogue: &self.content.catalogue,
            shop: &self.content.shop,
            board: self.board,
            now: self.rehearsal.now(),
            still_there_ms: 15_000,
        };
        scene.view_model()
    }

    fn page(&self) -> Option<page::PageView> {
        let snapshot = self.rehearsal.snapshot();
        let (catalogue, shop) = (&self.content.catalogue, &self.content.shop);
        let (board, now) = (self.board, self.rehearsal.now());
        Scene { snapshot: &snapshot, catalogue, shop, board, now, still_there_ms: 15_000 }.page(None)
    }
}

#[test]
fn the_attract_screen_speaks_the_shops_words_for_the_time_of_day() {
    let view = Shown::new(0).view();
    assert_eq!(view.chrome.view, View::Attract);
    assert_eq!(view.attract.title, "Good morning.");
    assert_eq!(view.attract.hero, "almond-croissant");
    assert!(view.attract.open && view.attract.cards);
    assert_eq!(Shown::new(1).view().attract.title, "Доброе утро.");
}

#[test]
fn a_reader_that_is_lost_is_not_offered() {
    let mut shown = Shown::new(0);
    shown.rehearsal.health(DeviceKind::Reader, Health::Lost);
    assert!(!shown.view().attract.cards);
    shown.rehearsal.health(DeviceKind::Reader, Health::Low);
    assert!(shown.view().attract.cards, "low is not lost");
}

#[test]
fn the_team_reads_what_is_wrong_and_of_nothing_that_is_not_fitted() {
    let mut shown = Shown::new(0);
    assert_eq!(shown.view().attract.team, "");
    shown.rehearsal.health(DeviceKind::Printer, Health::Blocked).health(DeviceKind::Reader, Health::Lost);
    let said = "For our team: the printer needs paper · the guest card reader does not answer";
    assert_eq!(shown.view().attract.team, said);
    shown.board.reader = false;
    assert_eq!(shown.view().attract.team, "For our team: the printer needs paper");
    shown.rehearsal.health(DeviceKind::Printer, Health::Low);
    assert_eq!(shown.view().attract.team, "For our team: little paper is left");
}

#[test]
fn that_only_the_counter_takes_money_is_said_while_the_order_is_being_made() {
    let mut shown = Shown::new(0);
    shown.rehearsal.health(DeviceKind::Terminal, Health::Lost);
    assert!(!shown.view().chrome.counter_only, "nobody is there to read it");
    shown.rehearsal.browse();
    assert!(shown.view().chrome.counter_only);
    shown.board.terminal = None;
    assert!(!shown.view().chrome.counter_only, "where none is fitted the counter is how it is");
}

#[test]
fn a_kiosk_without_a_time_takes_no_orders_and_asks_its_team_for_it() {
    let mut shown = Shown::new(1);
    shown.rehearsal.without_time().intent(Intent::Begin);
    let view = shown.view();
    assert_eq!((view.chrome.view, view.attract.open), (View::Attract, false));
    assert_eq!(view.overlay.over, Some(Over::Problem(Problem::ClockUnset)));
    assert!(view.attract.team.starts_with("Для сотрудников: установите время"));
    assert_eq!(shown.page(), None);
    shown.rehearsal.desk(DeskIntent::Open);
    let page = shown.page().unwrap();
    let pad = page.pad.unwrap();
    assert_eq!((page.title.as_str(), pad.most), ("Который час?", 12));
    let said = pad.entry.said("202611211031");
    assert_eq!(said, Some(page::Said::Desk(DeskIntent::SetClock("202611211031".into()))));
    assert_eq!(pad.entry.said("2026"), None);
}

#[test]
fn the_screen_grows_darker_with_its_surroundings_unless_the_board_says_no() {
    let mut shown = Shown::new(0);
    let mut dims = Vec::new();
    for light in [Ambient::Day, Ambient::Dim, Ambient::Dark] {
        shown.rehearsal.device(kiosk_core::DeviceEvent::Ambient(light));
        dims.push(shown.view().chrome.dim);
    }
    assert!(dims[0] == 0 && dims[0] < dims[1] && dims[1] < dims[2], "{dims:?}");
    shown.board.dims = false;
    assert_eq!(shown.view().chrome.dim, 0);
}

#[test]
fn a_known_guest_is_greeted_with_the_usual_and_the_age_of_the_points() {
    let mut shown = Shown::new(0);
    shown.rehearsal.guest(true);
    let greeting = shown.view().greeting;
    assert_eq!(greeting.name, "Jane");
    assert_eq!(greeting.usual_lines, ["Flat white, oat", "Almond croissant"]);
    assert_eq!(greeting.usual_pictures, ["flat-white", "almond-croissant"]);
    assert_eq!(greeting.usual_price, "€6.80");
    assert_eq!(greeting.usual_because, "You often take this at this time of day");
    assert_eq!((greeting.points, greeting.as_of.as_str()), (Some(412), "as of 10:02"));
    assert_eq!(greeting.visits, "23 visits so far");
}

#[test]
fn visits_are_not_told_to_a_guest_who_did_not_agree_to_their_being_counted() {
    let mut shown = Shown::new(0);
    shown.rehearsal.guest(false);
    let greeting = shown.view().greeting;
    assert_eq!((greeting.visits.as_str(), greeting.usual_price.as_str()), ("", ""));
    assert!(!greeting.returning);
}

#[test]
fn a_card_says_what_it_costs_and_how_many_are_in_the_order() {
    let mut shown = Shown::new(0);
    shown.rehearsal.browse().fill().category("coffee");
    let menu = shown.view().menu;
    assert_eq!(menu.heading, "Coffee");
    let card = |sku: &str| {
        let id = shown.content.catalogue.find(sku).unwrap().0;
        menu.cards.iter().find(|card| card.id == id).unwrap().clone()
    };
    assert_eq!((card("flat-white").price.as_str(), card("flat-white").in_basket), ("€3.40", 1));
    assert_eq!(card("cappuccino").price, "from €3.40");
    assert_eq!(card("cappuccino").label, "Cappuccino, from €3.40");
}

#[test]
fn what_is_avoided_is_hidden_counted_and_named() {
    let mut shown = Shown::new(1);
    shown.rehearsal.browse().category("bakery");
    let all = shown.view().menu.cards.len();
    shown.rehearsal.intents([Allergen::Nuts, Allergen::Milk].map(Intent::ToggleAllergen));
    let menu = shown.view().menu;
    assert_eq!(menu.avoiding, "молоко, орехи");
    assert!(menu.hidden > 0);
    assert_eq!(menu.cards.len() + menu.hidden, all);
}

#[test]
fn questions_come_in_order_and_answer_with_the_right_intents() {
    let mut shown = Shown::new(0);
    shown.rehearsal.browse().open("cappuccino");
    let item = shown.view().item;
    let asks: Vec<Ask> = item.questions.iter().map(|q| q.ask).collect();
    assert_eq!(asks[..2], [Ask::Variant, Ask::Group { part: None, group: 0 }]);
    assert!(item.questions[0].missing && !item.questions[1].missing && !item.complete);
    assert_eq!(item.price, "from €3.40");
    shown.rehearsal.intent(asks[0].intent(1, 1));
    let item = shown.view().item;
    assert!(item.complete && !item.questions[0].missing);
    assert_eq!((item.price.as_str(), item.total.as_str()), ("€4.10", "€4.10"));
}

#[test]
fn a_group_that_is_full_offers_no_more_of_it() {
    let mut shown = Shown::new(0);
    shown.rehearsal.browse().open("harbour-burger");
    let of = |shown: &Shown| shown.view().item.questions.into_iter().find(|q| q.asking == Asking::Several).unwrap();
    let extras = of(&shown);
    assert_eq!(extras.up_to, 4);
    let Ask::Group { part: None, group } = extras.ask else { panic!("{:?}", extras.ask) };
    let mut left = 4;
    for (choice, option) in (0u8..).zip(&extras.options) {
        let count = option.most.min(left);
        left -= count;
        shown.rehearsal.choose(group, choice, count);
    }
    assert!(of(&shown).options.iter().all(|option| option.most == option.count), "nothing can be added to four");
}

#[test]
fn a_filled_part_of_a_combo_asks_its_own_questions_below_it() {
    let mut shown = Shown::new(0);
    shown.rehearsal.browse().open("burger-meal").intent(Intent::ChoosePart { part: 0, choice: 0 });
    let item = shown.view().item;
    assert_eq!(item.questions[0].ask, Ask::Part(0));
    assert_eq!(item.questions[1].ask, Ask::Group { part: Some(0), group: 0 });
    assert!(item.questions[1].nested && !item.questions[0].nested);
    assert!(item.may_contain.is_empty(), "a combo with open parts does not list what nobody can know yet");
    assert!(item.questions[0].options.iter().any(|o| o.price == "+\u{a0}€3.00"));
}

#[test]
fn a_line_says_what_was_chosen_and_what_the_whole_of_it_costs() {
    let mut shown = Shown::new(0);
    shown.rehearsal.browse().fill();
    let basket = shown.view().basket;
    let lines: Vec<_> = basket.lines.iter().map(|l| (l.name.as_str(), l.detail.as_str(), l.amount.as_str())).collect();
    assert_eq!(lines[0], ("Harbour burger", "Medium, Extra cheddar", "€13.10"));
    assert_eq!(lines[2], ("Almond croissant", "", "€3.40"));
    assert!(basket.lines[0].can_edit && !basket.lines[2].can_edit);
    assert_eq!((basket.count, basket.total.as_str()), (3, "€19.90"));
    assert!(basket.taxes.starts_with("incl. 7\u{a0}% VAT"), "{}", basket.taxes);
}

#[test]
fn without_a_terminal_only_the_counter_is_offered() {
    let mut shown = Shown::new(0);
    shown.rehearsal.checkout();
    let ways = |shown: &Shown| (shown.view().checkout.card, shown.view().checkout.counter);
    assert_eq!(ways(&shown), (true, true));
    shown.rehearsal.health(DeviceKind::Terminal, Health::Lost);
    assert_eq!(ways(&shown), (false, true));
    shown.board.terminal = None;
    assert!(!shown.view().checkout.card);
}

#[test]
fn every_end_of_a_payment_has_its_own_view() {
    let step = |outcome| {
        let mut shown = Shown::new(0);
        shown.rehearsal.checkout().pay().ended(outcome);
        shown.view().pay.step
    };
    assert_eq!(step(CommandOutcome::Declined { code: 5 }), PayStep::Declined);
    assert_eq!(step(CommandOutcome::NotSent), PayStep::Lost);
    assert_eq!(step(CommandOutcome::Unknown), PayStep::Unknown);
}

#[test]
fn the_terminals_status_says_what_it_wants_of_the_guest() {
    let mut shown = Shown::new(0);
    shown.rehearsal.checkout().pay();
    for (code, step) in [
        (0x0a, PayStep::Waiting),
        (0x02, PayStep::Pin),
        (0x04, PayStep::Processing),
        (0x0b, PayStep::Remove),
        (0xfe, PayStep::Waiting),
    ] {
        shown.rehearsal.status(code);
        assert_eq!(shown.view().pay.step, step, "{code:02x}");
    }
}

#[test]
fn the_code_of_a_receipt_says_all_of_a_short_order_and_is_bounded() {
    let mut shown = Shown::new(1);
    shown.rehearsal.checkout().pay().approved();
    let done = shown.view().done;
    assert!(done.paid && done.name.is_empty() && !done.number.is_empty());
    assert!(done.code.contains("Заказ ") && done.code.ends_with("Итого 19,90\u{a0}€"), "{}", done.code);
    assert!(done.code.contains("1 × Миндальный круассан"), "{}", done.code);
    assert!(done.code.len() <= 440);
}

#[test]
fn an_order_for_the_counter_is_not_called_paid() {
    let mut shown = Shown::new(0);
    shown.rehearsal.checkout().intent(Intent::Pay(Tender::Cash));
    let view = shown.view();
    assert_eq!((view.chrome.view, view.done.paid), (View::Done, false));
}

#[test]
fn still_there_counts_whole_seconds_down() {
    let mut shown = Shown::new(0);
    shown.rehearsal.browse().wait(60_000).wait(6_100);
    let overlay = shown.view().overlay;
    assert_eq!((overlay.over, overlay.seconds), (Some(Over::StillThere), 9));
    assert!((overlay.left - 0.6).abs() < 1e-6);
}

#[test]
fn in_place_of_what_is_sold_out_something_of_the_same_kind_is_offered() {
    let mut shown = Shown::new(0);
    shown.rehearsal.browse().category("cold-drinks").open("coconut-water");
    let overlay = shown.view().overlay;
    assert_eq!(overlay.over, Some(Over::Problem(Problem::SoldOut)));
    assert_eq!(overlay.alternatives.len(), 3);
    assert!(overlay.alternatives.iter().all(|(_, name)| name != "Coconut water"));
}

#[test]
fn the_next_language_is_the_other_one_and_the_bar_names_both() {
    let chrome = Shown::new(1).view().chrome;
    assert_eq!((chrome.next_language, chrome.tag), (0, "ru"));
    assert_eq!(chrome.languages, [("English".to_owned(), false), ("Русский".to_owned(), true)]);
}
