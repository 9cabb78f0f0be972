//! The Google CA Service authority against a scripted server that holds each request to the published
//! proto (`google/cloud/security/privateca/v1`): paths, parameters, members, what is required. Google's
//! own service cannot run here.

#![allow(
    clippy::disallowed_methods,
    clippy::too_many_lines,
    clippy::unwrap_used
)]

mod support;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use certbake::authority::{AuthorityError, Depth, Opened, Reason, Revocation};
use certbake::finding::Finding;
use certbake::pki::{Certificate, KeyAlgorithm, PrivateKey, pem};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use support::baking::{self, Baked};
use support::contract::{
    CANARY, PATIENCE, Protocol, Run, credential, lab_with as on_server, open, order, try_open,
};
use support::{Asked, FakeServer, Lab, Reply};

const POOL: &str = "/v1/projects/images/locations/europe-west1/caPools/builders";

/// The service as the fake speaks it.
struct Cas;

impl Protocol for Cas {
    fn kind(&self) -> &'static str {
        "gcp-cas"
    }

    fn settings(&self, server: &FakeServer, credential: &str) -> toml::Table {
        let url = server.origin();
        toml::toml! {
            url = url
            project = "images"
            location = "europe-west1"
            pool = "builders"
            access_token = credential
        }
    }

    fn ordered(&self, asked: &Asked) -> Option<Vec<u8>> {
        let (path, query) = target(asked);
        if path != format!("{POOL}/certificates") || asked.method != "POST" {
            return None;
        }
        if query.iter().any(|(name, _)| name == "validateOnly") {
            return None;
        }
        let body: Value = serde_json::from_slice(&asked.body).unwrap();
        match pem::decode(body["pemCsr"].as_str()?.as_bytes())
            .ok()?
            .pop()?
        {
            pem::Block::Request(der) => Some(der),
            _ => None,
        }
    }

    fn aside(&self, lab: &Lab, asked: &Asked) -> Reply {
        if let Err(reply) = by_the_proto(asked) {
            return reply;
        }
        let (path, query) = target(asked);
        let pem = |der: Vec<u8>| pem::encode("CERTIFICATE", &der);
        match path.strip_prefix(POOL) {
            Some(":fetchCaCerts") => answer(&json!({
                "caCerts": [{"certificates": [pem(lab.issuing()), pem(lab.root())]}],
            })),
            Some("/certificates") if asked.method == "POST" => {
                assert!(query.contains(&("validateOnly".to_owned(), "true".to_owned())));
                answer(&json!({ "lifetime": "3600s" }))
            }
            Some("") => answer(&json!({ "name": &POOL[4..], "tier": "ENTERPRISE" })),
            _ => failure(404, "NOT_FOUND", "not found"),
        }
    }

    fn issued(&self, certificates: &[Vec<u8>]) -> Reply {
        let pem: Vec<String> = certificates
            .iter()
            .map(|der| pem::encode("CERTIFICATE", der))
            .collect();
        answer(&json!({
            "name": format!("{}/certificates/app-1", &POOL[4..]),
            "issuerCertificateAuthority": format!("{}/certificateAuthorities/one", &POOL[4..]),
            "pemCertificate": pem[0],
            "pemCertificateChain": pem[1..],
        }))
    }

    fn refusal(&self, status: u16, words: &str) -> Reply {
        let name = if status == 401 {
            "UNAUTHENTICATED"
        } else {
            "PERMISSION_DENIED"
        };
        failure(status, name, words)
    }

    /// By its `requestId`.
    fn repeats_a_lost_order(&self) -> bool {
        true
    }
}

fn target(asked: &Asked) -> (String, Vec<(String, String)>) {
    let url = url::Url::parse(&format!("https://cas{}", asked.path)).unwrap();
    (
        url.path().to_owned(),
        url.query_pairs().into_owned().collect(),
    )
}

fn parameter(asked: &Asked, name: &str) -> Option<String> {
    let (_, query) = target(asked);
    query
        .into_iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value)
}

fn answer(body: &Value) -> Reply {
    Reply::ok(body.to_string()).header("content-type", "application/json; charset=UTF-8")
}

fn failure(status: u16, name: &str, message: &str) -> Reply {
    failure_with(status, name, message, &json!([]))
}

fn failure_with(status: u16, name: &str, message: &str, details: &Value) -> Reply {
    let error = json!({"code": status, "message": message, "status": name, "details": details});
    Reply::status(status)
        .header("content-type", "application/json; charset=UTF-8")
        .body(json!({ "error": error }).to_string())
}

/// The methods of the proto that are asked: verb and path below the pool, parameters beside the path,
/// members of the body, those that are required.
type Method = (
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
    &'static [&'static str],
);
const METHODS: &[Method] = &[
    (
        "POST",
        "/certificates",
        &[
            "certificateId",
            "requestId",
            "validateOnly",
            "issuingCertificateAuthorityId",
        ],
        &[
            "name",
            "pemCsr",
            "config",
            "lifetime",
            "certificateTemplate",
            "subjectMode",
            "labels",
        ],
        &["lifetime"],
    ),
    (
        "GET",
        "/certificates",
        &["pageSize", "pageToken", "filter", "orderBy"],
        &[],
        &[],
    ),
    (
        "POST",
        "/certificates/*:revoke",
        &[],
        &["name", "reason", "requestId"],
        &["reason"],
    ),
    ("POST", ":fetchCaCerts", &[], &["caPool", "requestId"], &[]),
    ("GET", "", &[], &[], &[]),
];

/// What Google's front end would answer to a request that does not fit.
fn by_the_proto(asked: &Asked) -> Result<(), Reply> {
    let wrong = |what: String| Err(failure(400, "INVALID_ARGUMENT", &what));
    let (path, query) = target(asked);
    let below = path.strip_prefix(POOL).unwrap_or("?").to_owned();
    let below = match below.strip_prefix("/certificates/") {
        Some(rest) if rest.ends_with(":revoke") => "/certificates/*:revoke".to_owned(),
        _ => below,
    };
    let method = METHODS
        .iter()
        .find(|(verb, place, ..)| *verb == asked.method && *place == below);
    let Some((_, _, parameters, members, required)) = method else {
        return wrong(format!("no method {} {path}", asked.method));
    };
    for (name, _) in &query {
        if !parameters.contains(&name.as_str()) {
            return wrong(format!(
                "Unknown name \"{name}\": cannot bind query parameter"
            ));
        }
    }
    let body: Value = serde_json::from_slice(&asked.body).unwrap_or(json!({}));
    for name in body.as_object().unwrap().keys() {
        if !members.contains(&name.as_str()) {
            return wrong(format!("Unknown name \"{name}\": cannot find field"));
        }
    }
    for name in *required {
        if body.get(name).is_none() {
            return wrong(format!("{name} is required"));
        }
    }
    let one_of = ["pemCsr", "config"]
        .iter()
        .filter(|name| body.get(**name).is_some());
    if asked.method == "POST" && below == "/certificates" && one_of.count() != 1 {
        return wrong("certificate_config is required".to_owned());
    }
    Ok(())
}

/// The fake, which answers orders as it should, and whatever `change` makes of the settings.
fn lab_with(
    mut script: impl FnMut(&Lab, &Asked) -> Option<Reply> + Send + 'static,
    environment: &[(&str, String)],
    change: impl FnOnce(&FakeServer, &mut toml::Table),
) -> (Lab, FakeServer, Opened) {
    let script =
        move |lab: &Lab, asked: &Asked| script(lab, asked).unwrap_or_else(|| well(lab, asked));
    on_server(&Cas, script, environment, change)
}

fn well(lab: &Lab, asked: &Asked) -> Reply {
    if let Err(reply) = by_the_proto(asked) {
        return reply;
    }
    match Cas.ordered(asked) {
        Some(request) => Cas.issued(&[lab.sign(&request), lab.issuing(), lab.root()]),
        None => Cas.aside(lab, asked),
    }
}

fn file(content: &Value, mode: u32) -> PathBuf {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "{content}").unwrap();
    std::fs::set_permissions(file.path(), PermissionsExt::from_mode(mode)).unwrap();
    file.keep().unwrap().1
}

mod contract {
    use super::Cas;

    crate::contract!(&Cas);
}

mod requests {
    use super::*;

    #[test]
    fn an_order_fits_the_proto_and_names_template_labels_and_ca() {
        let (lab, server, opened) = lab_with(
            |_, _| None,
            &[],
            |_, table| {
                let more = toml::toml! {
                    certificate_authority = "one"
                    certificate_template = "mtls"
                    [labels]
                    image = "web"
                };
                table.extend(more);
            },
        );
        let issued = opened.authority.issue(&order(PATIENCE).1).unwrap();
        assert_eq!(issued.anchors, [lab.root()]);
        assert_eq!(issued.certificates.len(), 2);
        let asked = &server.asked()[0];
        let body: Value = serde_json::from_slice(&asked.body).unwrap();
        assert_eq!(body["lifetime"], "3600s");
        assert_eq!(
            body["certificateTemplate"],
            "projects/images/locations/europe-west1/certificateTemplates/mtls"
        );
        assert_eq!(body["labels"], json!({"image": "web"}));
        assert_eq!(
            parameter(asked, "issuingCertificateAuthorityId").unwrap(),
            "one"
        );
        assert!(
            parameter(asked, "certificateId")
                .unwrap()
                .starts_with("app-")
        );
        assert_eq!(
            asked.header("authorization").unwrap(),
            format!("Bearer {CANARY}")
        );
        // Pinned anchors decide: the pool's own roots are not asked for.
        assert_eq!(server.asked().len(), 1);
    }

    #[test]
    fn all_attempts_of_an_order_have_its_request_id_and_another_order_has_another() {
        let mut orders = 0;
        let (_lab, server, opened) = lab_with(
            move |_, asked| {
                Cas.ordered(asked)?;
                orders += 1;
                match orders {
                    1 => Some(Reply::Close),
                    2 => Some(failure(503, "UNAVAILABLE", "later")),
                    3 => Some(Reply::status(429)),
                    _ => None,
                }
            },
            &[],
            |_, _| {},
        );
        opened.authority.issue(&order(PATIENCE).1).unwrap();
        opened.authority.issue(&order(PATIENCE).1).unwrap();
        let ids: Vec<_> = server
            .asked()
            .iter()
            .map(|asked| asked.path.clone())
            .collect();
        assert_eq!(ids.len(), 5);
        assert!(ids[..4].iter().all(|id| *id == ids[0]));
        assert_ne!(ids[3], ids[4]);
        let id = parameter(&server.asked()[0], "requestId").unwrap();
        assert_eq!(id.len(), 36);
    }

    #[test]
    fn without_pinned_anchors_the_pools_roots_are_fetched() {
        let lab = Lab::new("Lab");
        let serving = lab.clone();
        let server = FakeServer::http(move |asked| match Cas.ordered(asked) {
            // A chain that leaves the root out.
            Some(request) => Cas.issued(&[serving.sign(&request), serving.issuing()]),
            None => Cas.aside(&serving, asked),
        });
        let (_file, source) = credential();
        let mut table = Cas.settings(&server, &source);
        table.insert(
            "url".to_owned(),
            format!("http://{}", server.address()).into(),
        );
        let opened = open("gcp-cas", table, &[]);
        let issued = opened.authority.issue(&order(PATIENCE).1).unwrap();
        assert_eq!(issued.anchors, [lab.root()]);
        assert_eq!(server.asked()[1].path, format!("{POOL}:fetchCaCerts"));
    }

    #[test]
    fn an_order_without_a_lifetime_is_not_sent() {
        let (_lab, server, opened) = lab_with(|_, _| None, &[], |_, _| {});
        let (_key, mut order) = order(PATIENCE);
        order.ttl = None;
        let error = opened.authority.issue(&order).unwrap_err();
        assert!(matches!(error, AuthorityError::Settings(_)), "{error}");
        assert_eq!(error.into_finding().code.as_str(), "ca-ttl-needed");
        assert!(server.asked().is_empty());
    }
}

mod refusals {
    use super::*;

    /// Status, its name, details, what the hint must name, whether asking again may help.
    fn table() -> Vec<(u16, &'static str, Value, &'static str, bool)> {
        let info = |reason: &str, permission: &str| {
            json!([{
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": reason,
                "metadata": {"permission": permission},
            }])
        };
        let none = json!([]);
        vec![
            (
                400,
                "INVALID_ARGUMENT",
                none.clone(),
                "issuance policy",
                false,
            ),
            (
                400,
                "FAILED_PRECONDITION",
                none.clone(),
                "enabled CA",
                false,
            ),
            (
                401,
                "UNAUTHENTICATED",
                none.clone(),
                "an access token",
                false,
            ),
            (
                403,
                "PERMISSION_DENIED",
                none.clone(),
                "certificateRequester",
                false,
            ),
            (
                403,
                "PERMISSION_DENIED",
                info(
                    "IAM_PERMISSION_DENIED",
                    "privateca.certificateTemplates.use",
                ),
                "privateca.certificateTemplates.use",
                false,
            ),
            (
                403,
                "PERMISSION_DENIED",
                info("SERVICE_DISABLED", ""),
                "services enable",
                false,
            ),
            (
                403,
                "PERMISSION_DENIED",
                info("ACCESS_TOKEN_SCOPE_INSUFFICIENT", ""),
                "scope cloud-platform",
                false,
            ),
            (404, "NOT_FOUND", none.clone(), "caPools/builders", false),
            (409, "ALREADY_EXISTS", none.clone(), "run again", false),
            (500, "INTERNAL", none, "try again later", true),
        ]
    }

    #[test]
    fn each_status_is_told_in_googles_words_with_what_to_do() {
        for (status, name, details, hint, passes) in table() {
            let run = Run::new(&Cas, PATIENCE, move |_, _, _| {
                failure_with(status, name, "the words of Google", &details)
            });
            let finding = if passes {
                run.unreachable()
            } else {
                run.refused()
            };
            assert!(
                finding.summary.contains("the words of Google"),
                "{}",
                finding.summary
            );
            assert!(finding.hint.contains(hint), "{name}: {}", finding.hint);
        }
    }

    #[test]
    fn the_fields_that_do_not_fit_are_named() {
        let run = Run::new(&Cas, PATIENCE, |_, _, _| {
            failure_with(
                400,
                "INVALID_ARGUMENT",
                "malformed",
                &json!([{
                    "@type": "type.googleapis.com/google.rpc.BadRequest",
                    "fieldViolations": [{"field": "certificate.lifetime", "description": "too long"}],
                }]),
            )
        });
        assert_eq!(
            run.refused().facts["violations"],
            json!(["certificate.lifetime: too long"])
        );
    }

    #[test]
    fn an_exhausted_quota_is_asked_again_and_then_told() {
        let run = Run::new(&Cas, Duration::from_secs(1), |_, _, _| {
            failure(
                429,
                "RESOURCE_EXHAUSTED",
                "Quota exceeded for create requests",
            )
        });
        let finding = run.unreachable();
        assert_eq!(finding.code.as_str(), "ca-busy");
        assert!(
            finding.summary.contains("Quota exceeded"),
            "{}",
            finding.summary
        );
    }
}

mod preflight {
    use super::*;

    fn foresee(
        script: impl FnMut(&Lab, &Asked) -> Option<Reply> + Send + 'static,
        depth: Depth,
    ) -> (FakeServer, Result<Vec<Finding>, AuthorityError>) {
        let (_lab, server, opened) = lab_with(script, &[], |_, _| {});
        let found = opened
            .preflight
            .unwrap()
            .preflight(&order(PATIENCE).1, depth);
        (server, found)
    }

    #[test]
    fn the_whole_request_is_validated_and_nothing_issued() {
        let (server, found) = foresee(|_, _| None, Depth::Whole);
        assert_eq!(found.unwrap()[0].code.as_str(), "ca-answers");
        let asked = &server.asked()[0];
        assert_eq!(parameter(asked, "validateOnly").unwrap(), "true");
        assert_eq!(parameter(asked, "requestId"), None);
        assert!(
            server
                .asked()
                .iter()
                .all(|asked| Cas.ordered(asked).is_none())
        );
    }

    #[test]
    fn a_shorter_lifetime_is_seen_where_the_service_describes_it_or_the_pool_limits_it() {
        let describes = |_: &Lab, asked: &Asked| {
            parameter(asked, "validateOnly")?;
            let subject = json!({"subjectDescription": {"lifetime": "600s"}});
            Some(answer(&json!({ "certificateDescription": subject })))
        };
        let limits = |_: &Lab, asked: &Asked| {
            (asked.path == POOL)
                .then(|| answer(&json!({"issuancePolicy": {"maximumLifetime": "600s"}})))
        };
        for found in [
            foresee(describes, Depth::Order).1,
            foresee(limits, Depth::Order).1,
        ] {
            let found = found.unwrap();
            assert_eq!(found[0].code.as_str(), "lifetime-capped");
            assert_eq!(found[0].facts["max_ttl_seconds"], 600);
        }
        let denied = |_: &Lab, asked: &Asked| {
            (asked.path == POOL).then(|| failure(403, "PERMISSION_DENIED", "no"))
        };
        assert_eq!(foresee(denied, Depth::Order).1.unwrap(), []);
    }

    #[test]
    fn what_would_be_refused_is_refused_before() {
        let (_server, found) = foresee(
            |_, asked| {
                parameter(asked, "validateOnly")?;
                Some(failure(400, "INVALID_ARGUMENT", "DNS name is not allowed"))
            },
            Depth::Order,
        );
        assert!(matches!(found, Err(AuthorityError::Refused(_))));
    }
}

mod revocation {
    use super::*;

    fn revoke(
        list: Value,
    ) -> (
        FakeServer,
        Certificate,
        Result<Vec<Finding>, AuthorityError>,
    ) {
        let (lab, server, opened) = lab_with(
            move |_, asked| {
                if let Err(reply) = by_the_proto(asked) {
                    return Some(reply);
                }
                let lists = asked.method == "GET";
                Some(answer(if lists { &list } else { &Value::Null }))
            },
            &[],
            |_, _| {},
        );
        let certificate = Certificate::from_der(lab.client("app").chain[0].clone()).unwrap();
        let revoked = opened.revoke.unwrap().revoke(&Revocation {
            certificate: &certificate,
            key: None,
            reason: Reason::Superseded,
            deadline: Instant::now() + PATIENCE,
        });
        (server, certificate, revoked)
    }

    #[test]
    fn the_resource_is_found_by_its_serial_and_revoked() {
        let name = "projects/123/locations/europe-west1/caPools/builders/certificates/app-77";
        let (server, certificate, revoked) = revoke(json!({"certificates": [{ "name": name }]}));
        assert_eq!(revoked.unwrap(), []);
        let asked = server.asked();
        assert_eq!(
            parameter(&asked[0], "filter").unwrap(),
            format!(
                "certificate_description.subject_description.hex_serial_number:{}",
                certificate.facts().serial.trim_start_matches('0')
            )
        );
        assert_eq!(asked[1].path, format!("{POOL}/certificates/app-77:revoke"));
        let body: Value = serde_json::from_slice(&asked[1].body).unwrap();
        assert_eq!(body["reason"], "SUPERSEDED");
    }

    #[test]
    fn one_revoked_already_is_left_and_one_unknown_is_told_with_the_tier() {
        let name = format!("{}/certificates/app-77", &POOL[4..]);
        let details = json!({"revocationState": "SUPERSEDED"});
        let list = json!({"certificates": [{"name": name, "revocationDetails": details}]});
        let (server, _, revoked) = revoke(list);
        assert_eq!((revoked.unwrap().len(), server.asked().len()), (0, 1));
        let (_, _, revoked) = revoke(json!({}));
        let finding = revoked.unwrap_err().into_finding();
        assert!(finding.hint.contains("DevOps"), "{}", finding.hint);
        let list = json!({"certificates": [{"name": "x/certificates/../../../evil"}]});
        assert!(revoke(list).2.is_err());
    }
}

mod credentials {
    use super::*;

    /// A token endpoint beside the service: `/token` grants CANARY.
    fn granting(asked: &Asked) -> Option<Reply> {
        (asked.path == "/token").then(|| {
            answer(&json!({"access_token": CANARY, "expires_in": 3599, "token_type": "Bearer"}))
        })
    }

    fn form(asked: &Asked) -> Vec<(String, String)> {
        url::form_urlencoded::parse(&asked.body)
            .into_owned()
            .collect()
    }

    fn of<'a>(form: &'a [(String, String)], name: &str) -> &'a str {
        &form.iter().find(|(known, _)| known == name).unwrap().1
    }

    /// Orders with these credentials: what the server was asked, and what came of it.
    fn order_with(
        mut script: impl FnMut(&Asked) -> Option<Reply> + Send + 'static,
        content: impl FnOnce(&FakeServer) -> Value,
        mode: u32,
    ) -> (FakeServer, Result<(), AuthorityError>) {
        let (_lab, server, opened) = lab_with(
            move |_, asked| script(asked),
            &[],
            |server, table| {
                table.remove("access_token");
                let path = file(&content(server), mode);
                table.insert("credentials".to_owned(), path.to_str().unwrap().into());
            },
        );
        let outcome = opened.authority.issue(&order(PATIENCE).1).map(drop);
        if let Err(error) = &outcome {
            assert!(!format!("{error:?}").contains(CANARY), "{error:?}");
        }
        (server, outcome)
    }

    fn service_account(server: &FakeServer, key: &PrivateKey) -> Value {
        json!({
            "type": "service_account",
            "client_email": "builder@images.iam.gserviceaccount.com",
            "private_key_id": "k1",
            "private_key": pem::encode("PRIVATE KEY", key.expose_pkcs8()),
            "token_uri": server.url("/token").as_str(),
        })
    }

    #[test]
    fn a_service_account_signs_an_assertion_that_its_public_key_verifies() {
        let key = PrivateKey::generate(KeyAlgorithm::Rsa2048).unwrap();
        let pair = RsaKeyPair::from_pkcs8(key.expose_pkcs8()).unwrap();
        let (server, outcome) = order_with(granting, |server| service_account(server, &key), 0o600);
        outcome.unwrap();
        let asked = server.asked();
        let form = form(&asked[0]);
        assert_eq!(
            of(&form, "grant_type"),
            "urn:ietf:params:oauth:grant-type:jwt-bearer"
        );
        let (signed, signature) = of(&form, "assertion").rsplit_once('.').unwrap();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref())
            .verify(
                signed.as_bytes(),
                &BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap(),
            )
            .unwrap();
        let parts: Vec<Value> = signed
            .split('.')
            .map(|part| {
                serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap()
            })
            .collect();
        assert_eq!(parts[0], json!({"alg": "RS256", "typ": "JWT", "kid": "k1"}));
        assert_eq!(parts[1]["iss"], "builder@images.iam.gserviceaccount.com");
        assert_eq!(parts[1]["aud"], server.url("/token").as_str());
        assert_eq!(
            parts[1]["scope"],
            "https://www.googleapis.com/auth/cloud-platform"
        );
        let issued = parts[1]["iat"].as_i64().unwrap();
        assert_eq!(parts[1]["exp"].as_i64().unwrap() - issued, 3600);
        assert!((issued - time::OffsetDateTime::now_utc().unix_timestamp()).abs() < 60);
        assert_eq!(
            asked[1].header("authorization").unwrap(),
            format!("Bearer {CANARY}")
        );
    }

    #[test]
    fn a_key_that_others_may_read_is_refused_before_anything_is_sent() {
        let key = PrivateKey::generate(KeyAlgorithm::Rsa2048).unwrap();
        let (server, outcome) = order_with(granting, |server| service_account(server, &key), 0o644);
        assert_eq!(
            outcome.unwrap_err().into_finding().code.as_str(),
            "secret-file-exposed"
        );
        assert!(server.asked().is_empty());
    }

    #[test]
    fn a_person_comes_with_a_refresh_token_and_the_project_that_pays() {
        let (server, outcome) = order_with(
            granting,
            |server| {
                json!({
                    "type": "authorized_user",
                    "client_id": "gcloud",
                    "client_secret": "s",
                    "refresh_token": "r",
                    "quota_project_id": "payer",
                    "token_uri": server.url("/token").as_str(),
                })
            },
            0o600,
        );
        outcome.unwrap();
        let asked = server.asked();
        let form = form(&asked[0]);
        assert_eq!(of(&form, "grant_type"), "refresh_token");
        assert_eq!(of(&form, "refresh_token"), "r");
        assert_eq!(asked[1].header("x-goog-user-project"), Some("payer"));
    }

    #[test]
    fn a_withdrawn_login_is_a_refused_login_with_what_renews_it() {
        let (_server, outcome) =
            order_with(
                |asked| {
                    (asked.path == "/token").then(|| {
                        Reply::status(400).header("content-type", "application/json").body(
                        json!({
                            "error": "invalid_grant",
                            "error_description": format!("Token {CANARY} has been revoked."),
                        })
                        .to_string(),
                    )
                    })
                },
                |server| {
                    json!({
                        "type": "authorized_user",
                        "client_id": "gcloud",
                        "client_secret": "s3cr3t",
                        "refresh_token": CANARY,
                        "token_uri": server.url("/token").as_str(),
                    })
                },
                0o600,
            );
        let finding = outcome.unwrap_err().into_finding();
        assert_eq!(finding.code.as_str(), "ca-login-refused");
        assert!(
            finding.summary.contains("has been revoked"),
            "{}",
            finding.summary
        );
        assert!(
            finding
                .hint
                .contains("gcloud auth application-default login")
        );
    }

    fn workload(server: &FakeServer, source: Value, impersonates: bool) -> Value {
        let mut content = json!({
            "type": "external_account",
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci/providers/github",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": server.url("/token").as_str(),
            "credential_source": source,
        });
        if impersonates {
            let url =
                server.url("/v1/projects/-/serviceAccounts/builder@images:generateAccessToken");
            content["service_account_impersonation_url"] = url.as_str().into();
        }
        content
    }

    #[test]
    fn a_workload_exchanges_the_token_of_its_job_and_may_stand_in_for_a_service_account() {
        let script = |asked: &Asked| match asked.path.as_str() {
            "/oidc?audience=x" => {
                assert_eq!(asked.header("authorization"), Some("Bearer job"));
                Some(answer(&json!({"value": "the-job"})))
            }
            "/token" => Some(answer(
                &json!({"access_token": "federated", "token_type": "Bearer"}),
            )),
            path if path.ends_with(":generateAccessToken") => {
                assert_eq!(asked.header("authorization"), Some("Bearer federated"));
                Some(answer(
                    &json!({"accessToken": CANARY, "expireTime": "2026-01-01T00:00:00Z"}),
                ))
            }
            _ => None,
        };
        let (server, outcome) = order_with(
            script,
            |server| {
                let source = json!({
                    "url": server.url("/oidc?audience=x").as_str(),
                    "headers": {"Authorization": "Bearer job"},
                    "format": {"type": "json", "subject_token_field_name": "value"},
                });
                workload(server, source, true)
            },
            // As google-github-actions/auth writes it: nothing secret in it but addresses.
            0o640,
        );
        outcome.unwrap();
        let asked = server.asked();
        let form = form(&asked[1]);
        assert_eq!(of(&form, "subject_token"), "the-job");
        assert_eq!(
            of(&form, "grant_type"),
            "urn:ietf:params:oauth:grant-type:token-exchange"
        );
        assert_eq!(
            of(&form, "requested_token_type"),
            "urn:ietf:params:oauth:token-type:access_token"
        );
        assert_eq!(
            asked[3].header("authorization").unwrap(),
            format!("Bearer {CANARY}")
        );
    }

    #[test]
    fn the_token_of_the_job_may_be_a_file_of_text() {
        let token = file(&json!("x"), 0o644);
        std::fs::write(&token, "the-job\n").unwrap();
        let (server, outcome) = order_with(
            granting,
            |server| workload(server, json!({"file": token.to_str().unwrap()}), false),
            0o644,
        );
        outcome.unwrap();
        assert_eq!(of(&form(&server.asked()[0]), "subject_token"), "the-job");
    }

    #[test]
    fn what_cannot_be_spoken_or_read_is_told_and_nothing_sent() {
        for (source, words) in [
            (json!({"executable": {"command": "/bin/true"}}), "program"),
            (
                json!({"environment_id": "aws1", "url": "http://169.254.169.254/"}),
                "AWS",
            ),
            (json!({}), "neither a file nor a url"),
            (json!({"file": "/nonexistent/token"}), "/nonexistent/token"),
        ] {
            let (server, outcome) =
                order_with(granting, |server| workload(server, source, false), 0o600);
            let finding = outcome.unwrap_err().into_finding();
            assert_eq!(finding.code.as_str(), "google-credentials");
            assert!(finding.summary.contains(words), "{}", finding.summary);
            assert!(server.asked().is_empty());
        }
        for (content, words) in [
            (
                json!({"type": "gdch_service_account"}),
                "its type is \"gdch_service_account\"",
            ),
            (
                json!({"type": "service_account"}),
                "members of \"service_account\" are missing",
            ),
            (json!([1]), "no JSON with a type"),
        ] {
            let (_server, outcome) = order_with(granting, |_| content, 0o600);
            let finding = outcome.unwrap_err().into_finding();
            assert!(finding.summary.contains(words), "{}", finding.summary);
        }
    }

    #[test]
    fn a_token_endpoint_in_the_clear_is_refused() {
        let (_server, outcome) = order_with(
            granting,
            |_| {
                json!({
                    "type": "authorized_user",
                    "client_id": "a", "client_secret": "b", "refresh_token": "c",
                    "token_uri": "http://oauth.example/token",
                })
            },
            0o600,
        );
        let error = outcome.unwrap_err();
        assert!(matches!(error, AuthorityError::Settings(_)), "{error}");
        assert!(error.to_string().contains("plain http"), "{error}");
    }

    #[test]
    fn a_service_account_stands_in_by_the_credentials_of_a_person() {
        let script = |asked: &Asked| {
            if asked.path.ends_with(":generateAccessToken") {
                let error = failure(403, "PERMISSION_DENIED", "denied on resource");
                return Some(error);
            }
            granting(asked)
        };
        let (_server, outcome) = order_with(
            script,
            |server| {
                let url = server.url("/v1/projects/-/serviceAccounts/b@i:generateAccessToken");
                json!({
                    "type": "impersonated_service_account",
                    "service_account_impersonation_url": url.as_str(),
                    "source_credentials": {
                        "type": "authorized_user",
                        "client_id": "a", "client_secret": "b", "refresh_token": "c",
                        "token_uri": server.url("/token").as_str(),
                    },
                })
            },
            0o600,
        );
        let finding = outcome.unwrap_err().into_finding();
        assert!(
            finding.hint.contains("serviceAccountTokenCreator) on b@i")
                || finding.hint.contains("on b@i"),
            "{}",
            finding.hint
        );
    }
}

mod found {
    use super::*;

    fn metadata(flavored: bool) -> FakeServer {
        FakeServer::http(move |asked| {
            assert_eq!(
                asked.path,
                "/computeMetadata/v1/instance/service-accounts/default/token"
            );
            assert_eq!(asked.header("metadata-flavor"), Some("Google"));
            let reply =
                answer(&json!({"access_token": CANARY, "expires_in": 100, "token_type": "Bearer"}));
            if flavored {
                reply.header("metadata-flavor", "Google")
            } else {
                reply
            }
        })
    }

    fn issue(environment: &[(&str, String)]) -> (FakeServer, Result<(), AuthorityError>) {
        let (_lab, server, opened) = lab_with(
            |_, _| None,
            environment,
            |_, table| {
                table.remove("access_token");
            },
        );
        let outcome = opened.authority.issue(&order(PATIENCE).1).map(drop);
        (server, outcome)
    }

    #[test]
    fn the_metadata_server_gives_the_token_of_the_machine() {
        let machine = metadata(true);
        let (server, outcome) = issue(&[("GCE_METADATA_HOST", machine.address().to_string())]);
        outcome.unwrap();
        assert_eq!(
            server.asked()[0].header("authorization").unwrap(),
            format!("Bearer {CANARY}")
        );
    }

    #[test]
    fn whoever_else_answers_in_its_place_is_not_believed() {
        let machine = metadata(false);
        let (server, outcome) = issue(&[("GCE_METADATA_HOST", machine.address().to_string())]);
        let error = outcome.unwrap_err();
        assert!(matches!(error, AuthorityError::Unusable(_)), "{error}");
        assert!(server.asked().is_empty());
    }

    #[test]
    fn gclouds_own_file_comes_before_the_machine_and_the_variable_before_both() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".config/gcloud");
        std::fs::create_dir_all(&folder).unwrap();
        let known = folder.join("application_default_credentials.json");
        std::fs::write(&known, r#"{"type": "well_known"}"#).unwrap();
        let home = ("HOME", home.path().to_str().unwrap().to_owned());
        let (_, outcome) = issue(std::slice::from_ref(&home));
        assert!(outcome.unwrap_err().to_string().contains("well_known"));
        let named = file(&json!({"type": "by_variable"}), 0o600);
        let named = (
            "GOOGLE_APPLICATION_CREDENTIALS",
            named.to_str().unwrap().to_owned(),
        );
        let (_, outcome) = issue(&[home, named]);
        assert!(outcome.unwrap_err().to_string().contains("by_variable"));
    }
}

mod settings {
    use super::*;

    #[test]
    fn names_that_are_no_names_and_two_logins_are_refused() {
        let base = toml::toml! {
            project = "images"
            location = "l"
            pool = "p"
        };
        for (key, value) in [("project", "a/b"), ("pool", ""), ("location", "..")] {
            let mut table = base.clone();
            table.insert(key.to_owned(), value.into());
            assert_eq!(try_open("gcp-cas", table, &[]).err().unwrap().key, key);
        }
        let mut table = base;
        table.insert("access_token".to_owned(), "env:T".into());
        table.insert("credentials".to_owned(), "c.json".into());
        assert_eq!(
            try_open("gcp-cas", table, &[]).err().unwrap().key,
            "access_token"
        );
    }

    #[test]
    fn the_example_opens() {
        try_open("gcp-cas", baking::example("gcp-cas"), &[])
            .map(drop)
            .unwrap();
    }
}

#[test]
fn the_binary_bakes_from_it_and_shows_no_secret() {
    let lab = Lab::new("Lab");
    let serving = lab.clone();
    let server = FakeServer::https(&lab.server(), move |asked| well(&serving, asked));
    let table = Cas.settings(&server, "env:GOOGLE_TOKEN");
    let baked = Baked::provision(
        "gcp-cas",
        &table,
        &lab.anchors(),
        &[("GOOGLE_TOKEN", CANARY)],
    );
    baked.is_good(&[CANARY]);
}
