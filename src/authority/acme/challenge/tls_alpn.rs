//! tls-alpn-01 (RFC 8737, RFC 8738 section 6): a handshake with a certificate that holds the digest
//! of the key authorization, and nothing after it.

use std::net::{IpAddr, TcpStream};
use std::sync::Arc;

use instant_acme::Identifier;
use rcgen::string::Ia5String;
use rcgen::{CertificateParams, CustomExtension, KeyPair, SanType};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection};

use super::Task;
use super::listener::{Answer, Board, Converse};
use crate::authority::AuthorityError;
use crate::finding::{Code, Finding};

const ALPN: &[u8] = b"acme-tls/1";
pub const UNMADE: Code = Code::new("acme-proof-unmade");

/// The certificate for one name, critical acmeIdentifier in it.
pub fn certificate(task: &Task) -> Result<Arc<CertifiedKey>, AuthorityError> {
    make(task).map_err(|reason| unmade(&task.name(), &reason))
}

fn make(task: &Task) -> Result<Arc<CertifiedKey>, String> {
    let name = match &task.identifier {
        Identifier::Ip(address) => SanType::IpAddress(*address),
        other => {
            let name = other.authorized(false).to_string();
            SanType::DnsName(Ia5String::try_from(name).map_err(|error| error.to_string())?)
        }
    };
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![name];
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(&task.digest)];
    let key = KeyPair::generate().map_err(|error| error.to_string())?;
    let certificate = params
        .self_signed(&key)
        .map_err(|error| error.to_string())?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let key = provider
        .key_provider
        .load_private_key(key)
        .map_err(|error| error.to_string())?;
    // Not by `from_der`, which finds a critical extension that it does not know.
    let chain = vec![certificate.der().clone()];
    Ok(Arc::new(CertifiedKey::new(chain, key)))
}

/// What the CA sends as server name: for an address, its name in the reverse zone.
pub fn server_name(identifier: &Identifier) -> String {
    match identifier {
        Identifier::Ip(IpAddr::V4(address)) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        Identifier::Ip(IpAddr::V6(address)) => {
            let nibbles = format!("{:032x}", u128::from(*address));
            let reversed: Vec<String> = nibbles.chars().rev().map(String::from).collect();
            format!("{}.ip6.arpa", reversed.join("."))
        }
        other => other.authorized(false).to_string().to_lowercase(),
    }
}

/// Answers handshakes by what is on the board.
pub fn converse(board: Arc<Board>) -> Result<Converse, AuthorityError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unmade("tls-alpn-01", &error.to_string()))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Resolver(board)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    let config = Arc::new(config);
    Ok(Box::new(move |stream| handshake(&config, stream)))
}

fn handshake(config: &Arc<ServerConfig>, mut stream: TcpStream) {
    let Ok(mut connection) = ServerConnection::new(Arc::clone(config)) else {
        return;
    };
    // An error has sent its alert; who it was for is not known.
    let _ = connection.complete_io(&mut stream);
    connection.send_close_notify();
    let _ = connection.complete_io(&mut stream);
}

struct Resolver(Arc<Board>);

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Resolver")
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        hello.alpn()?.find(|protocol| *protocol == ALPN)?;
        match self.0.visit(&hello.server_name()?.to_lowercase())? {
            Answer::Certificate(certificate) => Some(certificate),
            Answer::Text(_) => None,
        }
    }
}

fn unmade(name: &str, reason: &str) -> AuthorityError {
    AuthorityError::Settings(Box::new(
        Finding::error(UNMADE, format!("making the proof for {name}: {reason}"))
            .hint("check the name: a certificate cannot contain it"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_asked_for_by_their_name_in_the_reverse_zone() {
        let name = |text: &str| server_name(&Identifier::Ip(text.parse().unwrap()));
        assert_eq!(name("192.0.2.7"), "7.2.0.192.in-addr.arpa");
        // RFC 3596 section 2.5.
        assert_eq!(
            name("4321:0:1:2:3:4:567:89ab"),
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa"
        );
    }
}
