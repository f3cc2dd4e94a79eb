//! A device that signs receipts, simulated: real Ed25519 signatures over what it was asked to sign, and outages.

use crate::{
    control::{Answer, unknown},
    lock,
};
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use kiosk_devices::fiscal::{FiscalRequest, FiscalState, FromFiscal, Seal, ToFiscal};
use std::{
    collections::BTreeMap,
    io::{self, BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// Its serial number.
const DEVICE: &str = "SIM-1";

/// 2032-01-01, milliseconds since 1970.
const VALID_UNTIL_MS: i64 = 1_956_528_000_000;

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Signs,
    /// Takes the question and says nothing.
    Silent,
    /// Says that it cannot.
    Refuses,
    /// Signs, and the answer is lost.
    Cut,
}

/// What it has signed, by till, kind and receipt number.
type Signed = BTreeMap<(String, String, u32), Seal>;

#[derive(Debug)]
struct State {
    mood: Mood,
    key: SigningKey,
    counter: u64,
    signed: Signed,
}

/// A running device.
#[derive(Debug)]
pub struct FiscalSim {
    state: Arc<Mutex<State>>,
    address: SocketAddr,
}

impl FiscalSim {
    /// Listens at `listen` (port 0: one that is free), with a key of its own.
    pub fn start(listen: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(listen)?;
        let address = listener.local_addr()?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(io::Error::other)?;
        let state = State { mood: Mood::Signs, key: SigningKey::from_bytes(&seed), counter: 0, signed: Signed::new() };
        let state = Arc::new(Mutex::new(state));
        let inside = Arc::clone(&state);
        thread::Builder::new().name("fiscal".into()).spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&inside);
                let serve = move || {
                    // Whoever asked has gone.
                    let _ = serve(&state, stream);
                };
                if let Err(error) = thread::Builder::new().name("fiscal till".into()).spawn(serve) {
                    tracing::warn!(%error, "a question was dropped");
                }
            }
        })?;
        Ok(Self { state, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// By which its signatures are checked.
    pub fn public_key(&self) -> VerifyingKey {
        lock(&self.state).key.verifying_key()
    }

    /// How many receipts it has signed.
    pub fn signed(&self) -> usize {
        lock(&self.state).signed.len()
    }

    /// Obeys a control line.
    pub fn obey(&self, line: &str) -> Answer {
        lock(&self.state).mood = match line {
            "sign" => Mood::Signs,
            "silent" => Mood::Silent,
            "refuse" => Mood::Refuses,
            "cut" => Mood::Cut,
            _ => return Err(unknown(line, "sign, silent, refuse, cut")),
        };
        Ok(())
    }
}

/// What is signed: the request as its fields stand in it.
pub fn signed_bytes(request: &FiscalRequest) -> Vec<u8> {
    serde_json::to_vec(request).unwrap_or_default()
}

fn serve(state: &Mutex<State>, stream: TcpStream) -> io::Result<()> {
    let mut line = String::new();
    let mut reader = BufReader::new(stream.try_clone()?);
    reader.read_line(&mut line)?;
    let question = serde_json::from_str(&line)?;
    let mood = lock(state).mood;
    let answer = match mood {
        Mood::Signs => lock(state).answer(&question),
        Mood::Cut => {
            lock(state).answer(&question);
            return Ok(());
        }
        Mood::Refuses => FromFiscal::Refused("the certificate has expired".into()),
        // Until the till gives up.
        Mood::Silent => return reader.read_line(&mut line).map(drop),
    };
    let mut out = stream;
    writeln!(out, "{}", serde_json::to_string(&answer)?)
}

impl State {
    fn answer(&mut self, question: &ToFiscal) -> FromFiscal {
        match question {
            ToFiscal::Sign(request) => FromFiscal::Seal(self.sign(request)),
            ToFiscal::State {} => FromFiscal::Ready(FiscalState {
                device: DEVICE.into(),
                counter: self.counter,
                valid_until_ms: Some(VALID_UNTIL_MS),
            }),
        }
    }

    fn sign(&mut self, request: &FiscalRequest) -> Seal {
        let key = (request.till.clone(), request.kind.clone(), request.receipt);
        if let Some(seal) = self.signed.get(&key) {
            return seal.clone();
        }
        self.counter += 1;
        let signature: String =
            self.key.sign(&signed_bytes(request)).to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let counter = self.counter;
        let seal = Seal {
            device: DEVICE.into(),
            transaction: counter,
            counter,
            algorithm: "ed25519".into(),
            qr: format!("V0;{};{};{};{counter};{}", request.till, request.receipt, request.total, &signature[..32]),
            lines: vec![format!("{DEVICE} {counter} {}", &signature[..16])],
            signature,
            at_ms: request.at_ms.unwrap_or_default(),
        };
        self.signed.insert(key, seal.clone());
        seal
    }
}
