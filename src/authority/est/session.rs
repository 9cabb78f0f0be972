//! A client that trusts the right server, and the CA certificates it was given there.

use std::time::Instant;

use time::OffsetDateTime;
use url::Url;

use super::settings::Checked;
use super::wire;
use crate::authority::connection::{Reached, read_secret, under};
use crate::authority::waits::Teller;
use crate::authority::{AuthorityError, answer};
use crate::net::{Client, ClientCertificate, Request, Response};
use crate::pki::Certificate;
use crate::secret::Secret;

/// Everything between settings and the first order.
pub struct Session {
    pub client: Client,
    pub cacerts: CaCertificates,
    pub teller: Teller,
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
            Some((name, source)) => Some((name.clone(), read_secret(source)?)),
        };
        let shows_certificate = current.is_some() || settings.connection.certificate.is_some();
        let Reached { client, root } = settings.connection.open(
            current,
            Some(&|client| unverified_cacerts(client, &settings.base, deadline)),
        )?;
        let mut session = Self {
            client,
            cacerts: CaCertificates {
                roots: Vec::new(),
                issuers: Vec::new(),
                date: None,
            },
            teller: settings.connection.teller(),
            base: settings.base.clone(),
            basic,
            shows_certificate,
        };
        session.cacerts = session.fetch_cacerts(deadline)?;
        if let Some(root) = root {
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
            let login = self.login();
            return Err(answer::turned_down_early(
                "GET cacerts",
                &request,
                &response,
                &login,
            ));
        }
        let all = wire::certificates("GET cacerts", &response)?;
        let (roots, issuers): (Vec<_>, Vec<_>) = all
            .iter()
            .cloned()
            .partition(|certificate| is_root(certificate, &all));
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
        self.client.wait_for(self.exchange(request))
    }

    /// As [`Session::ask`], and holds no thread.
    pub async fn exchange(&self, request: &Request) -> Result<Response, AuthorityError> {
        let answer = self.client.exchange(request).await;
        answer.map_err(|error| answer::failed(&error))
    }

    pub fn url(&self, operation: &str) -> Url {
        under(&self.base, &format!("/{operation}"))
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
        answer::turned_down(what, request, response, &self.login())
    }

    /// How we present ourselves, in words.
    pub fn login(&self) -> String {
        match (&self.basic, self.shows_certificate) {
            (Some((name, _)), false) => format!("the user name \"{name}\""),
            (Some((name, _)), true) => {
                format!("the user name \"{name}\" and a client certificate")
            }
            (None, true) => "a client certificate".to_owned(),
            (None, false) => "no login".to_owned(),
        }
    }
}

/// A CA with a new key hands out each of its keys signed with the other too, under its one name (RFC 7030
/// section 4.1.3, OldWithNew and NewWithOld): those are no roots.
fn is_root(certificate: &Certificate, all: &[Certificate]) -> bool {
    let by_another = |other: &Certificate| {
        other.facts().spki != certificate.facts().spki && certificate.is_issued_by(other)
    };
    certificate.is_self_issued() && !all.iter().any(by_another)
}

/// What `/cacerts` holds, asked before anything is trusted (RFC 7030 section 4.1.1, "out-of-band").
fn unverified_cacerts(
    client: &Client,
    base: &Url,
    deadline: Instant,
) -> Result<Vec<Certificate>, AuthorityError> {
    let request = Request::get(under(base, "/cacerts")).until(deadline);
    let response = client
        .send(&request)
        .map_err(|error| answer::failed(&error))?;
    let what = "GET cacerts (to compare with the pinned fingerprint)";
    if response.status != 200 {
        return Err(answer::turned_down_early(
            what, &request, &response, "no login",
        ));
    }
    wire::certificates(what, &response)
}
