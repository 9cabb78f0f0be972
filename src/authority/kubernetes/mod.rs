//! Kubernetes' certificate signing requests (`certificates.k8s.io/v1`): created, awaited, and taken
//! from whichever signer of the cluster is named.

mod course;
mod kubeconfig;
mod login;
mod settings;
mod wire;

use std::sync::Arc;
use std::time::Instant;

use url::Url;

use self::course::GET;
use self::settings::{Checked, Words};
use super::delivered;
use super::shared::Shared;
use super::{
    Ability, Authority, AuthorityError, Depth, Entry, Issued, Opened, Order, Preflight, Settings,
    SettingsError, answer, foresight, with_connection,
};
use crate::finding::{Code, Finding};
use crate::net::{Client, Repeat, Request, Response};
use crate::outcome::AuthorityPlace;
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
        keys_in: None,
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

    /// JSON that may be sent twice.
    fn post(
        &self,
        url: Url,
        body: Vec<u8>,
        deadline: Instant,
    ) -> Result<(Request, Response), AuthorityError> {
        let request = Request::post(url, Repeat::Safe, body)
            .header("content-type", "application/json")
            .until(deadline);
        self.ask(request)
    }
}

impl Kubernetes {
    fn session(&self, deadline: Instant) -> Result<Arc<Session>, AuthorityError> {
        self.session.get(|| {
            let shown = self.settings.login.show(deadline)?;
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

    /// What is asked for is not beyond what Kubernetes takes at all.
    fn possible(&self, order: &Order) -> Result<(), AuthorityError> {
        if let Some(ttl) = order.ttl
            && ttl < SHORTEST
        {
            return Err(AuthorityError::Settings(Box::new(
                Finding::error(
                    TOO_SHORT,
                    format!("Kubernetes signs for {SHORTEST} at least, but {ttl} is requested"),
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

    /// That this login may not do that with requests, if so.
    fn lacks(
        &self,
        session: &Session,
        verb: &str,
        deadline: Instant,
    ) -> Result<Option<Finding>, AuthorityError> {
        let what = "POST selfsubjectaccessreviews";
        let url = self.settings.connection.at(wire::REVIEWS);
        let (request, response) = session.post(url, wire::review(verb), deadline)?;
        if !matches!(response.status, 200 | 201) {
            return Err(wire::turned_down(what, &request, &response, &session.who));
        }
        let reviewed: wire::Reviewed = delivered::json(what, &response)?;
        Ok((!reviewed.status.allowed)
            .then(|| not_allowed(verb, &session.who, &reviewed.status.reason)))
    }
}

impl Authority for Kubernetes {
    fn issue(&self, order: &Order) -> Result<Issued, AuthorityError> {
        self.possible(order)?;
        let session = self.session(order.deadline)?;
        let created = self.create(&session, order)?;
        let (name, certificates, response) = self.wait(&session, order, created)?;
        let mut issued = delivered::issued(GET, &response, certificates, order)?;
        // What a signer puts beside its certificate vouches for nothing.
        issued.anchors = self.settings.roots().to_vec();
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
    /// The request as one that is not kept, then what the order does with it later; which signers run,
    /// no API tells.
    fn preflight(&self, order: &Order, depth: Depth) -> Result<Vec<Finding>, AuthorityError> {
        self.possible(order)?;
        if depth == Depth::Order {
            return Ok(Vec::new());
        }
        let session = self.session(order.deadline)?;
        let date = self.rehearse(&session, order)?.date;
        if let Some(lack) = self.lacks(&session, "get", order.deadline)? {
            return Err(AuthorityError::Refused(Box::new(lack)));
        }
        let mut found = Vec::new();
        if self.settings.delete_after
            && let Some(lack) = self.lacks(&session, "delete", order.deadline)?
        {
            let summary = format!("the request will be left in the cluster: {}", lack.summary);
            found.push(Finding::warning(LEFT, summary).hint(lack.hint));
        }
        if self.settings.is_of_the_cluster() {
            found.push(
                Finding::note(
                    BY_HAND,
                    format!(
                        "Kubernetes does not approve requests for {} automatically",
                        self.settings.signer
                    ),
                )
                .fact("signer_name", self.settings.signer.clone())
                .hint("approve it within the order's deadline, or run an approver"),
            );
        }
        let looked_at = [
            "login",
            "the request itself (dryRun)",
            "the verbs of what follows",
        ];
        found.push(foresight::answers(&session.who, date, &looked_at));
        Ok(found)
    }
}

fn not_allowed(verb: &str, who: &str, reason: &str) -> Finding {
    let finding = Finding::error(
        answer::LOGIN_REFUSED,
        format!("this login is not allowed to {verb} certificatesigningrequests"),
    )
    .fact("verb", verb)
    .hint(format!(
        "certbake presented {who}: grant it {verb} on certificatesigningrequests.certificates.k8s.io by a \
         ClusterRole and a ClusterRoleBinding"
    ));
    let reason = crate::line::sanitized(reason.as_bytes(), 200);
    match reason {
        Some(reason) => finding.fact("said", reason),
        None => finding,
    }
}
