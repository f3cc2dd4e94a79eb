//! Making a guest card of a blank NTAG 424 DNA, and going on with one that was taken away too soon.
//!
//! What has been done already is read from the card itself, so that [`personalise`] is the same for a blank card, for one
//! that left at any command, and for one that is finished: nothing is done twice, and nothing is remembered elsewhere.
//!
//! | Step | Why there |
//! |---|---|
//! | the file, read back | while everybody may still write it; a torn one is written again |
//! | its settings | from then on the file belongs to the master key |
//! | keys 1 to 4 | under the old master: a card that left between them is gone on with |
//! | the master key | last: whoever interrupts before it leaves a card that can be gone on with by anybody |
//! | proof | both sides prove the new master key, and the card makes a message that these keys check |
//!
//! Commands and answers go through a closure, randomness comes by another: this module does no IO. Which keys a card has is
//! for whoever holds the master key to say ([`CardSet::derive`]); they are wiped when they are dropped.

use crate::{
    crypto::Key,
    diversify,
    ev2::{self, Ev2Error, Session},
    ntag424::{
        self, CHANGE_FILE_SETTINGS, CHANGE_KEY, FileSettings, GET_CARD_UID, GET_FILE_SETTINGS, GET_KEY_VERSION, KeyNo, Meta,
        NDEF_FILE, Template, Uid7,
    },
    sun::SunMessage,
};
use alloc::{string::String, vec::Vec};
use core::fmt;

/// The application of NFC Forum type 4 tags.
const SELECT_APP: [u8; 13] = [0x00, 0xA4, 0x04, 0x00, 0x07, 0xD2, 0x76, 0x00, 0x00, 0x85, 0x01, 0x01, 0x00];
/// Its file with the message.
const SELECT_FILE: [u8; 7] = [0x00, 0xA4, 0x00, 0x0C, 0x02, 0xE1, 0x04];
/// Bytes of one write: a card's frame holds more.
const WRITE: usize = 64;
/// Bytes of one read.
const READ: usize = 128;
/// The file's bytes before the address: length, record header, URI prefix.
const HEAD: usize = 7;

/// Hands a command to the card and gives its answer with the status bytes.
pub type Exchange<'a, E> = dyn FnMut(&[u8]) -> Result<Vec<u8>, E> + 'a;

/// The five keys of one card, wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct CardSet {
    keys: [Key; 5],
    version: u8,
}

impl fmt::Debug for CardSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CardSet(version {})", self.version)
    }
}

impl CardSet {
    /// These keys, by slot. Their version on the card; 0 is what factory keys have and is refused.
    pub fn new(keys: [Key; 5], version: u8) -> Option<Self> {
        (version > 0).then_some(Self { keys, version })
    }

    /// The keys of the card `uid`: all its own but the one that reads PICC data, which is the same on all cards.
    pub fn derive(master: &Key, picc: &Key, uid: &Uid7, version: u8) -> Option<Self> {
        let key = |number: KeyNo| if number == KeyNo::Picc { picc.clone() } else { diversify::card_key(master, uid, number) };
        Self::new([KeyNo::Master, KeyNo::Picc, KeyNo::File, KeyNo::Third, KeyNo::Fourth].map(key), version)
    }

    /// The key of a slot.
    pub fn key(&self, number: KeyNo) -> &Key {
        &self.keys[number as usize]
    }

    /// The keys by slot.
    pub fn keys(&self) -> &[Key; 5] {
        &self.keys
    }

    /// Their version on the card.
    pub fn version(&self) -> u8 {
        self.version
    }
}

/// A finished card.
#[derive(Clone, PartialEq, Eq)]
pub struct Personalised {
    /// The address with the message that it made when it was read back: proof for whoever holds the master key.
    pub message: String,
    /// True where nothing had to be done: it was finished before.
    pub was_finished: bool,
}

impl fmt::Debug for Personalised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Personalised(was finished: {})", self.was_finished)
    }
}

/// Why a card is not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssueError<E> {
    /// It left, or the reader failed: lay the same card on again.
    Gone(E),
    /// It holds keys or settings that are not ours: somebody else's card, or another shop's.
    Foreign,
    /// It refused a command, or answered with something that it should not.
    Card(Ev2Error),
    /// What was read back is not what was written.
    ReadBack,
    /// There are no random numbers.
    Random,
}

impl<E> From<Ev2Error> for IssueError<E> {
    fn from(error: Ev2Error) -> Self {
        Self::Card(error)
    }
}

impl<E: fmt::Display> fmt::Display for IssueError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(why) => write!(f, "the card left too soon ({why})"),
            Self::Foreign => f.write_str("the card is not blank, and not one of ours"),
            Self::Card(error) => write!(f, "{error}"),
            Self::ReadBack => f.write_str("the card does not say what was written into it"),
            Self::Random => f.write_str("the system gives no random numbers"),
        }
    }
}

/// Makes a guest card of the card in the field, from wherever it stands, and proves that it is one.
///
/// # Errors
/// As [`IssueError`] says. After [`IssueError::Gone`] the same call with the same card goes on.
pub fn personalise<E>(
    uid: &Uid7,
    set: &CardSet,
    template: &Template,
    random: &mut dyn FnMut() -> Option<[u8; 16]>,
    exchange: &mut Exchange<'_, E>,
) -> Result<Personalised, IssueError<E>> {
    let mut card = Card { random, exchange };
    card.iso(&SELECT_APP)?;
    let master = card.key_version(KeyNo::Master)?;
    let was_finished = master != 0;
    if !was_finished {
        let settings = card.settings()?;
        if settings != template.settings {
            if settings.sdm.is_some() || settings.access.write != ntag424::FREE {
                return Err(IssueError::Foreign);
            }
            card.write_file(&template.file)?;
        } else if !card.says(template)? {
            // Under another address of the same length: its settings would be the same.
            return Err(IssueError::Foreign);
        }
        // Selecting the application again ends whatever the file access began.
        card.iso(&SELECT_APP)?;
        card.set_keys(uid, set, &template.settings, settings != template.settings)?;
    } else if master != set.version {
        return Err(IssueError::Foreign);
    }
    card.prove(uid, set, template)?;
    let message = card.read_back(uid, set, template)?;
    Ok(Personalised { message, was_finished })
}

struct Card<'a, 'b, E> {
    random: &'a mut dyn FnMut() -> Option<[u8; 16]>,
    exchange: &'a mut Exchange<'b, E>,
}

impl<E> Card<'_, '_, E> {
    fn say(&mut self, apdu: &[u8]) -> Result<Vec<u8>, IssueError<E>> {
        (self.exchange)(apdu).map_err(IssueError::Gone)
    }

    /// An ISO command that must succeed; its data.
    fn iso(&mut self, apdu: &[u8]) -> Result<Vec<u8>, IssueError<E>> {
        let mut answer = self.say(apdu)?;
        let data = ev2::split(&answer, &[ev2::OK])?.len();
        answer.truncate(data);
        Ok(answer)
    }

    fn key_version(&mut self, number: KeyNo) -> Result<u8, IssueError<E>> {
        let answer = self.iso(&ntag424::get_key_version(number))?;
        answer.first().copied().filter(|_| answer.len() == 1).ok_or(IssueError::Card(Ev2Error::Shape))
    }

    fn settings(&mut self) -> Result<FileSettings, IssueError<E>> {
        let report = self.iso(&ev2::native(GET_FILE_SETTINGS, &[NDEF_FILE]))?;
        FileSettings::from_report(&report).ok_or(IssueError::Foreign)
    }

    /// Writes the file and reads it back, while everybody may.
    fn write_file(&mut self, file: &[u8]) -> Result<(), IssueError<E>> {
        self.iso(&SELECT_FILE)?;
        for (number, part) in file.chunks(WRITE).enumerate() {
            let [high, low] = u16::try_from(number * WRITE).unwrap_or(u16::MAX).to_be_bytes();
            let length = u8::try_from(part.len()).unwrap_or(0);
            self.iso(&[&[0x00, 0xD6, high, low, length], part].concat())?;
        }
        if self.read_file(file.len())? == file { Ok(()) } else { Err(IssueError::ReadBack) }
    }

    /// Whether the file is the template's, what the card itself writes left out.
    fn says(&mut self, template: &Template) -> Result<bool, IssueError<E>> {
        self.iso(&SELECT_FILE)?;
        Ok(without_mirrors(self.read_file(template.file.len())?, template) == template.file)
    }

    fn read_file(&mut self, length: usize) -> Result<Vec<u8>, IssueError<E>> {
        let mut file = Vec::with_capacity(length);
        while file.len() < length {
            let [high, low] = u16::try_from(file.len()).unwrap_or(u16::MAX).to_be_bytes();
            let part = u8::try_from((length - file.len()).min(READ)).unwrap_or(0);
            let read = self.iso(&[0x00, 0xB0, high, low, part])?;
            if read.is_empty() || read.len() > usize::from(part) {
                return Err(IssueError::Card(Ev2Error::Shape));
            }
            file.extend(read);
        }
        Ok(file)
    }

    fn authenticate(&mut self, number: KeyNo, key: &Key) -> Result<Session, IssueError<E>> {
        let challenge = self.say(&ev2::first_apdu(number as u8))?;
        let random = (self.random)().ok_or(IssueError::Random)?;
        let (command, pending) = ev2::answer(key, random, &challenge)?;
        let proof = self.say(&command)?;
        pending.finish(&proof).map_err(|error| match error {
            // AUTHENTICATION_ERROR: the card holds another key in this slot.
            Ev2Error::Refused(0xAE) | Ev2Error::Forged => IssueError::Foreign,
            other => IssueError::Card(other),
        })
    }

    /// Settings and keys, under the factory's master key.
    fn set_keys(&mut self, uid: &Uid7, set: &CardSet, settings: &FileSettings, settings_too: bool) -> Result<(), IssueError<E>> {
        let mut session = self.authenticate(KeyNo::Master, &Key::FACTORY)?;
        if self.own_number(&mut session)? != uid {
            return Err(IssueError::Foreign);
        }
        if settings_too {
            let command = session.full(CHANGE_FILE_SETTINGS, &[NDEF_FILE], &settings.to_bytes());
            session.response(&self.say(&command)?)?;
        }
        for number in KeyNo::ISSUE_ORDER {
            match self.version_within(&mut session, number)? {
                0 => self.change_key(&mut session, number, set)?,
                version if version == set.version => {}
                _ => return Err(IssueError::Foreign),
            }
        }
        Ok(())
    }

    fn change_key(&mut self, session: &mut Session, number: KeyNo, set: &CardSet) -> Result<(), IssueError<E>> {
        let mut data = ntag424::change_key_data(number, &Key::FACTORY, set.key(number), set.version);
        let command = session.full(CHANGE_KEY, &[number as u8], &data);
        data.fill(0);
        let answer = self.say(&command)?;
        if number == KeyNo::Master {
            // The session ended with its key: there is nothing left to make a MAC with.
            return ev2::split(&answer, &[ev2::OK]).map(drop).map_err(IssueError::Card);
        }
        session.response(&answer).map(drop).map_err(IssueError::Card)
    }

    fn own_number(&mut self, session: &mut Session) -> Result<Vec<u8>, IssueError<E>> {
        let command = session.protected(GET_CARD_UID, &[], &[]);
        Ok(session.response_full(&self.say(&command)?)?)
    }

    fn version_within(&mut self, session: &mut Session, number: KeyNo) -> Result<u8, IssueError<E>> {
        let command = session.protected(GET_KEY_VERSION, &[number as u8], &[]);
        let answer = self.say(&command)?;
        session.response(&answer)?.first().copied().ok_or(IssueError::Card(Ev2Error::Shape))
    }

    /// The new master key opens the card, and under it all slots and the settings are as they should be.
    fn prove(&mut self, uid: &Uid7, set: &CardSet, template: &Template) -> Result<(), IssueError<E>> {
        self.iso(&SELECT_APP)?;
        let mut session = self.authenticate(KeyNo::Master, set.key(KeyNo::Master))?;
        if self.own_number(&mut session)? != uid {
            return Err(IssueError::Foreign);
        }
        for number in KeyNo::ISSUE_ORDER {
            if self.version_within(&mut session, number)? != set.version {
                return Err(IssueError::Foreign);
            }
        }
        let command = session.protected(GET_FILE_SETTINGS, &[NDEF_FILE], &[]);
        let answer = self.say(&command)?;
        let settings = FileSettings::from_report(session.response(&answer)?);
        if settings == Some(template.settings) { Ok(()) } else { Err(IssueError::ReadBack) }
    }

    /// The message that the finished card makes, checked by its keys.
    fn read_back(&mut self, uid: &Uid7, set: &CardSet, template: &Template) -> Result<String, IssueError<E>> {
        self.iso(&SELECT_APP)?;
        self.iso(&SELECT_FILE)?;
        let file = self.read_file(template.file.len())?;
        let address = core::str::from_utf8(file.get(HEAD..).unwrap_or_default()).map_err(|_| IssueError::ReadBack)?;
        let message = ["https://", address].concat();
        if without_mirrors(file, template) != template.file {
            return Err(IssueError::ReadBack);
        }
        let proven = SunMessage::from_url(&message).and_then(|read| read.verify(set.key(KeyNo::Picc), set.key(KeyNo::File)));
        match proven {
            Ok(proven) if proven.card.uid == *uid => Ok(message),
            _ => Err(IssueError::ReadBack),
        }
    }
}

/// The file with zeros again where the card writes.
fn without_mirrors(mut file: Vec<u8>, template: &Template) -> Vec<u8> {
    let Some(sdm) = template.settings.sdm else { return file };
    let places = match sdm.meta {
        Meta::Encrypted { at, .. } => [(at, 32), (sdm.mac_at, 16)],
        Meta::Plain { .. } => [(0, 0), (sdm.mac_at, 16)],
    };
    for (at, length) in places {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        if let Some(place) = file.get_mut(at..at.saturating_add(length)) {
            place.fill(b'0');
        }
    }
    file
}
