//! A client that trusts the right server, and the CA certificates it was given there.

use std::path::Path;
use std::time::Instant;

use time::OffsetDateTime;
use url::Url;

use super::settings::{Checked, Pinning};
use super::wire;
use crate::authority::{AuthorityError, answer};
use crate::finding::{Code, Finding};
use crate::net::{
    Client, ClientCertificate, ClientSettings, Proxy, Request, Response, Trust, danger,
};
use crate::pki::{Certificate, PrivateKey, digest, pem};
use crate::secret::Secret;
use crate::secret_source::SecretSource;

pub const PIN_MISMATCH: Code = Code::new("ca-pin-mismatch");
pub const CLIENT_CERTIFICATE: Code = Code::new("ca-client-certificate");

/// Everything between settings and the first order.
pub struct Session {
    pub client: Client,
    pub cacerts: CaCertificates,
    base: Url,
    basic: Option<(String, Secret)>,
    shows_certificate: bool,
}

/// What `/cacerts` answered (RFC 7030 section 4.1).
pub struct CaCertificates {
    /// DER, self-issued: what the CA itself calls its roots.
    pub roots: Vec<Vec<u8>>,
    /// DER, all others.
    pub issuers: Vec<Vec<u8>>,
    pub date: Option<OffsetDateTime>,
}

impl Session {
    /// Reads the credentials, establishes trust and fetches the CA certificates. `current` stands in
    /// for the client certificate of the settings.
    pub fn open(
        settings: &Checked,
        current: Option<ClientCertificate>,
        deadline: Instant,
    ) -> Result<Self, AuthorityError> {
        let basic = match &settings.basic {
            None => None,
            Some((name, source)) => Some((name.clone(), read(source)?)),
        };
        let certificate = match (current, &settings.certificate) {
            (Some(current), _) => Some(current),
            (None, Some((certificate, key))) => Some(client_certificate(certificate, key)?),
            (None, None) => None,
        };
        let mut client_settings = client_settings(settings, proxy(settings)?);
        let mut pinned = None;
        client_settings.trust = match &settings.trust {
            Pinning::System => Trust::System,
            Pinning::Anchors(anchors) => Trust::Anchors(anchors.clone()),
            Pinning::Fingerprint(pin) => {
                let root = bootstrap(&client_settings, &settings.base, pin, deadline)?;
                pinned = Some(root.clone());
                Trust::Anchors(vec![root])
            }
        };
        client_settings.client_certificate = certificate;
        let shows_certificate = client_settings.client_certificate.is_some();
        let client = Client::open(client_settings).map_err(|error| answer::unopened(&error))?;
        let mut session = Self {
            client,
            cacerts: CaCertificates {
                roots: Vec::new(),
                issuers: Vec::new(),
                date: None,
            },
            base: settings.base.clone(),
            basic,
            shows_certificate,
        };
        session.cacerts = session.fetch_cacerts(deadline)?;
        if let Some(root) = pinned {
            session.cacerts.roots = vec![root];
        }
        Ok(session)
    }

    fn fetch_cacerts(&self, deadline: Instant) -> Result<CaCertificates, AuthorityError> {
        let mut request = Request::get(self.url("cacerts")).until(deadline);
        let mut response = self.ask(&request)?;
        // Public by the standard, behind the login on some servers.
        if response.status == 401 && self.basic.is_some() {
            request = self.with_login(request);
            response = self.ask(&request)?;
        }
        if response.status != 200 {
            return Err(self.turned_down("GET cacerts", &request, &response));
        }
        let (roots, issuers): (Vec<_>, Vec<_>) = wire::certificates("GET cacerts", &response)?
            .into_iter()
            .partition(Certificate::is_self_issued);
        let der = |certificates: Vec<Certificate>| {
            certificates
                .iter()
                .map(|certificate| certificate.der().to_vec())
                .collect()
        };
        Ok(CaCertificates {
            roots: der(roots),
            issuers: der(issuers),
            date: response.date,
        })
    }

    pub fn ask(&self, request: &Request) -> Result<Response, AuthorityError> {
        self.client
            .send(request)
            .map_err(|error| answer::failed(&error))
    }

    pub fn url(&self, operation: &str) -> Url {
        under(&self.base, operation)
    }

    pub fn with_login(&self, request: Request) -> Request {
        match &self.basic {
            Some((name, password)) => request.basic_auth(name, password),
            None => request,
        }
    }

    pub fn turned_down(
        &self,
        what: &str,
        request: &Request,
        response: &Response,
    ) -> AuthorityError {
        let login = match (&self.basic, self.shows_certificate) {
            (Some((name, _)), false) => format!("the user name \"{name}\""),
            (Some((name, _)), true) => {
                format!("the user name \"{name}\" and a client certificate")
            }
            (None, true) => "a client certificate".to_owned(),
            (None, false) => "no login".to_owned(),
        };
        answer::turned_down(what, request, response, &login)
    }
}

fn under(base: &Url, operation: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{operation}", base.path()));
    url
}

fn client_settings(settings: &Checked, proxy: Proxy) -> ClientSettings {
    let mut client = ClientSettings::new(Trust::System);
    client.connect_timeout = settings.connect_timeout;
    client.request_timeout = settings.timeout;
    client.proxy = proxy;
    client
}

fn proxy(settings: &Checked) -> Result<Proxy, AuthorityError> {
    match (&settings.proxy.proxy, &settings.proxy.credentials) {
        (Proxy::Through(server), Some((name, source))) => {
            let mut server = server.clone();
            server.credentials = Some((name.clone(), read(source)?));
            Ok(Proxy::Through(server))
        }
        (proxy, _) => Ok(proxy.clone()),
    }
}

fn read(source: &SecretSource) -> Result<Secret, AuthorityError> {
    source.read().map_err(|error| answer::no_secret(&error))
}

/// The certificate among `/cacerts` that has the pinned SHA-256, fetched without verification
/// (RFC 7030 section 4.1.1, "out-of-band"): the pin is the verification.
fn bootstrap(
    settings: &ClientSettings,
    base: &Url,
    pin: &[u8; 32],
    deadline: Instant,
) -> Result<Vec<u8>, AuthorityError> {
    let mut unverified = settings.clone();
    unverified.trust = danger::trust_any_server_for_pinned_data();
    let client = Client::open(unverified).map_err(|error| answer::unopened(&error))?;
    let request = Request::get(under(base, "cacerts")).until(deadline);
    let response = client
        .send(&request)
        .map_err(|error| answer::failed(&error))?;
    let what = "GET cacerts (to compare with the pinned fingerprint)";
    if response.status != 200 {
        return Err(answer::turned_down(what, &request, &response, "no login"));
    }
    let certificates = wire::certificates(what, &response)?;
    if let Some(root) = certificates
        .iter()
        .find(|certificate| digest::sha256(certificate.der()) == *pin)
    {
        return Ok(root.der().to_vec());
    }
    let came: Vec<String> = certificates.iter().map(Certificate::fingerprint).collect();
    Err(AuthorityError::Unusable(Box::new(
        Finding::error(
            PIN_MISMATCH,
            "none of the server's CA certificates has the pinned fingerprint",
        )
        .fact("pinned", data_encoding::HEXLOWER.encode(pin))
        .fact("came", came)
        .hint(
            "compare the fingerprint with the CA's owner, over another way than this network: \
             either the pin is out of date, or somebody else answers",
        ),
    )))
}

fn client_certificate(certificate: &Path, key: &Path) -> Result<ClientCertificate, AuthorityError> {
    let unusable = |path: &Path, reason: String| {
        AuthorityError::Settings(Box::new(
            Finding::error(
                CLIENT_CERTIFICATE,
                format!("reading the client certificate from {}: {reason}", path.display()),
            )
            .in_file(path.display().to_string())
            .hint("give PEM files: client_certificate with the chain, client_key with its key, unencrypted"),
        ))
    };
    let text = std::fs::read(certificate).map_err(|e| unusable(certificate, e.to_string()))?;
    let chain = pem::certificates(&text).map_err(|e| unusable(certificate, e.to_string()))?;
    if chain.is_empty() {
        return Err(unusable(certificate, "it holds no certificate".to_owned()));
    }
    // As a secret: refused when others may read it.
    let text = read(&SecretSource::File(key.to_owned()))?;
    let key = pem::decode(text.expose())
        .map_err(|e| unusable(key, e.to_string()))?
        .into_iter()
        .find_map(|block| match block {
            pem::Block::PrivateKey(der) => Some(PrivateKey::from_der(&der)),
            _ => None,
        })
        .ok_or_else(|| unusable(key, "it holds no unencrypted private key".to_owned()))?
        .map_err(|e| unusable(key, e.to_string()))?;
    Ok(ClientCertificate {
        chain,
        key: Secret::new(key.expose_pkcs8().to_vec()),
    })
}
