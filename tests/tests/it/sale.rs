//! The kiosk is killed in the middle of a sale, and comes back.

use cem_tests::{
    appliance::root,
    proc::program,
    sale::{Point, Shop, Told},
};
use std::{path::Path, process::Command, time::Duration};

/// What a restart may take on a machine that does other things beside; in front of a guest it is five seconds.
const TOLD_WITHIN: Duration = Duration::from_secs(30);

fn shop(folder: &Path) -> Shop {
    Shop::open(folder, &root().join("assets/demo")).unwrap()
}

/// Points at which a sale can be cut, found by a sale that is not.
fn points() -> Vec<Point> {
    let folder = tempfile::tempdir().unwrap();
    shop(folder.path()).sell(None).unwrap()
}

fn killed_at(point: Point) -> Told {
    let folder = tempfile::tempdir().unwrap();
    let shop = shop(folder.path());
    shop.sell(Some(point)).unwrap();
    let told = shop.start_again(&point.to_string()).unwrap_or_else(|error| panic!("killed at {point}: {error:#}"));
    keep_pictures(folder.path());
    println!("{point}: {told:?}");
    assert!(told.within <= TOLD_WITHIN, "{point}: {told:?}");
    told
}

/// In target/tmp, to be looked at.
fn keep_pictures(folder: &Path) {
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join("killed-sales");
    std::fs::create_dir_all(&to).unwrap();
    for picture in std::fs::read_dir(folder.join("pictures")).unwrap().flatten() {
        std::fs::copy(picture.path(), to.join(picture.file_name())).unwrap();
    }
}

/// Those around the money; all of them with `CEM_SALE_KILLS=all`.
#[test]
fn wherever_a_sale_is_killed_guest_and_staff_are_told_what_the_terminal_has_in_its_books() {
    let points = points();
    let all = std::env::var("CEM_SALE_KILLS").is_ok_and(|which| which == "all");
    let (mut booked, mut unbooked) = (0, 0);
    let step = if all { 1 } else { points.len().div_ceil(6) };
    for point in points.iter().step_by(step) {
        let told = killed_at(*point);
        booked += usize::from(told.booked);
        unbooked += usize::from(!told.booked);
    }
    println!("{} points, {booked} with money, {unbooked} without", points.len());
    assert!(booked > 0 && unbooked > 0);
}

#[test]
fn the_journal_of_a_sale_is_written_by_the_kiosks_own_command_and_checked_by_a_shell() {
    let folder = tempfile::tempdir().unwrap();
    let shop = shop(folder.path());
    shop.sell(None).unwrap();
    let file = folder.path().join("journal.csv");
    let mut export = program("kiosk-app").unwrap();
    export.args(["journal", "export", "--config"]).arg(shop.config()).arg("--out").arg(&file).arg("--release");
    let done = export.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with("k-01,")).count(), 3, "opened, paid, sold: {text}");
    let script: String = text.lines().filter_map(|line| line.strip_prefix("#   ")).map(|line| format!("{line}\n")).collect();
    let script = script.replace("FILE", &file.display().to_string());
    let checked = Command::new("sh").arg("-c").arg(script).output().unwrap();
    assert_eq!((checked.status.success(), checked.stdout.as_slice()), (true, &b""[..]));
    assert!(folder.path().join("kiosk.db.exported").exists());
    let again = export.output().unwrap();
    assert!(!again.status.success(), "an export never goes over another one");
}
