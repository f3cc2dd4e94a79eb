use crate::backend::{Backend, DEVICE, cli, command};
use std::os::unix::fs::PermissionsExt;

fn stdout(output: &std::process::Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn help_and_version_are_told() {
    for arguments in [
        ["--help"].as_slice(),
        &["--version"],
        &["serve", "--help"],
        &["token", "--help"],
        &["token", "list", "--help"],
        &["backup", "--help"],
        &["restore", "--help"],
    ] {
        let output = command().args(arguments).output().unwrap();
        assert!(output.status.success() && !output.stdout.is_empty(), "{arguments:?}: {output:?}");
    }
}

#[test]
fn a_token_is_made_while_the_backend_runs_and_dies_when_revoked() {
    let backend = Backend::start();
    let folder = backend.folder.path();
    let token = backend.token("device", DEVICE);
    assert_eq!(backend.events(&token, &[]).status, 200);
    let list = stdout(&cli(folder, &["token", "list"]));
    assert!(list.contains(DEVICE) && list.contains("device") && !list.contains(&token), "{list}");
    let id = list.split('\t').next().unwrap();
    assert!(cli(folder, &["token", "revoke", id]).status.success());
    backend.events(&token, &[]).is_problem(401);
    assert!(!cli(folder, &["token", "revoke", "nonsense"]).status.success());
}

#[test]
fn the_text_of_a_token_is_kept_nowhere() {
    let backend = Backend::start();
    let token = backend.token("ops", "");
    let folder = backend.kill();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(token.len()).any(|window| window == token.as_bytes()));
    }
}

#[test]
fn a_token_without_the_source_it_needs_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        ["token", "--scope", "device"].as_slice(),
        &["token", "--scope", "channel", "--source", "/stores/s-001"],
        &["token", "--scope", "store", "--source", "s-001"],
        &["token", "--scope", "king"],
        &["token"],
    ] {
        let output = cli(folder.path(), arguments);
        assert!(!output.status.success() && output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn the_profile_key_is_made_once_and_is_nobody_elses_to_read() {
    let folder = tempfile::tempdir().unwrap();
    let first = stdout(&cli(folder.path(), &["profile-key"]));
    assert_eq!(first, stdout(&cli(folder.path(), &["profile-key"])));
    let mode = std::fs::metadata(folder.path().join("profile.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_seed_with_a_typo_names_file_line_and_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("visitors.toml");
    std::fs::write(&file, "[[visitor]]\nvisitor = \"v_1\"\nconsent = \"none\"\nnmae = \"Jane\"\n").unwrap();
    let output = cli(folder.path(), &["seed", "--file", file.to_str().unwrap()]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && error.contains("visitors.toml") && error.contains("line 4") && error.contains("nmae"),
        "{error}"
    );
}

#[test]
fn a_port_that_is_taken_is_a_sentence_not_a_panic() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = cli(folder.path(), &["serve", "--listen", &address]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && error.contains("cannot listen on") && !error.contains("panicked"), "{error}");
}

#[test]
fn a_folder_is_served_by_one_process_at_a_time_and_is_nobody_elses_to_read() {
    let backend = Backend::start();
    let output = cli(backend.folder.path(), &["serve"]);
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("another cem-backend serves"));
    for file in std::fs::read_dir(backend.folder.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{file:?}");
    }
}
