//! Requests to the backend's ops routes.

use crate::settings::Settings;
use anyhow::{Context, bail};
use cem_contract::Problem;
use reqwest::{Method, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);
/// The largest answer that is read: a picture of a screen.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// The way to the backend.
pub(crate) struct Api {
    http: reqwest::Client,
    settings: Settings,
}

impl Api {
    pub(crate) fn new(settings: Settings) -> anyhow::Result<Self> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("cem-fleet/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE);
        if settings.backend.starts_with("http://") {
            // Plain http to this machine must work where no certificate store is installed.
            let nobody = rustls::ClientConfig::builder().with_root_certificates(rustls::RootCertStore::empty());
            builder = builder.tls_backend_preconfigured(nobody.with_no_client_auth());
        }
        let http = builder.build().context("no certificates to check the backend by; install the package ca-certificates")?;
        Ok(Self { http, settings })
    }

    /// The backend's base address.
    pub(crate) fn backend(&self) -> &str {
        &self.settings.backend
    }

    /// The store named here, or the one of the settings.
    pub(crate) fn store(&self, named: Option<String>) -> Option<String> {
        named.or_else(|| self.settings.store.clone())
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, &str)]) -> anyhow::Result<T> {
        read(self.send(Method::GET, path, query, None).await?).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        body: &Value,
    ) -> anyhow::Result<T> {
        read(self.send(Method::POST, path, query, Some(body)).await?).await
    }

    /// The bytes of an answer.
    pub(crate) async fn bytes(&self, path: &[&str]) -> anyhow::Result<Vec<u8>> {
        bounded(self.send(Method::GET, path, &[], None).await?).await
    }

    /// `path` in its parts, which may hold anything.
    async fn send(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> anyhow::Result<Response> {
        let mut url = reqwest::Url::parse(&self.settings.backend)?;
        url.path_segments_mut().ok().context("the backend's address has no path")?.pop_if_empty().extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.http.request(method, url).bearer_auth(&self.settings.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(reqwest::Error::without_url);
        let response = response.with_context(|| format!("{} was not reached", self.settings.backend))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = bounded(response).await.unwrap_or_default();
        match serde_json::from_slice::<Problem>(&body).ok().and_then(|problem| problem.detail) {
            Some(detail) => bail!("{detail} ({})", status.as_u16()),
            None => bail!("the backend answered {}: is {} the right address?", status.as_u16(), self.settings.backend),
        }
    }
}

async fn read<T: DeserializeOwned>(response: Response) -> anyhow::Result<T> {
    serde_json::from_slice(&bounded(response).await?).context("what answered is not this version's backend")
}

async fn bounded(mut response: Response) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(reqwest::Error::without_url)? {
        bytes.extend_from_slice(&piece);
        anyhow::ensure!(bytes.len() <= MAX_BYTES, "the answer is longer than {MAX_BYTES} bytes");
    }
    Ok(bytes)
}
