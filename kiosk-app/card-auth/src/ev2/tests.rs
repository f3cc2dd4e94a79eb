#![allow(clippy::unwrap_used)]
use super::*;
use crate::{
    hex::{array, test_bytes},
    ntag424::{self, KeyNo, change_key_data},
};

fn session(enc: &str, mac: &str, ti: &str, counter: u16) -> Session {
    Session { enc: Key::from_hex(enc).unwrap(), mac: Key::from_hex(mac).unwrap(), ti: array(ti).unwrap(), counter }
}

#[test]
fn the_published_handshakes_come_out_byte_for_byte() {
    // AN12196, 5.6 (key 0) and 5.10 (key 3): random numbers, both commands, both answers, session keys.
    struct Handshake {
        rnd_a: &'static str,
        challenge: &'static str,
        command: &'static str,
        proof: &'static str,
        ti: &'static str,
        enc: &'static str,
        mac: &'static str,
    }
    for shake in [
        Handshake {
            rnd_a: "13C5DB8A5930439FC3DEF9A4C675360F",
            challenge: "A04C124213C186F22399D33AC2A3021591AF",
            command: "90AF00002035C3E05A752E0144BAC0DE51C1F22C56B34408A23D8AEA266CAB947EA8E0118D00",
            proof: "3FA64DB5446D1F34CD6EA311167F5E4985B89690C04A05F17FA7AB2F081206639100",
            ti: "9D00C4DF",
            enc: "1309C877509E5A215007FF0ED19CA564",
            mac: "4C6626F5E72EA694202139295C7A7FC7",
        },
        Handshake {
            rnd_a: "B98F4C50CF1C2E084FD150E33992B048",
            challenge: "B875CEB0E66A6C5CD00898DC371F92D191AF",
            command: "90AF000020FF0306E47DFBC50087C4D8A78E88E62DE1E8BE457AA477C707E2F0874916A8B100",
            proof: "0CC9A8094A8EEA683ECAAC5C7BF20584206D0608D477110FC6B3D5D3F65C3A6A9100",
            ti: "7614281A",
            enc: "7A93D6571E4B180FCA6AC90C9A7488D4",
            mac: "FC4AF159B62E549B5812394CAB1918CC",
        },
    ] {
        let (command, pending) = answer(&Key::FACTORY, array(shake.rnd_a).unwrap(), &test_bytes(shake.challenge)).unwrap();
        assert_eq!(command, test_bytes(shake.command));
        let session = pending.finish(&test_bytes(shake.proof)).unwrap();
        assert_eq!(session.ti, array(shake.ti).unwrap());
        assert_eq!((session.enc, session.mac), (Key::from_hex(shake.enc).unwrap(), Key::from_hex(shake.mac).unwrap()));
    }
    assert_eq!(first_apdu(0), test_bytes("9071000002000000"));
}

#[test]
fn the_published_secure_messages_come_out_byte_for_byte() {
    // 5.12, WriteData to the proprietary file.
    let mut write = session("7A93D6571E4B180FCA6AC90C9A7488D4", "FC4AF159B62E549B5812394CAB1918CC", "7614281A", 0);
    let apdu = write.full(0x8D, &test_bytes("030000000A0000"), &test_bytes("0102030405060708090A"));
    assert_eq!(apdu, test_bytes("908D00001F030000000A00006B5E6804909962FC4E3FF5522CF0F8436C0C53315B9C73AA00"));
    assert_eq!(write.response(&test_bytes("C26D236E4A7C046D9100")), Ok(&[][..]));
    assert_eq!(write.counter, 1);
    // 5.4, GetFileSettings with a MAC only.
    let settings = session("00000000000000000000000000000000", "8248134A386E86EB7FAF54A52E536CB6", "7A21085E", 0);
    assert_eq!(settings.protected(0xF5, &[2], &[]), test_bytes("90F5000009026597A457C8CD442C00"));
    // 5.20, GetCardUID: the answer is encrypted.
    let mut uid = session("2B4D963C014DC36F24F69A50A394F875", "379D32130CE61705DD5FD8C36B95D764", "DF055522", 0);
    assert_eq!(uid.protected(0x51, &[], &[]), test_bytes("90510000088E2C155ADDA99BE300"));
    let answer = uid.response_full(&test_bytes("70756055688505B52A5E26E59E329CD6595F672298EA41B79100")).unwrap();
    assert_eq!(answer, test_bytes("04958CAA5C5E80"));
    // 5.8.2, WriteData of nine blocks: the first and the last of them.
    let ndef = session("1309C877509E5A215007FF0ED19CA564", "4C6626F5E72EA694202139295C7A7FC7", "9D00C4DF", 0);
    assert_eq!(ndef.iv(Towards::Card, 0)[..], test_bytes("D2CB7277A17841A06654A48188C1F8F5"));
}

#[test]
fn the_published_change_of_a_key_comes_out_byte_for_byte() {
    // 5.16.1: key 2 from zeros, authenticated with key 0, third command of the session.
    let mut session = session("4CF3CB41A22583A61E89B158D252FC53", "5529860B2FC5FB6154B7F28361D30BF9", "7614281A", 2);
    let new = Key::from_hex("F3847D627727ED3BC9C4CC050489B966").unwrap();
    let data = change_key_data(KeyNo::File, &Key::FACTORY, &new, 1);
    assert_eq!(
        session.full(ntag424::CHANGE_KEY, &[2], &data),
        test_bytes("90C4000029022CF362B7BF4311FF3BE1DAA295E8C68DE09050560D19B9E16C2393AE9CD1FAC75D0CE20BCD1D06E600")
    );
    assert_eq!(session.response(&test_bytes("203BB55D1089D5879100")), Ok(&[][..]));
}

/// Host and card with the same key.
fn pair(host: &Key, card: &Key) -> Result<(Session, Session), Ev2Error> {
    let (challenge, coded) = CardChallenge::new(card, [0xB0; 16]);
    let (apdu, pending) = answer(host, [0xA0; 16], &[&coded[..], &[0x91, 0xAF]].concat())?;
    let (proof, card) = challenge.finish(&apdu[5..37], [1, 2, 3, 4]).ok_or(Ev2Error::Refused(0xAE))?;
    Ok((pending.finish(&[&proof[..], &[0x91, 0]].concat())?, card))
}

#[test]
fn both_sides_agree_for_as_long_as_they_talk() {
    let (mut host, mut card) = pair(&Key::new([5; 16]), &Key::new([5; 16])).unwrap();
    for round in 0..20u8 {
        let message = alloc::vec![round; usize::from(round)];
        let apdu = host.full(0x8D, &[round, 9], &message);
        let heard = card.heard(0x8D, &apdu[5..apdu.len() - 1]).unwrap();
        assert_eq!(heard[..2], [round, 9]);
        assert_eq!(card.heard_full(&heard[2..]).unwrap(), message);
        let mut answer = card.say_full(&message);
        answer.extend([0x91, 0]);
        assert_eq!(host.response_full(&answer).unwrap(), message);
    }
}

#[test]
fn who_does_not_hold_the_key_is_found_out_on_both_sides() {
    let (right, wrong) = (Key::new([5; 16]), Key::new([6; 16]));
    assert!(pair(&wrong, &right).is_err(), "a host without the key");
    // A card without the key, which answers all the same.
    let (_, pending) = answer(&right, [0xA0; 16], &[&[7; 16][..], &[0x91, 0xAF]].concat()).unwrap();
    assert!(matches!(pending.finish(&[&[7; 32][..], &[0x91, 0]].concat()), Err(Ev2Error::Forged)));
}

#[test]
fn every_flipped_bit_and_every_repeated_message_is_refused() {
    let (mut host, mut card) = pair(&Key::FACTORY, &Key::FACTORY).unwrap();
    let apdu = host.full(0x8D, &[1], b"hello");
    let body = &apdu[5..apdu.len() - 1];
    for bit in 0..body.len() * 8 {
        let mut forged = body.to_vec();
        forged[bit / 8] ^= 1 << (bit % 8);
        assert!(card.heard(0x8D, &forged).is_none(), "bit {bit} of the command");
    }
    let answer = [card.say_full(b"world"), [0x91, 0].to_vec()].concat();
    for bit in 0..(answer.len() - 2) * 8 {
        let mut forged = answer.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        assert!(host.response_full(&forged).is_err(), "bit {bit} of the answer");
    }
    assert!(card.heard(0x8D, body).is_none(), "the command, said again");
    host.response_full(&answer).unwrap();
    assert!(host.response_full(&answer).is_err(), "the answer, said again");
}

#[test]
fn what_is_no_answer_is_told_apart() {
    assert_eq!(split(&[], &[OK]), Err(Ev2Error::Shape));
    assert_eq!(split(&[0x91, 0xAE], &[OK]), Err(Ev2Error::Refused(0xAE)));
    assert_eq!(split(&[1, 0x90, 0], &[OK]), Ok(&[1][..]));
    let (mut host, _) = pair(&Key::FACTORY, &Key::FACTORY).unwrap();
    assert_eq!(host.response(&[1, 2, 3, 0x91, 0]), Err(Ev2Error::Shape));
    assert!(answer(&Key::FACTORY, [0; 16], &[0; 40]).is_err());
}
