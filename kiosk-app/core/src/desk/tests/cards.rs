//! Guests' cards at the desk.

use super::*;

impl Rig {
    /// What the shell was asked about cards by the last step.
    fn card_errand(&self) -> Option<(u32, CardErrand)> {
        self.last.iter().find_map(|effect| match effect {
            Effect::Cards { request, staff, errand } => {
                assert_eq!(staff, "1001");
                Some((*request, errand.clone()))
            }
            _ => None,
        })
    }

    fn answers(&mut self, answer: CardAnswer) -> &mut Self {
        let (request, _) = self.card_errand().expect("nothing was asked about cards");
        self.device(DeviceEvent::Cards { request, answer })
    }

    fn cards(&self) -> CardsView {
        self.view().cards
    }
}

fn jane() -> Holder {
    Holder { visitor: "v_1".into(), name: "Jane".into(), phone_ending: "11".into(), points: 412 }
}

fn at_janes_cards() -> Rig {
    let mut rig = Rig::new();
    rig.signed_in(mia()).desk(DeskIntent::Go(DeskPage::Cards)).desk(DeskIntent::FindHolder(" Jane ".into()));
    assert_eq!(rig.card_errand().map(|(_, errand)| errand), Some(CardErrand::Find("Jane".into())));
    rig.answers(CardAnswer::Found(vec![jane()]));
    rig.desk(DeskIntent::OpenHolder("v_2".into()));
    assert_eq!(rig.view().page, DeskPage::Cards, "nobody of that id was found");
    rig.desk(DeskIntent::OpenHolder("v_1".into()));
    rig
}

#[test]
fn a_batch_of_cards_is_counted_as_it_is_made() {
    let mut rig = Rig::new();
    rig.signed_in(mia()).desk(DeskIntent::Go(DeskPage::Cards)).desk(DeskIntent::MakeCards { count: 2, replaces: true });
    let make = CardErrand::Make { visitor: None, replaces: false, count: 2 };
    assert_eq!(rig.card_errand().map(|(_, errand)| errand), Some(make), "nobody's cards replace nobody's");
    rig.answers(CardAnswer::Ready);
    assert_eq!(rig.view().page, DeskPage::Making);
    rig.device(DeviceEvent::CardStep(CardStep::TakenAway));
    assert_eq!(rig.cards().making.unwrap().last, Some(CardStep::TakenAway));
    for made in 1..=2 {
        rig.device(DeviceEvent::CardStep(CardStep::Made { made, of: 2, blocked: 0 }));
        let making = rig.cards().making.unwrap();
        assert_eq!((making.made, making.is_done()), (made, made == 2));
    }
    rig.desk(DeskIntent::Back);
    assert_eq!((rig.view().page, rig.cards().making), (DeskPage::Cards, None));
}

#[test]
fn leaving_the_page_or_the_desk_gives_the_reader_back_to_guests() {
    for leave in [DeskIntent::Back, DeskIntent::SignOut] {
        let mut rig = Rig::new();
        rig.signed_in(mia()).desk(DeskIntent::Go(DeskPage::Cards)).desk(DeskIntent::MakeCards { count: 9, replaces: false });
        rig.answers(CardAnswer::Ready).desk(leave);
        assert_eq!(rig.card_errand().map(|(_, errand)| errand), Some(CardErrand::Stop));
        assert!(!rig.all.iter().any(|effect| matches!(effect, Effect::Identify { .. })));
    }
}

#[test]
fn silence_at_the_desk_ends_the_making_too() {
    let mut rig = Rig::new();
    rig.signed_in(mia()).desk(DeskIntent::Go(DeskPage::Cards)).desk(DeskIntent::MakeCards { count: 9, replaces: false });
    rig.answers(CardAnswer::Ready);
    let idle_ms = Config::default().desk.idle_ms;
    rig.wait(idle_ms - 1_000).device(DeviceEvent::CardStep(CardStep::Foreign)).wait(2_000);
    assert!(rig.see().desk.is_some(), "a card on the reader is somebody at the desk");
    rig.wait(idle_ms);
    assert!(rig.see().desk.is_none());
    assert!(rig.all.iter().any(|effect| matches!(effect, Effect::Cards { errand: CardErrand::Stop, .. })));
}

#[test]
fn a_lost_card_is_replaced_in_the_holders_name() {
    let mut rig = at_janes_cards();
    rig.desk(DeskIntent::MakeCards { count: 7, replaces: true });
    let make = CardErrand::Make { visitor: Some("v_1".into()), replaces: true, count: 1 };
    assert_eq!(rig.card_errand().map(|(_, errand)| errand), Some(make), "one guest needs one card");
    rig.answers(CardAnswer::Ready).device(DeviceEvent::CardStep(CardStep::Made { made: 1, of: 1, blocked: 2 }));
    assert!(rig.cards().making.unwrap().is_done());
    rig.desk(DeskIntent::Back);
    assert_eq!((rig.view().page, rig.cards().holder), (DeskPage::Holder, Some(jane())));
}

#[test]
fn lost_cards_are_blocked_without_a_new_one() {
    let mut rig = at_janes_cards();
    rig.desk(DeskIntent::BlockCards);
    assert_eq!(rig.card_errand().map(|(_, errand)| errand), Some(CardErrand::Block("v_1".into())));
    rig.answers(CardAnswer::Blocked(2));
    assert_eq!((rig.view().page, rig.cards().blocked), (DeskPage::Holder, Some(2)));
    rig.desk(DeskIntent::Back).desk(DeskIntent::Back);
    assert_eq!((rig.view().page, rig.cards()), (DeskPage::Home, CardsView::default()), "nobody's name stays on the screen");
}

#[test]
fn what_cannot_be_done_is_said_and_changes_nothing() {
    for (answer, notice) in [
        (CardAnswer::Away, Notice::NoBackend),
        (CardAnswer::Refused, Notice::CardRefused),
        (CardAnswer::NotHere, Notice::NoCardsHere),
    ] {
        let mut rig = at_janes_cards();
        rig.desk(DeskIntent::MakeCards { count: 1, replaces: true }).answers(answer);
        assert_eq!((rig.view().page, rig.view().notice, rig.cards().making), (DeskPage::Holder, Some(notice), None));
    }
}

#[test]
fn a_card_that_was_lost_is_refused_with_a_sentence() {
    let mut rig = Rig::browsing();
    rig.device(DeviceEvent::CardRefused(crate::device::CardRefusal::Blocked));
    let shown = rig.see().overlay;
    assert_eq!(shown, Some(crate::session::Overlay::Problem(crate::event::Problem::CardBlocked)));
}
