// SPDX-License-Identifier: GPL-3.0-only
//! The command line.

use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// The kiosk: shows the menu, takes the order, and lets the guest pay.
#[derive(Clone, Debug, Parser)]
#[command(name = "kiosk-app", version, args_conflicts_with_subcommands = true)]
pub struct Args {
    /// Something else than showing the screens
    #[command(subcommand)]
    pub command: Option<Command>,

    /// The kiosk's own file: who it is, where its data, its board-config and the shop's content lie
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// While the file of --config is missing: ask a person for network, time and shop as this file says, and write it
    #[arg(long, value_name = "FILE", requires = "config", conflicts_with = "headless")]
    pub first_start: Option<PathBuf>,

    /// Draw into memory instead of on a display
    #[arg(long)]
    pub headless: bool,

    /// With --headless: play these steps against the real devices or their simulators, and end
    #[arg(long, value_name = "FILE", requires = "headless", requires = "config")]
    pub scenario: Option<PathBuf>,

    /// With --headless: write pictures into this folder; without a scenario, one of every view, size and language
    #[arg(long, value_name = "DIR", requires = "headless")]
    pub screenshots: Option<PathBuf>,

    /// For pictures of every view: the shop's content, where no --config names it
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub content: Option<PathBuf>,

    /// For pictures of every view: only those whose file name contains this
    #[arg(long, value_name = "WORD", requires = "screenshots", conflicts_with = "scenario")]
    pub only: Option<String>,

    /// Width and height of the window or picture, such as 1080x1920; else the board-config's
    #[arg(long, value_name = "WxH", value_parser = size)]
    pub size: Option<(u32, u32)>,

    /// Nothing moves that need not: for guests whom it troubles, and for slow boards
    #[arg(long)]
    pub reduced_motion: bool,

    /// No window decoration, the whole display
    #[arg(long)]
    pub fullscreen: bool,
}

/// What the program does beside showing the screens.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Try each device that a board-config names; say what is wrong and what to do. The kiosk must not be running
    Check {
        /// The board-config to try
        #[arg(long, value_name = "FILE")]
        board: PathBuf,
    },
    /// Guests' cards
    #[command(subcommand)]
    Nfc(Nfc),
    /// The till's journal
    #[command(subcommand)]
    Journal(Journal),
}

/// What is done with the till's journal.
#[derive(Clone, Debug, Subcommand)]
pub enum Journal {
    /// The book of the till as a CSV file whose lines are chained by SHA-256: for an auditor, who needs no program of ours.
    /// The kiosk may be running
    Export {
        /// The kiosk's own file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The first business date, such as 2026-11-01; from the beginning if left out
        #[arg(long, value_name = "DATE")]
        from: Option<String>,
        /// The last business date; to the end if left out
        #[arg(long, value_name = "DATE")]
        to: Option<String>,
        /// Where to write it, a file that is not there yet; to standard output if left out
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// The file is kept safely: let the kiosk give these lines up once they are as old as its orders. Without this they stay
        /// for 400 days
        #[arg(long, requires = "out")]
        release: bool,
        /// Another till than the kiosk's own, where the device had another name
        #[arg(long, value_name = "NAME")]
        till: Option<String>,
    },
}

/// What is done with guests' cards.
#[derive(Clone, Debug, Subcommand)]
pub enum Nfc {
    /// Make guests' cards of blank ones on the reader, one line of JSON for each that is laid on; asks for your PIN on standard
    /// input. A card that is taken away too soon is laid on again. The kiosk must not be running
    Issue {
        /// The kiosk's own file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,

        /// Your staff number
        #[arg(long, value_name = "NUMBER")]
        staff: String,

        /// How many
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=500))]
        count: u16,

        /// Whose card it is; without, cards are made for whoever comes
        #[arg(long, value_name = "ID", conflicts_with = "count")]
        visitor: Option<String>,

        /// The visitor's other cards are lost: they are blocked with this
        #[arg(long, requires = "visitor")]
        replaces: bool,
    },
    /// One line of JSON for each tap: what it proves, and how long that took. The kiosk must not be running
    Watch {
        /// The kiosk's own file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

/// The smallest and the largest side of a window in pixels.
const SIDES: std::ops::RangeInclusive<u32> = 320..=7680;

fn size(text: &str) -> Result<(u32, u32), String> {
    let sides = text.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    match sides {
        Some((w, h)) if SIDES.contains(&w) && SIDES.contains(&h) => Ok((w, h)),
        _ => Err(format!("'{text}' is not width x height in pixels, such as 1080x1920")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_check_needs_its_board_and_nothing_else() {
        assert!(Args::try_parse_from(["kiosk-app", "check"]).is_err());
        assert!(Args::try_parse_from(["kiosk-app", "--headless", "check", "--board", "b.toml"]).is_err());
        let args = Args::try_parse_from(["kiosk-app", "check", "--board", "b.toml"]).unwrap();
        assert!(matches!(args.command, Some(Command::Check { .. })));
    }

    #[test]
    fn a_size_is_two_numbers_within_reason() {
        assert_eq!(size("720x1280"), Ok((720, 1280)));
        assert!(size("720").is_err() && size("0x0").is_err() && size("axb").is_err());
    }

    #[test]
    fn a_scenario_needs_a_config_and_no_display() {
        assert!(Args::try_parse_from(["kiosk-app", "--scenario", "a.toml"]).is_err());
        assert!(Args::try_parse_from(["kiosk-app", "--headless", "--scenario", "a.toml", "--config", "k.toml"]).is_ok());
    }
}
