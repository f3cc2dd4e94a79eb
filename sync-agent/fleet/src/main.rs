//! `fleet`: what ops do to the devices and the staff of a fleet's stores, from their own computer. Never on a device.
//!
//! It speaks the backend's ops routes with an ops token, which comes from a file. Settings come from the command line, then
//! from `CEM_FLEET_BACKEND` and `CEM_FLEET_TOKEN_FILE`, then from `cem-fleet.toml` in the user's configuration folder:
//!
//! ```toml
//! backend    = "https://cem.example"
//! token_file = "ops.token"             # mode 0600; made by `cem-backend token --scope ops`
//! store      = "s-001"                 # where no --store is given
//! ```
//!
//! It keeps nothing, and prints a one-time code or PIN once.

mod api;
mod cli;
mod devices;
mod settings;
mod staff;

use std::process::ExitCode;

fn main() -> ExitCode {
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("fleet: another TLS provider is installed already");
        return ExitCode::FAILURE;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(cli::run()));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fleet: {error:#}");
            ExitCode::FAILURE
        }
    }
}
