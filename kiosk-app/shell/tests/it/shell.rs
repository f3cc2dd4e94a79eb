//! The running shell: config and files in, snapshots out, a clean stop.

use kiosk_core::{ArticleId, CategoryId, Intent, Service, Snapshot, Stage, Tender};
use kiosk_shell::{Content, KioskConfig, Refused, Shell};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

const KIOSK: &str = r#"store = "s-001"
device = "k-01"
role = "kiosk"
data = "data"
board = "board.toml"
content = "shop"
[cem]
tenant_key_file = "tenant.key"
"#;
const BOARD: &str = "name = \"bare\"\n[display]\nwidth_px = 720\nheight_px = 1280\ndpi = 212\n";
const SHOP: &str = r#"name = "Boyd's"
tagline = { en = "By the sea" }
currency = "EUR"
[[language]]
tag = "en"
name = "English"
[[attract]]
from = "00:00"
until = "24:00"
title = { en = "Hello." }
text = { en = "Touch to order." }
picture = "flat-white"
[receipt]
header = ["Boyd's"]
footer = { en = "Thank you." }
"#;
const MENU: &str = r#"version = "1"
currency = "EUR"
[[tax]]
code = "food"
rate = "7"
included = true
[[category]]
key = "coffee"
name = { en = "Coffee" }
[defaults]
category = "coffee"
tax = "food"
[[article]]
sku = "flat-white"
name = { en = "Flat white" }
description = { en = "Small and strong." }
price = "3.90"
allergens = { contains = ["milk"], free = "rest" }
"#;

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    for part in ["shop/menu", "shop/pictures"] {
        fs::create_dir_all(dir.path().join(part)).unwrap();
    }
    write("kiosk.toml", KIOSK);
    write("board.toml", BOARD);
    write("tenant.key", &"ab".repeat(32));
    write("shop/shop.toml", SHOP);
    write("shop/menu/menu.toml", MENU);
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/demo");
    for file in ["theme.toml", "pictures/flat-white.png"] {
        fs::copy(demo.join(file), dir.path().join("shop").join(file)).unwrap();
    }
    fs::set_permissions(dir.path().join("tenant.key"), fs::Permissions::from_mode(0o600)).unwrap();
    dir
}

fn start(dir: &Path) -> (Shell, Receiver<Arc<Snapshot>>) {
    let (sender, snapshots) = channel();
    let config = KioskConfig::load(dir.join("kiosk.toml")).unwrap();
    let sink = Box::new(move |snapshot| {
        let _ = sender.send(snapshot);
    });
    (Shell::start(config, sink).unwrap(), snapshots)
}

/// Waits for a snapshot that the shell's thread will send.
fn wait_for(snapshots: &Receiver<Arc<Snapshot>>, what: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
    loop {
        let snapshot = snapshots.recv_timeout(Duration::from_secs(30)).expect("the snapshot never came");
        if what(&snapshot) {
            return snapshot;
        }
    }
}

#[test]
fn a_visit_runs_through_the_loop_and_its_order_is_on_disk_after_the_stop() {
    let dir = folder();
    let (shell, snapshots) = start(dir.path());
    let handle = shell.handle();
    for intent in [
        Intent::Begin,
        Intent::ChooseService(Service::Takeaway),
        Intent::OpenCategory(CategoryId(0)),
        Intent::QuickAdd(ArticleId(0)),
        Intent::OpenBasket,
        Intent::Checkout,
        Intent::Pay(Tender::Cash),
    ] {
        handle.send(intent).unwrap();
    }
    let done = wait_for(&snapshots, |snapshot| snapshot.stage == Stage::Done);
    assert_eq!(done.order.as_ref().unwrap().number, "A-1");
    assert_eq!(handle.catalogue().articles.len(), 1);
    assert_eq!(handle.content().shop.name, "Boyd's");
    assert_eq!(handle.board().display.dpi, 212);
    shell.stop();
    assert_eq!(handle.send(Intent::Begin), Err(Refused::Stopped));
    assert!(snapshots.iter().count() < 100, "the sink is dropped with the loop, so that the screen notices");
    let reader = edge_db::LogReader::open(dir.path().join("data/kiosk.db")).unwrap().unwrap();
    assert_eq!(reader.newest_orders(10).unwrap()[0].total_minor, 390);
}

#[test]
fn a_second_shell_over_the_same_database_is_refused_with_a_sentence() {
    let dir = folder();
    let (_shell, _snapshots) = start(dir.path());
    let config = KioskConfig::load(dir.path().join("kiosk.toml")).unwrap();
    let said = format!("{:#}", Shell::start(config, Box::new(|_| {})).unwrap_err());
    assert!(said.contains("kiosk.db") && said.contains("another process"), "{said}");
}

#[test]
fn what_is_wrong_with_the_files_is_said_with_file_and_line() {
    let dir = folder();
    fs::write(dir.path().join("shop/menu/menu.toml"), MENU.replace("3.90", "-3.90")).unwrap();
    let said = format!("{:#}", Content::load(dir.path().join("shop")).unwrap_err());
    assert!(said.contains("menu/menu.toml line 17"), "{said}");
    fs::write(dir.path().join("board.toml"), BOARD.replace("dpi", "dip")).unwrap();
    fs::write(dir.path().join("shop/menu/menu.toml"), MENU).unwrap();
    let config = KioskConfig::load(dir.path().join("kiosk.toml")).unwrap();
    let said = format!("{:#}", Shell::start(config, Box::new(|_| {})).unwrap_err());
    assert!(said.contains("board.toml:5") && said.contains("dip"), "{said}");
}
