//! The fuzz targets' checks, without a fuzzer: over the corpus, and over what a few thousand cuts and flips make of it.

#[path = "../../fuzz/src/lib.rs"]
#[allow(unreachable_pub)]
mod checks;

use std::{fs, path::Path};

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let read = |kind: &str| {
        let files = fs::read_dir(folder.join(kind)).unwrap();
        files.map(|file| fs::read(file.unwrap().path()).unwrap()).collect::<Vec<_>>()
    };
    [read("frames"), read("sessions")].concat()
}

#[test]
fn the_corpus_and_what_becomes_of_it_on_a_bad_line_break_nothing() {
    let corpus = corpus();
    assert!(corpus.len() >= 8, "the corpus is in the repository");
    let mut dice = 0x9E37_79B9_7F4A_7C15u64;
    let mut roll = |below: usize| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        (dice % below.max(1) as u64) as usize
    };
    for _ in 0..500 {
        for seed in &corpus {
            let mut line = seed.clone();
            match roll(4) {
                0 => line.truncate(roll(seed.len())),
                1 => (0..=roll(4)).for_each(|_| {
                    let at = roll(line.len());
                    line[at] ^= 1 << roll(8);
                }),
                2 => drop(line.drain(..roll(seed.len()))),
                _ => line.extend_from_slice(&corpus[roll(corpus.len())]),
            }
            checks::frames(&line);
            checks::sessions(&line);
        }
    }
}
