//! TLS for probes: two configurations, made once and shared by all, and what went wrong in words.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::attempt::{Failure, Spell, Stage, plain};
use super::http::host;
use crate::health::check::{Http, Tls};

/// The public certificate authorities and these, or no questions asked.
pub(crate) struct Connectors {
    verifying: TlsConnector,
    trusting: TlsConnector,
}

impl Connectors {
    /// Trusts the public certificate authorities and `authorities` (DER). Those that are no certificates are left out,
    /// with a warning in the log.
    pub(crate) fn new(authorities: &[CertificateDer<'static>]) -> Result<Self, Error> {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let (_, ignored) = roots.add_parsable_certificates(authorities.iter().cloned());
        if ignored > 0 {
            tracing::warn!(ignored, "some certificate authorities for probes are not certificates");
        }
        let builder =
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let verifying = builder.clone().with_root_certificates(roots).with_no_client_auth();
        let trusting =
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Trusting(provider))).with_no_client_auth();
        Ok(Self { verifying: connector(verifying), trusting: connector(trusting) })
    }

    /// Shakes hands under the name the check tells: its `server_name`, else the `Host` header's, else the address.
    pub(crate) async fn handshake(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        http: &Http,
        tls: &Tls,
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let name = server_name(address, http, tls)?;
        let connector = if tls.verify { &self.verifying } else { &self.trusting };
        connector.connect(name, stream).await.map_err(|error| {
            match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
                Some(error) => Failure::of_target(format!("TLS: {}", words(error))),
                None => Failure::of_connection(&error, Stage::Tls),
            }
        })
    }
}

fn connector(mut config: ClientConfig) -> TlsConnector {
    // A resumed session would not show its certificate again.
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsConnector::from(Arc::new(config))
}

fn server_name(address: SocketAddr, http: &Http, tls: &Tls) -> Result<ServerName<'static>, Failure> {
    let host = host(address, 443, http);
    let name = tls.server_name.as_deref().unwrap_or_else(|| without_port(&host));
    ServerName::try_from(name.to_owned())
        .map_err(|_| Failure::of_target(format!("TLS: `{name}` cannot be a server's name")))
}

/// `www.example.com:8443` → `www.example.com`, `[::1]:443` → `::1`.
fn without_port(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

/// What went wrong, for people.
fn words(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => format!("certificate {}", of_certificate(error)),
        Error::AlertReceived(alert) => format!("server refused with alert {alert:?}"),
        Error::InvalidMessage(_) => "server does not speak TLS".to_owned(),
        Error::PeerIncompatible(_) => "server offers nothing newer than TLS 1.1, or no cipher of ours".to_owned(),
        other => plain(other),
    }
}

fn of_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired => "expired".to_owned(),
        CertificateError::ExpiredContext { time, not_after } => format!("expired {} ago", between(*not_after, *time)),
        CertificateError::NotValidYet => "is not valid yet".to_owned(),
        CertificateError::NotValidYetContext { time, not_before } => {
            format!("is not valid yet, but in {}", between(*time, *not_before))
        }
        CertificateError::NotValidForName => "is for another name".to_owned(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let presented: Vec<&str> = presented.iter().map(|name| bare(name)).collect();
            let presented = if presented.is_empty() { "no name".to_owned() } else { presented.join(", ") };
            format!("is for {presented}, not for {}", expected.to_str())
        }
        CertificateError::UnknownIssuer => "is not signed by a known authority".to_owned(),
        CertificateError::BadSignature => "has a bad signature".to_owned(),
        CertificateError::BadEncoding => "cannot be read".to_owned(),
        CertificateError::Revoked => "is revoked".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is not one for servers".to_owned()
        }
        other => format!("is not accepted ({other})"),
    }
}

/// rustls prints the names of a certificate as `DnsName("www.example.com")`.
fn bare(name: &str) -> &str {
    name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name).trim_matches('"')
}

fn between(earlier: UnixTime, later: UnixTime) -> Spell {
    Spell(Duration::from_secs(later.as_secs().saturating_sub(earlier.as_secs())))
}

/// Accepts any certificate (`verify: false`), but not a handshake its key did not sign.
#[derive(Debug)]
struct Trusting(Arc<CryptoProvider>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(configured: Option<&str>, host: Option<&str>, expected: &str) {
        let http = Http { host: host.map(str::to_owned), ..Http::default() };
        let tls = Tls { server_name: configured.map(str::to_owned), verify: true };
        let name = server_name("[::1]:8443".parse().unwrap(), &http, &tls).unwrap();
        assert_eq!(name.to_str(), expected);
    }

    #[test]
    fn the_name_asked_for() {
        check(None, None, "::1");
        check(None, Some("www.example.com"), "www.example.com");
        check(None, Some("www.example.com:8443"), "www.example.com");
        check(None, Some("[2001:db8::1]:8443"), "2001:db8::1");
        check(Some("sni.example"), Some("www.example.com"), "sni.example");
    }
}
