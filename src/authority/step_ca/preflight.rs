//! What can be known before an order: who answers, by what clock, what the provisioner allows.

use serde::Deserialize;

use super::explain;
use super::limits;
use super::session::Session;
use super::settings::Checked;
use super::token::{Bearer, Purpose};
use crate::authority::foresight::TTL_NOT_ALLOWED;
use crate::authority::foresight::{MOST_GRANTED, answers};
use crate::authority::{AuthorityError, Depth, Order};
use crate::finding::Finding;
use crate::net::Request;
use crate::span::Span;

pub fn look(
    settings: &Checked,
    session: &Session,
    order: &Order,
    depth: Depth,
) -> Result<Vec<Finding>, AuthorityError> {
    let mut findings = Vec::new();
    if let Some(provisioner) = &session.provisioner {
        findings.extend(limits::foresee(order.ttl, provisioner));
    }
    findings.extend(outlives_login(session, order));
    if depth == Depth::Order {
        return Ok(findings);
    }
    let purpose = Purpose::order(settings.audience("sign"), order)?;
    if let Bearer::Given(given) = &session.bearer {
        given.look(&purpose, &session.api.clocks)?;
    }
    let version = health(session, order)?;
    let mut note = whole(session, version);
    // What is outside the limits has been told already.
    if let (true, Some(provisioner)) = (findings.is_empty(), &session.provisioner)
        && let Some(most) = limits::granted(order.ttl, provisioner)
    {
        note = note.fact(MOST_GRANTED, most.as_seconds());
    }
    findings.insert(0, note);
    findings.extend(renewal(session));
    Ok(findings)
}

/// `GET /health`, and what it says it is.
fn health(session: &Session, order: &Order) -> Result<Option<String>, AuthorityError> {
    #[derive(Deserialize)]
    struct Health {
        #[allow(dead_code, reason = "its being there is the check")]
        status: String,
    }
    #[derive(Deserialize)]
    struct Version {
        version: String,
    }
    let get = |path| Request::get(session.api.at(path)).until(order.deadline);
    let _: Health = session.api.json("GET /health", &get("/health"))?;
    let version: Option<Version> = session.api.json("GET /version", &get("/version")).ok();
    Ok(version.map(|answer| answer.version))
}

fn whole(session: &Session, version: Option<String>) -> Finding {
    let clocks = &session.api.clocks;
    let date = clocks.told();
    let limits = session
        .provisioner
        .as_ref()
        .map(|provisioner| format!("limits of the provisioner {}", provisioner.name));
    // The password opened the key that the CA lists for the provisioner: more, only an order tells.
    let login = session.password.is_some().then_some("login");
    let looked_at: Vec<&str> = ["health"]
        .into_iter()
        .chain(login)
        .chain(limits.as_deref())
        .collect();
    let mut note = answers(&session.bearer.in_words(), date, &looked_at);
    if let Some(version) = version {
        note = note.fact("ca_version", version);
    }
    note
}

/// What an X5C login gets ends with its own certificate at the latest: the CA refuses more.
fn outlives_login(session: &Session, order: &Order) -> Option<Finding> {
    let (ttl, end) = (order.ttl?, session.login_ends?);
    let left = end - session.api.clocks.there();
    if ttl.duration() <= left {
        return None;
    }
    let left = Span::from(left);
    Some(
        Finding::error(
            TTL_NOT_ALLOWED,
            format!("{ttl} is requested, but the X5C login's certificate expires in {left}: the CA will refuse"),
        )
        .fact("asked_seconds", ttl.as_seconds())
        .fact("maximum_seconds", left.as_seconds())
        .instant("login_not_after", end)
        .hint(format!("ask for a ttl of at most {left}, or renew the certificate in x5c_certificate first")),
    )
}

fn renewal(session: &Session) -> Option<Finding> {
    let provisioner = session.provisioner.as_ref()?;
    let disabled = provisioner.claims.as_ref()?.disable_renewal?;
    disabled.then(|| {
        Finding::note(
            explain::RENEWAL,
            format!(
                "certificates of the provisioner \"{}\" cannot be renewed, only reordered",
                provisioner.name
            ),
        )
        .fact("provisioner", provisioner.name.clone())
        .hint("if instances renew by themselves, turn off disableRenewal of the provisioner")
    })
}
