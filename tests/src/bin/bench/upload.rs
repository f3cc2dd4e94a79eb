//! Catching up: events of real baskets over a wire with a round trip, beside syslog-ng with a reliable disk buffer that sends
//! the same bytes to an HTTP server which answers 200 to everything.

use anyhow::{Context, Result, ensure};
use cem_tests::{
    appliance::{Appliance, SOURCE},
    baskets,
    proc::{Running, program},
    wire::{self, Meter},
};
use edge_db::LogReader;
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(120);
/// Events sent one by one to see what a live event costs.
const LIVE: usize = 50;

pub(crate) fn run(events: usize, round_trip_ms: u64) -> Result<()> {
    let one_way = Duration::from_millis(round_trip_ms) / 2;
    let target =
        PathBuf::from(program("load")?.get_program()).parent().and_then(Path::parent).context("target folder")?.to_path_buf();
    let folder = target.join("bench/upload");
    let (appliance, meter) = Appliance::start_on_a_wire(&folder.join("appliance"), one_way)?;

    let idle = peak_memory(&appliance)?;
    let outbox = appliance.folder().join("kiosk/kiosk.db");
    let waiting = fill(&target, &outbox, events)?;
    let lines = folder.join("events.log");
    let plain = copy_lines(&outbox, &lines)?;
    println!(
        "{waiting} events of real baskets are waiting, {:.0} bytes each; round trip {round_trip_ms} ms\n",
        plain as f64 / waiting as f64
    );

    meter.restart();
    let busy = peak_memory(&appliance)?;
    let up = meter.up.load(Ordering::Relaxed);
    let link = meter.link_time();
    let ledger = appliance.ledger(|_| ())?;
    ledger.check_gapless()?;
    ensure!(ledger.events.len() >= waiting, "{} of {waiting} events arrived", ledger.events.len());

    let live = live(appliance, &meter)?;
    let alone = agent_alone(&folder, &outbox, waiting, one_way)?;
    let peer = syslog_ng(&folder, &lines, waiting, one_way)?;

    println!("{:42} {:>14} {:>12} {:>12}", "", "bytes an event", "link time s", "peak RSS MB");
    let row = |name: &str, bytes: f64, link: Duration, peak: f64| {
        println!("{name:42} {bytes:>14.1} {:>12.2} {peak:>12.1}", link.as_secs_f64());
    };
    let bytes = up as f64 / waiting as f64;
    row("sync-agent, to the reference backend", bytes, link, busy);
    row("sync-agent, to a server that only says yes", bytes, alone.link, alone.peak_mb);
    row(&peer.name, peer.bytes_an_event, peer.link, peer.peak_mb);
    println!(
        "\nbeside it, both to a server that only says yes: {:.2} of its bytes, {:.2} of its link time",
        bytes / peer.bytes_an_event,
        alone.link.as_secs_f64() / peer.link.as_secs_f64()
    );
    println!("agent: {:.1} MB above idle ({idle:.1} MB); a live event alone {live:.0} bytes, headers included", busy - idle);
    println!("every event stored once, no gap; what syslog-ng's server took is counted by lines, it knows no duplicates");
    Ok(())
}

/// Real baskets into the outbox until about `events` events wait there.
fn fill(target: &Path, outbox: &Path, events: usize) -> Result<usize> {
    let all = baskets::read(&baskets::fetch(&target.join("replay"), 10_000)?)?;
    // A visit has about nine events beside its lines.
    let mut made = 0;
    let enough = all.iter().take_while(|basket| {
        made += basket.lines.len() + 9;
        made <= events
    });
    let count = enough.count();
    baskets::sell(&all[..count], outbox, || Ok(()))?;
    let reader = LogReader::open(outbox)?.context("the outbox exists")?;
    let logs = reader.logs()?;
    Ok(logs.iter().map(|log| usize::try_from(log.head).unwrap_or(0)).sum())
}

/// The events as lines, for the peer; gives back their bytes.
fn copy_lines(outbox: &Path, lines: &Path) -> Result<usize> {
    let reader = LogReader::open(outbox)?.context("the outbox exists")?;
    let mut file = std::io::BufWriter::new(fs::File::create(lines)?);
    let mut bytes = 0;
    for log in reader.logs()? {
        let mut after = 0;
        while after < log.head {
            let batch = reader.after(log.log, after, 1000, 4 << 20)?;
            for row in &batch.rows {
                file.write_all(&row.body)?;
                file.write_all(b"\n")?;
                bytes += row.body.len();
                after = row.sequence;
            }
            ensure!(!batch.rows.is_empty(), "the log ends at {after} of {}", log.head);
        }
    }
    file.flush()?;
    Ok(bytes)
}

/// Runs `sync-agent once` to its end and gives back its peak memory in MB.
fn peak_memory(appliance: &Appliance) -> Result<f64> {
    let mut command = program("sync-agent")?;
    command.arg("once").arg("--config").arg(appliance.agent_config());
    peak_of(Running::start("sync-agent", command, &appliance.folder().join("logs"))?)
}

/// Waits for its end; its peak memory in MB.
fn peak_of(mut agent: Running) -> Result<f64> {
    let mut peak = 0.0_f64;
    loop {
        peak = peak.max(high_water(agent.pid()).unwrap_or(0.0));
        if let Some(status) = agent.ended()? {
            ensure!(status.success(), "sync-agent once ended with {status}");
            return Ok(peak);
        }
        thread::park_timeout(Duration::from_millis(2));
    }
}

/// `VmHWM` of a process, MB.
fn high_water(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}

/// Bytes that one event costs when it is sent alone, at once.
fn live(mut appliance: Appliance, meter: &Meter) -> Result<f64> {
    appliance.start_agent()?;
    let config = appliance.agent_config().display().to_string();
    let mut total = 0;
    for number in 0..=LIVE {
        let before = meter.up.load(Ordering::Relaxed);
        let line = format!("{{\"type\":\"cem.item.viewed.v1\",\"data\":{{\"sku\":\"flat-white-{number}\"}}}}\n");
        enqueue(&config, &line)?;
        appliance.agent()?.wait_for("the event's result", PATIENCE, |line| line.contains("cem.item.viewed.v1").then_some(()))?;
        // The first opens the connection; what is asked for is what an event costs on a kept one.
        if number > 0 {
            total += meter.up.load(Ordering::Relaxed) - before;
        }
    }
    appliance.stop()?;
    Ok(total as f64 / LIVE as f64)
}

fn enqueue(config: &str, line: &str) -> Result<()> {
    let mut child = program("sync-agent")?
        .args(["enqueue", "--config", config])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .context("sync-agent enqueue")?;
    child.stdin.take().context("its input")?.write_all(line.as_bytes())?;
    ensure!(child.wait()?.success(), "sync-agent enqueue failed");
    Ok(())
}

struct Peer {
    name: String,
    bytes_an_event: f64,
    link: Duration,
    peak_mb: f64,
}

/// The agent against a server that parses each batch, says `accepted` to every event, and stores nothing: what the agent
/// itself and the wire take.
fn agent_alone(folder: &Path, outbox: &Path, events: usize, one_way: Duration) -> Result<Peer> {
    let folder = folder.join("alone");
    fs::remove_dir_all(&folder).ok();
    fs::create_dir_all(&folder)?;
    let (server, taken) = server(says_yes)?;
    let (near, meter) = wire::relay(server, one_way)?;
    fs::write(folder.join("token"), "none\n")?;
    fs::set_permissions(folder.join("token"), fs::Permissions::from_mode(0o600))?;
    let config = folder.join("agent.toml");
    fs::write(
        &config,
        format!(
            "outbox = \"{}\"\nstate = \"agent.db\"\nsource = \"{SOURCE}\"\n\n[backend]\nurl = \"http://{near}\"\n\
             token_file = \"token\"\n",
            outbox.display()
        ),
    )?;
    let mut command = program("sync-agent")?;
    command.arg("once").arg("--config").arg(&config);
    let peak_mb = peak_of(Running::start("sync-agent", command, &folder)?)?;
    ensure!(taken.load(Ordering::Relaxed) >= events, "{} of {events} events arrived", taken.load(Ordering::Relaxed));
    Ok(Peer { name: String::new(), bytes_an_event: f64::NAN, link: meter.link_time(), peak_mb })
}

/// One `accepted` an event, in order; gives back the answer and how many.
fn says_yes(body: &[u8]) -> Option<(Vec<u8>, usize)> {
    #[derive(serde::Deserialize)]
    struct Id {
        id: String,
    }
    // Small bodies come in whatever encoding is the smallest.
    let mut plain = Vec::new();
    if flate2::read::GzDecoder::new(body).read_to_end(&mut plain).is_err() {
        plain = zstd::decode_all(body).unwrap_or_else(|_| body.to_vec());
    }
    let ids: Vec<Id> = serde_json::from_slice(&plain).ok()?;
    let results: Vec<_> = ids.iter().map(|event| serde_json::json!({"id": event.id, "status": "accepted"})).collect();
    Some((serde_json::to_vec(&serde_json::json!({ "results": results })).ok()?, ids.len()))
}

/// Counts lines and says nothing.
fn counts_lines(body: &[u8]) -> Option<(Vec<u8>, usize)> {
    Some((Vec::new(), body.iter().filter(|byte| **byte == b'\n').count()))
}

/// syslog-ng reads the lines into its disk buffer while nobody listens, then the far end opens.
fn syslog_ng(folder: &Path, lines: &Path, events: usize, one_way: Duration) -> Result<Peer> {
    let version =
        Command::new("syslog-ng").arg("--version").output().context("syslog-ng is needed (Debian: syslog-ng-mod-http)")?;
    let version = String::from_utf8_lossy(&version.stdout).lines().next().unwrap_or("syslog-ng").to_owned();
    let folder = folder.join("syslog-ng");
    fs::remove_dir_all(&folder).ok();
    fs::create_dir_all(folder.join("buffer"))?;
    let reserved = TcpListener::bind("127.0.0.1:0")?;
    let port = reserved.local_addr()?;
    drop(reserved);
    let here = folder.display();
    fs::write(
        folder.join("syslog-ng.conf"),
        format!(
            "@version: 3.38\noptions {{ keep-hostname(yes); log-msg-size(65536); stats-freq(0); }};\n\
             source events {{ file(\"{}\" flags(no-parse) follow-freq(0.1)); }};\n\
             destination backend {{ http(url(\"http://{port}/\") method(\"POST\") body(\"$MESSAGE\") delimiter(\"\\n\") body-suffix(\"\\n\")\n\
             batch-lines(1000) batch-bytes(1900Kb) batch-timeout(100) workers(4) time-reopen(1) timeout(30)\n\
             disk-buffer(reliable(yes) disk-buf-size(2147483648) mem-buf-size(16777216) dir(\"{here}/buffer\"))); }};\n\
             log {{ source(events); destination(backend); }};\n",
            lines.display()
        ),
    )?;
    let control = folder.join("control");
    let mut command = Command::new("syslog-ng");
    command.arg("-F").arg("-f").arg(folder.join("syslog-ng.conf"));
    for (option, file) in [("--persist-file", "persist"), ("--pidfile", "pid"), ("--control", "control")] {
        command.arg(format!("{option}={here}/{file}"));
    }
    let peer = Running::start("syslog-ng", command, &folder)?;
    let begun = Instant::now();
    while queued(&control) < events {
        ensure!(begun.elapsed() < PATIENCE, "syslog-ng has not read the events");
        thread::park_timeout(Duration::from_millis(100));
    }
    let (sink, taken) = server(counts_lines)?;
    let meter = relay_at(port, sink, one_way)?;
    let begun = Instant::now();
    while taken.load(Ordering::Relaxed) < events {
        ensure!(begun.elapsed() < PATIENCE, "syslog-ng has sent {} of {events}", taken.load(Ordering::Relaxed));
        thread::park_timeout(Duration::from_millis(20));
    }
    let peak_mb = high_water(peer.pid()).unwrap_or(f64::NAN);
    peer.kill()?;
    let bytes = meter.up.load(Ordering::Relaxed);
    Ok(Peer {
        name: format!("{version}, reliable disk buffer"),
        bytes_an_event: bytes as f64 / events as f64,
        link: meter.link_time(),
        peak_mb,
    })
}

fn queued(control: &Path) -> usize {
    let stats = Command::new("syslog-ng-ctl").arg("stats").arg(format!("--control={}", control.display())).output();
    let stats = stats.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let line = stats.lines().find(|line| line.contains(";http") && line.contains(";queued;")).map(str::to_owned);
    line.and_then(|line| line.rsplit(';').next()?.parse().ok()).unwrap_or(0)
}

fn relay_at(address: SocketAddr, far: SocketAddr, one_way: Duration) -> Result<Arc<Meter>> {
    wire::relay_at(address, far, one_way).map(|(_, meter)| meter)
}

/// What a server makes of a body: the answer's text, and how many events it was.
type Answer = fn(&[u8]) -> Option<(Vec<u8>, usize)>;

/// An HTTP server that answers 200 to everything, with what `answer` makes of the body, and adds up its counts.
fn server(answer: Answer) -> Result<(SocketAddr, Arc<AtomicUsize>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&taken);
    thread::Builder::new().name("server".into()).spawn(move || {
        for stream in listener.incoming().flatten() {
            let counter = Arc::clone(&counter);
            thread::spawn(move || serve(stream, &counter, answer));
        }
    })?;
    Ok((address, taken))
}

fn serve(stream: TcpStream, counter: &AtomicUsize, answer: Answer) {
    stream.set_nodelay(true).ok();
    let Ok(mut answers) = stream.try_clone() else { return };
    let mut reader = BufReader::new(stream);
    while let Some(length) = head(&mut reader) {
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let (text, count) = answer(&body).unwrap_or_default();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", text.len());
        if answers.write_all(head.as_bytes()).and_then(|()| answers.write_all(&text)).is_err() {
            return;
        }
        counter.fetch_add(count, Ordering::Relaxed);
    }
}

/// Reads a request's head and gives back its length.
fn head(reader: &mut impl BufRead) -> Option<usize> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            return Some(length);
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
}
