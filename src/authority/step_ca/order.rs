//! The requests that end in a certificate: `/1.0/sign`, `/1.0/renew`, `/1.0/rekey`.

use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::explain::{self, Presented};
use super::session::{self, Api, Session};
use super::settings::Checked;
use super::token::{Bearer, Claims, Purpose, Token, unusable};
use crate::authority::jws::Signer;
use crate::authority::{AuthorityError, Current, Issued, Order, answer, delivered};
use crate::net::{Failure, NetError, Repeat, Request, Response};

/// Each attempt leaves a used token in the CA's database.
const MOST_TOKENS: u32 = 10;

/// `SignResponse` of all three: PEM texts.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    crt: String,
    #[serde(default)]
    ca: String,
    #[serde(default)]
    cert_chain: Vec<String>,
}

pub fn sign(
    settings: &Checked,
    session: &Session,
    order: &Order,
) -> Result<Issued, AuthorityError> {
    let what = "POST /1.0/sign";
    let purpose = Purpose::order(settings.audience("sign"), order)?;
    let mut body = json!({ "csr": order.request.pem() });
    if let Some(ttl) = order.ttl {
        // A Go duration counts from the CA's own now, so that clocks need not agree.
        body["notAfter"] = json!(format!("{}s", ttl.as_seconds()));
    }
    let spent = spend(session, &purpose, |token, repeat| {
        post(session, "/1.0/sign", repeat, with_token(&body, token)).until(order.deadline)
    })?;
    let Spent {
        token,
        request,
        response,
    } = spent;
    if !matches!(response.status, 200 | 201) {
        let presented = Presented::Token(&token);
        return Err(explain::turned_down(
            what, session, &request, &response, &presented,
        ));
    }
    issued(what, session, order, &request, &response)
}

/// What a token was spent on.
pub struct Spent {
    pub token: Token,
    pub request: Request,
    pub response: Response,
}

/// Sends a request with a token that is made anew for each attempt. Where there is no other (a token
/// that somebody gave), the one that was turned away by 429 or 503 goes once more: the CA itself never
/// answers so, only what stands in front of it, so that it cannot have been used up.
pub fn spend(
    session: &Session,
    purpose: &Purpose<'_>,
    make: impl Fn(&Token, Repeat) -> Request,
) -> Result<Spent, AuthorityError> {
    let clocks = &session.api.clocks;
    let mut token = session.bearer.mint(purpose, clocks)?;
    let outcome = session.api.client.send_anew(|attempt| {
        let mut repeat = Repeat::IfTurnedAway;
        if attempt > 1 {
            match session.bearer.mint(purpose, clocks) {
                Ok(fresh) => token = fresh,
                Err(_) => repeat = Repeat::Never,
            }
        }
        if attempt >= MOST_TOKENS {
            repeat = Repeat::Never;
        }
        make(&token, repeat)
    });
    match outcome {
        Ok(response) => {
            clocks.hear(&response);
            let request = make(&token, Repeat::Never);
            Ok(Spent {
                token,
                request,
                response,
            })
        }
        Err(error) => {
            if let (Bearer::Given(given), true) = (&session.bearer, never_arrived(&error)) {
                given.unspend(&token);
            }
            Err(answer::failed(&error))
        }
    }
}

fn never_arrived(error: &NetError) -> bool {
    matches!(
        *error.failure,
        Failure::Resolve { .. }
            | Failure::Connect { .. }
            | Failure::Tls(_)
            | Failure::Proxy { .. }
            | Failure::Url(_)
    )
}

/// The CA takes the key of the request, and names and lifetime of the certificate that is shown.
pub fn rekey(session: &Session, order: &Order) -> Result<Issued, AuthorityError> {
    let body = json!({ "csr": order.request.pem() });
    let request = post(session, "/1.0/rekey", Repeat::IfTurnedAway, body).until(order.deadline);
    by_certificate("POST /1.0/rekey", session, order, &request)
}

/// The same key, the same names, the same lifetime, new dates.
pub fn renew(session: &Session, order: &Order) -> Result<Issued, AuthorityError> {
    let request = Request::post(
        session.api.at("/1.0/renew"),
        Repeat::IfTurnedAway,
        Vec::new(),
    )
    .until(order.deadline);
    by_certificate("POST /1.0/renew", session, order, &request)
}

fn by_certificate(
    what: &str,
    session: &Session,
    order: &Order,
    request: &Request,
) -> Result<Issued, AuthorityError> {
    let response = session.api.ask(request)?;
    if !matches!(response.status, 200 | 201) {
        let presented = Presented::Certificate;
        return Err(explain::turned_down(
            what, session, request, &response, &presented,
        ));
    }
    issued(what, session, order, request, &response)
}

/// Renewal of a certificate that TLS would not take any more: a token that its key signs stands in
/// for it, where the provisioner has `allowRenewalAfterExpiry`.
pub fn renew_expired(
    settings: &Checked,
    session: &Session,
    order: &Order,
    current: &Current<'_>,
    subject: &str,
) -> Result<Issued, AuthorityError> {
    let what = "POST /1.0/renew";
    let signer = Signer::from_private_key(current.key).map_err(|error| {
        unusable(
            &format!("the current key cannot sign: {error}"),
            "order anew",
        )
    })?;
    let chain: Vec<String> = current.chain.iter().map(|der| BASE64.encode(der)).collect();
    let header = [("x5cInsecure", json!(chain))];
    let now = session.api.clocks.there();
    let claims = renewal_claims(settings.audience("renew"), subject, now);
    let text = signer
        .token(&header, &serde_json::to_value(&claims).unwrap_or_default())
        .map_err(|error| {
            unusable(
                &format!("a token could not be signed: {error}"),
                "try again",
            )
        })?;
    let token = Token { text, claims };
    let request = Request::post(
        session.api.at("/1.0/renew"),
        Repeat::IfTurnedAway,
        Vec::new(),
    )
    .bearer_auth(&token.text)
    .until(order.deadline);
    let response = session.api.ask(&request)?;
    if !matches!(response.status, 200 | 201) {
        let presented = Presented::Renewal(&token);
        return Err(explain::turned_down(
            what, session, &request, &response, &presented,
        ));
    }
    issued(what, session, order, &request, &response)
}

fn renewal_claims(audience: String, subject: &str, now: OffsetDateTime) -> Claims {
    Claims {
        // Whom the CA expects, whatever the client is called.
        iss: "step-ca-client/1.0".to_owned(),
        sub: subject.to_owned(),
        aud: vec![audience],
        iat: Some(now.unix_timestamp()),
        nbf: Some(now.unix_timestamp()),
        exp: Some(
            now.saturating_add(time::Duration::minutes(5))
                .unix_timestamp(),
        ),
        ..Claims::default()
    }
}

pub fn with_token(body: &Value, token: &Token) -> Value {
    let mut body = body.clone();
    body["ott"] = json!(String::from_utf8_lossy(token.text.expose()));
    body
}

pub fn post(session: &Session, path: &str, repeat: Repeat, body: Value) -> Request {
    let request = Request::post(session.api.at(path), repeat, body.to_string().into_bytes())
        .header("content-type", "application/json");
    let request = match body.get("ott").and_then(Value::as_str) {
        Some(token) => request.withhold(&token.to_owned().into()),
        None => request,
    };
    match &session.password {
        Some(password) => request.withhold(password),
        None => request,
    }
}

fn issued(
    what: &str,
    session: &Session,
    order: &Order,
    request: &Request,
    response: &Response,
) -> Result<Issued, AuthorityError> {
    let answer: Answer = Api::read(what, request, response)?;
    let pems = if answer.cert_chain.is_empty() {
        vec![answer.crt, answer.ca]
    } else {
        answer.cert_chain
    };
    let certificates = session::certificates(what, &pems, response)?;
    let issued = delivered::issued(what, response, certificates, order)?;
    Ok(Issued {
        anchors: session.roots.clone(),
        ..issued
    })
}
