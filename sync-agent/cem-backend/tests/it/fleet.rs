use crate::{
    backend::{Backend, DEVICE, Log},
    enrol::now_ms,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use uuid::Uuid;

#[test]
fn a_device_reports_its_own_status_and_ops_see_it() {
    let backend = Backend::start();
    let (device, ops) = (backend.token("device", DEVICE), backend.token("ops", ""));
    let status = json!({"software_version": "0.1.0", "queue_depth": 3, "later": true, "devices": {"printer": "ok"}});
    let answer = backend.json("POST", &device, "/v1/devices/k-01/status", &status);
    assert_eq!((answer.status, answer.json()), (200, json!({"commands": []})));
    backend.json("POST", &device, "/v1/devices/k-02/status", &status).is_problem(403);
    backend.json("POST", &device, "/v1/devices/k-01/status", &json!([])).is_problem(400);
    backend.json("POST", &ops, "/v1/devices/k-01/status", &status).is_problem(403);
    backend.events(&device, &[Log::new(DEVICE).help()]);
    let page = backend.get(&ops, "/v1/fleet/devices?store=s-001").json();
    assert_eq!((page["items"][0]["device"].clone(), page["items"][0]["status"].clone()), (json!("k-01"), status));
    assert!(page["items"][0]["last_event"].is_string());
    assert_eq!(backend.get(&ops, "/v1/fleet/devices?store=s-002").json()["items"], json!([]));
    backend.get(&device, "/v1/fleet/devices").is_problem(403);
}

#[test]
fn a_backend_that_knows_less_than_a_device_has_settled_asks_for_the_rest() {
    let backend = Backend::start();
    let device = backend.token("device", DEVICE);
    let mut log = Log::new(DEVICE);
    let (first, _, third) = (log.help(), log.help(), log.help());
    let id = first["log"].clone();
    backend.events(&device, &[first, third]);
    let other = Uuid::now_v7();
    let asked = |acked: Value| backend.json("POST", &device, "/v1/devices/k-01/status", &json!({"acked": acked})).json();
    let run = |log: &Value, from, to| json!({"source": DEVICE, "log": log, "from": from, "to": to});
    let answer = asked(json!([{"log": id, "sequence": 5}, {"log": other, "sequence": 2}]));
    assert_eq!(answer["resend"], json!([run(&id, 2, 2), run(&id, 4, 5), run(&json!(other), 1, 2)]));
    // What is known to be there is not asked for, and neither is what cannot be understood.
    for acked in [json!([{"log": id, "sequence": 3}]), json!([]), json!("soon"), json!([{"log": 1}])] {
        assert_eq!(asked(acked), json!({"commands": []}));
    }
    let most = asked(json!([{"log": id, "sequence": u64::MAX}]));
    assert_eq!(most["resend"][1], run(&id, 4, i64::MAX));
}

#[test]
fn the_feed_tells_a_store_of_orders_and_sold_out_articles_in_order() {
    let backend = Backend::start();
    let device = backend.token("device", DEVICE);
    let mut log = Log::new(DEVICE);
    let order = log.order(&Uuid::now_v7().to_string(), None, "A1", "");
    let order_id = order["data"]["order"].clone();
    let batch = [
        order,
        log.help(),
        log.event("cem.article.sold_out.v1", json!({"sku": "brownie"})),
        log.event("cem.order.progressed.v1", json!({"order": order_id, "state": "ready"})),
    ];
    let answer = backend.events(&device, &batch);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.statuses(), ["accepted"; 4]);
    let page = backend.get(&device, "/v1/stores/s-001/feed?limit=2").json();
    let kinds = |page: &Value| page["items"].as_array().unwrap().iter().map(|item| item["kind"].clone()).collect::<Vec<_>>();
    assert_eq!(kinds(&page), [json!("order"), json!("article")]);
    let next = page["next"].as_str().unwrap();
    let page = backend.get(&device, &format!("/v1/stores/s-001/feed?after={next}")).json();
    assert_eq!(page["items"][0]["data"]["state"], json!("ready"));
    let next = page["next"].as_str().unwrap();
    assert_eq!(backend.get(&device, &format!("/v1/stores/s-001/feed?after={next}")).json()["items"], json!([]));
    let other = backend.token("device", "/stores/s-002/devices/k-01");
    assert_eq!(backend.get(&other, "/v1/stores/s-002/feed").json()["items"], json!([]));
}

#[test]
fn a_cursor_that_means_nothing_here_is_gone_and_comes_with_a_snapshot() {
    let backend = Backend::start();
    let device = backend.token("device", DEVICE);
    let mut log = Log::new(DEVICE);
    // An order of today: one of another day is not open any more.
    let mut order = log.order(&Uuid::now_v7().to_string(), None, "A1", "Nora");
    order["time"] = json!(cem_contract::time::rfc3339(now_ms()));
    backend.events(&device, &[order, log.event("cem.article.sold_out.v1", json!({"sku": "brownie"}))]);
    let gone = backend.get(&device, "/v1/stores/s-001/feed?after=00000000-17&wait=25");
    gone.is_problem(410);
    let gone = gone.json();
    assert_eq!(gone["snapshot"]["sold_out"], json!(["brownie"]));
    assert_eq!(gone["snapshot"]["orders"][0]["data"]["called_name"], json!("Nora"));
    let next = gone["next"].as_str().unwrap();
    assert_eq!(backend.get(&device, &format!("/v1/stores/s-001/feed?after={next}")).json()["items"], json!([]));
}

#[test]
fn a_long_poll_is_answered_as_soon_as_there_is_news() {
    let backend = Backend::start();
    let device = backend.token("device", DEVICE);
    let began = Instant::now();
    std::thread::scope(|scope| {
        let poll = scope.spawn(|| backend.get(&device, "/v1/stores/s-001/feed?wait=25").json());
        let mut log = Log::new(DEVICE);
        backend.events(&device, &[log.event("cem.article.sold_out.v1", json!({"sku": "brownie"}))]);
        assert_eq!(poll.join().unwrap()["items"][0]["data"]["sku"], json!("brownie"));
    });
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn ops_list_stored_events_without_names() {
    let backend = Backend::start();
    let (device, ops) = (backend.token("device", DEVICE), backend.token("ops", ""));
    let mut log = Log::new(DEVICE);
    let batch = [log.order(&Uuid::now_v7().to_string(), Some("v_1"), "A1", "Zebulon"), log.help()];
    backend.events(&device, &batch);
    let page = backend.get(&ops, &format!("/v1/fleet/events?limit=1&source={DEVICE}")).json();
    assert_eq!(page["items"][0]["event"]["id"], batch[0]["id"]);
    assert_eq!(page["items"][0]["event"]["erased"], json!(false));
    assert!(!page.to_string().contains("Zebulon") && !page.to_string().contains("v_1"));
    let next = page["next"].as_str().unwrap();
    let page = backend.get(&ops, &format!("/v1/fleet/events?after={next}")).json();
    assert_eq!(page["items"][0]["event"]["id"], batch[1]["id"]);
    backend.get(&ops, "/v1/fleet/events?limit=many").is_problem(400);
    backend.get(&device, "/v1/fleet/events").is_problem(403);
}
