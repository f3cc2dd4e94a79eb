//! The menu, the open article and the basket.

use super::*;

#[test]
fn the_first_touch_begins_a_visit_and_asks_for_the_service() {
    let mut rig = Rig::new();
    assert_eq!(rig.see().next_tick_ms, None, "nothing is timed while nobody is here");
    rig.touch(Intent::Begin);
    assert_eq!((rig.see().stage, rig.see().overlay), (Stage::Browse, Some(Overlay::Service)));
    let [record] = &records(&rig.last)[..] else { panic!("one record") };
    assert_eq!((record.visit, record.visitor.as_ref(), record.language.as_str()), (rig.see().visit, None, "en"));
    assert!(matches!(record.events[0], Event::VisitStarted { trigger: Trigger::Touch, .. }));
    assert!(matches!(record.events[1], Event::StageChanged { from: Stage::Attract, to: Stage::Browse, touches: 1 }));
    rig.touch(Intent::ChooseService(Service::Takeaway));
    assert_eq!((rig.see().overlay, rig.see().service), (None, Some(Service::Takeaway)));
}

#[test]
fn a_shop_that_does_not_ask_begins_in_the_menu() {
    let mut rig = Rig::with(Config { ask_service: false, ..Config::default() });
    rig.touch(Intent::Begin);
    assert_eq!((rig.see().overlay, rig.see().service), (None, Some(Service::EatIn)));
}

#[test]
fn a_choice_made_at_the_attract_screen_saves_a_touch() {
    let mut rig = Rig::new();
    rig.touch(Intent::ChooseService(Service::Takeaway));
    assert_eq!((rig.see().stage, rig.see().overlay, rig.see().service), (Stage::Browse, None, Some(Service::Takeaway)));
    let mut rig = Rig::new();
    rig.touch(Intent::ChooseLanguage(Lang(1)));
    assert_eq!((rig.see().stage, rig.see().lang), (Stage::Browse, Lang(1)));
    assert_eq!(rig.records()[0].language, "ru");
}

#[test]
fn closing_the_question_takes_the_shops_own_service() {
    let mut rig = Rig::new();
    rig.touch(Intent::Begin).touch(Intent::Dismiss);
    assert_eq!((rig.see().overlay, rig.see().service), (None, Some(Service::EatIn)));
}

#[test]
fn a_plain_article_is_added_at_once_and_another_is_opened() {
    let mut rig = Rig::browsing();
    rig.touch(Intent::QuickAdd(CROISSANT));
    assert_eq!((rig.see().stage, rig.see().basket_count, rig.see().basket.total), (Stage::Browse, 1, Minor(320)));
    assert!(matches!(rig.last_events()[..], [Event::BasketChanged { action: BasketAction::Add, by: By::Customer, .. }]));
    rig.touch(Intent::QuickAdd(CROISSANT));
    assert_eq!((rig.see().basket.lines.len(), rig.see().basket_count), (1, 2));
    assert!(matches!(rig.last_events()[..], [Event::BasketChanged { action: BasketAction::Change, .. }]));
    rig.touch(Intent::QuickAdd(COFFEE));
    assert_eq!((rig.see().stage, rig.see().draft_complete, rig.see().draft_price), (Stage::Item, false, None));
    assert!(rig.last_events().iter().any(|e| matches!(e, Event::ItemViewed { sku } if sku == "flat-white")));
}

#[test]
fn an_article_is_configured_and_added_once_it_is_complete() {
    let mut rig = Rig::browsing();
    rig.touch(Intent::OpenArticle(COFFEE)).touch(Intent::Add);
    assert_eq!(rig.see().stage, Stage::Item, "incomplete: it stays open");
    rig.touch(Intent::SetChoice { part: None, group: 0, choice: 1, count: 1 }).touch(Intent::SetQuantity(3));
    assert_eq!((rig.see().draft_complete, rig.see().draft_price), (true, Some(Minor(3 * 430))));
    rig.touch(Intent::Add);
    assert_eq!((rig.see().stage, rig.see().basket.total, rig.see().draft), (Stage::Browse, Minor(1290), None));
}

#[test]
fn a_combo_counts_once_and_its_event_carries_the_whole_amount() {
    let mut rig = Rig::browsing();
    rig.touch(Intent::OpenArticle(COMBO))
        .touch(Intent::ChoosePart { part: 1, choice: 0 })
        .touch(Intent::ChoosePart { part: 2, choice: 1 })
        .touch(Intent::Add);
    assert_eq!((rig.see().basket_count, rig.see().basket.lines.len(), rig.see().basket.total), (1, 4, Minor(1270)));
    let amount = rig.last_events().into_iter().find_map(|e| match e {
        Event::BasketChanged { line, .. } => Some(line.amount),
        _ => None,
    });
    assert_eq!(amount, Some(Minor(1270)));
}

#[test]
fn going_back_keeps_what_was_chosen() {
    let mut rig = Rig::browsing();
    rig.touch(Intent::OpenArticle(COFFEE)).touch(Intent::SetChoice { part: None, group: 0, choice: 1, count: 1 });
    let draft = rig.see().draft;
    rig.touch(Intent::Back);
    assert_eq!((rig.see().stage, rig.see().draft), (Stage::Browse, None));
    rig.touch(Intent::OpenArticle(COFFEE));
    assert_eq!(rig.see().draft, draft);
}

#[test]
fn a_line_is_changed_in_its_place_and_back_leaves_it_alone() {
    let mut rig = Rig::browsing();
    rig.touch(Intent::QuickAdd(BURGER)).touch(Intent::QuickAdd(FRIES)).touch(Intent::OpenBasket);
    rig.touch(Intent::EditLine(LineId(1))).touch(Intent::SetChoice { part: None, group: 0, choice: 0, count: 2 });
    rig.touch(Intent::Back);
    assert_eq!((rig.see().stage, rig.see().basket.total), (Stage::Basket, Minor(850 + 350)));
    rig.touch(Intent::EditLine(LineId(1))).touch(Intent::Add);
    assert_eq!((rig.see().stage, rig.see().basket.total), (Stage::Basket, Minor(850 + 240 + 350)));
    assert_eq!(rig.see().basket.lines[0].sku, "burger");
}

#[test]
fn lines_are_counted_up_down_and_out() {
    let mut rig = Rig::browsing();
    rig.touch(Intent::QuickAdd(FRIES)).touch(Intent::OpenBasket);
    rig.touch(Intent::SetLineQuantity(LineId(1), 500));
    assert_eq!(rig.see().basket_count, 99);
    rig.touch(Intent::SetLineQuantity(LineId(1), 99));
    assert!(rig.last_events().is_empty(), "nothing changed");
    rig.touch(Intent::Checkout).touch(Intent::SetLineQuantity(LineId(1), 0));
    assert_eq!((rig.see().stage, rig.see().basket_count), (Stage::Basket, 0));
    assert!(
        matches!(rig.last_events()[0], Event::BasketChanged { action: BasketAction::Remove, line, .. } if line.quantity == 99)
    );
    rig.touch(Intent::Checkout);
    assert_eq!(rig.see().stage, Stage::Basket, "there is nothing to pay");
}

#[test]
fn line_ids_are_never_used_twice() {
    let mut rig = Rig::browsing();
    rig.touch(Intent::QuickAdd(FRIES)).touch(Intent::RemoveLine(LineId(1))).touch(Intent::QuickAdd(FRIES));
    assert_eq!(rig.see().basket.lines[0].id, LineId(2));
}

#[test]
fn removing_the_line_that_is_being_changed_closes_it() {
    let mut rig = Rig::browsing();
    rig.touch(Intent::QuickAdd(BURGER)).touch(Intent::OpenBasket).touch(Intent::EditLine(LineId(1)));
    rig.touch(Intent::RemoveLine(LineId(1)));
    assert_eq!((rig.see().stage, rig.see().draft), (Stage::Basket, None));
}

#[test]
fn what_is_sold_out_says_so() {
    let mut rig = Rig::browsing();
    rig.touch(Intent::QuickAdd(CAKE));
    assert_eq!((rig.see().overlay, rig.see().stage), (Some(Overlay::Problem(Problem::SoldOut)), Stage::Browse));
    rig.wait(6_000);
    assert_eq!(rig.see().overlay, None, "the notice closes by itself");
}

#[test]
fn the_service_may_change_until_the_order_is_placed() {
    let mut rig = Rig::browsing();
    rig.touch(Intent::QuickAdd(BURGER)).touch(Intent::ChooseService(Service::EatIn));
    assert_eq!(rig.see().basket.total, Minor(890));
    rig.touch(Intent::Checkout).touch(Intent::Pay(Tender::Card)).touch(Intent::ChooseService(Service::Takeaway));
    assert_eq!((rig.see().service, rig.see().order.unwrap().priced.total), (Some(Service::EatIn), Minor(890)));
}

#[test]
fn open_prices_are_taken_within_reason() {
    let mut rig = Rig::browsing();
    let line =
        |quantity, amount| Intent::AddOpenPrice { sku: "w".into(), name: "Cheese".into(), quantity, amount: Minor(amount) };
    rig.touch(line(1, 417)).touch(line(0, 0)).touch(line(60_000, 5)).touch(line(1, -1)).touch(line(1, i64::MAX));
    assert_eq!((rig.see().basket.lines.len(), rig.see().basket.total), (3, Minor(422)));
    let overlong = Intent::AddOpenPrice { sku: "x".repeat(3_000_000), name: String::new(), quantity: 1, amount: Minor(1) };
    rig.touch(overlong);
    assert_eq!(rig.see().basket.lines.len(), 3);
}

#[test]
fn allergens_toggle() {
    let mut rig = Rig::browsing();
    rig.touch(Intent::ToggleAllergen(Allergen::Milk)).touch(Intent::ToggleAllergen(Allergen::Fish));
    rig.touch(Intent::ToggleAllergen(Allergen::Milk));
    assert_eq!(rig.see().avoid, [Allergen::Fish]);
}

#[test]
fn a_language_that_does_not_exist_is_not_spoken() {
    let mut rig = Rig::browsing();
    rig.touch(Intent::ChooseLanguage(Lang(9)));
    assert_eq!(rig.see().lang, Lang(0));
}

#[test]
fn keys_call_help_and_go_back() {
    let mut rig = Rig::new();
    rig.device(DeviceEvent::Key(Key::Select)).touch(Intent::Dismiss);
    assert_eq!(rig.see().stage, Stage::Browse);
    rig.touch(Intent::OpenArticle(COLA)).device(DeviceEvent::Key(Key::Help));
    assert_eq!(rig.see().overlay, Some(Overlay::PersonCalled));
    assert!(rig.last.contains(&Effect::Signal(Signal::CallStaff)));
    rig.device(DeviceEvent::Key(Key::Back)).device(DeviceEvent::Key(Key::Back));
    assert_eq!((rig.see().overlay, rig.see().stage), (None, Stage::Browse));
}

#[test]
fn keys_that_move_the_focus_reach_the_screen_in_order_even_when_it_looks_late() {
    let mut rig = Rig::browsing();
    let seen = rig.see().pad.count();
    for key in [Key::Down, Key::Down, Key::Up, Key::Select] {
        rig.device(DeviceEvent::Key(key));
    }
    rig.device(DeviceEvent::KeyHeld(Key::Down)).device(DeviceEvent::KeyHeld(Key::Select));
    let pad = rig.see().pad;
    assert_eq!(pad.since(seen).collect::<Vec<_>>(), [Key::Down, Key::Down, Key::Up, Key::Select, Key::Down]);
    assert_eq!(pad.since(pad.count()).count(), 0);
    (0..20).for_each(|_| _ = rig.device(DeviceEvent::Key(Key::Down)));
    assert_eq!(rig.see().pad.since(seen).count(), crate::device::Pad::KEPT);
}

#[test]
fn the_answer_to_still_there_is_any_key_and_that_key_does_nothing_else() {
    let mut rig = Rig::browsing();
    let seen = rig.see().pad.count();
    rig.wait(Config::default().idle_ms);
    assert!(matches!(rig.see().overlay, Some(Overlay::StillThere { .. })));
    rig.device(DeviceEvent::Key(Key::Select));
    assert_eq!((rig.see().overlay, rig.see().pad.count()), (None, seen));
}

#[test]
fn at_the_attract_screen_select_begins_unless_the_pad_has_gone_somewhere_else() {
    let mut rig = Rig::new();
    rig.device(DeviceEvent::Key(Key::Down)).device(DeviceEvent::Key(Key::Select));
    assert_eq!((rig.see().stage, rig.see().pad.count()), (Stage::Attract, 2));
}

#[test]
fn an_alarm_belongs_to_the_device_and_not_to_the_guest_in_front_of_it() {
    let mut rig = Rig::browsing();
    rig.device(DeviceEvent::Alarm { alarm: crate::device::Alarm::CaseOpened, detail: "door".into() });
    let alarm = rig.last.iter().find_map(|effect| match effect {
        Effect::Record(record) => Some(record.clone()),
        _ => None,
    });
    let record = alarm.unwrap();
    assert_eq!((record.visit, record.visitor), (None, None));
    assert!(matches!(record.events[..], [Event::AlarmRaised { .. }]));
}

#[test]
fn a_new_menu_waits_for_the_next_guest() {
    let mut rig = Rig::browsing();
    let mut menu = crate::fixture::cafe();
    menu.version = "2".into();
    rig.kiosk.replace_catalogue(crate::Arc::new(menu));
    assert_eq!(rig.kiosk.catalogue().version, "1");
    rig.touch(Intent::StartOver);
    assert_eq!((rig.see().stage, rig.kiosk.catalogue().version.as_str()), (Stage::Attract, "2"));
}
