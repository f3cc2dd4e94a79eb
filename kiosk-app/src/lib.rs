//! x
#[allow(missing_docs, clippy::all, unused_qualifications, unreachable_pub)]
mod generated { slint::include_modules!(); }
/// x
pub fn main() -> std::process::ExitCode { let _ = generated::App::new(); std::process::ExitCode::SUCCESS }
