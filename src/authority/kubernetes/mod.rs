//! Kubernetes' certificate signing requests (`certificates.k8s.io/v1`): created, awaited, and taken
//! from whichever signer of the cluster is named.

mod kubeconfig;
mod login;
mod settings;
mod wire;

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::rand;
use data_encoding::HEXLOWER;
use url::Url;

use self::settings::{Checked, Words};
use self::wire::{Standing, Wanted};
use super::delivered::{self, Waits};
use super::shared::Shared;
use super::{
    Ability, Authority, AuthorityError, Depth, Entry, Issued, Opened, Order, Preflight, Settings,
    SettingsError, answer, foresight, with_connection,
};
use crate::finding::{Code, Finding};
use crate::net::{Client, Method, Repeat, Request, Response};
use crate::outcome::AuthorityPlace;
use crate::pki::Usage;
use crate::pki::certificate::KeyFacts;
use crate::secret::Secret;
use crate::span::Span;

const TOO_SHORT: Code = Code::new("ca-ttl-too-short");
const LEFT: Code = Code::new("kubernetes-request-left");
const BY_HAND: Code = Code::new("kubernetes-approval-by-hand");

/// `expirationSeconds` is ten minutes at least.
const SHORTEST: Span = Span::seconds(600);

/// The row of the catalogue.
pub const ENTRY: Entry = Entry {
    kind: "kubernetes",
    summary: "certificate signing requests of a cluster: kubeconfig, pod, any signer",
    abilities: &[Ability::Preflight],
    open,
    schema: || with_connection(schemars::schema_for!(Words)),
};

const CREATE: &str = "POST certificatesigningrequests";
const GET: &str = "GET certificatesigningrequests/…";

fn open(settings: &Settings<'_>) -> Result<Opened, SettingsError> {
    let kubernetes = Arc::new(Kubernetes {
        settings: Checked::read(settings)?,
        session: Shared::default(),
    });
    Ok(Opened {
        secrets: kubernetes.settings.secrets(),
        authority: kubernetes.clone(),
        renew: None,
        preflight: Some(kubernetes),
        revoke: None,
        finish: None,
    })
}

struct Kubernetes {
    settings: Checked,
    session: Shared<Session>,
}

/// A client, and the login of all orders.
struct Session {
    client: Client,
    token: Option<Secret>,
    who: String,
}

impl Session {
    fn ask(&self, request: Request) -> Result<(Request, Response), AuthorityError> {
        let request = request.header("accept", "application/json");
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let response = self
            .client
            .send(&request)
            .map_err(|error| answer::failed(&error))?;
        Ok((request, response))
    }
}

impl Kubernetes {
    fn session(&self) -> Result<Arc<Session>, AuthorityError> {
        self.session.get(|| {
            let shown = self.settings.login.show()?;
            let connection = &self.settings.connection;
            let who = match (&shown.token, &connection.certificate) {
                (None, Some(_)) => "a client certificate".to_owned(),
                _ => shown.who,
            };
            Ok(Session {
                client: connection.open(shown.certificate, None)?.client,
                token: shown.token,
                who,
            })
        })
    }

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

    /// Creates the request under a name of its own; the same one is never created twice, and of
    /// another one with its name it is told apart by what it holds.
    fn create(
        &self,
        session: &Session,
        order: &Order,
    ) -> Result<(String, Standing, Response), AuthorityError> {
        let pem = order.request.pem();
        let usages = self.usages(order);
        let mut collisions = 0;
        loop {
            let name = name(
                order
                    .request
                    .subject
                    .common_name
                    .as_deref()
                    .unwrap_or_default(),
            )?;
            let body = Wanted {
                name: &name,
                request: &pem,
                signer: &self.settings.signer,
                expiration_seconds: order.ttl.map(|ttl| ttl.as_seconds().min(i32::MAX.into())),
                usages: &usages,
            };
            let request = Request::post(self.requests(), Repeat::Safe, body.json())
                .header("content-type", "application/json")
                .until(order.deadline);
            let (request, response) = session.ask(request)?;
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
                    format!("the request {name} was deleted before its certificate came"),
                )
                .fact("request", name)
                .hint("whoever deletes requests in this cluster should leave those of certbake"),
            )));
        }
        if response.status != 200 {
            return Err(wire::turned_down(GET, &request, &response, &session.who));
        }
        Ok((standing(GET, &response)?, response))
    }

    /// Waits until it is decided on and signed.
    fn wait(
        &self,
        session: &Session,
        order: &Order,
        created: (String, Standing, Response),
    ) -> Result<(String, Vec<Vec<u8>>, Response), AuthorityError> {
        let (name, mut standing, mut response) = created;
        let mut waits = Waits::until(order.deadline);
        loop {
            if let Some(certificates) = standing.certificates() {
                let certificates =
                    certificates.map_err(|reason| answer::unusable(GET, &reason, &response))?;
                return Ok((name, certificates, response));
            }
            for condition in ["Denied", "Failed"] {
                if let Some(found) = standing.condition(condition) {
                    return Err(self.decided(&name, condition, found));
                }
            }
            waits.pause(None).map_err(|wait| {
                let approved = standing.condition("Approved").is_some();
                self.undecided(&name, approved, waits.asked, wait)
            })?;
            (standing, response) = self.look(session, &name, order.deadline)?;
        }
    }

    fn decided(&self, name: &str, condition: &str, found: &wire::Condition) -> AuthorityError {
        let words = format!("{}: {}", found.reason, found.message);
        let words = crate::line::harmless(words.trim_matches([':', ' ']).as_bytes(), 300);
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
                format!("the signer failed at the request {name}{said}"),
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
                format!("nobody has approved the request {name} before the deadline"),
                format!(
                    "kubectl certificate approve {name} (within the order's deadline), or run an \
                     approver for {signer}: Kubernetes approves none of these by itself"
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

    /// What is asked for is not beyond what Kubernetes takes at all.
    fn possible(&self, order: &Order) -> Result<(), AuthorityError> {
        if let Some(ttl) = order.ttl
            && ttl < SHORTEST
        {
            return Err(AuthorityError::Settings(Box::new(
                Finding::error(
                    TOO_SHORT,
                    format!("Kubernetes signs for {SHORTEST} at least, and {ttl} is asked for"),
                )
                .fact("asked_seconds", ttl.as_seconds())
                .fact("least_seconds", SHORTEST.as_seconds())
                .hint("ask for a longer ttl"),
            )));
        }
        let masters = order.request.subject.organization.as_deref() == Some("system:masters");
        if masters && self.settings.signer == "kubernetes.io/kube-apiserver-client" {
            return Err(AuthorityError::Refused(Box::new(
                Finding::error(
                    answer::REFUSED,
                    format!(
                        "{} signs nothing for the group system:masters",
                        self.settings.signer
                    ),
                )
                .hint("ask for another organization, and bind the rights to that group"),
            )));
        }
        Ok(())
    }

    fn delete(&self, session: &Session, name: &str, deadline: Instant) -> Vec<Finding> {
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

impl Authority for Kubernetes {
    fn issue(&self, order: &Order) -> Result<Issued, AuthorityError> {
        self.possible(order)?;
        let session = self.session()?;
        let created = self.create(&session, order)?;
        let (name, ders, response) = self.wait(&session, order, created)?;
        let mut issued = delivered::issued(GET, &response, ders, order)?;
        if self.settings.is_of_the_cluster() {
            issued.anchors.clone_from(&self.settings.cluster_roots);
        }
        if self.settings.delete_after {
            issued.findings = self.delete(&session, &name, order.deadline);
        }
        Ok(issued)
    }

    fn place(&self) -> AuthorityPlace {
        AuthorityPlace {
            kind: ENTRY.kind.to_owned(),
            name: self.settings.name.clone(),
            place: self.settings.connection.url.to_string(),
        }
    }
}

impl Preflight for Kubernetes {
    /// Whether this login may do what the order needs; which signers run, no API tells.
    fn preflight(&self, order: &Order, depth: Depth) -> Result<Vec<Finding>, AuthorityError> {
        self.possible(order)?;
        if depth == Depth::Order {
            return Ok(Vec::new());
        }
        let session = self.session()?;
        let mut date = None;
        let mut verbs = vec!["create", "get"];
        if self.settings.delete_after {
            verbs.push("delete");
        }
        for verb in verbs {
            let what = "POST selfsubjectaccessreviews";
            let url = self.settings.connection.at(wire::REVIEWS);
            let request = Request::post(url, Repeat::Safe, wire::review(verb))
                .header("content-type", "application/json")
                .until(order.deadline);
            let (request, response) = session.ask(request)?;
            if !matches!(response.status, 200 | 201) {
                return Err(wire::turned_down(what, &request, &response, &session.who));
            }
            let reviewed: wire::Reviewed = delivered::json(what, &response)?;
            if !reviewed.status.allowed {
                return Err(not_allowed(verb, &session.who, &reviewed.status.reason));
            }
            date = response.date;
        }
        let mut found = Vec::new();
        if self.settings.is_of_the_cluster() {
            found.push(
                Finding::note(
                    BY_HAND,
                    format!("Kubernetes approves no request for {} by itself", self.settings.signer),
                )
                .fact("signer_name", self.settings.signer.clone())
                .hint("somebody has to approve it within the order's deadline, or an approver must run"),
            );
        }
        let looked_at = ["login", "the verbs on certificatesigningrequests"];
        found.push(foresight::answers(&session.who, date, &looked_at));
        Ok(found)
    }
}

fn not_allowed(verb: &str, who: &str, reason: &str) -> AuthorityError {
    let finding = Finding::error(
        answer::LOGIN_REFUSED,
        format!("this login may not {verb} certificatesigningrequests"),
    )
    .fact("verb", verb)
    .hint(format!(
        "we came with {who}: grant it {verb} on certificatesigningrequests.certificates.k8s.io by a \
         ClusterRole and a ClusterRoleBinding"
    ));
    let reason = crate::line::harmless(reason.as_bytes(), 200);
    AuthorityError::Refused(Box::new(match reason {
        Some(reason) => finding.fact("said", reason),
        None => finding,
    }))
}

fn standing(what: &str, response: &Response) -> Result<Standing, AuthorityError> {
    let standing: Standing = delivered::json(what, response)?;
    if !standing.is_one() {
        let reason = "it is no CertificateSigningRequest";
        return Err(answer::unusable(what, reason, response));
    }
    Ok(standing)
}

/// A DNS subdomain (RFC 1123), which no other request in the cluster has.
fn name(common_name: &str) -> Result<String, AuthorityError> {
    let mut bytes = [0; 6];
    rand::fill(&mut bytes).map_err(|_| {
        AuthorityError::Settings(Box::new(
            Finding::error(answer::REFUSED, "the system has no randomness to give")
                .hint("the request needs a name of its own"),
        ))
    })?;
    let plain: String = common_name
        .to_ascii_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(40)
        .collect();
    Ok(format!("certbake-{plain}-{}", HEXLOWER.encode(&bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_kubernetes_takes() {
        for common_name in ["system:node:Ä.lab", "", "App.Internal"] {
            let name = name(common_name).unwrap();
            assert!(name.starts_with("certbake-") && name.len() <= 253);
            let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(name.chars().all(fits), "{name}");
        }
    }
}
