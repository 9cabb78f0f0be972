//! Google Cloud Certificate Authority Service over its REST API v1, with the credentials that every
//! Google client finds: a file, a workload identity, the metadata server.

mod credentials;
mod settings;
mod wire;

use std::sync::Arc;
use std::time::Instant;

use data_encoding::HEXLOWER;
use url::Url;

use self::credentials::{Clients, Token};
use self::settings::{Checked, Words};
use super::clock::Clock;
use super::delivered;
use super::random::random;
use super::shared::Shared;
use super::{
    Ability, Authority, AuthorityError, Depth, Entry, Issued, Opened, Order, Preflight, Reason,
    Revocation, Revoke, Settings, SettingsError, answer, foresight, with_connection,
};
use crate::finding::Finding;
use crate::net::{Repeat, Request, Response};
use crate::outcome::AuthorityPlace;
use crate::span::Span;

/// The row of the catalogue.
pub const ENTRY: Entry = Entry {
    kind: "gcp-cas",
    summary: "Google Cloud CA Service: application default credentials, workload identity",
    abilities: &[Ability::Preflight, Ability::Revoke],
    open,
    schema: || with_connection(schemars::schema_for!(Words)),
};

/// Why randomness is wanted.
const UNIQUE: &str = "certificates and requests need names of their own";

const CREATE: &str = "POST certificates";

fn open(settings: &Settings<'_>) -> Result<Opened, SettingsError> {
    let cas = Arc::new(GcpCas {
        settings: Checked::read(settings)?,
        session: Shared::default(),
        clock: Clock::of_run(settings),
    });
    Ok(Opened {
        secrets: cas.settings.secrets(),
        authority: cas.clone(),
        renew: None,
        preflight: Some(cas.clone()),
        revoke: Some(cas),
        finish: None,
        keys_in: None,
    })
}

struct GcpCas {
    settings: Checked,
    session: Shared<Session>,
    clock: Clock,
}

/// A client, and the access token of all orders.
struct Session {
    clients: Clients,
    token: Token,
}

impl GcpCas {
    fn session(&self, deadline: Instant) -> Result<Arc<Session>, AuthorityError> {
        self.session.get(|| {
            let clients = Clients::open(&self.settings.connection)?;
            let now = self.clock.now();
            let token = self.settings.login.token(&clients, now, deadline)?;
            Ok(Session { clients, token })
        })
    }

    /// Below the pool: `/certificates`, `:fetchCaCerts`.
    fn at(&self, below: &str) -> Url {
        let pool = &self.settings.pool;
        self.settings.connection.at(&format!("/v1/{pool}{below}"))
    }

    fn turned_down(
        &self,
        what: &str,
        session: &Session,
        request: &Request,
        response: &Response,
    ) -> AuthorityError {
        wire::turned_down(
            what,
            request,
            response,
            &session.token.who,
            &self.settings.pool,
        )
    }

    fn ask(
        &self,
        what: &str,
        session: &Session,
        request: Request,
    ) -> Result<Response, AuthorityError> {
        let request = session.logged_in(request);
        let response = session
            .clients
            .service
            .send(&request)
            .map_err(|error| answer::failed(&error))?;
        if response.status == 200 {
            return Ok(response);
        }
        Err(self.turned_down(what, session, &request, &response))
    }

    /// `CreateCertificate`; the same request as often as it is sent, by its `requestId`.
    fn create(&self, order: &Order, validate_only: bool) -> Result<Request, AuthorityError> {
        let ttl = order
            .ttl
            .ok_or_else(|| answer::ttl_needed("Google CA Service"))?;
        let body = wire::Wanted {
            pem_csr: order.request.pem(),
            lifetime: format!("{}s", ttl.as_seconds()),
            certificate_template: self.settings.template.as_deref(),
            labels: &self.settings.labels,
        };
        let mut url = self.at("/certificates");
        {
            let mut query = url.query_pairs_mut();
            let name = order.request.subject.common_name.as_deref();
            query.append_pair("certificateId", &certificate_id(name.unwrap_or_default())?);
            if validate_only {
                query.append_pair("validateOnly", "true");
            } else {
                query.append_pair("requestId", &uuid()?);
            }
            if let Some(ca) = &self.settings.certificate_authority {
                query.append_pair("issuingCertificateAuthorityId", ca);
            }
        }
        let body = serde_json::to_vec(&body).unwrap_or_default();
        Ok(Request::post(url, Repeat::Safe, body)
            .header("content-type", "application/json")
            .until(order.deadline))
    }

    /// The roots of all CAs of the pool, DER; `None` where this login may not see them.
    fn roots(
        &self,
        session: &Session,
        deadline: Instant,
    ) -> Result<Option<Vec<Vec<u8>>>, AuthorityError> {
        let what = "POST fetchCaCerts";
        let request = Request::post(self.at(":fetchCaCerts"), Repeat::Safe, b"{}".to_vec())
            .header("content-type", "application/json")
            .until(deadline);
        let response = match self.ask(what, session, request) {
            Ok(response) => response,
            Err(AuthorityError::Refused(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let found: wire::CaCertificates = delivered::json(what, &response)?;
        let texts = found.ca_certs.iter().flat_map(|chain| &chain.certificates);
        let texts = texts.map(String::as_bytes);
        let roots = delivered::certificates(what, &response, texts)?
            .iter()
            .filter(|certificate| certificate.is_self_issued())
            .map(|root| root.der().to_vec())
            .collect();
        Ok(Some(roots))
    }

    /// What the pool grants at most; nothing where this login may not see it.
    fn limit(&self, session: &Session, deadline: Instant) -> Option<Span> {
        let request = Request::get(self.at("")).until(deadline);
        let response = self.ask("GET caPool", session, request).ok()?;
        let pool: wire::Pool = delivered::json("GET caPool", &response).ok()?;
        pool.maximum_lifetime()
    }
}

impl Session {
    fn logged_in(&self, request: Request) -> Request {
        let request = request.bearer_auth(&self.token.secret);
        match &self.token.quota_project {
            Some(project) => request.header("x-goog-user-project", project.clone()),
            None => request,
        }
    }
}

impl Authority for GcpCas {
    fn issue(&self, order: &Order) -> Result<Issued, AuthorityError> {
        let request = self.create(order, false)?;
        let session = self.session(order.deadline)?;
        let response = self.ask(CREATE, &session, request)?;
        let created: wire::Created = delivered::json(CREATE, &response)?;
        let texts = std::iter::once(&created.pem_certificate)
            .chain(&created.pem_certificate_chain)
            .map(String::as_bytes);
        let certificates = delivered::certificates(CREATE, &response, texts)?;
        let mut issued = delivered::issued(CREATE, &response, certificates, order)?;
        // The chain's own root stands in where this login may not see the pool's.
        if !self.settings.pinned
            && let Some(roots) = self.roots(&session, order.deadline)?
        {
            issued.anchors = roots;
        }
        Ok(issued)
    }

    fn place(&self) -> AuthorityPlace {
        AuthorityPlace {
            kind: ENTRY.kind.to_owned(),
            name: self.settings.name.clone(),
            place: self.at("").to_string(),
        }
    }
}

impl Preflight for GcpCas {
    /// `validateOnly`: the service does everything but sign.
    fn preflight(&self, order: &Order, depth: Depth) -> Result<Vec<Finding>, AuthorityError> {
        let request = self.create(order, true)?;
        let session = self.session(order.deadline)?;
        let response = self.ask(CREATE, &session, request)?;
        let validated: wire::Validated = delivered::json(CREATE, &response)?;
        let granted = validated
            .lifetime()
            .or_else(|| self.limit(&session, order.deadline));
        let mut found = Vec::new();
        if let (Some(granted), Some(asked)) = (granted, order.ttl)
            && granted < asked
        {
            found.push(
                Finding::warning(
                    foresight::CAPPED,
                    format!("{asked} is requested, but the pool would grant {granted}"),
                )
                .fact("asked_seconds", asked.as_seconds())
                .fact(foresight::MOST_GRANTED, granted.as_seconds())
                .hint("ask for a shorter ttl, or have the pool's maximum lifetime raised or its CA renewed"),
            );
        }
        if depth == Depth::Whole {
            let looked_at = ["login", "the request itself (validateOnly)"];
            found.push(foresight::answers(
                &session.token.who,
                response.date,
                &looked_at,
            ));
        }
        Ok(found)
    }
}

impl Revoke for GcpCas {
    /// The resource is found by the serial number, as `gcloud privateca certificates revoke` does.
    fn revoke(&self, revocation: &Revocation<'_>) -> Result<Vec<Finding>, AuthorityError> {
        let session = self.session(revocation.deadline)?;
        let serial = revocation
            .certificate
            .facts()
            .serial
            .trim_start_matches('0');
        let mut url = self.at("/certificates");
        url.query_pairs_mut().append_pair(
            "filter",
            &format!("certificate_description.subject_description.hex_serial_number:{serial}"),
        );
        let request = Request::get(url).until(revocation.deadline);
        let response = self.ask("GET certificates", &session, request)?;
        let found: wire::Found = delivered::json("GET certificates", &response)?;
        let Some((resource, id)) = found
            .certificates
            .iter()
            .filter(|resource| resource.is_of(revocation.certificate))
            .find_map(|resource| Some((resource, identifier(&resource.name)?)))
        else {
            return Err(AuthorityError::Refused(Box::new(
                Finding::error(
                    answer::REFUSED,
                    format!("{} does not have this certificate", self.settings.pool),
                )
                .fact("serial", serial)
                .hint(
                    "check the pool; one of the DevOps tier keeps no certificates, and cannot \
                     revoke any",
                ),
            )));
        };
        if resource.revocation_details.is_some() {
            return Ok(Vec::new());
        }
        let body = wire::Revoke {
            reason: reason(revocation.reason),
            request_id: &uuid()?,
        };
        let url = self.at(&format!("/certificates/{id}:revoke"));
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let request = Request::post(url, Repeat::Safe, body)
            .header("content-type", "application/json")
            .until(revocation.deadline);
        self.ask("POST revoke", &session, request)?;
        Ok(Vec::new())
    }
}

/// The last part of a resource name. The project in it may be its number, so that ours is used.
fn identifier(name: &str) -> Option<&str> {
    let (_, id) = name.rsplit_once("/certificates/")?;
    (!id.is_empty() && id.chars().all(is_of_identifier)).then_some(id)
}

/// `[a-zA-Z0-9_-]`.
const fn is_of_identifier(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

/// `[a-zA-Z0-9_-]{1,63}`, unique within the location; needed in the Enterprise tier.
fn certificate_id(common_name: &str) -> Result<String, AuthorityError> {
    let mut id: String = common_name
        .chars()
        .map(|c| if is_of_identifier(c) { c } else { '-' })
        .take(40)
        .collect();
    if id.is_empty() {
        "certbake".clone_into(&mut id);
    }
    Ok(format!("{id}-{}", HEXLOWER.encode(&random::<8>(UNIQUE)?)))
}

/// RFC 9562, version 4.
fn uuid() -> Result<String, AuthorityError> {
    let mut bytes = random::<16>(UNIQUE)?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = HEXLOWER.encode(&bytes);
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    Ok(parts.join("-"))
}

/// `RevocationReason` of the proto, whose zero says that none was recorded.
const fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Unspecified => "REVOCATION_REASON_UNSPECIFIED",
        Reason::KeyCompromise => "KEY_COMPROMISE",
        Reason::Superseded => "SUPERSEDED",
        Reason::CessationOfOperation => "CESSATION_OF_OPERATION",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_what_the_service_takes_and_never_twice_the_same() {
        let long = "a".repeat(70);
        for name in ["app.internal", "", "größe", &long] {
            let id = certificate_id(name).unwrap();
            assert!(id.len() <= 63 && !id.is_empty(), "{id}");
            assert!(
                id.chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
            );
            assert_ne!(id, certificate_id(name).unwrap());
        }
        let uuid = uuid().unwrap();
        assert_eq!(uuid.len(), 36);
        assert_eq!(&uuid[14..15], "4");
        assert!("89ab".contains(&uuid[19..20]));
    }
}
