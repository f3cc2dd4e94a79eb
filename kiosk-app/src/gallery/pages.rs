// SPDX-License-Identifier: GPL-3.0-only
//! The pages of the shop's own people, each as it may stand.

use crate::ui::view_model::{page::PageView, setup};
use kiosk_core::{
    ClockQuality, Lang, Now,
    device::DeviceKind,
    setup::{Joined, Joining, Network, SetupTrouble, SetupView, Step, Tried, Wifi},
};

/// A page in a language.
type Make = fn(Lang) -> PageView;

/// Name of its picture, and the page.
pub(super) const ALL: &[(&str, Make)] = &[
    ("setup-language", |lang| first(lang, Step::Language, |_| {})),
    ("setup-network", |lang| first(lang, Step::Network, |view| view.network = Some(network(false)))),
    ("setup-network-looking", |lang| first(lang, Step::Network, |_| {})),
    ("setup-network-online", |lang| first(lang, Step::Network, |view| view.network = Some(network(true)))),
    ("setup-passphrase-wrong", |lang| first(lang, Step::Passphrase, |view| view.trouble = Some(SetupTrouble::WrongPassphrase))),
    ("setup-clock", |lang| first(lang, Step::Clock, |_| {})),
    ("setup-clock-set", |lang| first(lang, Step::SetClock, |view| view.trouble = Some(SetupTrouble::NoDate))),
    ("setup-zone", |lang| first(lang, Step::Zone, |_| {})),
    ("setup-screen", |lang| first(lang, Step::Screen, |_| {})),
    ("setup-code", |lang| first(lang, Step::Code, |_| {})),
    ("setup-code-late", |lang| first(lang, Step::Code, |view| view.trouble = Some(SetupTrouble::LateCode))),
    ("setup-joining", |lang| first(lang, Step::Joining, |view| view.joining = Joining::Trusted)),
    ("setup-devices", |lang| first(lang, Step::Devices, |view| view.devices = Some(tried(true)))),
    ("setup-devices-fault", |lang| first(lang, Step::Devices, |view| view.devices = Some(tried(false)))),
    ("setup-test-sale", |lang| first(lang, Step::TestSale, |_| {})),
    ("setup-test-sale-done", |lang| first(lang, Step::TestSale, |view| view.tested = true)),
    ("setup-ready", |lang| first(lang, Step::Ready, |_| {})),
];

fn first(lang: Lang, step: Step, change: fn(&mut SetupView)) -> PageView {
    let mut view = SetupView {
        step,
        lang,
        ssid: "Boyd’s guests".to_owned(),
        zone: "Europe/Berlin".to_owned(),
        zones: ["Europe/Berlin", "Europe/London", "Europe/Lisbon", "Europe/Moscow", "Asia/Tbilisi", "America/New_York"]
            .map(str::to_owned)
            .to_vec(),
        backend: "https://cem.boyds.example".to_owned(),
        joined: Joined { store: "s-001".to_owned(), device: "k-01".to_owned(), role: "kiosk".to_owned() },
        ..SetupView::default()
    };
    change(&mut view);
    let now = Now { mono_ms: 60_000, utc_ms: Some(1_795_253_460_000), offset_min: 60, quality: ClockQuality::Estimated };
    setup::page(&view, &now)
}

fn network(online: bool) -> Network {
    let wifi = |ssid: &str, signal, locked| Wifi { ssid: ssid.to_owned(), signal, locked };
    Network {
        joined: online.then(|| "Boyd’s till".to_owned()),
        wifi: vec![wifi("Boyd’s till", 88, true), wifi("Boyd’s guests", 61, false), wifi("Harbour office", 22, true)],
        online,
        ..Network::default()
    }
}

fn tried(all_well: bool) -> Vec<Tried> {
    let device = |kind, works, what: &str| Tried { kind, works, what: what.to_owned() };
    let printer =
        if all_well { "192.168.1.51:9100" } else { "192.168.1.51:9100 cannot print. Put paper in and close the cover." };
    vec![
        device(DeviceKind::Terminal, Some(true), "192.168.1.50:20007 took our registration"),
        device(DeviceKind::Printer, Some(all_well), printer),
        device(DeviceKind::Reader, Some(true), "it speaks"),
        device(DeviceKind::Peripherals, None, "not named by the board-config"),
    ]
}
