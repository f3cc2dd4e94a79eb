//! `cem-backend serve`: the composition root.

use crate::{feed, http, keys, store};
use anyhow::Context;
use axum::serve::ListenerExt;
use std::{io::Write, net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// Requests under way when the program is told to stop get this long.
const LAST_REQUESTS: Duration = Duration::from_secs(5);
/// How often the feed is pruned.
const PRUNE: Duration = Duration::from_secs(60 * 60);

/// How to serve.
pub(crate) struct Options {
    pub(crate) listen: SocketAddr,
    pub(crate) allow_static_staff: bool,
}

/// Serves until SIGTERM or SIGINT.
pub(crate) fn run(data: &Path, options: Options) -> anyhow::Result<()> {
    let _lock = store::lock(data)?;
    let store = store::Store::open(data)?;
    let key = keys::profile_key(data)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(store, key, options))?;
    // Long reads may still run; nothing they do needs to be waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(())
}

async fn serve(store: store::Store, key: cem_contract::SigningKey, options: Options) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listener = TcpListener::bind(options.listen).await.with_context(|| format!("cannot listen on {}", options.listen))?;
    let address = listener.local_addr()?;
    // Answers are small and waited for.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let (stop, stopping) = watch::channel(false);
    let app = http::App {
        store: store.clone(),
        key: Arc::new(key),
        allow_static_staff: options.allow_static_staff,
        stopping: stopping.clone(),
    };
    if options.allow_static_staff {
        tracing::warn!("static staff tokens are taken: for tests and demonstrations only");
    }
    let prune = tokio::spawn(prune(store.clone()));
    let mut told = stopping;
    let server = axum::serve(listener, http::router(app)).with_graceful_shutdown(async move {
        // An error would mean that the sender is gone: then it is time to stop as well.
        let _ = told.wait_for(|stop| *stop).await;
    });
    let mut server = tokio::spawn(async move { server.await });
    announce(address)?;
    tracing::info!(%address, "serving");

    let failed = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        () = store.writer.ended() => Some("the writer has stopped after an error of the disk: start again to recover from it"),
        _ = &mut server => Some("the server has stopped"),
    };
    tracing::info!("stopping");
    stop.send_replace(true);
    prune.abort();
    if !server.is_finished() && tokio::time::timeout(LAST_REQUESTS, &mut server).await.is_err() {
        server.abort();
    }
    failed.map_or(Ok(()), |why| Err(anyhow::anyhow!(why)))
}

/// The one line on stdout, for whoever started us.
fn announce(address: SocketAddr) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "listening on http://{address}")?;
    stdout.flush().context("cannot write to stdout")
}

async fn prune(store: store::Store) {
    let mut every = tokio::time::interval(PRUNE);
    loop {
        every.tick().await;
        let now = store::now_ms();
        if let Err(error) = store.writer.run(move |connection| feed::prune(connection, now)).await {
            tracing::warn!(%error, "the feed was not pruned");
        }
    }
}
