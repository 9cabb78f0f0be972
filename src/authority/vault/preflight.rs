//! What can be known before an order: is Vault open, is the token good and for how long, may it have
//! requests signed, what does the role cut or refuse, does the issuer last.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::json;

use super::login::Method;
use super::pki::{self, CAPPED};
use super::refusal::{TokenFacts, TurnedDown};
use super::role::Role;
use super::server::{Server, data};
use super::session::Session;
use super::{Vault, settings::Checked};
use crate::authority::{AuthorityError, Order, answer, foresight};
use crate::finding::{Code, Finding};
use crate::net::Repeat;
use crate::span::Span;

pub const TOKEN_ENDS: Code = Code::new("vault-token-ends-first");
pub const LOGIN_UNTRIED: Code = Code::new("vault-login-untried");

/// The limits alone; an order with a token of few uses is not robbed of one.
pub fn before_an_order(vault: &Vault, order: &Order) -> Result<Vec<Finding>, AuthorityError> {
    let session = vault.session(order.deadline)?;
    if session.has_limited_uses() {
        return Ok(Vec::new());
    }
    let settings = &vault.settings;
    Ok(Limits::read(&session, settings, order)?.findings)
}

pub fn whole(vault: &Vault, order: &Order) -> Result<Vec<Finding>, AuthorityError> {
    let settings = &vault.settings;
    let server = vault.server()?;
    healthy(&server, order.deadline)?;
    if let Method::AppRole(login) = &settings.method
        && login.can_be_used_once()
    {
        login.look_up(&server, order.deadline)?;
        return Ok(vec![
            Finding::note(
                LOGIN_UNTRIED,
                "the login was not tried: the wrapped secret id is there, and can be unwrapped once",
            )
            .hint("the order that follows will unwrap it; what the token may do is seen then"),
            foresight::answers("", None, &["TLS and trust", "sealed or not", "the wrapped secret id"]),
        ]);
    }
    let session = vault.session(order.deadline)?;
    let mut findings = Vec::new();
    let (request, response) = session.look_up(order.deadline)?;
    let date = response.date;
    if response.status == 200 {
        findings.extend(lasting(
            TokenFacts::read("GET auth/token/lookup-self", &response)?,
            order,
        ));
    } else if !session.came_by_login() {
        let what = "GET auth/token/lookup-self";
        let turned_down = TurnedDown {
            what,
            request: &request,
            response: &response,
        };
        return Err(turned_down.of_order(&session, settings, order.deadline));
    }
    permitted(&session, settings, order.deadline)?;
    let limits = Limits::read(&session, settings, order)?;
    findings.extend(limits.findings);
    let role = format!(
        "role {}{}",
        settings.role,
        if limits.readable {
            ""
        } else {
            " (which this login may not read)"
        }
    );
    let looked_at = [
        "TLS and trust",
        "sealed or not",
        "login and how long it lasts",
        "policy",
        role.as_str(),
        "the issuer's own end",
    ];
    findings.push(foresight::answers(&session.login, date, &looked_at));
    Ok(findings)
}

/// <https://developer.hashicorp.com/vault/api-docs/system/health>: the state stands in the status.
fn healthy(server: &Server, deadline: Instant) -> Result<(), AuthorityError> {
    let request = server.health(deadline);
    let response = server.send(&request)?;
    let turned_down = TurnedDown {
        what: "GET sys/health",
        request: &request,
        response: &response,
    };
    match response.status {
        472 | 473 => Err(turned_down.in_general("no login")),
        501 => Err(turned_down.refused(
            answer::REFUSED,
            "this Vault is not initialised: `vault operator init`, or it is another one than you mean",
        )),
        503 => Err(turned_down.sealed()),
        // Whatever else: a proxy may well hide this page.
        _ => Ok(()),
    }
}

fn lasting(token: TokenFacts, order: &Order) -> Option<Finding> {
    let left = order.deadline.saturating_duration_since(Instant::now());
    let short = token.ttl > 0 && token.ttl.unsigned_abs() < left.as_secs();
    short.then(|| {
        let ends = Span::seconds(token.ttl);
        Finding::warning(
            TOKEN_ENDS,
            format!("the token ends in {ends}, before the order's deadline"),
        )
        .fact("ends_in_seconds", token.ttl)
        .fact("deadline_seconds", left.as_secs())
        .hint("get a new token just before the build, or let certbake log in (auth.method)")
    })
}

/// A policy that does not allow the order is known before it.
fn permitted(
    session: &Session,
    settings: &Checked,
    deadline: Instant,
) -> Result<(), AuthorityError> {
    let path = settings.sign_path();
    let what = format!("POST {path} (as foreseen by sys/capabilities-self)");
    let request = session.post(
        "sys/capabilities-self",
        Repeat::Safe,
        &json!({ "paths": [path] }),
        deadline,
    );
    let response = session.send(&request)?;
    if response.status != 200 {
        return Ok(());
    }
    let capabilities: BTreeMap<String, serde_json::Value> = data(&what, &response)?;
    let denied = capabilities
        .get(&path)
        .and_then(serde_json::Value::as_array)
        .is_some_and(|held| {
            !held
                .iter()
                .any(|it| matches!(it.as_str(), Some("update" | "root")))
        });
    if denied {
        let turned_down = TurnedDown {
            what: &what,
            request: &request,
            response: &response,
        };
        return Err(turned_down.forbidden(session, settings, &path, deadline));
    }
    Ok(())
}

/// What role and issuer cut or refuse.
struct Limits {
    findings: Vec<Finding>,
    readable: bool,
}

impl Limits {
    fn read(session: &Session, settings: &Checked, order: &Order) -> Result<Self, AuthorityError> {
        let role = role(session, settings, order.deadline)?;
        let mut findings = role
            .as_ref()
            .map(|role| role.against(order, settings))
            .unwrap_or_default();
        let issuer = role.as_ref().and_then(|role| role.issuer_ref.as_deref());
        findings.extend(issuer_ends(session, settings, order, issuer));
        Ok(Self {
            findings,
            readable: role.is_some(),
        })
    }
}

/// The role; `None` where the token may not read it, as is usual.
fn role(
    session: &Session,
    settings: &Checked,
    deadline: Instant,
) -> Result<Option<Role>, AuthorityError> {
    let Checked { mount, role, .. } = settings;
    let path = format!("{mount}/roles/{role}");
    let what = format!("GET {path}");
    let request = session.get(&path, deadline);
    let response = session.send(&request)?;
    match response.status {
        200 => data(&what, &response).map(Some),
        404 => {
            let turned_down = TurnedDown {
                what: &what,
                request: &request,
                response: &response,
            };
            Err(turned_down.refused(
                answer::REFUSED,
                format!("there is no role \"{role}\" on the mount \"{mount}\": see `vault list {mount}/roles`"),
            ))
        }
        _ => Ok(None),
    }
}

fn issuer_ends(
    session: &Session,
    settings: &Checked,
    order: &Order,
    by_role: Option<&str>,
) -> Option<Finding> {
    let asked = order.ttl?;
    let issuer = pki::issuer(&session.server, settings, by_role, order.deadline);
    let issuer = issuer.first()?;
    let end = issuer.window().not_after;
    let left = Span::from(end - settings.clock.now());
    (asked > left).then(|| {
        let name = issuer.title();
        Finding::warning(
            CAPPED,
            format!("{asked} was asked for, and the issuer \"{name}\" ends in {left}"),
        )
        .fact("asked_seconds", asked.as_seconds())
        .fact(foresight::MOST_GRANTED, left.as_seconds())
        .instant("not_after", end)
        .hint(format!(
            "have the issuer renewed, or ask for a ttl of at most {left}: Vault refuses or cuts what would \
             outlive it (leaf_not_after_behavior)"
        ))
    })
}
