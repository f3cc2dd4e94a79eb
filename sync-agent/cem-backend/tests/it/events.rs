use crate::backend::{BATCH, Backend, DEVICE, Log, read_answer};
use serde_json::json;
use std::io::{Read, Write};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_batch_is_answered_in_order_and_a_second_time_with_duplicates() {
    let backend = Backend::start();
    let token = backend.token("device", DEVICE);
    let mut log = Log::new(DEVICE);
    let mut lacking = log.help();
    lacking["data"] = json!({});
    let mut foreign = log.help();
    foreign["source"] = json!("/stores/s-001/devices/k-02");
    let batch = [log.help(), lacking, foreign, log.event("cem.later.v7", json!({"new": true}))];
    let answer = backend.events(&token, &batch);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.statuses(), ["accepted", "rejected", "rejected", "accepted"]);
    for (result, event) in answer.json()["results"].as_array().unwrap().iter().zip(&batch) {
        assert_eq!(result["id"], event["id"]);
    }
    assert_eq!(answer.json()["results"][1]["reason"], json!("data.place: missing"));
    assert_eq!(answer.json()["resend"][0]["from"], json!(2), "the foreign event took number 2 with it: {answer:?}");
    assert_eq!(backend.events(&token, &batch).statuses(), ["duplicate", "rejected", "rejected", "duplicate"]);
}

#[test]
fn an_empty_batch_is_answered_by_empty_results() {
    let backend = Backend::start();
    let answer = backend.events(&backend.token("device", DEVICE), &[]);
    assert_eq!((answer.status, answer.json()), (200, json!({"results": []})));
}

#[test]
fn gaps_are_asked_for_and_conflicts_are_told() {
    let backend = Backend::start();
    let token = backend.token("device", DEVICE);
    let mut log = Log::new(DEVICE);
    let (one, two, three) = (log.help(), log.help(), log.help());
    let answer = backend.events(&token, std::slice::from_ref(&three)).json();
    assert_eq!(answer["resend"], json!([{"source": DEVICE, "log": three["log"], "from": 1, "to": 2}]));
    let mut clone = log.help();
    clone["sequence"] = one["sequence"].clone();
    let answer = backend.events(&token, &[one, two, clone]);
    assert_eq!(answer.statuses(), ["accepted", "accepted", "conflict"]);
    assert!(answer.json().get("resend").is_none());
}

#[test]
fn all_encodings_are_taken_and_bombs_are_not() {
    let backend = Backend::start();
    let token = backend.token("device", DEVICE);
    let mut log = Log::new(DEVICE);
    let mut body = || json!([log.help()]).to_string().into_bytes();
    for (encoding, bytes) in [
        ("identity", body()),
        ("gzip", gzip(&body())),
        ("zstd", zstd::encode_all(&body()[..], 3).unwrap()),
        ("ZSTD", zstd::encode_all(&body()[..], 19).unwrap()),
    ] {
        let answer = backend.batch(&token, &[("Content-Encoding", encoding)], &bytes);
        assert_eq!(answer.statuses(), ["accepted"], "{encoding}");
    }
    let bomb = vec![b' '; 200 * 1024 * 1024];
    backend.batch(&token, &[("Content-Encoding", "zstd")], &zstd::encode_all(&bomb[..], 3).unwrap()).is_problem(413);
    backend.batch(&token, &[("Content-Encoding", "gzip")], &gzip(&bomb[..20 * 1024 * 1024])).is_problem(413);
    backend.batch(&token, &[], &bomb[..3 * 1024 * 1024]).is_problem(413);
    backend.batch(&token, &[("Content-Encoding", "zstd")], b"not zstd").is_problem(400);
    backend.batch(&token, &[("Content-Encoding", "gzip")], &gzip(b"[]")[..10]).is_problem(400);
    backend.batch(&token, &[("Content-Encoding", "br")], b"[]").is_problem(415);
    backend.batch(&token, &[("Content-Encoding", "gzip, zstd")], b"[]").is_problem(415);
}

#[test]
fn a_body_of_exactly_two_mebibytes_is_taken_and_one_more_byte_is_not() {
    let backend = Backend::start();
    let token = backend.token("device", DEVICE);
    let mut body = json!([Log::new(DEVICE).help()]).to_string().into_bytes();
    body.resize(2 * 1024 * 1024, b' ');
    assert_eq!(backend.batch(&token, &[], &body).statuses(), ["accepted"]);
    body.push(b' ');
    backend.batch(&token, &[], &body).is_problem(413);
    backend.batch(&token, &[("Content-Encoding", "gzip")], &gzip(&body)).is_problem(413);
}

#[test]
fn an_event_of_more_than_32_kib_is_rejected_alone() {
    let backend = Backend::start();
    let token = backend.token("device", DEVICE);
    let mut log = Log::new(DEVICE);
    let mut large = log.help();
    large["data"]["story"] = json!("x".repeat(33 * 1024));
    let answer = backend.events(&token, &[large, log.help()]);
    assert_eq!(answer.statuses(), ["rejected", "accepted"]);
}

#[test]
fn requests_that_are_no_batches_are_refused_as_a_whole() {
    let backend = Backend::start();
    let token = backend.token("device", DEVICE);
    let bearer = format!("Bearer {token}");
    for body in ["", "{}", "null", "[1,", "hello"] {
        backend.batch(&token, &[], body.as_bytes()).is_problem(400);
    }
    let many = format!("[{}]", vec!["1"; 1_001].join(","));
    backend.batch(&token, &[], many.as_bytes()).is_problem(413);
    for media in ["application/json", "application/cloudevents+json", "text/plain"] {
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", media)];
        backend.send("POST", "/v1/events", &headers, b"[]").is_problem(415);
    }
    let media = format!("{BATCH}; charset=utf-8");
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", media.as_str())];
    assert_eq!(backend.send("POST", "/v1/events", &headers, b"[]").status, 200);
    backend.get(&token, "/v1/events").is_problem(405);
    backend.get(&token, "/v1/nothing").is_problem(404);
}

#[test]
fn who_may_write_is_decided_by_the_token() {
    let backend = Backend::start();
    let mut log = Log::new(DEVICE);
    let headers = [("Content-Type", BATCH)];
    let unknown = backend.send("POST", "/v1/events", &headers, b"[]");
    unknown.is_problem(401);
    assert_eq!(unknown.header("www-authenticate"), Some("Bearer"));
    backend.events("cem_device_made-up", &[]).is_problem(401);
    for scope in ["staff", "ops"] {
        backend.events(&backend.token(scope, ""), &[log.help()]).is_problem(403);
    }
    let store = backend.token("store", "/stores/s-001");
    assert_eq!(
        backend.events(&store, &[log.help(), Log::new("/stores/s-0012/devices/k").help()]).statuses(),
        ["accepted", "rejected"]
    );
    backend.get(&store, "/v1/erasures").is_problem(403);
    let channel = backend.token("channel", "/channels/web");
    let events = [Log::new("/channels/web").help(), log.help()];
    assert_eq!(backend.events(&channel, &events).statuses(), ["accepted", "rejected"]);
}

#[test]
fn what_was_accepted_survives_being_killed_at_any_moment() {
    let backend = Backend::start();
    let token = backend.token("device", DEVICE);
    let mut log = Log::new(DEVICE);
    let mut folder = None;
    let mut running = Some(backend);
    let mut accepted = Vec::new();
    for round in 0..3 {
        let backend = running.take().unwrap_or_else(|| Backend::start_in(folder.take().unwrap(), &[]));
        for _ in 0..5 {
            let events: Vec<_> = (0..40).map(|_| log.help()).collect();
            assert!(backend.events(&token, &events).statuses().iter().all(|status| status == "accepted"));
            accepted.extend(events);
        }
        // One more is under way when the process dies; whether it was stored is nobody's promise.
        let mut stream = backend.connect();
        let body = json!([log.help()]).to_string();
        write!(stream, "POST /v1/events HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer {token}\r\nContent-Type: {BATCH}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        folder = Some(backend.kill());
        assert!(round < 3);
    }
    let backend = Backend::start_in(folder.unwrap(), &[]);
    for chunk in accepted.chunks(500) {
        assert!(backend.events(&token, chunk).statuses().iter().all(|status| status == "duplicate"));
    }
}

#[test]
fn being_told_to_stop_it_finishes_what_is_under_way_and_exits_cleanly() {
    let backend = Backend::start();
    let token = backend.token("device", DEVICE);
    let mut poll = backend.connect();
    let path = "/v1/stores/s-001/feed?wait=25";
    write!(poll, "GET {path} HTTP/1.1\r\nHost: b\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n").unwrap();
    let mut idle = backend.connect();
    idle.write_all(b"GET /v1/nothing HTTP/1.1\r\nHost: b\r\n\r\n").unwrap();
    let mut first = [0u8; 12];
    idle.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 404");
    assert_eq!(backend.events(&token, &[Log::new(DEVICE).help()]).statuses(), ["accepted"]);
    assert_eq!(backend.terminate(), Some(0));
    let answer = read_answer(&mut poll);
    assert_eq!((answer.status, answer.json()["items"].clone()), (200, json!([])));
}

#[test]
fn many_clients_at_once_are_all_answered_and_nothing_is_doubled() {
    let backend = Backend::start();
    let token = backend.token("device", DEVICE);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut log = Log::new(DEVICE);
                for _ in 0..10 {
                    let events = [log.help(), log.help()];
                    assert_eq!(backend.events(&token, &events).statuses(), ["accepted", "accepted"]);
                }
            });
        }
    });
    let summary = backend.get(&backend.token("ops", ""), "/v1/fleet/summary").json();
    assert_eq!((summary["events"].as_u64(), summary["logs"].as_array().map(Vec::len)), (Some(160), Some(8)));
    assert!(summary["logs"].as_array().unwrap().iter().all(|log| log["missing"] == json!(0) && log["last"] == json!(20)));
}
