//! Receipts are signed by a device of their own; while it is out, the shop sells as the law lets it.

use cem_tests::{appliance::root, sale::Shop, till::Till};
use kiosk_core::{Intent, event::Problem, session::Overlay};
use kiosk_devices::receipt::to_text;
use kiosk_shell::audit::{Wanted, export};
use kiosk_sim::FiscalSim;
use std::{net::Ipv4Addr, path::Path};

fn device() -> FiscalSim {
    FiscalSim::start((Ipv4Addr::LOCALHOST, 0).into()).unwrap()
}

fn shop(folder: &Path, device: &FiscalSim, on_outage: &str) -> Shop {
    let shop = Shop::open(folder, &root().join("assets/demo")).unwrap();
    shop.sign_by(device.address(), on_outage).unwrap();
    shop
}

/// What the printer has on paper, receipt by receipt.
fn receipts(folder: &Path) -> Vec<String> {
    let text = to_text(&std::fs::read(folder.join("receipts.bin")).unwrap());
    text.split(|line| line == "[cut]").map(|lines| lines.join("\n")).filter(|receipt| !receipt.trim().is_empty()).collect()
}

/// Kinds and reasons of the book's lines.
fn journal(folder: &Path) -> String {
    let mut out = Vec::new();
    export(&folder.join("kiosk.db"), &Wanted { till: "k-01".into(), ..Wanted::default() }, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn receipts_are_signed_an_outage_stands_on_paper_and_is_caught_up_also_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let device = device();
    let shop = shop(folder.path(), &device, "sell");
    let till = Till::start(&shop.config()).unwrap();
    till.sell().unwrap();
    device.obey("silent").unwrap();
    till.sell().unwrap();
    device.obey("refuse").unwrap();
    till.sell().unwrap();
    till.stop();
    assert_eq!(device.signed(), 1);
    let printed = receipts(folder.path());
    assert_eq!(printed.len(), 3);
    assert!(printed[0].contains("[QR V0;k-01;1;") && printed[0].contains("SIM-1 1"), "{}", printed[0]);
    for receipt in &printed[1..] {
        assert!(receipt.contains("The signing device is out of") && !receipt.contains("[QR V0"), "{receipt}");
    }
    let book = journal(folder.path());
    assert_eq!((book.matches(",signed,").count(), book.matches(",unsigned,").count()), (1, 2), "{book}");

    device.obey("sign").unwrap();
    let till = Till::start(&shop.config()).unwrap();
    till.sell().unwrap();
    till.stop();
    assert_eq!(device.signed(), 4, "the two are signed before the new one");
    let printed = receipts(folder.path());
    assert!(printed[3].contains("[QR V0;k-01;4;"), "{}", printed[3]);
    let book = journal(folder.path());
    assert_eq!((book.matches(",signed,").count(), book.matches(",unsigned,").count()), (4, 2), "{book}");
}

#[test]
fn an_answer_that_was_lost_is_fetched_and_nothing_is_signed_twice() {
    let folder = tempfile::tempdir().unwrap();
    let device = device();
    let shop = shop(folder.path(), &device, "sell");
    let till = Till::start(&shop.config()).unwrap();
    device.obey("cut").unwrap();
    till.sell().unwrap();
    device.obey("sign").unwrap();
    till.sell().unwrap();
    till.stop();
    assert_eq!(device.signed(), 2);
    let book = journal(folder.path());
    assert_eq!((book.matches(",signed,").count(), book.matches(",unsigned,").count()), (2, 1), "{book}");
}

#[test]
fn where_the_law_forbids_to_sell_unsigned_no_sale_begins_during_an_outage() {
    let folder = tempfile::tempdir().unwrap();
    let device = device();
    let shop = shop(folder.path(), &device, "refuse");
    device.obey("refuse").unwrap();
    let till = Till::start(&shop.config()).unwrap();
    till.sell().unwrap();
    till.send(Intent::Begin).unwrap();
    till.until(|snapshot| snapshot.overlay == Some(Overlay::Problem(Problem::CannotRecord))).unwrap();
    till.stop();
    assert_eq!(receipts(folder.path()).len(), 1, "the outage is known by the first receipt that could not be signed");
}
