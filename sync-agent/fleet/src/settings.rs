//! Where the backend is and who we are: flags, then the environment, then the file.

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// Flags as they were given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    pub(crate) config: Option<PathBuf>,
    pub(crate) backend: Option<String>,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) store: Option<String>,
}

/// What holds.
pub(crate) struct Settings {
    /// Base address, without a trailing slash.
    pub(crate) backend: String,
    /// The ops token.
    pub(crate) token: String,
    /// The store where none is named.
    pub(crate) store: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    backend: Option<String>,
    token_file: Option<PathBuf>,
    store: Option<String>,
}

impl Settings {
    /// Puts together what holds.
    ///
    /// # Errors
    /// What is missing and how to give it.
    pub(crate) fn find(given: Given, environment: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let path = given.config.clone().or_else(|| default_path(&environment));
        let (file, folder) = match &path {
            Some(path) => (read(path, given.config.is_some())?, path.parent().map(PathBuf::from).unwrap_or_default()),
            None => (File::default(), PathBuf::new()),
        };
        let backend = given.backend.or_else(|| environment("CEM_FLEET_BACKEND")).or(file.backend);
        let backend = backend.context("which backend? Give --backend, CEM_FLEET_BACKEND, or `backend` in cem-fleet.toml")?;
        check_address(&backend)?;
        let from_file = file.token_file.map(|path| folder.join(path));
        let token_file = given.token_file.or_else(|| environment("CEM_FLEET_TOKEN_FILE").map(PathBuf::from)).or(from_file);
        let token_file =
            token_file.context("whose token? Give --token-file, CEM_FLEET_TOKEN_FILE, or `token_file` in cem-fleet.toml")?;
        let token = token(&token_file)?;
        Ok(Self { backend: backend.trim_end_matches('/').to_owned(), token, store: given.store.or(file.store) })
    }
}

fn default_path(environment: &impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let folder = environment("XDG_CONFIG_HOME").map(PathBuf::from);
    let folder = folder.or_else(|| environment("HOME").map(|home| Path::new(&home).join(".config")));
    folder.map(|folder| folder.join("cem-fleet.toml"))
}

fn read(path: &Path, must_exist: bool) -> anyhow::Result<File> {
    let shown = path.display();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => return Ok(File::default()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
    };
    toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        anyhow::anyhow!("{shown}:{line}: {}", error.message().trim())
    })
}

/// The token rules the fleet: it goes over TLS, or not further than this machine.
fn check_address(backend: &str) -> anyhow::Result<()> {
    if backend.starts_with("https://") {
        return Ok(());
    }
    let Some(rest) = backend.strip_prefix("http://") else { bail!("{backend} is no address: it starts with https://") };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let is_here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    ensure!(is_here && !authority.contains('@'), "without TLS only this machine may be addressed: use https, not {backend}");
    Ok(())
}

fn token(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("cannot read the ops token in {shown}"))?;
    let mode = fs::metadata(path)?.permissions().mode();
    ensure!(mode & 0o077 == 0, "{shown} can be read by others on this computer: chmod 600 {shown}");
    let token = text.trim();
    ensure!(!token.is_empty() && !token.contains(char::is_whitespace), "{shown} must hold the ops token and nothing else");
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn home() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(".config")).unwrap();
        let token = dir.path().join(".config/ops.token");
        fs::write(&token, "cem_ops_x\n").unwrap();
        fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
        let text = "backend = \"https://cem.example/\"\ntoken_file = \"ops.token\"\nstore = \"s-001\"\n";
        fs::write(dir.path().join(".config/cem-fleet.toml"), text).unwrap();
        dir
    }

    fn find(home: &tempfile::TempDir, given: Given) -> anyhow::Result<Settings> {
        Settings::find(given, |name| (name == "HOME").then(|| home.path().display().to_string()))
    }

    #[test]
    fn the_file_says_what_flags_do_not() {
        let home = home();
        let settings = find(&home, Given::default()).unwrap();
        assert_eq!((settings.backend.as_str(), settings.token.as_str()), ("https://cem.example", "cem_ops_x"));
        let given = Given { backend: Some("http://127.0.0.1:8080".into()), store: Some("s-002".into()), ..Given::default() };
        let settings = find(&home, given).unwrap();
        assert_eq!((settings.backend.as_str(), settings.store.as_deref()), ("http://127.0.0.1:8080", Some("s-002")));
    }

    #[test]
    fn a_token_that_others_can_read_and_an_address_without_tls_are_refused() {
        let home = home();
        let token = home.path().join(".config/ops.token");
        fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(find(&home, Given::default()).err().unwrap().to_string().contains("chmod 600"));
        for address in ["http://cem.example", "http://localhost@evil.example", "ftp://x"] {
            let given = Given { backend: Some(address.into()), ..Given::default() };
            assert!(find(&home, given).is_err(), "{address}");
        }
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let home = home();
        fs::write(home.path().join(".config/cem-fleet.toml"), "backend = \"https://x\"\ncolour = 1\n").unwrap();
        let said = find(&home, Given::default()).err().unwrap().to_string();
        assert!(said.contains("cem-fleet.toml:2: ") && said.contains("colour"), "{said}");
    }
}
