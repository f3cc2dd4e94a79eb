//! The reference CEM backend.
//!
//! It takes the events of shop devices ([`ingest`]), folds them into visits and visitors ([`people`]), and answers the
//! contract's endpoints ([`http`]) from one embedded SQLite file, `cem.db` ([`store`]). It also runs the fleet: it takes
//! devices in ([`enrol`]), knows in which state each is and with which keys ([`devices`]), and who works where ([`staff`]).
//! It keeps what is on gift cards ([`gift`]).
//! What it stands for: `accepted`
//! means on disk; an event has one effect however often it is sent; what is stored decides, not the order of arrival;
//! an erased person is gone from every answer.
//!
//! It serves TLS with `--tls-cert` and `--tls-key`; without them it belongs on loopback, or behind a proxy that does. It
//! never logs tokens, names or visitor ids. Static staff tokens are refused unless it is started with `--allow-static-staff`.
//!
//! ```text
//! cem-backend serve --listen 127.0.0.1:0 --data DIR
//! cem-backend serve --listen 0.0.0.0:8443 --data DIR --tls-cert chain.pem --tls-key key.pem
//! cem-backend token --data DIR --scope device --source /stores/s-001/devices/k-01
//! cem-backend token list --data DIR
//! cem-backend token revoke --data DIR ID
//! cem-backend profile-key --data DIR
//! cem-backend seed --data DIR --file visitors.toml
//! cem-backend backup --data DIR --to FILE
//! cem-backend restore --data DIR --from FILE
//! ```

mod alive;
mod backup;
mod cards;
mod cli;
mod codes;
mod devices;
mod enrol;
mod feed;
mod gift;
mod http;
mod ingest;
mod issue;
mod keys;
mod peer;
mod people;
mod seed;
mod serve;
mod staff;
mod store;
mod tls;
mod tokens;

use std::{io::IsTerminal, process::ExitCode};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("CEM_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cem-backend: {error:#}");
            ExitCode::FAILURE
        }
    }
}
