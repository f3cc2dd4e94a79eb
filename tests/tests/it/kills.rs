//! The short form of the kill test; `cargo xtask bench kills` is the long one.

use cem_tests::kills;

#[test]
fn nothing_acknowledged_is_lost_or_doubled_when_writer_and_agent_are_killed() {
    let folder = tempfile::tempdir().unwrap();
    let toll = kills::run(folder.path(), 24, 0x00C0_FFEE).unwrap();
    assert!(toll.writers >= 12 && toll.agents >= 3, "{toll:?}");
    assert!(toll.arrived >= toll.acknowledged && toll.acknowledged > 500, "{toll:?}");
}
