// SPDX-License-Identifier: GPL-3.0-only
//! The kiosk.

fn main() -> std::process::ExitCode {
    kiosk_app::main()
}
