//! What can be known before an order: is Vault open, is the token good and for how long, may it have
//! requests signed, what does the role cut or refuse, does the issuer last.

use std::time::{Duration, Instant};

use super::login::Method;
use super::refusal::{self, TokenFacts, TurnedDown};
use super::server::{Server, data};
use super::session::Session;
use super::{Vault, settings::Checked};
use crate::authority::clock::Heard;
use crate::authority::{AuthorityError, Order, answer, foresight};
use crate::finding::{Code, Finding, Severity};
use crate::span::Span;

pub const TOKEN_ENDS: Code = Code::new("vault-token-ends-first");
pub const LOGIN_UNTRIED: Code = Code::new("vault-login-untried");

/// A token that ends sooner may not live to see the order, where a build comes before it.
const BUILD: Duration = Duration::from_secs(30 * 60);

/// The limits alone; an order with a token of few uses is not robbed of one.
pub fn before_an_order(vault: &Vault, order: &Order) -> Result<Vec<Finding>, AuthorityError> {
    let session = vault.session(order.deadline)?;
    if session.has_limited_uses() {
        return Ok(Vec::new());
    }
    let limits = vault.limits(&session, order.deadline)?;
    Ok(limits.against(order, &vault.settings))
}

pub fn whole(vault: &Vault, order: &Order) -> Result<Vec<Finding>, AuthorityError> {
    let settings = &vault.settings;
    let server = vault.server()?;
    let clock = healthy(&server, order.deadline)?;
    if let Method::AppRole(login) = &settings.method
        && login.can_be_used_once()
    {
        login.look_up(&server, order.deadline)?;
        return Ok(untried(clock));
    }
    let session = vault.session(order.deadline)?;
    let mut findings = Vec::new();
    let mut looked_at = vec!["TLS and trust", "sealed or not", "login"];
    if let Some(token) = living(&session, settings, order.deadline)? {
        looked_at.push("how long it lasts");
        let given = Some(&token).filter(|_| !session.came_by_login());
        findings.extend(given.and_then(|token| lasting(token, order)));
        if let Some(few) = given.and_then(few_uses) {
            findings.push(few);
            let clock = clock.map(Heard::now);
            findings.push(foresight::answers(&session.login, clock, &looked_at));
            return Ok(findings);
        }
    }
    if permitted(&session, settings, order.deadline)? {
        looked_at.push("policy");
    }
    let limits = vault.limits(&session, order.deadline)?;
    findings.extend(limits.against(order, settings));
    let unread = match limits.unread {
        None => String::new(),
        Some(403) => " (which this login may not read)".to_owned(),
        Some(status) => format!(" (not read, since Vault answered {status})"),
    };
    let role = format!("role {}{unread}", settings.role);
    looked_at.push(&role);
    looked_at.extend(limits.issuer.as_ref().map(|_| "the issuer's own expiry"));
    findings.push(foresight::answers(
        &session.login,
        clock.map(Heard::now),
        &looked_at,
    ));
    Ok(findings)
}

fn untried(clock: Option<Heard>) -> Vec<Finding> {
    let looked_at = ["TLS and trust", "sealed or not", "the wrapped secret id"];
    vec![
        Finding::note(
            LOGIN_UNTRIED,
            "the login was not tried: the wrapped secret id exists, and can be unwrapped only once",
        )
        .hint("nothing to do: the order will unwrap it, and only then shows what the token may do"),
        foresight::answers("", clock.map(Heard::now), &looked_at),
    ]
}

/// <https://developer.hashicorp.com/vault/api-docs/system/health>: the state stands in the status.
fn healthy(server: &Server, deadline: Instant) -> Result<Option<Heard>, AuthorityError> {
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
            "this Vault is not initialised: run `vault operator init`, or check the URL",
        )),
        503 => Err(turned_down.sealed()),
        // Whatever else: a proxy may well hide this page.
        _ => Ok(Heard::of(&response)),
    }
}

/// The token as it sees itself; `None` where a login gave one that may not look.
fn living(
    session: &Session,
    settings: &Checked,
    deadline: Instant,
) -> Result<Option<TokenFacts>, AuthorityError> {
    let what = "GET auth/token/lookup-self";
    let (request, response) = session.look_up(deadline)?;
    if response.status == 200 {
        return data(what, &response).map(Some);
    }
    if session.came_by_login() {
        return Ok(None);
    }
    let turned_down = TurnedDown {
        what,
        request: &request,
        response: &response,
    };
    Err(turned_down.of_order(session, settings, deadline))
}

fn lasting(token: &TokenFacts, order: &Order) -> Option<Finding> {
    let left = order.deadline.saturating_duration_since(Instant::now());
    let ends = Span::seconds(token.ttl);
    // 0 is for ever.
    let (severity, until) = match token.ttl.unsigned_abs() {
        0 => return None,
        seconds if seconds < left.as_secs() => (Severity::Warning, "before the order's deadline"),
        seconds if seconds < BUILD.as_secs() => {
            (Severity::Note, "which may be too soon for a long build")
        }
        _ => return None,
    };
    Some(
        Finding::new(
            TOKEN_ENDS,
            severity,
            format!("the token expires in {ends}, {until}"),
        )
        .fact("ends_in_seconds", token.ttl)
        .hint("get a new token just before certbake runs, or let it log in (auth.method)"),
    )
}

/// Each further look would take a use of a token that has few, from the order that follows.
fn few_uses(token: &TokenFacts) -> Option<Finding> {
    let hint = "get a new one for the build, without a limit of uses or with two and one for each \
                identity, or let certbake log in (auth.method)";
    let finding = match token.num_uses {
        0 => return None,
        left @ 1.. => Finding::warning(
            TOKEN_ENDS,
            format!(
                "the token can be used {left} more {}: this check took one use, and would have taken \
                 more to see policy, role and limits",
                if left == 1 { "time" } else { "times" }
            ),
        ),
        _ => Finding::error(
            TOKEN_ENDS,
            "the token could be used once, and this check used it",
        ),
    };
    Some(finding.fact("uses_left", token.num_uses.max(0)).hint(hint))
}

/// A policy that does not allow the order is known before it; whether it could be looked at.
fn permitted(
    session: &Session,
    settings: &Checked,
    deadline: Instant,
) -> Result<bool, AuthorityError> {
    let path = settings.sign_path();
    let may = session.may_update(&path, deadline)?;
    if may == Some(false) {
        let finding = Finding::error(
            answer::LOGIN_REFUSED,
            format!("this login is not allowed to sign at {path}"),
        )
        .fact("path", path.as_str());
        return Err(refusal::forbidden(
            finding, session, settings, &path, deadline,
        ));
    }
    Ok(may.is_some())
}
