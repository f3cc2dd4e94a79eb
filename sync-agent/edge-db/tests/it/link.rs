use crate::common::*;
use edge_db::{
    Outbox, OutboxOptions,
    link::{Answer, Ask, AskClient, AskError, AskServer, WakeReceiver, WakeSender},
};
use serde_json::value::RawValue;
use std::time::{Duration, Instant};

const BUDGET: Duration = Duration::from_secs(5);

#[test]
fn a_commit_wakes_the_agent() {
    let dir = tempdir();
    let wake = dir.path().join("wake");
    let receiver = WakeReceiver::bind(&wake).unwrap();
    let outbox = Outbox::open(OutboxOptions { wake: Some(wake), ..options(&dir.path().join("kiosk.db")) }).unwrap();
    outbox.commit(telemetry(1)).unwrap();
    assert!(receiver.wait(BUDGET).unwrap());
    assert!(!receiver.wait(Duration::ZERO).unwrap());
}

#[test]
fn a_wake_up_that_nobody_takes_is_lost_and_never_blocks() {
    let dir = tempdir();
    let path = dir.path().join("wake");
    let sender = WakeSender::new(&path);
    assert!(!sender.wake());
    let receiver = WakeReceiver::bind(&path).unwrap();
    let taken = (0..10_000).filter(|_| sender.wake()).count();
    assert!((1..10_000).contains(&taken), "{taken}");
    assert_eq!(receiver.drain(), taken);
    drop(receiver);
    assert!(!sender.wake());
    WakeReceiver::bind(&path).unwrap();
}

#[test]
fn a_receiver_does_not_replace_what_is_no_socket() {
    let dir = tempdir();
    let path = dir.path().join("notes.txt");
    std::fs::write(&path, "keep me").unwrap();
    assert!(WakeReceiver::bind(&path).is_err());
    assert!(AskServer::bind(&path, &[]).is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "keep me");
}

#[test]
fn a_question_gets_its_answer_with_the_envelope_s_exact_bytes() {
    let dir = tempdir();
    let path = dir.path().join("ask");
    let envelope = r#"{"payload": "b64==",  "signatures":[ ]}"#;
    let service = AskServer::bind(&path, &[])
        .unwrap()
        .serve(move |ask| match ask {
            Ask::Resolve { token, .. } if token == "1:ab" => {
                Answer::Profile { envelope: RawValue::from_string(envelope.to_owned()).unwrap() }
            }
            Ask::Resolve { .. } => Answer::Unknown,
            Ask::Forget { .. } | Ask::OpenLog { .. } => Answer::Done,
            _ => Answer::Unavailable,
        })
        .unwrap();
    let mut client = AskClient::new(&path);
    let answer = client.ask(&Ask::Resolve { token: "1:ab".to_owned(), message: None, older: Vec::new() }, BUDGET).unwrap();
    assert!(matches!(&answer, Answer::Profile { envelope: got } if got.get() == envelope), "{answer:?}");
    assert_eq!(
        client.ask(&Ask::Resolve { token: "1:cd".to_owned(), message: None, older: Vec::new() }, BUDGET).unwrap(),
        Answer::Unknown
    );
    assert_eq!(
        client.ask(&Ask::Forget { visitor: "v_1".to_owned(), merged: Vec::new(), tokens: Vec::new() }, BUDGET).unwrap(),
        Answer::Done
    );
    assert_eq!(client.ask(&Ask::Ping, BUDGET).unwrap(), Answer::Unavailable);
    drop(service);
    assert!(matches!(client.ask(&Ask::Ping, BUDGET), Err(AskError::Gone(_))));
}

#[test]
fn a_client_finds_a_restarted_server() {
    let dir = tempdir();
    let path = dir.path().join("ask");
    let mut client = AskClient::new(&path);
    assert!(matches!(client.ask(&Ask::Ping, BUDGET), Err(AskError::Gone(_))));
    for _ in 0..3 {
        let service = AskServer::bind(&path, &[]).unwrap().serve(|_| Answer::Done).unwrap();
        assert_eq!(client.ask(&Ask::Ping, BUDGET).unwrap(), Answer::Done);
        drop(service);
    }
}

#[test]
fn a_silent_server_costs_no_more_than_the_budget_and_its_late_answer_is_dropped() {
    let dir = tempdir();
    let path = dir.path().join("ask");
    let server = AskServer::bind(&path, &[]).unwrap();
    let mut client = AskClient::new(&path);
    let before = Instant::now();
    assert!(matches!(client.ask(&Ask::Ping, Duration::from_millis(20)), Err(AskError::TimedOut)));
    assert!(before.elapsed() < BUDGET);
    let connection = server.accept().unwrap().unwrap();
    let late = connection.try_next().unwrap().unwrap();
    connection.answer(late.n, Answer::Unknown, BUDGET).unwrap();
    let answering = std::thread::spawn(move || {
        let question = loop {
            if let Some(question) = connection.try_next().unwrap() {
                break question;
            }
            std::thread::yield_now();
        };
        connection.answer(question.n, Answer::Done, BUDGET).unwrap();
    });
    assert_eq!(client.ask(&Ask::Ping, BUDGET).unwrap(), Answer::Done);
    answering.join().unwrap();
}

#[test]
fn a_question_of_a_later_version_is_answered_and_garbage_is_not() {
    let dir = tempdir();
    let path = dir.path().join("ask");
    let server = AskServer::bind(&path, &[]).unwrap();
    let send = |bytes: &[u8]| {
        let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::SEQPACKET, None).unwrap();
        socket.connect(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
        socket.send(bytes).unwrap();
        let connection = server.accept().unwrap().unwrap();
        (connection.try_next(), socket)
    };
    let (question, _socket) = send(br#"{"n": 5, "ask": {"read_mind": {"deep": true}}}"#);
    assert_eq!(question.unwrap().unwrap(), edge_db::link::Question { n: 5, ask: None });
    assert!(matches!(send(b"hello").0, Err(AskError::Protocol(_))));
    assert!(matches!(send(&vec![b' '; 70_000]).0, Err(AskError::Protocol(_))));
}
