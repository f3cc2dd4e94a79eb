//! The way to the backend: by which proxy, and over which TLS. A clock of 1970 is not believed; where the device is enrolled
//! it shows its certificate, so that its token is worth nothing without the key that never left it.

use std::fmt;
use std::sync::Arc;

use anyhow::Context as _;
use cem_contract::SigningKey;
use reqwest::Url;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::clock::Floor;

/// An Ed25519 private key as PKCS #8 (RFC 8410, section 7) without its last 32 bytes, which are the seed.
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// What a device proves itself by, beside its token: the certificate that enrolment gave it, and its key.
#[derive(Clone)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: SigningKey,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

impl Identity {
    /// The identity of a device with this certificate (PEM) and key.
    ///
    /// # Errors
    /// When the text is no certificate.
    pub fn new(certificate: &str, key: &SigningKey) -> anyhow::Result<Identity> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate.as_bytes())
            .collect::<Result<_, _>>()
            .context("the device's certificate is damaged")?;
        anyhow::ensure!(!chain.is_empty(), "the device's certificate is missing");
        Ok(Identity { chain, key: key.clone() })
    }

    fn private(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from([PKCS8.as_slice(), self.key.as_bytes()].concat()).into()
    }
}

/// How a receiver is reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way<'a> {
    /// `http://proxy:3128`; empty for none.
    pub(crate) proxy: &'a str,
    /// What this device shows there.
    pub(crate) identity: Option<&'a Identity>,
}

/// A proxy's address as a person writes it, with its scheme.
///
/// # Errors
/// A sentence that says how it is written.
pub fn proxy_address(typed: &str) -> Result<String, String> {
    let typed = typed.trim();
    if typed.is_empty() {
        return Ok(String::new());
    }
    let address = if typed.contains("://") { typed.to_owned() } else { format!("http://{typed}") };
    let usable = Url::parse(&address).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    // The address may hold a password: it is not repeated.
    if usable { Ok(address) } else { Err("is none: write it like http://proxy:3128".to_owned()) }
}

pub(crate) fn proxy(address: &str) -> anyhow::Result<Option<reqwest::Proxy>> {
    let address = proxy_address(address).map_err(|why| anyhow::anyhow!("the proxy's address {why}"))?;
    if address.is_empty() { Ok(None) } else { Ok(Some(reqwest::Proxy::all(address).context("the proxy's address")?)) }
}

pub(crate) fn config(needed: bool, floor: Floor, identity: Option<&Identity>) -> anyhow::Result<ClientConfig> {
    let provider = rustls::crypto::CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    let config =
        ClientConfig::builder_with_details(Arc::clone(&provider), Arc::new(floor)).with_safe_default_protocol_versions()?;
    if !needed {
        // Plain http to this machine must work where no certificate store is installed.
        return Ok(config.with_root_certificates(RootCertStore::empty()).with_no_client_auth());
    }
    let verifier = rustls_platform_verifier::Verifier::new(provider)
        .context("no certificates to check the backend by; install the package ca-certificates")?;
    let config = config.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    match identity {
        Some(identity) => {
            let with = config.with_client_auth_cert(identity.chain.clone(), identity.private());
            with.context("the device's certificate and key cannot be used")
        }
        None => Ok(config.with_no_client_auth()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_written_with_or_without_its_scheme() {
        assert_eq!(proxy_address(" proxy:3128 ").as_deref(), Ok("http://proxy:3128"));
        assert_eq!(proxy_address("http://u:secret@proxy:3128").as_deref(), Ok("http://u:secret@proxy:3128"));
        assert_eq!(proxy_address("").as_deref(), Ok(""));
        for wrong in ["socks5://u:secret@proxy", "http://", "two words:1"] {
            let why = proxy_address(wrong);
            assert!(why.as_ref().is_err_and(|why| !why.contains("secret")), "{wrong}: {why:?}");
        }
    }
}
