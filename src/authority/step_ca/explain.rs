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
     a maxTLSCertDuration below defaultTLSCertDuration, or roots it cannot read): have its configuration mended";

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
            finding.hint("check the URL: step-ca serves its API at the top, https://host:port, unless a proxy moves it"),
        )),
        (500.., AuthorityError::Unreachable(finding)) => {
            let hint = "the CA has a fault that it tells in its log alone: a full disk or a broken database \
                        behind it, a key it cannot reach. Try again when it is mended; each attempt takes a new token";
            AuthorityError::Unreachable(Box::new(with_facts(*finding).hint(hint)))
        }
        (_, other) => other,
    }
}

fn clocks(finding: Finding, session: &Session) -> Finding {
    let clocks = &session.api.clocks;
    match clocks.ahead() {
        Some(ahead) => finding
            .instant("ca_clock", clocks.here() + ahead)
            .fact("clock_offset_seconds", ahead.whole_seconds()),
        None => finding,
    }
}

/// 401 has one text for everything. The likeliest reason first.
fn unauthorized(session: &Session, presented: &Presented<'_>) -> String {
    let token = match presented {
        Presented::Token(token) => token,
        Presented::Renewal(_) => {
            return "the CA renews an expired certificate only where its provisioner has \
                    allowRenewalAfterExpiry, renewal is not disabled, and the certificate is not revoked: \
                    otherwise order anew with a provisioner's login"
                .to_owned();
        }
        Presented::Certificate => {
            return "the CA does not renew this certificate: renewal is disabled for its provisioner \
                    (disableRenewal), the certificate is revoked, or its provisioner is gone. Order anew \
                    with a provisioner's login"
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
        "The CA takes tokens only for its own names (dnsNames in its ca.json): ask whether \"{host}\" is one"
    );
    match &session.bearer {
        Bearer::Given(given) if given.is_id_token => format!(
            "step-ca does not say why. Compare: a provisioner of type OIDC whose clientID is one of {}; its domains and groups; \
             and whether the token was used before, since it is good for one certificate",
            claims.aud.join(", ")
        ),
        Bearer::Given(_) => format!(
            "step-ca does not say why; a token is refused when it was used before, when it was made before \
             the CA was started, or by a provisioner that is gone. Have a new one made. {names}"
        ),
        _ => format!(
            "step-ca does not say why, and the key was right a moment ago. {names}, and whether the provisioner was \
             changed meanwhile"
        ),
    }
}

/// The dates of a token as the CA's clock sees them.
fn skew(session: &Session, token: &Token) -> Option<String> {
    let now = session.api.clocks.there().unix_timestamp();
    let leeway = LEEWAY.whole_seconds();
    let (issued, end) = (token.claims.iat?, token.claims.exp?);
    let span = |seconds: i64| Span::seconds(seconds);
    if issued - leeway > now {
        let ahead = span(issued - now);
        return Some(format!(
            "by the CA's clock the token comes from {ahead} in the future: have the clock set, of the CA or of the \
             machine that made the token"
        ));
    }
    (end + leeway < now).then(|| {
        format!(
            "by the CA's clock the token expired {} ago: have a new one made just before, or compare the clocks",
            span(now - end)
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
            "what an X5C login gets never outlives its own certificate: ask for a shorter ttl, or renew that certificate first",
        );
    }
    if said.contains("valid common name") || said.contains("does not contain the valid") {
        return finding
            .hint("the token is for other names than the request: have it made for exactly these");
    }
    if said.contains("not allowed") || said.contains("not permitted") {
        return finding.hint("the CA's policy (x509 allow and deny, or its name constraints) excludes a name: ask who runs it");
    }
    finding.hint(
        "the CA's own words say what it does not allow; ask who runs it, or order what it allows",
    )
}
