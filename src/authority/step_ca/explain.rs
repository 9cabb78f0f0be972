//! "Please see the certificate authority logs for more info": what step-ca keeps to itself, completed
//! with what is known here: the token decoded, the clocks compared.

use super::limits::Refused;
use super::session::Session;
use super::token::{Bearer, LEEWAY, Token};
use crate::authority::{AuthorityError, answer};
use crate::finding::{Code, Finding};
use crate::net::{Request, Response};
use crate::span::Span;

pub const RENEWAL: Code = Code::new("renewal-not-allowed");

/// The one 401 that step-ca gives a reason for.
const DISABLED: &str = "the CA could not start this provisioner, and its log says why (limits that contradict each other, such as \
     a maxTLSCertDuration below defaultTLSCertDuration, or roots it cannot read): have its configuration fixed";

/// How we presented ourselves.
pub enum Presented<'a> {
    Token(&'a Token),
    /// A certificate that TLS does not take any more, by a token that its key signed.
    Renewal(&'a Token),
    Certificate,
}

impl Presented<'_> {
    fn token(&self) -> Option<&Token> {
        match self {
            Self::Token(token) | Self::Renewal(token) => Some(token),
            Self::Certificate => None,
        }
    }
}

/// An answer that is no success.
pub fn turned_down(
    what: &str,
    session: &Session,
    request: &Request,
    response: &Response,
    presented: &Presented<'_>,
) -> AuthorityError {
    let login = match presented {
        Presented::Renewal(_) => "a token of the expired certificate's key".to_owned(),
        _ => session.bearer.in_words(),
    };
    let error = answer::turned_down(what, request, response, &login);
    let said = response.said(request).unwrap_or_default();
    let with_facts = |finding: Finding| {
        let finding = match presented.token() {
            Some(token) => token.facts(finding),
            None => finding,
        };
        let finding = clocks(finding, session);
        // Under this the CA's log has what it does not tell.
        match response.header("x-request-id") {
            Some(id) => finding.fact("request_id", id),
            None => finding,
        }
    };
    match (response.status, error) {
        (401, AuthorityError::Refused(finding)) => {
            let hint = if said.contains("is disabled due to") {
                DISABLED.to_owned()
            } else {
                unauthorized(session, presented)
            };
            let finding = with_facts(*finding);
            let finding = match presented {
                Presented::Token(_) => finding,
                _ => Finding {
                    code: RENEWAL,
                    ..finding
                },
            };
            AuthorityError::Refused(Box::new(finding.hint(hint)))
        }
        (403, AuthorityError::Refused(finding)) => {
            AuthorityError::Refused(Box::new(forbidden(*finding, session, &said)))
        }
        (404, AuthorityError::Refused(finding)) => AuthorityError::Refused(Box::new(
            finding.hint("check the URL: step-ca serves its API at the root, https://host:port, unless a proxy moves it"),
        )),
        (500.., AuthorityError::Unreachable(finding)) => {
            let hint = "the CA has an error, which only its log explains: a full disk, a broken database, or a key that it cannot reach. Retry when it is fixed; each attempt needs a new token";
            AuthorityError::Unreachable(Box::new(with_facts(*finding).hint(hint)))
        }
        (_, other) => other,
    }
}

fn clocks(finding: Finding, session: &Session) -> Finding {
    let clocks = &session.api.clocks;
    match (clocks.ahead(), clocks.told()) {
        (Some(ahead), Some(told)) => finding
            .instant("ca_clock", told)
            .fact("clock_offset_seconds", ahead.whole_seconds()),
        _ => finding,
    }
}

/// 401 has one text for everything. The likeliest reason first.
fn unauthorized(session: &Session, presented: &Presented<'_>) -> String {
    let token = match presented {
        Presented::Token(token) => token,
        Presented::Renewal(_) => {
            return "the CA renews an expired certificate only where its provisioner has \
                    allowRenewalAfterExpiry, renewal is not disabled, and the certificate is not revoked: \
                    otherwise order a new one with a provisioner's login"
                .to_owned();
        }
        Presented::Certificate => {
            return "the CA does not renew this certificate: renewal is disabled for its provisioner \
                    (disableRenewal), the certificate is revoked, or its provisioner is gone. Order a new one with a provisioner's login"
                .to_owned();
        }
    };
    if let Some(skewed) = skew(session, token) {
        return skewed;
    }
    let claims = &token.claims;
    let host = claims
        .aud
        .iter()
        .find_map(|audience| audience.split_once("://")?.1.split(['/', ':']).next())
        .unwrap_or_default();
    let names = format!(
        "The CA accepts tokens only for its own names (dnsNames in its ca.json): check whether \"{host}\" is one"
    );
    match &session.bearer {
        Bearer::Given(given) if given.is_id_token => format!(
            "step-ca does not say why. Compare: a provisioner of type OIDC whose clientID is one of {}; its domains and groups; \
             and whether the token was used before, since it is good for one certificate",
            claims.aud.join(", ")
        ),
        Bearer::Given(_) => format!(
            "step-ca does not say why; it refuses a token that was used before, was made before the CA started, or belongs to a removed provisioner. Make a new one. {names}"
        ),
        _ => format!(
            "step-ca does not say why, and the key was right a moment ago. {names}, and whether the provisioner has changed"
        ),
    }
}

/// The dates of a token as the CA's clock sees them.
fn skew(session: &Session, token: &Token) -> Option<String> {
    let now = session.api.clocks.there().unix_timestamp();
    let leeway = LEEWAY.whole_seconds();
    let (issued, end) = (token.claims.iat?, token.claims.exp?);
    let span = |seconds: i64| Span::seconds(seconds);
    if issued.saturating_sub(leeway) > now {
        let ahead = span(issued - now);
        return Some(format!(
            "by the CA's clock the token was made {ahead} in the future: correct the clock of the CA or of the machine that made the token"
        ));
    }
    (end.saturating_add(leeway) < now).then(|| {
        format!(
            "by the CA's clock the token expired {} ago: make a new one just before the run, or compare the clocks",
            span(now.saturating_sub(end))
        )
    })
}

/// 403 has its reason in its text.
fn forbidden(finding: Finding, session: &Session, said: &str) -> Finding {
    if let Some(refused) = Refused::read(said) {
        return refused.explain(finding, session.provisioner.as_ref(), None);
    }
    let mut finding = finding;
    finding.code = answer::REFUSED;
    if said.contains("expiration of the provisioning credential")
        || said.contains("validity window of the provisioning credential")
    {
        return finding.hint(
            "a certificate from an X5C login never outlives the login's own certificate: ask for a shorter ttl, or renew that certificate first",
        );
    }
    if said.contains("valid common name") || said.contains("does not contain the valid") {
        return finding
            .hint("the token's names differ from the request's: make it for exactly the names of the order");
    }
    if said.contains("not allowed") || said.contains("not permitted") {
        return finding.hint("the CA's policy (x509 allow and deny, or its name constraints) excludes a name: ask the CA's operators");
    }
    finding.hint(
        "its message says what the CA does not allow: ask its operators, or order what it allows",
    )
}
