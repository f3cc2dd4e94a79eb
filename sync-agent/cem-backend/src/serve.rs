//! `cem-backend serve`: the composition root.

use crate::{
    alive,
    cards::{self, CardKeys},
    feed, http, keys, store,
    tls::{Certificate, Files, TlsListener},
};
use anyhow::Context;
use axum::serve::{Listener, ListenerExt};
use sd_notify::NotifyState;
use std::{fmt::Debug, io::Write, net::SocketAddr, path::Path, sync::Arc, time::Duration};
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

/// How to serve.
pub(crate) struct Options {
    pub(crate) listen: SocketAddr,
    /// Without: plain HTTP.
    pub(crate) tls: Option<Files>,
    pub(crate) allow_static_staff: bool,
}

/// Serves until SIGTERM or SIGINT.
pub(crate) fn run(data: &Path, options: Options) -> anyhow::Result<()> {
    let _lock = store::lock(data)?;
    let store = store::Store::open(data)?;
    let key = keys::profile_key(data)?;
    let fleet = keys::FleetKeys::open(data, &key.verifying_key())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(store, (key, fleet), options))?;
    // Long reads may still run; nothing they do needs to be waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(())
}

async fn serve(
    store: store::Store,
    (key, fleet): (cem_contract::SigningKey, keys::FleetKeys),
    options: Options,
) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listener = TcpListener::bind(options.listen).await.with_context(|| format!("cannot listen on {}", options.listen))?;
    let address = listener.local_addr()?;
    let certificate = options.tls.map(Certificate::load).transpose()?;
    let (stop, stopping) = watch::channel(false);
    let cards = CardKeys::of(&fleet)?;
    let app = http::App {
        store: store.clone(),
        key: Arc::new(key),
        fleet: Arc::new(fleet),
        cards: Arc::new(cards),
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
            spawn(TlsListener::start(listener, certificate)?, app, stopping)
        }
        // Answers are small and waited for.
        None => spawn(listener.tap_io(|stream| drop(stream.set_nodelay(true))), app, stopping),
    };
    announce(scheme, address)?;
    let fed = tokio::spawn(alive::feed(store.writer.clone()));
    alive::tell(NotifyState::Ready);
    tracing::info!(%address, scheme, "serving");

    let failed = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        () = store.writer.ended() => Some("the writer has stopped after an error of the disk: start again to recover from it"),
        _ = &mut server => Some("the server has stopped"),
    };
    tracing::info!("stopping");
    alive::tell(NotifyState::Stopping);
    stop.send_replace(true);
    prune.abort();
    fed.abort();
    if !server.is_finished() && tokio::time::timeout(LAST_REQUESTS, &mut server).await.is_err() {
        server.abort();
    }
    failed.map_or(Ok(()), |why| Err(anyhow::anyhow!(why)))
}

fn spawn<L>(listener: L, app: http::App, mut told: watch::Receiver<bool>) -> JoinHandle<std::io::Result<()>>
where
    L: Listener,
    L::Addr: Debug,
{
    let server = axum::serve(listener, http::router(app)).with_graceful_shutdown(async move {
        // An error would mean that the sender is gone: then it is time to stop as well.
        let _ = told.wait_for(|stop| *stop).await;
    });
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
