use crate::backend::{Backend, DEVICE, Log, cli};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Output};

const NORA: &str = "v_0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b";

fn backup(folder: &Path, to: &Path) -> Output {
    cli(folder, &["backup", "--to", to.to_str().unwrap()])
}

fn restore(folder: &Path, from: &Path) -> Output {
    cli(folder, &["restore", "--from", from.to_str().unwrap()])
}

fn ok(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The complaint of a command that must fail.
fn fails(output: &Output) -> String {
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn helps(log: &mut Log, count: usize) -> Vec<Value> {
    (0..count).map(|_| log.help()).collect()
}

#[test]
fn a_restored_backend_asks_for_what_it_lost_and_knows_again_what_no_device_can_tell() {
    let safe = tempfile::tempdir().unwrap();
    let copy = safe.path().join("monday.backup");
    let backend = Backend::start();
    let (device, ops) = (backend.token("device", DEVICE), backend.token("ops", ""));
    let mut log = Log::new(DEVICE);
    let joined = json!({"token": "1:ab", "display_name": "Nora", "language": "en", "text_version": "1"});
    let visit = "0192f0c0-0000-7000-8000-000000000001";
    let first = [vec![log.of(visit, Some(NORA), "cem.visitor.joined.v1", joined)], helps(&mut log, 9)].concat();
    assert_eq!(backend.events(&device, &first).status, 200);
    ok(&backup(backend.folder.path(), &copy));
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);

    let lost = helps(&mut log, 10);
    assert_eq!(backend.events(&device, &lost).status, 200);
    assert_eq!(backend.json("DELETE", &ops, &format!("/v1/visitors/{NORA}"), &json!(null)).status, 202);
    let late = backend.token("ops", "");
    let list = ok(&cli(backend.folder.path(), &["token", "list"]));
    let revoked = list.lines().find(|line| line.contains("\tops\t")).unwrap().split('\t').next().unwrap().to_owned();
    ok(&cli(backend.folder.path(), &["token", "revoke", &revoked]));
    let cursor = backend.get(&late, "/v1/fleet/events?limit=500").json()["next"].clone();

    let folder = backend.kill();
    let told = ok(&restore(folder.path(), &copy));
    assert!(told.contains("10 events restored") && told.contains("cem.db.replaced-"), "{told}");
    let backend = Backend::start_in(folder, &[]);
    backend.get(&ops, "/v1/fleet/summary").is_problem(401);
    let answer = backend.events(&device, &[log.help()]).json();
    assert_eq!((&answer["resend"][0]["from"], &answer["resend"][0]["to"]), (&json!(11), &json!(20)));
    assert!(backend.events(&device, &lost).statuses().iter().all(|status| status == "accepted"));
    assert!(backend.events(&device, &[first, lost].concat()).statuses().iter().all(|status| status == "duplicate"));
    let summary = backend.get(&late, "/v1/fleet/summary").json();
    assert_eq!((&summary["events"], &summary["visitors"]), (&json!(21), &json!(0)), "{summary}");
    assert_eq!(summary["logs"][0]["missing"], json!(0));
    let events = backend.get(&late, "/v1/fleet/events?limit=500").json();
    assert_eq!(events["items"][0]["event"]["erased"], json!(true));
    assert_ne!(events["next"], cursor, "cursors of the replaced database mean nothing here");
    let erasures = backend.get(&device, "/v1/erasures").json();
    assert_eq!(erasures["items"][0]["visitor"], json!(NORA), "{erasures}");
    for file in fs::read_dir(backend.folder.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{file:?}");
    }
}

#[test]
fn a_backend_that_serves_takes_a_backup_and_goes_on_with_it_at_the_same_address() {
    let safe = tempfile::tempdir().unwrap();
    let copy = safe.path().join("cem.backup");
    let backend = Backend::start();
    let device = backend.token("device", DEVICE);
    let mut log = Log::new(DEVICE);
    backend.events(&device, &helps(&mut log, 10));
    ok(&backup(backend.folder.path(), &copy));
    let lost = helps(&mut log, 5);
    backend.events(&device, &lost);
    let told = ok(&restore(backend.folder.path(), &copy));
    assert!(told.contains("10 events restored") && told.contains("cem.db.replaced-"), "{told}");
    let answer = backend.events(&device, &[log.help()]).json();
    assert_eq!((&answer["resend"][0]["from"], &answer["resend"][0]["to"]), (&json!(11), &json!(15)));
    assert!(backend.events(&device, &lost).statuses().iter().all(|status| status == "accepted"));
    assert_eq!(backend.terminate(), Some(0));
}

#[test]
fn what_a_backend_was_asked_for_before_it_was_killed_is_done_at_its_next_start() {
    let safe = tempfile::tempdir().unwrap();
    let copy = safe.path().join("cem.backup");
    let backend = Backend::start();
    let device = backend.token("device", DEVICE);
    let mut log = Log::new(DEVICE);
    backend.events(&device, &helps(&mut log, 10));
    ok(&backup(backend.folder.path(), &copy));
    backend.events(&device, &helps(&mut log, 5));
    let folder = backend.kill();
    fs::copy(&copy, folder.path().join("cem.db.wanted")).unwrap();
    let backend = Backend::start_in(folder, &[]);
    assert_eq!(backend.events(&device, &[log.help()]).json()["resend"][0]["from"], json!(11));
    assert!(!backend.folder.path().join("cem.db.wanted").exists());
}

#[test]
fn a_backup_is_restored_where_the_data_folder_was_lost() {
    let safe = tempfile::tempdir().unwrap();
    let copy = safe.path().join("cem.backup");
    let backend = Backend::start();
    let device = backend.token("device", DEVICE);
    let mut log = Log::new(DEVICE);
    backend.events(&device, &helps(&mut log, 3));
    ok(&backup(backend.folder.path(), &copy));
    drop(backend);
    let folder = tempfile::tempdir().unwrap();
    assert!(!ok(&restore(folder.path(), &copy)).contains("replaced"));
    let backend = Backend::start_in(folder, &[]);
    assert_eq!(backend.events(&device, &helps(&mut log, 1)).json()["resend"], Value::Null);
}

#[test]
fn nothing_is_overwritten_and_nothing_unsound_is_put_in_place() {
    let safe = tempfile::tempdir().unwrap();
    let copy = safe.path().join("cem.backup");
    let backend = Backend::start();
    let device = backend.token("device", DEVICE);
    backend.events(&device, &helps(&mut Log::new(DEVICE), 300));
    ok(&backup(backend.folder.path(), &copy));
    assert!(fails(&backup(backend.folder.path(), &copy)).contains("is there already"));
    assert!(fails(&backup(safe.path(), &safe.path().join("x"))).contains("nothing to back up"));
    let folder = backend.kill();

    let mut bytes = fs::read(&copy).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4_096].fill(0x5a);
    let damaged = safe.path().join("damaged");
    fs::write(&damaged, bytes).unwrap();
    assert!(fails(&restore(folder.path(), &damaged)).contains("damaged"));
    let backend = Backend::start_in(folder, &[]);
    assert!(fails(&restore(backend.folder.path(), &damaged)).contains("damaged"), "a serving backend does not even hear of it");
    assert_eq!(backend.events(&device, &[]).status, 200);
    let folder = backend.kill();
    fs::write(&damaged, "not a database at all").unwrap();
    fails(&restore(folder.path(), &damaged));
    fails(&restore(folder.path(), &safe.path().join("nowhere")));
    let backend = Backend::start_in(folder, &[]);
    assert_eq!(backend.events(&device, &[]).status, 200, "what was there serves on");
}
