//! `cem-backend serve`: the composition root.

use crate::{
    alive, backup,
    cards::{self, CardKeys},
    feed,
    gift::GiftKey,
    http, keys,
    peer::{Peer, PlainListener},
    store,
    tls::{Certificate, Files, TlsListener},
};
use anyhow::Context;
use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use sd_notify::NotifyState;
use std::{
    ffi::OsString,
    fmt::Debug,
    io::Write,
    net::SocketAddr,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinHandle,
};

/// Requests under way when the program is told to stop get this long.
const LAST_REQUESTS: Duration = Duration::from_secs(5);
/// How often the feed is pruned.
const PRUNE: Duration = Duration::from_secs(60 * 60);
/// How often a backup is looked for that is to be put in place.
const LOOK: Duration = Duration::from_millis(500);

/// How to serve.
pub(crate) struct Options {
    pub(crate) listen: SocketAddr,
    /// Without: plain HTTP.
    pub(crate) tls: Option<Files>,
    pub(crate) allow_static_staff: bool,
}

/// Why it served no longer.
enum Ended {
    /// SIGTERM or SIGINT.
    Told,
    /// A backup is to be put in place; it listened here.
    Restore(SocketAddr),
}

/// Serves until SIGTERM or SIGINT.
pub(crate) fn run(data: &Path, options: Options) -> anyhow::Result<()> {
    let _lock = store::lock(data)?;
    let restored = alive::patiently(|| backup::take_wanted(data, store::now_ms()));
    let store = store::Store::open(data)?;
    let key = keys::profile_key(data)?;
    let fleet = keys::FleetKeys::open(data, &key.verifying_key())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(serve(store, (key, fleet), options, (data.to_owned(), restored)))?;
    // Long reads may still run; nothing they do needs to be waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    match ended {
        Ended::Told => Ok(()),
        Ended::Restore(address) => Err(begin_again(address)),
    }
}

/// Replaces this process by a fresh one of the same program, so that nothing of it holds the database that is put aside. Gives back
/// why that did not work; the next start restores all the same.
fn begin_again(address: SocketAddr) -> anyhow::Error {
    let mut words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let listen = OsString::from(address.to_string());
    match words.iter().position(|word| word == "--listen") {
        Some(at) if at + 1 < words.len() => words[at + 1] = listen,
        _ => words.extend(["--listen".into(), listen]),
    }
    let error = match std::env::current_exe() {
        Ok(program) => Command::new(program).args(words).exec(),
        Err(error) => error,
    };
    anyhow::Error::from(error).context("the backup is put in place at the next start")
}

async fn serve(
    store: store::Store,
    (key, fleet): (cem_contract::SigningKey, keys::FleetKeys),
    options: Options,
    (data, restored): (PathBuf, Option<backup::Outcome>),
) -> anyhow::Result<Ended> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listener = TcpListener::bind(options.listen).await.with_context(|| format!("cannot listen on {}", options.listen))?;
    let address = listener.local_addr()?;
    let certificate = options.tls.map(Certificate::load).transpose()?;
    let (stop, stopping) = watch::channel(false);
    let cards = CardKeys::of(&fleet)?;
    let gifts = GiftKey::of(&fleet)?;
    let app = http::App {
        store: store.clone(),
        key: Arc::new(key),
        fleet: Arc::new(fleet),
        cards: Arc::new(cards),
        gifts,
        gift_limiter: Arc::default(),
        limiter: Arc::default(),
        allow_static_staff: options.allow_static_staff,
        stopping: stopping.clone(),
    };
    if options.allow_static_staff {
        tracing::warn!("static staff tokens are taken: for tests and demonstrations only");
    }
    let prune = tokio::spawn(prune(store.clone()));
    let scheme = if certificate.is_some() { "https" } else { "http" };
    let mut server = match certificate {
        Some(certificate) => {
            read_again_on_hangup(certificate.clone())?;
            let authority = app.fleet.authority.certificate().to_owned();
            spawn(TlsListener::start(listener, certificate, &authority)?, app, stopping)
        }
        None => spawn(PlainListener(listener), app, stopping),
    };
    let announced = announce(scheme, address);
    // Whoever started the process before heard it then, and may not listen any more.
    match restored {
        Some(outcome) => backup::tell(&data, &outcome)?,
        None => announced?,
    }
    let fed = tokio::spawn(alive::feed(store.writer.clone()));
    alive::tell(NotifyState::Ready);
    tracing::info!(%address, scheme, "serving");

    let ended = tokio::select! {
        _ = terminate.recv() => Ok(Ended::Told),
        _ = interrupt.recv() => Ok(Ended::Told),
        () = wanted(&data) => Ok(Ended::Restore(address)),
        () = store.writer.ended() => Err("the writer has stopped after an error of the disk: start again to recover from it"),
        _ = &mut server => Err("the server has stopped"),
    };
    tracing::info!("stopping");
    if !matches!(ended, Ok(Ended::Restore(_))) {
        alive::tell(NotifyState::Stopping);
    }
    stop.send_replace(true);
    prune.abort();
    fed.abort();
    if !server.is_finished() && tokio::time::timeout(LAST_REQUESTS, &mut server).await.is_err() {
        server.abort();
    }
    ended.map_err(|why| anyhow::anyhow!(why))
}

/// Returns once a backup is to be put in place.
async fn wanted(data: &Path) {
    let mut every = tokio::time::interval(LOOK);
    loop {
        every.tick().await;
        if backup::is_wanted(data) {
            return;
        }
    }
}

fn spawn<L>(listener: L, app: http::App, mut told: watch::Receiver<bool>) -> JoinHandle<std::io::Result<()>>
where
    L: Listener,
    L::Addr: Debug,
    Peer: for<'a> Connected<IncomingStream<'a, L>>,
{
    let server = axum::serve(listener, http::router(app).into_make_service_with_connect_info::<Peer>()).with_graceful_shutdown(
        async move {
            // An error would mean that the sender is gone: then it is time to stop as well.
            let _ = told.wait_for(|stop| *stop).await;
        },
    );
    tokio::spawn(async move { server.await })
}

/// A renewed certificate comes into force without a restart.
fn read_again_on_hangup(certificate: Arc<Certificate>) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            match certificate.reload() {
                Ok(()) => tracing::info!("the certificate was read again"),
                Err(error) => tracing::error!(error = format!("{error:#}"), "the old certificate stays in force"),
            }
        }
    });
    Ok(())
}

/// The one line on stdout, for whoever started us.
fn announce(scheme: &str, address: SocketAddr) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "listening on {scheme}://{address}")?;
    stdout.flush().context("cannot write to stdout")
}

async fn prune(store: store::Store) {
    let mut every = tokio::time::interval(PRUNE);
    loop {
        every.tick().await;
        let now = store::now_ms();
        if let Err(error) = store
            .writer
            .run_ahead(move |connection| feed::prune(connection, now).and_then(|()| cards::prune(connection, now)))
            .await
        {
            tracing::warn!(%error, "the feed was not pruned");
        }
    }
}
