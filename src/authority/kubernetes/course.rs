//! One request from its creation to its end: named, created once, awaited, told apart from a stranger's,
//! deleted.

use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use url::Url;

use super::wire::{self, Standing, Wanted};
use super::{Kubernetes, LEFT, Session};
use crate::authority::delivered;
use crate::authority::random::random;
use crate::authority::{AuthorityError, Order, answer};
use crate::finding::Finding;
use crate::net::{Method, Repeat, Request, Response};
use crate::pki::certificate::KeyFacts;
use crate::pki::{Certificate, Usage};

const CREATE: &str = "POST certificatesigningrequests";
pub const GET: &str = "GET certificatesigningrequests/…";

/// How long an API server may be away under a request that waits.
const RESTART: Duration = Duration::from_secs(60);

impl Kubernetes {
    fn requests(&self) -> Url {
        self.settings.connection.at(wire::REQUESTS)
    }

    fn named(&self, name: &str) -> Url {
        let path = format!("{}/{name}", wire::REQUESTS);
        self.settings.connection.at(&path)
    }

    fn usages(&self, order: &Order) -> Vec<String> {
        if let Some(usages) = &self.settings.usages {
            return usages.clone();
        }
        let purpose = match order.request.usage {
            Usage::Client => "client auth",
            Usage::Server => "server auth",
        };
        let mut usages = vec!["digital signature", purpose];
        // Only RSA keys encipher keys.
        if let Some(KeyFacts::Rsa { .. }) = KeyFacts::of_spki(order.request.spki()) {
            usages.insert(1, "key encipherment");
        }
        usages.into_iter().map(str::to_owned).collect()
    }

    /// The body that creates the request under this name.
    fn wanted(&self, order: &Order, name: &str, pem: &str) -> Vec<u8> {
        Wanted {
            name,
            request: pem,
            signer: &self.settings.signer,
            expiration_seconds: order.ttl.map(|ttl| ttl.as_seconds().min(i32::MAX.into())),
            usages: &self.usages(order),
        }
        .json()
    }

    /// Has the request looked at as one that is created, by everybody who may refuse it, and not kept.
    pub fn rehearse(&self, session: &Session, order: &Order) -> Result<Response, AuthorityError> {
        let mut url = self.requests();
        url.set_query(Some("dryRun=All"));
        let body = self.wanted(order, &name(order)?, &order.request.pem());
        let (request, response) = session.post(url, body, order.deadline)?;
        match response.status {
            200..=202 => {
                standing(CREATE, &response)?;
                Ok(response)
            }
            _ => Err(wire::turned_down(CREATE, &request, &response, &session.who)),
        }
    }

    /// Creates the request under a name of its own; the same one is never created twice, and of
    /// another one with its name it is told apart by what it holds.
    pub fn create(
        &self,
        session: &Session,
        order: &Order,
    ) -> Result<(String, Standing, Response), AuthorityError> {
        let pem = order.request.pem();
        let mut collisions = 0;
        loop {
            let name = name(order)?;
            let body = self.wanted(order, &name, &pem);
            let (request, response) = session.post(self.requests(), body, order.deadline)?;
            match response.status {
                200..=202 => {
                    let standing = standing(CREATE, &response)?;
                    return Ok((name, standing, response));
                }
                // An earlier attempt, whose answer was lost, or a stranger.
                409 if collisions < 3 => {
                    let (standing, response) = self.look(session, &name, order.deadline)?;
                    if standing.is_for(&pem) {
                        return Ok((name, standing, response));
                    }
                    collisions += 1;
                }
                _ => {
                    return Err(wire::turned_down(CREATE, &request, &response, &session.who));
                }
            }
        }
    }

    fn look(
        &self,
        session: &Session,
        name: &str,
        deadline: Instant,
    ) -> Result<(Standing, Response), AuthorityError> {
        let request = Request::get(self.named(name)).until(deadline);
        let (request, response) = session.ask(request)?;
        if response.status == 404 {
            return Err(AuthorityError::Refused(Box::new(
                Finding::error(
                    answer::REFUSED,
                    format!("the request {name} was deleted before its certificate was issued"),
                )
                .fact("request", name)
                .hint("find out what deletes requests in this cluster, and exclude certbake's"),
            )));
        }
        if response.status != 200 {
            return Err(wire::turned_down(GET, &request, &response, &session.who));
        }
        Ok((standing(GET, &response)?, response))
    }

    /// Waits until it is decided on and signed.
    pub fn wait(
        &self,
        session: &Session,
        order: &Order,
        created: (String, Standing, Response),
    ) -> Result<(String, Vec<Certificate>, Response), AuthorityError> {
        let (name, mut standing, mut response) = created;
        let mut waits = self.settings.connection.teller().waits(order.deadline);
        loop {
            if let Some(certificates) = standing.certificates() {
                let pem = certificates
                    .map_err(|error| answer::unusable(GET, &error.to_string(), &response))?;
                let certificates = delivered::certificates(GET, &response, [&pem[..]])?;
                return Ok((name, certificates, response));
            }
            for condition in ["Denied", "Failed"] {
                if let Some(found) = standing.condition(condition) {
                    return Err(self.decided(&name, condition, found));
                }
            }
            let paused = waits.pause(None, "the request is pending");
            paused.map_err(|wait| {
                let approved = standing.condition("Approved").is_some();
                self.undecided(&name, approved, waits.asked, wait)
            })?;
            let seen = waits.asked > 1;
            (standing, response) = self.look_again(session, &name, order.deadline, seen)?;
        }
    }

    /// An API server that restarts costs no approval: it is asked again for a while. `seen`: it has
    /// shown the request before.
    fn look_again(
        &self,
        session: &Session,
        name: &str,
        deadline: Instant,
        mut seen: bool,
    ) -> Result<(Standing, Response), AuthorityError> {
        let teller = self.settings.connection.teller();
        let mut waits = teller.waits(deadline.min(Instant::now() + RESTART));
        loop {
            let error = match self.look(session, name, deadline) {
                Ok(found) => return Ok(found),
                Err(error) => error,
            };
            let passes = match &error {
                AuthorityError::Unreachable(_) => {
                    seen = true;
                    true
                }
                // Until it has read its rules again, it forbids everything.
                AuthorityError::Refused(finding) => seen && finding.code == answer::LOGIN_REFUSED,
                _ => false,
            };
            let why = "the API server cannot be reached";
            if !passes || waits.pause(None, why).is_err() {
                return Err(answer::told(error, |finding| finding.fact("request", name)));
            }
        }
    }

    fn decided(&self, name: &str, condition: &str, found: &wire::Condition) -> AuthorityError {
        let words = format!("{}: {}", found.reason, found.message);
        let words = crate::line::sanitized(words.trim_matches([':', ' ']).as_bytes(), 300);
        let said = words
            .clone()
            .map_or_else(String::new, |words| format!(": {words}"));
        let (summary, hint) = if condition == "Denied" {
            (
                format!("the request {name} was denied{said}"),
                "ask who denied it: kubectl describe csr shows when, not who".to_owned(),
            )
        } else {
            (
                format!("the signer failed on the request {name}{said}"),
                format!("the log of the signer {} says more", self.settings.signer),
            )
        };
        AuthorityError::Refused(Box::new(
            Finding::error(answer::REFUSED, summary)
                .fact("request", name)
                .fact("condition", condition)
                .fact("said", words.unwrap_or_default())
                .hint(hint),
        ))
    }

    fn undecided(&self, name: &str, approved: bool, asked: u32, wait: Duration) -> AuthorityError {
        let signer = &self.settings.signer;
        let (summary, hint) = if approved {
            (
                format!(
                    "the request {name} is approved, and the signer {signer} has not signed it before \
                     the deadline"
                ),
                format!(
                    "the signer is not running, or does not serve {signer}: look for its pods and into \
                     its log"
                ),
            )
        } else {
            (
                format!("nobody approved the request {name} before the deadline"),
                format!(
                    "kubectl certificate approve {name} (within the order's deadline), or run an \
                     approver for {signer}: Kubernetes does not approve these automatically"
                ),
            )
        };
        AuthorityError::Unreachable(Box::new(
            delivered::pending(&summary, asked, wait)
                .fact("request", name)
                .fact("approved", approved)
                .hint(hint),
        ))
    }

    pub fn delete(&self, session: &Session, name: &str, deadline: Instant) -> Vec<Finding> {
        let request = Request::new(Method::DELETE, self.named(name), Repeat::Safe).until(deadline);
        let why = match session.ask(request) {
            Ok((_, response)) if matches!(response.status, 200 | 202 | 404) => return Vec::new(),
            Ok((request, response)) => {
                wire::turned_down(
                    "DELETE certificatesigningrequests/…",
                    &request,
                    &response,
                    &session.who,
                )
                .into_finding()
                .summary
            }
            Err(error) => error.into_finding().summary,
        };
        vec![
            Finding::warning(
                LEFT,
                format!("the request {name} could not be deleted: {why}"),
            )
            .fact("request", name)
            .hint("grant the verb delete, or leave delete_after out: Kubernetes deletes it itself"),
        ]
    }
}

fn standing(what: &str, response: &Response) -> Result<Standing, AuthorityError> {
    let standing: Standing = delivered::json(what, response)?;
    if !standing.is_one() {
        let reason = "it is not a CertificateSigningRequest";
        return Err(answer::unusable(what, reason, response));
    }
    Ok(standing)
}

/// A name that no other request in the cluster has.
fn name(order: &Order) -> Result<String, AuthorityError> {
    let common_name = order.request.subject.common_name.as_deref();
    let bytes: [u8; 6] = random("the request needs a name of its own")?;
    Ok(dns_name(common_name.unwrap_or_default(), &bytes))
}

/// A DNS subdomain (RFC 1123).
fn dns_name(common_name: &str, random: &[u8]) -> String {
    let plain: String = common_name
        .to_ascii_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(40)
        .collect();
    format!("certbake-{plain}-{}", HEXLOWER.encode(random))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_kubernetes_takes() {
        for common_name in ["system:node:Ä.lab", "", "App.Internal"] {
            let name = dns_name(common_name, &[0xab; 6]);
            assert!(name.starts_with("certbake-") && name.len() <= 253);
            let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(name.chars().all(fits), "{name}");
        }
    }
}
