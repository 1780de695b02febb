//! TLS of the accept loop: certificates of Muster's own authority or given ones, and their renewal.

use crate::config::Protection;
use crate::keys::{directory_of_secrets, write_new_private};
use anyhow::{Context, anyhow, bail};
use muster_core::time::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const CA_CERT: &str = "ca.pem";
const CA_KEY: &str = "ca-key.pem";
const CA_NAME: &str = "Muster's own authority";
const CA_YEARS: i16 = 20;
/// Days a certificate lasts that Muster makes; a new one is made at each start and once a day.
const CERTIFICATE_DAYS: i64 = 90;

/// Where Muster keeps the certificate of its own authority.
pub fn authority_file(keys: &Path) -> PathBuf {
    keys.join(CA_CERT)
}

/// Certificates ready to be used, and what to tell people about them.
pub struct Ready {
    /// For the accept loop.
    pub config: Arc<ServerConfig>,
    /// SHA-256 of the certificate that clients are to trust (the authority's, or the given one), hex with colons.
    pub fingerprint: String,
    /// The file of Muster's own authority.
    pub authority: Option<PathBuf>,
}

/// Makes the one cryptography provider of the program the default; harmless to repeat.
pub fn install_provider() {
    // An error says that it is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// Reads or makes the certificates of a protection; nothing for plain HTTP.
pub fn ready(protection: &Protection, keys: &Path, listen: IpAddr, now: Timestamp) -> anyhow::Result<Option<Ready>> {
    match protection {
        Protection::Plain => Ok(None),
        Protection::Given { cert, key } => {
            let chain = chain(cert)?;
            let fingerprint = fingerprint(&chain[0]);
            let secret = PrivateKeyDer::from_pem_file(key).map_err(|e| anyhow!("{} holds no private key in PEM: {e}", key.display()))?;
            Ok(Some(Ready { config: config(chain, secret)?, fingerprint, authority: None }))
        }
        Protection::Own(names) => own(names, keys, listen, now).map(Some),
    }
}

fn chain(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let certificates = certificates.map_err(|e| anyhow!("{} cannot be read as certificates in PEM: {e}", path.display()))?;
    if certificates.is_empty() {
        bail!("{} holds no certificate in PEM", path.display());
    }
    Ok(certificates)
}

fn config(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> anyhow::Result<Arc<ServerConfig>> {
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("the certificate and its private key do not fit together")?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().context("no session tickets")?;
    Ok(Arc::new(config))
}

fn own(names: &[String], keys: &Path, listen: IpAddr, now: Timestamp) -> anyhow::Result<Ready> {
    directory_of_secrets(keys)?;
    let (cert_file, key_file) = (keys.join(CA_CERT), keys.join(CA_KEY));
    if !key_file.exists() {
        let key = KeyPair::generate().context("no key for the authority")?;
        write_new_private(&key_file, key.serialize_pem().as_bytes())?;
    }
    let pem = std::fs::read_to_string(&key_file).with_context(|| format!("cannot read {}", key_file.display()))?;
    let authority = KeyPair::from_pem(&pem).with_context(|| format!("{} is no private key in PEM", key_file.display()))?;
    let params = authority_params(now)?;
    if !cert_file.exists() {
        let cert = params.clone().self_signed(&authority).context("the authority cannot be made")?;
        write_new_private(&cert_file, cert.pem().as_bytes())?;
    }
    let ca = chain(&cert_file)?.swap_remove(0);
    let key = KeyPair::generate().context("no key for the certificate")?;
    let leaf =
        leaf_params(names, listen, now)?.signed_by(&key, &Issuer::new(params, authority)).context("the certificate cannot be made")?;
    let secret = PrivateKeyDer::try_from(key.serialize_der()).map_err(|e| anyhow!("the certificate's key: {e}"))?;
    let fingerprint = fingerprint(&ca);
    Ok(Ready { config: config(vec![leaf.der().clone(), ca], secret)?, fingerprint, authority: Some(cert_file) })
}

fn day(now: Timestamp, days: i64) -> anyhow::Result<jiff::civil::Date> {
    let at = jiff::Timestamp::from_millisecond(now.millis() + days * 86_400_000).context("the clock is out of range")?;
    Ok(at.to_zoned(jiff::tz::TimeZone::UTC).date())
}

fn valid(params: &mut CertificateParams, from: jiff::civil::Date, to: jiff::civil::Date) {
    let date = |d: jiff::civil::Date| rcgen::date_time_ymd(d.year().into(), d.month().unsigned_abs(), d.day().unsigned_abs());
    (params.not_before, params.not_after) = (date(from), date(to));
}

fn authority_params(now: Timestamp) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, CA_NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid(&mut params, day(now, -1)?, day(now, 365 * i64::from(CA_YEARS))?);
    Ok(params)
}

fn leaf_params(names: &[String], listen: IpAddr, now: Timestamp) -> anyhow::Result<CertificateParams> {
    let mut all = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    all.extend(host_name());
    if listen.is_unspecified() {
        all.extend(outgoing_addresses().iter().map(ToString::to_string));
    } else {
        all.push(listen.to_string());
    }
    all.extend(names.iter().cloned());
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|name| seen.insert(name.clone()));
    let mut params = CertificateParams::new(all).map_err(|e| anyhow!("a name in tls_names is neither a host name nor an address: {e}"))?;
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, "Muster");
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    valid(&mut params, day(now, -1)?, day(now, CERTIFICATE_DAYS)?);
    Ok(params)
}

fn host_name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_str().ok()?.to_owned();
    Some(name).filter(|n| !n.is_empty() && n.is_ascii())
}

/// The addresses this machine uses towards others. A datagram socket is only told a peer; nothing is sent.
fn outgoing_addresses() -> Vec<IpAddr> {
    let towards = |from: &str, to: &str| {
        let socket = std::net::UdpSocket::bind(from).ok()?;
        socket.connect(to).ok()?;
        socket.local_addr().ok().map(|a| a.ip())
    };
    // Addresses reserved for documentation: no machine answers there.
    [towards("0.0.0.0:0", "192.0.2.1:9"), towards("[::]:0", "[2001:db8::1]:9")].into_iter().flatten().collect()
}

fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    Sha256::digest(certificate).iter().map(|b| format!("{b:02X}")).collect::<Vec<_>>().join(":")
}
