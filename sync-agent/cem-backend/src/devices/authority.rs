//! The authority that signs devices' certificates: Ed25519, X.509.
//!
//! Where this program serves TLS itself, devices show them, and the token of an enrolled device counts only together with its
//! certificate ([`crate::peer`]). A certificate is revoked by the device's record, not by a list: its key is forgotten there.

use anyhow::Context;
use cem_contract::VerifyingKey;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ED25519, PublicKeyData, SerialNumber, SignatureAlgorithm, date_time_ymd,
};

/// An Ed25519 private key as PKCS #8 (RFC 8410, section 7) without its last 32 bytes, which are the seed.
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// The authority, made of its seed alone: the same seed always gives the same certificate.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

/// A device's certificate.
pub(crate) struct Issued {
    /// PEM.
    pub(crate) certificate: String,
    /// Its serial number, hex.
    pub(crate) serial: String,
}

struct DeviceKey<'a>(&'a VerifyingKey);

impl PublicKeyData for DeviceKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

impl Authority {
    pub(crate) fn new(seed: &[u8; 32]) -> anyhow::Result<Self> {
        let pkcs8 = [PKCS8.as_slice(), seed].concat();
        let key = KeyPair::try_from(pkcs8.as_slice()).context("device-ca.key is not a key")?;
        let mut params = CertificateParams::default();
        params.distinguished_name = name("CEM device authority");
        params.serial_number = Some(SerialNumber::from(1u64));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        // Devices start with clocks that are years behind: time is not what makes these certificates good or bad.
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2120, 1, 1));
        let certificate = params.self_signed(&key).context("cannot make the device authority's certificate")?.pem();
        Ok(Self { issuer: Issuer::new(params, key), certificate })
    }

    /// The authority's own certificate, PEM.
    pub(crate) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Signs the certificate of the device with this `source`. `serial` is random.
    pub(crate) fn issue(&self, source: &str, key: &VerifyingKey, serial: [u8; 16]) -> anyhow::Result<Issued> {
        let mut params = CertificateParams::default();
        params.distinguished_name = name(source);
        // A serial number is positive, and at most 20 bytes long (RFC 5280, section 4.1.2.2).
        let mut serial = serial;
        serial[0] = serial[0] & 0x3f | 0x40;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2120, 1, 1));
        let certificate = params.signed_by(&DeviceKey(key), &self.issuer).context("cannot sign a certificate")?;
        Ok(Issued { certificate: certificate.pem(), serial: cem_contract::hex::encode(&serial) })
    }
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use cem_contract::SigningKey;

    #[test]
    fn the_same_seed_gives_the_same_authority_and_every_device_a_certificate_of_its_own() {
        let authority = Authority::new(&[7; 32]).unwrap();
        assert_eq!(Authority::new(&[7; 32]).unwrap().certificate(), authority.certificate());
        assert_ne!(Authority::new(&[8; 32]).unwrap().certificate(), authority.certificate());
        let key = SigningKey::from_bytes(&[1; 32]).verifying_key();
        let issued = authority.issue("/stores/s-001/devices/k-01", &key, [0xff; 16]).unwrap();
        assert!(issued.certificate.starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(issued.serial.starts_with("7f"), "{}", issued.serial);
    }
}
