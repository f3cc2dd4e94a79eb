#![allow(clippy::unwrap_used)]
use super::*;
use crate::hex::{self, test_bytes};
use alloc::{format, string::String};

/// AN12196 table 4: nothing but PICC data under the MAC.
const T4: &str = "https://example.org/t?picc_data=EF963FF7828658A599F3041510671E88&cmac=94EED9EE65337086";
/// AN12196 table 5: with file data.
const T5: &str =
    "https://example.org/t?picc=FD91EC264309878BE6345CBE53BADF40&enc=CEE9A53E3E463EF1F459635736738962&cmac=ECC1E7F6C6C73BF6";
/// In the open.
const OPEN: &str = "https://example.org/t?uid=041E3C8A2D6B80&ctr=000006&cmac=4B00064004B0B3D3";

fn verify(url: &str) -> Result<Proven, SunError> {
    SunMessage::from_url(url)?.verify(&Key::FACTORY, &Key::FACTORY)
}

fn key(hex: &str) -> Key {
    Key::from_hex(hex).unwrap()
}

#[test]
fn the_published_messages_are_proven() {
    for (url, uid, counter) in [(T4, "04DE5F1EACC040", 61), (T5, "04958CAA5C5E80", 8), (OPEN, "041E3C8A2D6B80", 6)] {
        let proven = verify(url).unwrap();
        assert_eq!(proven.card, Mirror { uid: hex::array(uid).unwrap(), counter }, "{url}");
    }
}

#[test]
fn the_published_session_keys_come_out() {
    let t1 = Mirror { uid: hex::array("04C767F2066180").unwrap(), counter: 1 };
    let session = Session::new(&key("5ACE7E50AB65D5D51FD5BF5A16B8205B"), &t1);
    assert_eq!(session.enc, key("66DA61797E23DECA5D8ECA13BBADF7A9"));
    assert_eq!(session.mac, key("3A3E8110E05311F7A3FCF0D969BF2B48"));
    for (uid, counter, mac) in
        [("04DE5F1EACC040", 61, "3FB5F6E3A807A03D5E3570ACE393776F"), ("04958CAA5C5E80", 8, "3ED0920E5E6A0320D823D5987FEAFBB1")]
    {
        let card = Mirror { uid: hex::array(uid).unwrap(), counter };
        assert_eq!(Session::new(&Key::FACTORY, &card).mac, key(mac));
    }
}

#[test]
fn the_published_file_data_is_read() {
    let card = Mirror { uid: hex::array("04958CAA5C5E80").unwrap(), counter: 1 };
    let session = Session::new(&Key::FACTORY, &card);
    assert_eq!(session.enc, key("8097D73344D53F963B09E23E03B62336"));
    assert_eq!(session.iv(&card)[..], test_bytes("7B3F3CFC39D3B7FF5868636E38AF7C3A"));
    let mut data = test_bytes("94592FDE69FA06E8E3B6CA686A22842B");
    session.enc.cbc_decrypt(session.iv(&card), &mut data);
    assert_eq!(data, b"xxxxxxxxxxxxxxxx");
}

#[test]
fn the_name_of_the_parameter_is_part_of_the_mac() {
    assert!(verify(&T5.replace("ECC1E7F6C6C73BF6", "3CC1E7F6C6C33B33")).is_err());
    // The MAC over the file data alone, without '&cmac=', is another one.
    let card = verify(T5).unwrap().card;
    let bare = message_mac(&Key::FACTORY, &card, b"CEE9A53E3E463EF1F459635736738962");
    assert_eq!(verify(&T5.replace("ECC1E7F6C6C73BF6", &hex::upper(&bare))), Err(SunError::Mac));
}

#[test]
fn every_flipped_bit_of_a_valid_message_is_refused() {
    for url in [T4, T5, OPEN] {
        let query = url.find('?').unwrap() + 1;
        let mut tried = 0;
        for (at, digit) in url.char_indices().skip(query) {
            let is_value = url[query..at].rsplit('&').next().unwrap().contains('=') && digit.is_ascii_hexdigit();
            for bit in (0..4).filter(|_| is_value) {
                let flipped = digit.to_digit(16).unwrap() ^ (1 << bit);
                let mut forged = String::from(url);
                forged.replace_range(at..=at, &char::from_digit(flipped, 16).unwrap().to_uppercase().collect::<String>());
                assert!(verify(&forged).is_err(), "{forged}");
                tried += 1;
            }
        }
        assert!(tried >= 4 * 36, "{tried} bits");
    }
}

#[test]
fn every_flipped_bit_of_either_key_is_refused() {
    let message = SunMessage::from_url(T4).unwrap();
    for bit in 0..128 {
        let mut wrong = [0; 16];
        wrong[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(message.verify(&Key::FACTORY, &Key::new(wrong)), Err(SunError::Mac));
        assert!(message.verify(&Key::new(wrong), &Key::FACTORY).is_err());
    }
}

#[test]
fn what_a_card_makes_is_proven_again() {
    let (picc, file) = (Key::new([3; 16]), Key::new([9; 16]));
    let card = Mirror { uid: [4, 1, 2, 3, 4, 5, 6], counter: 0xABCDEF };
    let mut data = *b"0123456789abcdef";
    encrypt_file_data(&file, &card, &mut data);
    let head = format!("https://x.org/?picc_data={}", hex::upper(&picc_data(&picc, &card, [1, 2, 3, 4, 5])));
    let input = format!("{}&cmac=", hex::upper(&data));
    let url = format!("{head}&enc={input}{}", hex::upper(&message_mac(&file, &card, input.as_bytes())));
    let proven = SunMessage::from_url(&url).unwrap().verify(&picc, &file).unwrap();
    assert_eq!((proven.card, proven.file_data.as_deref()), (card, Some(&b"0123456789abcdef"[..])));
}

#[test]
fn what_is_no_message_is_told_apart() {
    let long = format!("https://x?picc_data={}", "0".repeat(600));
    for url in [
        "",
        "https://example.org",
        "https://x?cmac=94EED9EE65337086",
        "https://x?picc_data=EF96&cmac=94EED9EE65337086",
        "https://x?uid=041E3C8A2D6B80&cmac=4B00064004B0B3D3",
        "https://x?picc_data=EF963FF7828658A599F3041510671E88&cmac=94EED9EE6533708",
        "https://x?picc_data=EF963FF7828658A599F3041510671E88&enc=00&cmac=94EED9EE65337086",
        "https://x?cmac=ECC1E7F6C6C73BF6&picc=FD91EC264309878BE6345CBE53BADF40&enc=CEE9A53E3E463EF1F459635736738962",
        "https://x?picc=ГГ&cmac=94EED9EE65337086",
        long.as_str(),
    ] {
        assert_eq!(SunMessage::from_url(url), Err(SunError::Shape), "{url}");
    }
    let foreign = "https://x?picc_data=00000000000000000000000000000000&cmac=94EED9EE65337086";
    assert_eq!(verify(foreign), Err(SunError::Picc));
}

#[test]
fn nothing_shows_the_number() {
    let proven = verify(T4).unwrap();
    assert!(!format!("{proven:?} {:?}", SunMessage::from_url(OPEN)).contains("4, 222"));
}
