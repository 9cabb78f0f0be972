//! The PKI engine: a request is signed, an issuer read, a certificate revoked.

use std::collections::BTreeSet;
use std::time::Instant;

use serde::Deserialize;
use serde_json::{Value, json};

use super::refusal::TurnedDown;
use super::server::{Server, lacks_issuer, read};
use super::session::Session;
use super::settings::Checked;
use crate::authority::foresight;
use crate::authority::{AuthorityError, Issued, Order, Revocation, answer, received};
use crate::finding::{Code, Finding};
use crate::line;
use crate::net::{Repeat, Response};
use crate::pki::{AltName, Certificate, SigningRequest, serial};

pub const ON_LEASE: Code = Code::new("vault-certificate-on-lease");

/// Warnings about fields that we send for roles that read them there, while others take them from
/// the request: the same values stand in both.
const EXPECTED: &[&str] = &["use_csr_common_name", "use_csr_sans"];

#[derive(Deserialize)]
struct Signed {
    certificate: String,
    issuing_ca: Option<String>,
    ca_chain: Option<Vec<String>>,
}

/// What an issuer's own page says.
#[derive(Deserialize)]
struct Issuer {
    certificate: String,
    ca_chain: Option<Vec<String>>,
}

pub fn sign(
    session: &Session,
    settings: &Checked,
    order: &Order,
) -> Result<Issued, AuthorityError> {
    let path = settings.sign_path();
    let what = format!("POST {path}");
    let body = body(order);
    let request = session.post(&path, Repeat::IfTurnedAway, &body, order.deadline);
    let response = session.send(&request)?;
    if response.status != 200 {
        let turned_down = TurnedDown {
            what: &what,
            request: &request,
            response: &response,
        };
        return Err(turned_down.of_order(session, settings, order.deadline));
    }
    let answer = read::<Signed>(&what, &response)?;
    let leased = answer.lease_id.is_some_and(|lease| !lease.is_empty());
    if leased {
        session.holds_a_lease();
    }
    let signed = answer
        .data
        .ok_or_else(|| answer::unusable(&what, "it contains no certificate", &response))?;
    let mut issued = sorted(&what, &signed, &response, order)?;
    issued.findings = warnings(answer.warnings.unwrap_or_default(), "Vault signed anyway");
    issued.findings.extend(leased.then(|| on_lease(settings)));
    if issued.anchors.is_empty() && !settings.pins_anchors {
        issued.anchors = roots(&session.server, settings, order.deadline);
    }
    Ok(issued)
}

/// A token that ends takes its leases with it, and what was issued on them.
fn on_lease(settings: &Checked) -> Finding {
    let Checked { mount, role, .. } = settings;
    Finding::warning(
        ON_LEASE,
        "Vault will revoke this certificate when the token that ordered it expires: the role ties it to a lease",
    )
    .fact("role", role.as_str())
    .hint(format!(
        "set generate_lease=false: `vault patch {mount}/roles/{role} generate_lease=false`; a certificate in \
         an image outlives any token"
    ))
}

/// Both as fields and in the request: by `use_csr_common_name` and `use_csr_sans` the role takes the
/// names from the one or the other.
fn body(order: &Order) -> Value {
    let SigningRequest { subject, names, .. } = &order.request;
    let list = |pick: fn(&AltName) -> Option<String>| {
        names.iter().filter_map(pick).collect::<Vec<_>>().join(",")
    };
    let mut body = json!({
        "csr": order.request.pem(),
        "format": "pem",
        // A common name that is a host name would become an alternative name that nobody asked for.
        "exclude_cn_from_sans": true,
    });
    let mut set = |key: &str, value: String| {
        if !value.is_empty() {
            body[key] = value.into();
        }
    };
    set(
        "common_name",
        subject.common_name.clone().unwrap_or_default(),
    );
    set(
        "alt_names",
        list(|name| match name {
            AltName::Dns(text) | AltName::Email(text) => Some(text.clone()),
            _ => None,
        }),
    );
    set(
        "ip_sans",
        list(|name| match name {
            AltName::Ip(address) => Some(address.to_string()),
            _ => None,
        }),
    );
    set(
        "uri_sans",
        list(|name| match name {
            AltName::Uri(uri) => Some(uri.clone()),
            _ => None,
        }),
    );
    if let Some(ttl) = order.ttl {
        set("ttl", format!("{}s", ttl.as_seconds()));
    }
    body
}

/// The leaf first, its issuers without their roots after it, and the roots apart. `expiration` is
/// not looked at: the certificate itself says when it ends.
fn sorted(
    what: &str,
    signed: &Signed,
    response: &Response,
    order: &Order,
) -> Result<Issued, AuthorityError> {
    let unusable = |reason: String| answer::unusable(what, &reason, response);
    let texts = [Some(&signed.certificate), signed.issuing_ca.as_ref()];
    let texts = texts
        .into_iter()
        .flatten()
        .chain(signed.ca_chain.iter().flatten());
    let certificates = certificates(texts).map_err(unusable)?;
    let certificates =
        received::leaf_first(certificates, order.request.spki()).map_err(unusable)?;
    let mut issued = Issued {
        date: response.date,
        ..Issued::default()
    };
    for certificate in certificates {
        // Even a self-issued leaf is no anchor.
        let is_leaf = issued.certificates.is_empty();
        let list = if certificate.is_self_issued() && !is_leaf {
            &mut issued.anchors
        } else {
            &mut issued.certificates
        };
        let der = certificate.der().to_vec();
        if !list.contains(&der) {
            list.push(der);
        }
    }
    Ok(issued)
}

fn certificates<'a>(texts: impl Iterator<Item = &'a String>) -> Result<Vec<Certificate>, String> {
    let mut found = Vec::new();
    for text in texts.filter(|text| !text.is_empty()) {
        found.extend(received::certificates(text.as_bytes())?);
    }
    if found.is_empty() {
        return Err("it contains no certificate".to_owned());
    }
    Ok(found)
}

/// What Vault says beside an answer, some of it twice. A lifetime above the role's or the mount's is
/// cut with such words.
pub fn warnings(warnings: Vec<String>, anyway: &str) -> Vec<Finding> {
    warnings
        .into_iter()
        .collect::<BTreeSet<_>>()
        .iter()
        .filter(|warning| !EXPECTED.iter().any(|expected| warning.contains(expected)))
        .filter_map(|warning| line::sanitized(warning.as_bytes(), 300))
        .map(|said| {
            let capped = said.contains("maxTTL") || said.contains("max_ttl");
            let (code, hint) = if capped {
                (
                    foresight::CAPPED,
                    "ask for a shorter ttl, or raise max_ttl of the role and of the mount"
                        .to_owned(),
                )
            } else {
                (
                    answer::SAID,
                    format!("{anyway}; ask its operators what this means"),
                )
            };
            Finding::warning(code, format!("Vault says: {said}"))
                .fact("said", said)
                .hint(hint)
        })
        .collect()
}

/// The certificates of the issuer that signs, the issuer's own first; none where its page cannot be
/// read. `by_role` is the issuer that the role names.
///
/// # Errors
/// [`AuthorityError::Refused`] where the mount has not the one that is named. Of a role that could not
/// be read it is only a guess that it leaves it to the mount.
pub fn issuer(
    server: &Server,
    settings: &Checked,
    by_role: Option<&str>,
    deadline: Instant,
) -> Result<Vec<Certificate>, AuthorityError> {
    let Checked { mount, issuer, .. } = settings;
    let named = issuer.as_deref().or(by_role);
    let issuer = named.unwrap_or("default");
    let path = format!("{mount}/issuer/{issuer}/json");
    let request = server.get(&path, deadline);
    let Ok(page) = server.send(&request) else {
        return Ok(Vec::new());
    };
    if named.is_some() && lacks_issuer(&page) {
        let turned_down = TurnedDown {
            what: &format!("GET {path}"),
            request: &request,
            response: &page,
        };
        return Err(turned_down.without_issuer(settings));
    }
    let certificates = Some(page)
        .filter(|page| page.status == 200)
        .and_then(|page| read::<Issuer>(&path, &page).ok()?.data)
        .and_then(|issuer| {
            let chain = issuer.ca_chain.iter().flatten();
            certificates(std::iter::once(&issuer.certificate).chain(chain)).ok()
        });
    Ok(certificates.unwrap_or_default())
}

fn roots(server: &Server, settings: &Checked, deadline: Instant) -> Vec<Vec<u8>> {
    issuer(server, settings, None, deadline)
        .unwrap_or_default()
        .iter()
        .filter(|certificate| certificate.is_self_issued())
        .map(|certificate| certificate.der().to_vec())
        .collect()
}

/// By its serial number; by itself where the role does not store what it signs.
pub fn revoke(
    session: &Session,
    settings: &Checked,
    revocation: &Revocation<'_>,
) -> Result<Vec<Finding>, AuthorityError> {
    let path = format!("{}/revoke", settings.mount);
    let what = format!("POST {path}");
    let certificate = revocation.certificate;
    let bodies = [
        json!({ "serial_number": serial::with_colons(&certificate.facts().serial) }),
        json!({ "certificate": certificate.pem() }),
    ];
    let mut first = None;
    for body in bodies {
        let request = session.post(&path, Repeat::Safe, &body, revocation.deadline);
        let response = session.send(&request)?;
        if response.status == 200 {
            return taken(&what, &response);
        }
        let turned_down = TurnedDown {
            what: &what,
            request: &request,
            response: &response,
        };
        let error = turned_down.of_revocation(session, settings, revocation.deadline);
        if response.status != 404 && !turned_down.says("not found") {
            return Err(first.unwrap_or(error));
        }
        first.get_or_insert(error);
    }
    // Both ways ended the same: it is not one of this mount's.
    first.map_or(Ok(Vec::new()), Err)
}

/// A success without a time of revocation is none: one that has expired is put on no list.
fn taken(what: &str, response: &Response) -> Result<Vec<Finding>, AuthorityError> {
    let answer = read::<Value>(what, response)?;
    let said = answer.warnings.unwrap_or_default();
    if answer.data.is_some_and(|data| data.is_object()) {
        return Ok(warnings(said, "Vault revoked it anyway"));
    }
    let words = line::sanitized(said.join("; ").as_bytes(), 300).unwrap_or_default();
    Err(AuthorityError::Refused(Box::new(
        Finding::error(
            answer::REFUSED,
            format!("{what}: Vault did not revoke the certificate: {words}"),
        )
        .fact("status", response.status)
        .fact("said", words)
        .hint("an expired certificate is on no revocation list, and peers refuse it because of its dates"),
    )))
}
