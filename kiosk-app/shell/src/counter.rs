//! `[desk]` of kiosk.toml: how the shop's own people work at this kiosk.
//!
//! ```toml
//! [desk]                               # optional, as is each key
//! idle_s = 90                          # silence after which nobody is signed in any more, 15 to 600
//! badge_alone = true                   # a badge that proves itself needs no PIN beside it
//! staff_limit = 5000                   # above this many minor units, refunds and prices need a manager; default: no limit
//! pin_pepper_file = "pin-pepper.key"   # 32 bytes as 64 hex digits, mode 0600; an enrolled device is given it by its agent
//!
//! [desk.may]                           # what an act needs: staff, approval, manager, two_managers, never
//! refund = "approval"
//! no_sale = "staff"
//! ```
//!
//! The acts are the words of [`kiosk_core::staff::Act::word`].

use kiosk_core::{
    Minor,
    config::DeskConfig,
    staff::{Act, Need, Permissions},
};
use serde::Deserialize;
use std::{collections::BTreeMap, path::PathBuf};
use zeroize::Zeroizing;

/// Bounds of `idle_s`.
const IDLE_S: std::ops::RangeInclusive<u32> = 15..=600;

/// How the shop's own people work here.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct DeskSettings {
    /// The core's part of it; the till's name is the device's.
    pub desk: DeskConfig,
    /// The store's secret that PIN hashes are made with, where it is configured.
    pub pin_pepper: Option<Zeroizing<[u8; 32]>>,
}

impl std::fmt::Debug for DeskSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeskSettings").field("desk", &self.desk).finish_non_exhaustive()
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawDesk {
    idle_s: Option<u32>,
    badge_alone: Option<bool>,
    staff_limit: Option<i64>,
    pub(crate) pin_pepper_file: Option<PathBuf>,
    may: BTreeMap<String, RawNeed>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawNeed {
    Staff,
    Approval,
    Manager,
    TwoManagers,
    Never,
}

impl RawDesk {
    /// Checked; the error is the dotted key, and what to do.
    pub(crate) fn settings(self, till: &str, pin_pepper: Option<[u8; 32]>) -> Result<DeskSettings, (&'static str, String)> {
        let mut desk = DeskConfig { till: till.to_owned(), ..DeskConfig::default() };
        if let Some(idle_s) = self.idle_s {
            if !IDLE_S.contains(&idle_s) {
                let (min, max) = (IDLE_S.start(), IDLE_S.end());
                return Err(("desk.idle_s", format!("{idle_s} is not between {min} and {max} seconds")));
            }
            desk.idle_ms = u64::from(idle_s) * 1_000;
        }
        if let Some(limit) = self.staff_limit {
            if limit < 0 {
                return Err(("desk.staff_limit", format!("{limit} is below zero; leave the line out for no limit")));
            }
            desk.staff_limit = Some(Minor(limit));
        }
        desk.badge_alone = self.badge_alone.unwrap_or(desk.badge_alone);
        for (word, need) in self.may {
            let act = Act::from_word(&word).ok_or_else(|| {
                let words: Vec<&str> = Act::ALL.iter().map(|act| act.word()).collect();
                ("desk.may", format!("'{word}' is no act; these are: {}", words.join(", ")))
            })?;
            set(&mut desk.may, act, need);
        }
        Ok(DeskSettings { desk, pin_pepper: pin_pepper.map(Zeroizing::new) })
    }
}

fn set(may: &mut Permissions, act: Act, need: RawNeed) {
    may.set(
        act,
        match need {
            RawNeed::Staff => Need::Staff,
            RawNeed::Approval => Need::Approval,
            RawNeed::Manager => Need::Manager,
            RawNeed::TwoManagers => Need::TwoManagers,
            RawNeed::Never => Need::Never,
        },
    );
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> Result<DeskSettings, (&'static str, String)> {
        toml::from_str::<RawDesk>(text).unwrap().settings("k-01", Some([7; 32]))
    }

    #[test]
    fn what_stands_there_counts_and_the_rest_is_the_default() {
        let settings = read("idle_s = 120\nstaff_limit = 5000\n[may]\nrefund = \"two_managers\"\nno_sale = \"never\"\n").unwrap();
        let (desk, default) = (&settings.desk, DeskConfig::default());
        assert_eq!((desk.idle_ms, desk.staff_limit, desk.badge_alone), (120_000, Some(Minor(5_000)), default.badge_alone));
        assert_eq!((desk.may.need(Act::Refund), desk.may.need(Act::NoSale)), (Need::TwoManagers, Need::Never));
        assert_eq!((desk.may.need(Act::Void), desk.till.as_str()), (default.may.need(Act::Void), "k-01"));
        assert!(!format!("{settings:?}").contains('7'), "the pepper is not shown");
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_key() {
        assert_eq!(read("idle_s = 5").unwrap_err().0, "desk.idle_s");
        assert_eq!(read("staff_limit = -1").unwrap_err().0, "desk.staff_limit");
        let (key, why) = read("[may]\nfly = \"staff\"\n").unwrap_err();
        assert!(key == "desk.may" && why.contains("'fly' is no act"), "{why}");
        assert!(toml::from_str::<RawDesk>("[may]\nrefund = \"anybody\"\n").is_err());
    }
}
