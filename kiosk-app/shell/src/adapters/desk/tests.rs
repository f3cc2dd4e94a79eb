#![allow(clippy::unwrap_used)]
use super::*;
use crate::{
    clock::{Clock, VirtualClock},
    keys::{KeyRing, Keys},
};
use cem_contract::{
    SigningKey, pin,
    staff::{ROSTER_VALID_MS, StaffAction, StaffMember, StaffRole, StaffRoster},
    time::rfc3339,
};
use edge_db::{
    AgentStore, Limits, OutboxOptions,
    link::{Answer, Ask, AskServer, AskService},
};
use kiosk_core::{
    ClockQuality, Now,
    desk::{Edited, StaffEdit},
    staff::{Credential, FREE_TRIES, Pin},
};
use std::{path::Path, sync::Arc};
use zeroize::Zeroizing;

const NOON: i64 = 1_795_257_000_000;
const PEPPER: [u8; 32] = [5; 32];

fn key() -> SigningKey {
    SigningKey::from_bytes(&[9; 32])
}

/// A desk with an agent's file, and an agent that signs and takes changes.
struct Shop {
    side: DeskSide,
    clock: VirtualClock,
    agent: Arc<AgentStore>,
    _asked: AskService,
    _dir: tempfile::TempDir,
}

fn options(path: &Path) -> OutboxOptions {
    OutboxOptions { limits: Limits::small(), ..OutboxOptions::new(path, "/stores/s-001/devices/k-01") }
}

fn shop(peppers: &[[u8; 32]]) -> Shop {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let agent = Arc::new(AgentStore::open_with(options(&at("agent.db"))).unwrap());
    let taken = agent.clone();
    let asked = AskServer::bind(at("ask"), &[]).unwrap().serve(move |ask| match ask {
        Ask::Assert { staff } => Answer::Assertion { header: format!("proof of {staff}"), expires: rfc3339(NOON + 900_000) },
        Ask::ChangeStaff { change } => {
            assert!(taken.add_staff_change(&change).unwrap());
            Answer::Done
        }
        _ => Answer::Unavailable,
    });
    let clock = VirtualClock::new(Now { mono_ms: 1_000, utc_ms: Some(NOON), offset_min: 0, quality: ClockQuality::Synced });
    let keys = Keys {
        rosters: vec![key().verifying_key()],
        peppers: peppers.iter().map(|pepper| Zeroizing::new(*pepper)).collect(),
        ..Keys::default()
    };
    let outbox = Arc::new(Outbox::open(options(&at("kiosk.db"))).unwrap());
    let door = StaffDoor {
        outbox: outbox.clone(),
        store: "s-001".into(),
        ring: KeyRing::new(keys),
        agent: Some((at("agent.db"), at("ask"))),
        file: at("staff.json"),
        clock: Arc::new(clock.clone()),
        started_mono_ms: 1_000,
        tries: std::collections::BTreeMap::new(),
    };
    let (badges, proofs) = (KnownBadges::default(), Proofs::default());
    let glass = GlassSide::new(at("touch.toml"), Arc::default());
    let side = DeskSide { outbox, terminal: "t".into(), door, cards: None, badges, proofs, signed_in: None, glass, board: None };
    Shop { side, clock, agent, _asked: asked.unwrap(), _dir: dir }
}

fn member(staff: &str, role: StaffRole, digits: &str, must_reset: bool) -> StaffMember {
    StaffMember {
        staff: staff.into(),
        display_name: format!("Name of {staff}"),
        role,
        badge: Some(format!("1:{staff}")),
        pin: Some(pin::hash(digits, &[1; pin::SALT_BYTES], &PEPPER).unwrap()),
        must_reset,
        ends: None,
        valid_until: rfc3339(NOON + ROSTER_VALID_MS),
        version: 1,
    }
}

impl Shop {
    fn roster(&self, version: u64, members: Vec<StaffMember>) {
        let roster = StaffRoster { store: "s-001".into(), version, issued: rfc3339(NOON), members };
        self.agent.put_roster(&serde_json::to_vec(&roster.sign(&key()).unwrap()).unwrap()).unwrap();
    }

    fn both(&self) {
        self.roster(
            1,
            vec![member("1001", StaffRole::Manager, "402915", false), member("1002", StaffRole::Staff, "730164", true)],
        );
    }

    fn signs_in(&mut self, credential: Credential) -> SignInResult {
        match self.side.run(Errand::SignIn { request: 1, credential }) {
            Some(DeviceEvent::SignedIn { result, .. }) => result,
            other => panic!("{other:?}"),
        }
    }

    fn types(&mut self, staff: &str, digits: &str) -> SignInResult {
        self.signs_in(Credential::Pin { staff: staff.into(), pin: Pin::new(digits).unwrap() })
    }

    fn proof(&self, staff: &str) -> Option<String> {
        self.side.proofs.of(staff, self.clock.now().utc_ms)
    }
}

fn name(result: &SignInResult) -> &str {
    match result {
        SignInResult::Welcome(person) => &person.name,
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_is_on_the_agents_list_signs_in_by_pin_and_gets_a_proof_for_a_quarter_of_an_hour() {
    let mut shop = shop(&[PEPPER]);
    assert_eq!(shop.types("1001", "402915"), SignInResult::NoRoster, "nothing was brought yet");
    shop.both();
    assert_eq!(name(&shop.types("1001", "402915")), "Name of 1001");
    assert_eq!(shop.proof("1001").as_deref(), Some("proof of 1001"));
    assert_eq!(shop.types("1009", "402915"), SignInResult::Refused { pause_ms: 0 });
    shop.clock.advance(899_999);
    assert!(shop.proof("1001").is_some());
    shop.clock.advance(1);
    assert_eq!(shop.proof("1001"), None);
    shop.side.run(Errand::SignOut);
    assert_eq!((shop.side.signed_in, shop.side.proofs.left_ms("1001", NOON)), (None, 0));
}

#[test]
fn a_pin_that_was_given_is_replaced_at_its_first_use_and_proves_nothing_before() {
    let mut shop = shop(&[PEPPER]);
    shop.both();
    let SignInResult::Welcome(person) = shop.types("1002", "730164") else { panic!("not welcome") };
    assert!(person.must_reset && shop.proof("1002").is_none());
    let mut chooses = |digits: &str| {
        let pin = Pin::new(digits).unwrap();
        shop.side.run(Errand::ChoosePin { request: 2, staff: "1002".into(), pin })
    };
    assert_eq!(chooses("730164"), Some(DeviceEvent::PinChosen { request: 2, taken: false }), "the one that was given");
    assert_eq!(chooses("123456"), Some(DeviceEvent::PinChosen { request: 2, taken: false }), "one that everybody tries");
    assert_eq!(chooses("918273"), Some(DeviceEvent::PinChosen { request: 2, taken: true }));
    assert!(shop.proof("1002").is_some());
    let pending = shop.agent.roster().unwrap().unwrap().pending;
    assert!(matches!(&pending[..], [change] if matches!(change.action, StaffAction::Pin { must_reset: false, .. })));
    shop.side.run(Errand::SignOut);
    assert_eq!(shop.types("1002", "730164"), SignInResult::Refused { pause_ms: 0 });
    let SignInResult::Welcome(person) = shop.types("1002", "918273") else { panic!("not welcome") };
    assert!(!person.must_reset);
}

#[test]
fn wrong_pins_lock_a_number_out_for_a_minute_and_a_restart_forgives_nothing() {
    let mut shop = shop(&[PEPPER]);
    shop.both();
    for _ in 1..FREE_TRIES {
        assert_eq!(shop.types("1001", "111222"), SignInResult::Refused { pause_ms: 0 });
    }
    assert_eq!(shop.types("1001", "111222"), SignInResult::Refused { pause_ms: 60_000 });
    assert_eq!(shop.types("1001", "402915"), SignInResult::Refused { pause_ms: 60_000 }, "the right one is not looked at");
    shop.side.door.tries.clear();
    assert!(matches!(shop.types("1001", "402915"), SignInResult::Refused { pause_ms: 1.. }), "after a restart");
    shop.clock.advance(60_000);
    assert_eq!(name(&shop.types("1001", "402915")), "Name of 1001");
}

#[test]
fn a_badge_signs_in_by_itself_where_it_is_proof_and_else_says_whose_pin_is_asked() {
    let mut shop = shop(&[PEPPER]);
    shop.both();
    assert_eq!(shop.side.door.badges(), ["1:1001", "1:1002"]);
    let badge = |proof| Credential::Badge { token: "1:1001".into(), proof };
    assert!(matches!(shop.signs_in(badge(false)), SignInResult::PinNeeded(person) if person.id == "1001"));
    assert_eq!(shop.proof("1001"), None);
    assert_eq!(name(&shop.signs_in(badge(true))), "Name of 1001");
    assert!(shop.proof("1001").is_some());
    let strange = Credential::Badge { token: "1:ffff".into(), proof: true };
    assert_eq!(shop.signs_in(strange), SignInResult::Refused { pause_ms: 0 });
}

#[test]
fn a_leaver_is_signed_out_with_the_next_list_and_a_day_without_one_signs_everybody_out() {
    let mut shop = shop(&[PEPPER]);
    shop.both();
    shop.types("1001", "402915");
    assert_eq!(shop.side.look_after(), None);
    shop.roster(2, vec![member("1002", StaffRole::Staff, "730164", false)]);
    // The thread looks every five seconds: with the feed's poll that is far within a minute.
    assert_eq!(shop.side.look_after(), Some(DeviceEvent::StaffGone { staff: "1001".into() }));
    assert_eq!(shop.proof("1001"), None);
    assert_eq!(shop.types("1001", "402915"), SignInResult::Refused { pause_ms: 0 });
    assert_eq!(shop.side.door.badges(), ["1:1002"], "the badge is expired");
    shop.side.run(Errand::SignOut);
    assert_eq!(name(&shop.types("1002", "730164")), "Name of 1002");
    let day = u64::try_from(ROSTER_VALID_MS).unwrap();
    shop.clock.advance(day - 1);
    assert_eq!(shop.side.look_after(), None);
    shop.clock.advance(1);
    assert_eq!(shop.side.look_after(), Some(DeviceEvent::StaffGone { staff: "1002".into() }));
    assert_eq!(shop.types("1002", "730164"), SignInResult::NoRoster);
    assert!(shop.side.door.badges().is_empty());
}

#[test]
fn an_end_date_counts_to_the_millisecond_without_a_newer_list() {
    let mut shop = shop(&[PEPPER]);
    let ends = Some(rfc3339(NOON + 3_600_000));
    shop.roster(1, vec![StaffMember { ends, ..member("1001", StaffRole::Staff, "402915", false) }]);
    assert_eq!(name(&shop.types("1001", "402915")), "Name of 1001");
    shop.clock.advance(3_600_000);
    assert_eq!(shop.side.look_after(), Some(DeviceEvent::StaffGone { staff: "1001".into() }));
    assert_eq!(shop.types("1001", "402915"), SignInResult::Refused { pause_ms: 0 });
}

#[test]
fn without_the_pepper_no_pin_is_judged_and_no_try_is_spent() {
    let mut shop = shop(&[]);
    shop.both();
    for _ in 0..10 {
        assert_eq!(shop.types("1001", "402915"), SignInResult::NoRoster);
    }
    assert_eq!(shop.side.outbox.staff("1001").unwrap(), None);
}

#[test]
fn a_pin_under_the_old_pepper_still_fits_after_a_new_one_was_brought() {
    let mut shop = shop(&[[6; 32], PEPPER]);
    shop.both();
    assert_eq!(name(&shop.types("1001", "402915")), "Name of 1001");
}

#[test]
fn a_list_that_a_stranger_signed_is_not_believed() {
    let mut shop = shop(&[PEPPER]);
    let roster = StaffRoster { store: "s-001".into(), version: 9, issued: rfc3339(NOON), members: Vec::new() };
    let forged = roster.sign(&SigningKey::from_bytes(&[8; 32])).unwrap();
    shop.agent.put_roster(&serde_json::to_vec(&forged).unwrap()).unwrap();
    assert_eq!(shop.types("1001", "402915"), SignInResult::NoRoster);
}

#[test]
fn a_proof_that_ends_while_its_person_is_at_the_desk_is_replaced() {
    let mut shop = shop(&[PEPPER]);
    shop.both();
    shop.types("1001", "402915");
    shop.side.proofs.keep("1001", "an older one".into(), &rfc3339(NOON + 60_000));
    assert_eq!(shop.side.look_after(), None);
    assert_eq!(shop.proof("1001").as_deref(), Some("proof of 1001"));
}

#[test]
fn a_manager_hires_gives_a_badge_resets_a_pin_and_lets_go_and_all_of_it_counts_at_once() {
    let mut shop = shop(&[PEPPER]);
    shop.both();
    let edit = |shop: &mut Shop, edit: StaffEdit| match shop.side.run(Errand::EditStaff { request: 1, by: "1001".into(), edit }) {
        Some(DeviceEvent::StaffEdited { edited, .. }) => edited,
        other => panic!("{other:?}"),
    };
    let zoe = || StaffEdit::Add { staff: "1007".into(), name: "Zoe".into(), role: kiosk_core::staff::StaffRole::Staff };
    let Edited::Done(Some(pin)) = edit(&mut shop, zoe()) else { panic!("not hired") };
    assert!(matches!(shop.types("1007", &pin.0), SignInResult::Welcome(person) if person.must_reset && person.name == "Zoe"));
    shop.side.run(Errand::SignOut);
    assert_eq!(edit(&mut shop, zoe()), Edited::Refused, "that number is somebody's");
    let badge = |staff: &str, token: &str| StaffEdit::Badge { staff: staff.into(), badge: Some(token.into()) };
    assert_eq!(edit(&mut shop, badge("1007", "1:1001")), Edited::Refused, "that badge is Mia's");
    assert_eq!(edit(&mut shop, badge("1007", "1:0007")), Edited::Done(None));
    assert!(shop.side.door.badges().contains(&"1:0007".to_owned()));
    let Edited::Done(Some(second)) = edit(&mut shop, StaffEdit::NewPin { staff: "1007".into() }) else { panic!("no PIN") };
    assert_ne!(second, pin);
    assert_eq!(shop.types("1007", &pin.0), SignInResult::Refused { pause_ms: 0 });
    let end = |local: Option<&str>| StaffEdit::End { staff: "1007".into(), local: local.map(str::to_owned) };
    assert_eq!(edit(&mut shop, end(Some("202001010000"))), Edited::Refused, "that is over");
    assert_eq!(edit(&mut shop, end(None)), Edited::Done(None));
    assert_eq!(shop.types("1007", &second.0), SignInResult::Refused { pause_ms: 0 });
    assert_eq!(shop.side.door.colleagues().unwrap().len(), 2);
    assert_eq!(shop.agent.roster().unwrap().unwrap().pending.len(), 4, "the agent carries each to the backend");
}

#[test]
fn without_an_agent_nothing_is_changed_and_the_manager_is_told() {
    let mut shop = shop(&[PEPPER]);
    shop.both();
    shop.side.door.agent = shop.side.door.agent.take().map(|(db, _)| (db, "/nowhere/ask".into()));
    let edit = StaffEdit::NewPin { staff: "1002".into() };
    let told = shop.side.run(Errand::EditStaff { request: 7, by: "1001".into(), edit });
    assert_eq!(told, Some(DeviceEvent::StaffEdited { request: 7, edited: Edited::NotKept }));
}

#[test]
fn a_service_person_signs_in_and_reads_how_the_kiosk_is() {
    let mut shop = shop(&[PEPPER]);
    shop.roster(3, vec![member("1003", StaffRole::Service, "402915", false)]);
    let SignInResult::Welcome(person) = shop.types("1003", "402915") else { panic!("not welcome") };
    assert_eq!(person.role, kiosk_core::staff::StaffRole::Service);
    let facts = shop.side.door.facts();
    assert_eq!((facts.unsent, facts.roster_version), (Some(0), Some(3)));
    assert!(!facts.software.is_empty() && facts.disk_free_mib.is_some());
}
