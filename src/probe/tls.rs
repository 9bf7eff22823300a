//! TLS for probes: a few configurations, made once and shared by all, and what went wrong in words.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::attempt::{Failure, Spell, Stage};
use crate::health::check::Tls;
use crate::tls::{roots, words};

/// Which application protocol is offered in the handshake (RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alpn {
    None,
    Http1,
    Http2,
}

/// A handshake that was made.
pub(crate) struct Secured {
    pub(crate) stream: TlsStream<TcpStream>,
    /// How long the server's certificate is valid yet; zero when it has ended. `None` when it cannot be read.
    left: Option<Duration>,
}

impl Secured {
    /// What is to be said of the certificate.
    pub(crate) fn certificate(&self) -> String {
        match self.left {
            Some(Duration::ZERO) => "certificate has expired".to_owned(),
            Some(left) => format!("certificate is valid for {}", Spell(left)),
            None => "certificate without a time".to_owned(),
        }
    }
}

/// The public certificate authorities and the operator's, or no questions asked.
pub(crate) struct Connectors {
    provider: Arc<CryptoProvider>,
    verifying: Offers,
    trusting: Offers,
}

/// One configuration for each [`Alpn`].
struct Offers {
    none: TlsConnector,
    http1: TlsConnector,
    http2: TlsConnector,
}

impl Connectors {
    /// Trusts the public certificate authorities and `authorities` (DER). Those that are no certificates are left out,
    /// with a warning in the log.
    pub(crate) fn new(authorities: &[CertificateDer<'static>]) -> Result<Self, Error> {
        let provider = Arc::new(ring::default_provider());
        let (roots, ignored) = roots(authorities);
        if ignored > 0 {
            tracing::warn!(ignored, "some certificate authorities for probes are not certificates");
        }
        let builder =
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let verifying = builder.clone().with_root_certificates(roots).with_no_client_auth();
        let trusting = builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Trusting(Arc::clone(&provider))))
            .with_no_client_auth();
        Ok(Self { provider, verifying: Offers::new(&verifying), trusting: Offers::new(&trusting) })
    }

    /// Shakes hands under the name the check tells: its `server_name`, else that of `host`, which may have a port. Holds
    /// the certificate's time against `min_days`.
    pub(crate) async fn handshake(
        &self,
        stream: TcpStream,
        host: &str,
        tls: &Tls,
        alpn: Alpn,
    ) -> Result<Secured, Failure> {
        let name = server_name(host, tls)?;
        let offers = if tls.verify { &self.verifying } else { &self.trusting };
        let stream = offers.of(alpn).connect(name, stream).await.map_err(|error| {
            match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
                Some(error) => Failure::of_target(format!("TLS: {}", words(error))),
                None => Failure::of_connection(&error, Stage::Tls),
            }
        })?;
        let session = stream.get_ref().1;
        if alpn == Alpn::Http2 && session.alpn_protocol() != Some(H2) {
            return Err(Failure::of_target("TLS: server does not offer HTTP/2"));
        }
        let not_after = session.peer_certificates().and_then(<[_]>::first).and_then(not_after);
        let left = not_after.map(|end| end.saturating_sub(unix_now()));
        if let Some(days) = tls.min_days {
            let wanted = Duration::from_hours(24 * u64::from(days));
            match (not_after, left) {
                (Some(end), Some(Duration::ZERO)) => {
                    let ago = Spell(unix_now().saturating_sub(end));
                    return Err(Failure::of_target(format!("TLS: certificate expired {ago} ago")));
                }
                (_, Some(left)) if left >= wanted => {}
                (_, Some(left)) => {
                    let plural = if days == 1 { "" } else { "s" };
                    let words = format!("TLS: certificate expires in {}, wanted {days} day{plural}", Spell(left));
                    return Err(Failure::of_target(words));
                }
                (_, None) => return Err(Failure::of_target("TLS: certificate cannot be read")),
            }
        }
        Ok(Secured { stream, left })
    }

    /// Sixteen bits nobody can guess; zero where the system has none.
    pub(crate) fn random(&self) -> u16 {
        let mut octets = [0; 2];
        // Without randomness an answer can be forged by somebody on the way, who could as well do so with it.
        let _ = self.provider.secure_random.fill(&mut octets);
        u16::from_be_bytes(octets)
    }
}

const H2: &[u8] = b"h2";

impl Offers {
    fn new(config: &ClientConfig) -> Self {
        let offer = |protocols: &[&[u8]]| {
            let mut config = config.clone();
            // A resumed session would not show its certificate again.
            config.resumption = Resumption::disabled();
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            TlsConnector::from(Arc::new(config))
        };
        Self { none: offer(&[]), http1: offer(&[b"http/1.1"]), http2: offer(&[H2]) }
    }

    fn of(&self, alpn: Alpn) -> &TlsConnector {
        match alpn {
            Alpn::None => &self.none,
            Alpn::Http1 => &self.http1,
            Alpn::Http2 => &self.http2,
        }
    }
}

/// When a certificate ends, from 1970.
fn not_after(certificate: &CertificateDer<'_>) -> Option<Duration> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Some(Duration::from_secs(certificate.validity().not_after.timestamp().try_into().unwrap_or(0)))
}

fn unix_now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn server_name(host: &str, tls: &Tls) -> Result<ServerName<'static>, Failure> {
    let name = tls.server_name.as_deref().unwrap_or_else(|| without_port(host));
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
    fn check(configured: Option<&str>, host: &str, expected: &str) {
        let tls = Tls { server_name: configured.map(str::to_owned), ..Tls::default() };
        let name = server_name(host, &tls).unwrap();
        assert_eq!(name.to_str(), expected);
    }

    #[test]
    fn the_name_asked_for() {
        check(None, "[::1]:8443", "::1");
        check(None, "127.0.0.1", "127.0.0.1");
        check(None, "www.example.com", "www.example.com");
        check(None, "www.example.com:8443", "www.example.com");
        check(None, "[2001:db8::1]:8443", "2001:db8::1");
        check(Some("sni.example"), "www.example.com", "sni.example");
    }
}
