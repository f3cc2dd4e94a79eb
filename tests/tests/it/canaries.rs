//! A thousand card numbers go through the terminal of a real kiosk; none is in anything that the kiosk leaves behind.

use cem_tests::{
    appliance::root,
    proc::{Running, program},
    sale::Shop,
};
use kiosk_devices::mask::luhn;
use std::{
    collections::HashMap,
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
    path::Path,
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(600);

/// Card numbers of 16 digits that pass Luhn's check and share no piece with the simulator's own.
fn numbers(count: u64) -> Vec<u64> {
    let number = |i: u64| {
        let body = 400_000_000_000_000 + i.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 99_999_999_999_999;
        let digits = |number: u64| number.to_string().into_bytes().into_iter().map(|b| b - b'0');
        (0..10).map(|check| body * 10 + check).find(|number| luhn(digits(*number))).unwrap()
    };
    (0..count).map(number).collect()
}

/// As text, as half-bytes on the wire, in groups of four, and as wide characters.
fn forms(number: u64) -> Vec<Vec<u8>> {
    let text = number.to_string();
    let bcd = text.as_bytes().chunks(2).map(|pair| (pair[0] - b'0') << 4 | (pair[1] - b'0')).collect();
    let groups = text.as_bytes().chunks(4).map(|four| String::from_utf8_lossy(four).into_owned()).collect::<Vec<_>>().join(" ");
    let wide = text.bytes().flat_map(|digit| u32::from(digit).to_le_bytes()).collect();
    vec![text.into_bytes(), bcd, groups.into_bytes(), wide]
}

/// Finds needles by their first eight bytes.
struct Search(HashMap<[u8; 8], Vec<Vec<u8>>>);

impl Search {
    fn of(numbers: &[u64]) -> Self {
        let mut by_head: HashMap<[u8; 8], Vec<Vec<u8>>> = HashMap::new();
        for needle in numbers.iter().flat_map(|number| forms(*number)) {
            by_head.entry(needle[..8].try_into().unwrap()).or_default().push(needle);
        }
        Self(by_head)
    }

    fn count(&self, hay: &[u8]) -> usize {
        self.find(hay).len()
    }

    /// Where one is.
    fn find(&self, hay: &[u8]) -> Vec<usize> {
        let hit = |(at, head): (usize, &[u8])| {
            let needles = <&[u8; 8]>::try_from(head).ok().and_then(|head| self.0.get(head));
            needles.is_some_and(|needles| needles.iter().any(|needle| hay[at..].starts_with(needle)))
        };
        hay.windows(8).enumerate().filter(|window| hit(*window)).map(|(at, _)| at).collect()
    }
}

/// All that a core dump would hold: every mapping of the process that it can write.
fn memory(pid: u32) -> Vec<u8> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut all = Vec::new();
    for line in maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|rights| rights.starts_with("rw"))) {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [from, to] = [from, to].map(|hex| u64::from_str_radix(hex, 16).unwrap());
        memory.seek(SeekFrom::Start(from)).unwrap();
        // What the kernel keeps to itself cannot be read, and is not the process's.
        let _ = (&mut memory).take(to - from).read_to_end(&mut all);
    }
    all
}

fn file(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn of_a_thousand_card_numbers_none_is_in_database_log_memory_receipt_or_on_the_wire() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Shop::open(folder.path(), &root().join("assets/demo")).unwrap();
    let numbers = numbers(1_000);
    shop.cards(&numbers).unwrap();
    let mut command = program("till").unwrap();
    command.arg("--config").arg(shop.config()).args(["--sales", "1000"]);
    let mut till = Running::start("till", command, &folder.path().join("logs")).unwrap();
    till.wait_for("the last sale", PATIENCE, |line| (line == "sold 1000").then_some(())).unwrap();
    assert_eq!(shop.cards_taken(), numbers, "the numbers were in the terminal");
    let search = Search::of(&numbers);
    let memory = memory(till.pid());
    assert!(memory.len() > 1 << 20, "the process has memory");
    let mut looked = 0;
    for (what, bytes) in [
        ("memory", memory),
        ("kiosk.db", file(&folder.path().join("kiosk.db"))),
        ("WAL", file(&folder.path().join("kiosk.db-wal"))),
        ("log", file(&folder.path().join("logs/till.log"))),
        ("receipts", file(&folder.path().join("receipts.bin"))),
        ("wire", shop.captured()),
    ] {
        println!("{what}: {} bytes", bytes.len());
        looked += bytes.len();
        let found = search.find(&bytes);
        let around: Vec<_> =
            found.iter().map(|at| bytes[at.saturating_sub(48)..bytes.len().min(at + 64)].escape_ascii().to_string()).collect();
        assert!(found.is_empty(), "{what}: {around:#?}");
        let mut planted = bytes;
        planted.extend(forms(numbers[17]).into_iter().flatten());
        assert_eq!(search.count(&planted), 4, "the search finds in {what} what is there");
    }
    println!("{} sales, {looked} bytes looked at", numbers.len());
}
