//! The Kubernetes authority against a scripted API server that speaks `certificates.k8s.io/v1` by the
//! names of its published types; the real one is in `tests/conformance`, where it could be built.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use certbake::authority::{
    AuthorityError, CATALOGUE, Depth, Opened, Order, Settings, SettingsError,
};
use certbake::finding::Finding;
use certbake::pki::{KeyAlgorithm, PrivateKey, SigningRequest, Subject, Usage, pem};
use certbake::span::Span;
use data_encoding::BASE64;
use serde_json::{Value, json};
use support::baking::{self, Baked};
use support::contract::{CANARY, PATIENCE, Protocol, Run, credential, order, try_open};
use support::{Asked, FakeServer, Identity, Lab, Reply};
use tempfile::TempDir;

const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// Kubernetes as the fake speaks it: a signer that signs at once.
struct Kubernetes;

impl Protocol for Kubernetes {
    fn kind(&self) -> &'static str {
        "kubernetes"
    }

    fn settings(&self, server: &FakeServer, credential: &str) -> toml::Table {
        let url = server.origin();
        toml::toml! {
            url = url
            token = credential
            signer_name = "example.com/images"
        }
    }

    fn ordered(&self, asked: &Asked) -> Option<Vec<u8>> {
        if (asked.method.as_str(), asked.path.as_str()) != ("POST", REQUESTS) {
            return None;
        }
        der(&body(asked)["spec"]["request"])
    }

    fn aside(&self, _: &Lab, asked: &Asked) -> Reply {
        match (asked.method.as_str(), asked.path.as_str()) {
            ("POST", REVIEWS) => answer(201, &json!({"status": {"allowed": true}})),
            ("DELETE", _) => answer(200, &json!({"kind": "Status", "status": "Success"})),
            _ => status(
                404,
                "NotFound",
                "the server could not find the requested resource",
            ),
        }
    }

    fn issued(&self, certificates: &[Vec<u8>]) -> Reply {
        answer(201, &standing("", &[("Approved", "", "")], certificates))
    }

    fn refusal(&self, code: u16, words: &str) -> Reply {
        status(
            code,
            if code == 401 {
                "Unauthorized"
            } else {
                "Forbidden"
            },
            words,
        )
    }

    /// By its name and what it holds.
    fn repeats_a_lost_order(&self) -> bool {
        true
    }
}

fn body(asked: &Asked) -> Value {
    serde_json::from_slice(&asked.body).unwrap()
}

/// What `spec.request` holds: base64 of PEM.
fn der(request: &Value) -> Option<Vec<u8>> {
    let pem = BASE64.decode(request.as_str()?.as_bytes()).unwrap();
    match pem::decode(&pem).unwrap().pop()? {
        pem::Block::Request(der) => Some(der),
        _ => None,
    }
}

fn answer(status: u16, body: &Value) -> Reply {
    Reply::status(status)
        .header("content-type", "application/json")
        .body(body.to_string())
}

/// `metav1.Status`.
fn status(code: u16, reason: &str, message: &str) -> Reply {
    answer(
        code,
        &json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {},
            "status": "Failure", "message": message, "reason": reason, "code": code,
        }),
    )
}

/// A request as it stands in the cluster, with conditions (type, reason, message).
fn standing(request: &str, conditions: &[(&str, &str, &str)], certificates: &[Vec<u8>]) -> Value {
    let conditions: Vec<Value> = conditions
        .iter()
        .map(|(kind, reason, message)| {
            json!({"type": kind, "status": "True", "reason": reason, "message": message})
        })
        .collect();
    let mut status = json!({ "conditions": conditions });
    if !certificates.is_empty() {
        let pem: String = certificates
            .iter()
            .map(|der| pem::encode("CERTIFICATE", der))
            .collect();
        status["certificate"] = BASE64.encode(pem.as_bytes()).into();
    }
    json!({
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": "certbake-app-1"},
        "spec": {"request": request, "signerName": "example.com/images"},
        "status": status,
    })
}

fn well(lab: &Lab, asked: &Asked) -> Reply {
    match Kubernetes.ordered(asked) {
        Some(request) => Kubernetes.issued(&[lab.sign(&request), lab.issuing()]),
        None => Kubernetes.aside(lab, asked),
    }
}

/// The authority on a server that answers by the script, by token.
fn lab_with(
    mut script: impl FnMut(&Lab, &Asked) -> Reply + Send + 'static,
    change: impl FnOnce(&mut toml::Table),
) -> (Lab, FakeServer, Opened) {
    let lab = Lab::new("Lab");
    let serving = lab.clone();
    let server = FakeServer::https(&lab.server(), move |asked| script(&serving, asked));
    let (file, source) = credential();
    let mut table = Kubernetes.settings(&server, &source);
    change(&mut table);
    let opened = open_in(table, &lab.anchors(), &[]).unwrap();
    file.keep().unwrap();
    (lab, server, opened)
}

fn open_in(
    table: toml::Table,
    anchors: &[Vec<u8>],
    environment: &[(&str, &str)],
) -> Result<Opened, SettingsError> {
    let entry = CATALOGUE
        .iter()
        .find(|entry| entry.kind == "kubernetes")
        .unwrap();
    let lookup = |name: &str| {
        let found = environment.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    (entry.open)(&Settings {
        name: "lab",
        table,
        anchors,
        directory: Path::new("."),
        now: time::OffsetDateTime::now_utc(),
        environment: &lookup,
        on_wait: None,
    })
}

fn order_with(algorithm: KeyAlgorithm, organization: Option<&str>, ttl: i64) -> Order {
    let key = PrivateKey::generate(algorithm).unwrap();
    let subject = Subject {
        common_name: Some("app".to_owned()),
        organization: organization.map(str::to_owned),
        ..Subject::default()
    };
    Order {
        request: SigningRequest::new(&key, subject, Vec::new(), Usage::Client).unwrap(),
        ttl: Some(Span::seconds(ttl)),
        deadline: std::time::Instant::now() + PATIENCE,
    }
}

mod contract {
    use super::Kubernetes;

    crate::contract!(&Kubernetes);
}

mod requests {
    use super::*;

    #[test]
    fn an_order_is_a_request_as_the_published_types_have_it() {
        let (_lab, server, opened) = lab_with(well, |_| {});
        let issued = opened.authority.issue(&order(PATIENCE).1).unwrap();
        // The cluster vouches for no root of somebody else's signer.
        assert_eq!((issued.certificates.len(), issued.anchors.len()), (2, 0));
        let asked = &server.asked()[0];
        assert_eq!(
            asked.header("authorization").unwrap(),
            format!("Bearer {CANARY}")
        );
        assert_eq!(asked.header("content-type"), Some("application/json"));
        let mut body = body(asked);
        let name = body["metadata"]["name"].take();
        let name = name.as_str().unwrap();
        assert!(name.starts_with("certbake-app-"), "{name}");
        body["spec"]["request"].take();
        assert_eq!(
            body,
            json!({
                "apiVersion": "certificates.k8s.io/v1",
                "kind": "CertificateSigningRequest",
                "metadata": {"name": null},
                "spec": {
                    "request": null,
                    "signerName": "example.com/images",
                    "usages": ["digital signature", "client auth"],
                    "expirationSeconds": 3600,
                },
            })
        );
    }

    #[test]
    fn usages_are_those_of_the_key_or_those_of_the_settings() {
        let (_lab, server, opened) = lab_with(well, |_| {});
        let order = order_with(KeyAlgorithm::Rsa2048, None, 3600);
        opened.authority.issue(&order).unwrap();
        assert_eq!(
            body(&server.asked()[0])["spec"]["usages"],
            json!(["digital signature", "key encipherment", "client auth"])
        );
        let (_lab, server, opened) = lab_with(well, |table| {
            table.insert("usages".to_owned(), vec!["client auth"].into());
        });
        opened
            .authority
            .issue(&order_with(KeyAlgorithm::EcdsaP256, None, 3600))
            .unwrap();
        assert_eq!(
            body(&server.asked()[0])["spec"]["usages"],
            json!(["client auth"])
        );
    }

    #[test]
    fn what_kubernetes_never_takes_is_told_before_it_is_asked() {
        let (_lab, server, opened) = lab_with(well, |table| {
            table.insert(
                "signer_name".to_owned(),
                "kubernetes.io/kube-apiserver-client".into(),
            );
        });
        let error = opened
            .authority
            .issue(&order_with(KeyAlgorithm::EcdsaP256, None, 599))
            .unwrap_err();
        assert_eq!(error.into_finding().code.as_str(), "ca-ttl-too-short");
        let masters = order_with(KeyAlgorithm::EcdsaP256, Some("system:masters"), 3600);
        let error = opened.authority.issue(&masters).unwrap_err();
        assert!(matches!(error, AuthorityError::Refused(_)), "{error}");
        assert!(error.to_string().contains("system:masters"), "{error}");
        assert!(server.asked().is_empty());
    }

    #[test]
    fn an_order_whose_answer_was_lost_is_found_again_and_not_made_twice() {
        let mut posts = 0;
        let mut request = Value::Null;
        let (_lab, server, opened) = lab_with(
            move |lab, asked| {
                if Kubernetes.ordered(asked).is_some() {
                    posts += 1;
                    request = body(asked)["spec"]["request"].clone();
                    return match posts {
                        1 => Reply::Close,
                        _ => status(409, "AlreadyExists", "already exists"),
                    };
                }
                let leaf = lab.sign(&der(&request).unwrap());
                answer(
                    200,
                    &standing(request.as_str().unwrap(), &[], &[leaf, lab.issuing()]),
                )
            },
            |_| {},
        );
        opened.authority.issue(&order(PATIENCE).1).unwrap();
        let asked = server.asked();
        assert_eq!(asked.len(), 3);
        let name = body(&asked[0])["metadata"]["name"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(body(&asked[1])["metadata"]["name"], name);
        assert_eq!(asked[2].path, format!("{REQUESTS}/{name}"));
    }

    #[test]
    fn a_name_that_a_stranger_has_is_given_up_for_another() {
        let mut posts = 0;
        let (_lab, server, opened) = lab_with(
            move |lab, asked| match Kubernetes.ordered(asked) {
                Some(_) if posts == 0 => {
                    posts += 1;
                    status(409, "AlreadyExists", "already exists")
                }
                Some(_) => well(lab, asked),
                None => answer(
                    200,
                    &standing("c3RyYW5nZXI=", &[], &lab.client("stranger").chain),
                ),
            },
            |_| {},
        );
        opened.authority.issue(&order(PATIENCE).1).unwrap();
        let asked = server.asked();
        assert_ne!(
            body(&asked[0])["metadata"]["name"],
            body(&asked[2])["metadata"]["name"]
        );
    }
}

mod decisions {
    use super::*;

    /// Type, reason and message of each condition, and whether the certificate is there.
    type Step = (&'static [(&'static str, &'static str, &'static str)], bool);

    /// Answers to the creation and to each question after it, the last one from then on.
    fn course(
        steps: &'static [Step],
        patience: Duration,
        change: impl FnOnce(&mut toml::Table),
    ) -> (
        FakeServer,
        Result<certbake::authority::Issued, AuthorityError>,
    ) {
        let mut at = 0;
        let mut request = Value::Null;
        let (_lab, server, opened) = lab_with(
            move |lab, asked| {
                if asked.method == "DELETE" {
                    return Kubernetes.aside(lab, asked);
                }
                if Kubernetes.ordered(asked).is_some() {
                    request = body(asked)["spec"]["request"].clone();
                }
                let (conditions, signs) = steps[at.min(steps.len() - 1)];
                at += 1;
                let leaf = if signs {
                    vec![lab.sign(&der(&request).unwrap())]
                } else {
                    Vec::new()
                };
                answer(
                    if at == 1 { 201 } else { 200 },
                    &standing(request.as_str().unwrap(), conditions, &leaf),
                )
            },
            change,
        );
        let outcome = opened.authority.issue(&order(patience).1);
        (server, outcome)
    }

    #[test]
    fn a_certificate_is_waited_for_until_approver_and_signer_are_done() {
        const APPROVED: &[(&str, &str, &str)] = &[("Approved", "ByAdmin", "")];
        let (server, outcome) = course(
            &[
                (&[], false),
                (&[], false),
                (APPROVED, false),
                (APPROVED, true),
            ],
            PATIENCE,
            |_| {},
        );
        outcome.unwrap();
        let asked = server.asked();
        assert_eq!(asked.len(), 4);
        assert!(asked[1..].iter().all(|asked| asked.method == "GET"));
    }

    #[test]
    fn a_denial_and_a_failure_are_refusals_in_their_own_words() {
        let denied: &[_] = &[("Denied", "NotOurs", "no image of\r\nthat name\x1b[2J")];
        let failed: &[_] = &[
            ("Approved", "", ""),
            ("Failed", "SignerValidationFailure", "bad usages"),
        ];
        for (steps, words, condition) in [
            (
                Box::leak(Box::new([(denied, false)])),
                "NotOurs: no image of that name",
                "Denied",
            ),
            (
                Box::leak(Box::new([(failed, false)])),
                "SignerValidationFailure: bad usages",
                "Failed",
            ),
        ] {
            let (_server, outcome) = course(steps, PATIENCE, |_| {});
            let error = outcome.unwrap_err();
            assert!(matches!(error, AuthorityError::Refused(_)), "{error}");
            let finding = error.into_finding();
            assert!(finding.summary.contains(words), "{}", finding.summary);
            assert!(!finding.summary.contains('\x1b'));
            assert_eq!(finding.facts["condition"], condition);
        }
    }

    #[test]
    fn who_did_not_come_is_told_apart_approver_or_signer() {
        const APPROVED: &[(&str, &str, &str)] = &[("Approved", "ByAdmin", "")];
        let short = Duration::from_secs(1);
        let (_server, outcome) = course(&[(&[], false)], short, |_| {});
        let finding = outcome.unwrap_err().into_finding();
        assert_eq!(finding.code.as_str(), "ca-pending");
        assert!(
            finding.summary.contains("nobody has approved"),
            "{}",
            finding.summary
        );
        assert!(
            finding
                .hint
                .contains("kubectl certificate approve certbake-app-")
        );
        let (_server, outcome) = course(&[(APPROVED, false)], short, |_| {});
        let error = outcome.unwrap_err();
        assert!(matches!(error, AuthorityError::Unreachable(_)), "{error}");
        let finding = error.into_finding();
        assert!(
            finding.hint.contains("signer is not running"),
            "{}",
            finding.hint
        );
        assert_eq!(finding.facts["approved"], true);
    }

    #[test]
    fn a_request_that_somebody_deletes_is_told() {
        let (_lab, _server, opened) = lab_with(
            |_, asked| match Kubernetes.ordered(asked) {
                Some(_) => answer(201, &standing("", &[], &[])),
                None => status(404, "NotFound", "not found"),
            },
            |_| {},
        );
        let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
        assert!(error.to_string().contains("was deleted"), "{error}");
    }

    #[test]
    fn the_request_is_deleted_where_that_is_wanted_and_what_hinders_it_is_a_warning() {
        let wanted = |table: &mut toml::Table| {
            table.insert("delete_after".to_owned(), true.into());
        };
        let (server, outcome) = course(&[(&[("Approved", "", "")], true)], PATIENCE, wanted);
        assert!(outcome.unwrap().findings.is_empty());
        let asked = server.asked();
        let name = body(&asked[0])["metadata"]["name"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(
            (asked[1].method.as_str(), asked[1].path.clone()),
            ("DELETE", format!("{REQUESTS}/{name}"))
        );
        let (_lab, _server, opened) = lab_with(
            |lab, asked| match asked.method.as_str() {
                "DELETE" => status(403, "Forbidden", "cannot delete resource"),
                _ => well(lab, asked),
            },
            wanted,
        );
        let issued = opened.authority.issue(&order(PATIENCE).1).unwrap();
        assert_eq!(issued.findings[0].code.as_str(), "kubernetes-request-left");
        assert!(
            issued.findings[0]
                .summary
                .contains("cannot delete resource")
        );
    }
}

mod refusals {
    use super::*;

    /// Status, reason, message, what the hint must name, whether asking again may help.
    const TABLE: &[(u16, &str, &str, &str, bool)] = &[
        (401, "Unauthorized", "Unauthorized", "out of date", false),
        (
            403,
            "Forbidden",
            "User \"builder\" cannot create resource \"certificatesigningrequests\" in API group \
             \"certificates.k8s.io\" at the cluster scope",
            "create clusterrole",
            false,
        ),
        (
            403,
            "Forbidden",
            "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed",
            "another organization",
            false,
        ),
        (
            404,
            "NotFound",
            "the server could not find the requested resource",
            "1.19",
            false,
        ),
        (
            422,
            "Invalid",
            "spec.usages: Unsupported value",
            "usages",
            false,
        ),
        (
            400,
            "BadRequest",
            "the API version in the data does not match",
            "usages",
            false,
        ),
        (
            500,
            "InternalError",
            "an error on the server",
            "try again",
            true,
        ),
    ];

    #[test]
    fn each_status_is_told_in_the_servers_words_with_what_to_do() {
        for (code, reason, message, hint, passes) in TABLE {
            let run = Run::new(&Kubernetes, PATIENCE, move |_, _, _| {
                status(*code, reason, message)
            });
            let finding = if *passes {
                run.unreachable()
            } else {
                run.refused()
            };
            assert!(finding.summary.contains(message), "{}", finding.summary);
            assert!(
                finding.hint.contains(hint),
                "{code} {reason}: {}",
                finding.hint
            );
        }
    }

    #[test]
    fn the_causes_of_an_invalid_request_are_named() {
        let run = Run::new(&Kubernetes, PATIENCE, |_, _, _| {
            answer(
                422,
                &json!({
                    "kind": "Status", "status": "Failure", "reason": "Invalid", "code": 422,
                    "message": "invalid",
                    "details": {"causes": [{
                        "reason": "FieldValueInvalid", "field": "spec.expirationSeconds",
                        "message": "may not specify a duration less than 600 seconds (10 minutes)",
                    }]},
                }),
            )
        });
        let causes = run.refused().facts["causes"].to_string();
        assert!(
            causes.contains("spec.expirationSeconds: may not specify"),
            "{causes}"
        );
    }

    #[test]
    fn something_else_of_the_api_is_no_request() {
        let run = Run::new(&Kubernetes, PATIENCE, |_, _, _| {
            Reply::ok(r#"{"kind":"Pod","spec":{"request":"x"}}"#)
        });
        run.unusable();
    }
}

mod preflight {
    use super::*;

    fn foresee(
        denied: &'static str,
        signer: &'static str,
    ) -> (FakeServer, Result<Vec<Finding>, AuthorityError>) {
        let (_lab, server, opened) = lab_with(
            move |_, asked| {
                let verb = body(asked)["spec"]["resourceAttributes"]["verb"].clone();
                let reason = "no RBAC policy matched";
                answer(
                    201,
                    &json!({"status": {"allowed": verb != denied, "reason": reason}}),
                )
            },
            |table| {
                table.insert("signer_name".to_owned(), signer.into());
                table.insert("delete_after".to_owned(), true.into());
            },
        );
        let found = opened
            .preflight
            .unwrap()
            .preflight(&order(PATIENCE).1, Depth::Whole);
        (server, found)
    }

    #[test]
    fn every_verb_that_the_order_needs_is_asked_about() {
        let (server, found) = foresee("", "example.com/images");
        let found = found.unwrap();
        assert_eq!((found.len(), found[0].code.as_str()), (1, "ca-answers"));
        let asked: Vec<Value> = server
            .asked()
            .iter()
            .map(|asked| {
                assert_eq!(asked.path, REVIEWS);
                body(asked)["spec"]["resourceAttributes"].clone()
            })
            .collect();
        let about = |verb| {
            json!({
                "group": "certificates.k8s.io", "resource": "certificatesigningrequests", "verb": verb,
            })
        };
        assert_eq!(asked, [about("create"), about("get"), about("delete")]);
    }

    #[test]
    fn a_verb_that_is_not_allowed_is_a_refusal_with_the_reason() {
        for verb in ["create", "get", "delete"] {
            let finding = foresee(verb, "example.com/images")
                .1
                .unwrap_err()
                .into_finding();
            assert_eq!(finding.code.as_str(), "ca-login-refused");
            assert!(finding.summary.contains(verb), "{}", finding.summary);
            assert_eq!(finding.facts["said"], "no RBAC policy matched");
        }
    }

    #[test]
    fn that_somebody_has_to_approve_is_noted() {
        let (_server, found) = foresee("", "kubernetes.io/kube-apiserver-client");
        assert_eq!(
            found.unwrap()[0].code.as_str(),
            "kubernetes-approval-by-hand"
        );
    }
}

/// Logins by kubeconfig, by pod, by plugin.
mod logins {
    use super::*;

    struct Home {
        dir: TempDir,
        lab: Lab,
        server: FakeServer,
    }

    impl Home {
        /// The API server, of `mtls` with client certificates.
        fn new(mtls: bool) -> Self {
            let lab = Lab::new("Cluster");
            let serving = lab.clone();
            let script = move |asked: &Asked| well(&serving, asked);
            let server = if mtls {
                FakeServer::mtls(&lab.server(), &lab.anchors(), script)
            } else {
                FakeServer::https(&lab.server(), script)
            };
            let dir = tempfile::tempdir().unwrap();
            Self { dir, lab, server }
        }

        fn write(&self, name: &str, content: &str, mode: u32) -> PathBuf {
            let path = self.dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            path
        }

        fn root(&self) -> String {
            pem::encode("CERTIFICATE", &self.lab.root())
        }

        /// A kubeconfig with this `user:`.
        fn kubeconfig(&self, user: &str, mode: u32) -> PathBuf {
            let (server, ca) = (self.server.origin(), BASE64.encode(self.root().as_bytes()));
            self.write(
                "kubeconfig",
                &format!(
                    "apiVersion: v1\nkind: Config\ncurrent-context: lab\n\
                     contexts: [{{name: lab, context: {{cluster: one, user: builder}}}}]\n\
                     clusters:\n- name: one\n  cluster:\n    server: {server}\n    \
                     certificate-authority-data: {ca}\n\
                     users:\n- name: builder\n  user:\n{user}\n"
                ),
                mode,
            )
        }

        fn table(&self, kubeconfig: &Path) -> toml::Table {
            let path = kubeconfig.to_str().unwrap();
            toml::toml! {
                kubeconfig = path
                signer_name = "kubernetes.io/kube-apiserver-client"
            }
        }

        fn issue(
            &self,
            user: &str,
            mode: u32,
        ) -> Result<certbake::authority::Issued, AuthorityError> {
            let kubeconfig = self.kubeconfig(user, mode);
            let opened = open_in(self.table(&kubeconfig), &[], &[]).unwrap();
            let outcome = opened.authority.issue(&order(PATIENCE).1);
            if let Err(error) = &outcome {
                assert!(!format!("{error:?}").contains(CANARY), "{error:?}");
            }
            outcome
        }

        fn bearer(&self) -> String {
            let asked = self.server.asked();
            asked[0]
                .header("authorization")
                .unwrap_or_default()
                .to_owned()
        }

        fn builder(&self) -> (Identity, String, String) {
            let builder = self.lab.client("builder");
            let chain: String = builder
                .chain
                .iter()
                .map(|der| pem::encode("CERTIFICATE", der))
                .collect();
            let key = pem::encode("PRIVATE KEY", &builder.key);
            (builder, chain, key)
        }
    }

    #[test]
    fn a_token_comes_from_a_kubeconfig_that_nobody_else_may_read_and_the_cluster_vouches_for_itself()
     {
        let home = Home::new(false);
        let user = format!("    token: {CANARY}");
        let finding = home.issue(&user, 0o644).unwrap_err().into_finding();
        assert_eq!(finding.code.as_str(), "secret-file-exposed");
        assert!(home.server.asked().is_empty());
        let issued = home.issue(&user, 0o600).unwrap();
        assert_eq!(issued.anchors, [home.lab.root()]);
        assert_eq!(home.bearer(), format!("Bearer {CANARY}"));
    }

    #[test]
    fn a_token_file_is_read_beside_the_kubeconfig() {
        let home = Home::new(false);
        home.write("token", &format!("{CANARY}\n"), 0o644);
        home.issue("    tokenFile: token", 0o644).unwrap();
        assert_eq!(home.bearer(), format!("Bearer {CANARY}"));
        home.write("token", "\n", 0o644);
        let finding = home
            .issue("    tokenFile: token", 0o644)
            .unwrap_err()
            .into_finding();
        assert_eq!(finding.code.as_str(), "kubernetes-login");
    }

    #[test]
    fn a_client_certificate_comes_inline_or_from_files_whose_key_is_private() {
        let home = Home::new(true);
        let (builder, chain, key) = home.builder();
        let inline = format!(
            "    client-certificate-data: {}\n    client-key-data: {}",
            BASE64.encode(chain.as_bytes()),
            BASE64.encode(key.as_bytes())
        );
        home.issue(&inline, 0o600).unwrap();
        home.write("b.crt", &chain, 0o644);
        home.write("b.key", &key, 0o644);
        let files = "    client-certificate: b.crt\n    client-key: b.key";
        let finding = home.issue(files, 0o644).unwrap_err().into_finding();
        assert_eq!(finding.code.as_str(), "secret-file-exposed");
        home.write("b.key", &key, 0o600);
        home.issue(files, 0o644).unwrap();
        for asked in home.server.asked() {
            assert_eq!(asked.client_certificate.as_ref(), Some(&builder.chain[0]));
        }
        let finding = home
            .issue("    client-certificate: b.crt", 0o600)
            .unwrap_err()
            .into_finding();
        assert!(
            finding.summary.contains("without its key"),
            "{}",
            finding.summary
        );
    }

    fn plugin(home: &Home, script: &str, more: &str) -> String {
        home.write("plugin", &format!("#!/bin/sh\n{script}\n"), 0o755);
        format!(
            "    exec:\n      apiVersion: client.authentication.k8s.io/v1\n      command: ./plugin\n      \
             args: ['a  b', '$HOME']\n      env: [{{name: FOR, value: lab}}]\n{more}"
        )
    }

    #[test]
    fn a_credential_plugin_is_run_without_a_shell_and_told_who_asks() {
        let home = Home::new(false);
        let script = r#"printf '%s|%s|%s' "$1" "$2" "$FOR" > "$0.seen"
            printf '%s' "$KUBERNETES_EXEC_INFO" > "$0.info"
            echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"TOKEN"}}'"#;
        let user = plugin(
            &home,
            &script.replace("TOKEN", CANARY),
            "      provideClusterInfo: true",
        );
        home.issue(&user, 0o644).unwrap();
        assert_eq!(home.bearer(), format!("Bearer {CANARY}"));
        let seen = std::fs::read_to_string(home.dir.path().join("plugin.seen")).unwrap();
        assert_eq!(seen, "a  b|$HOME|lab");
        let info = std::fs::read(home.dir.path().join("plugin.info")).unwrap();
        let info: Value = serde_json::from_slice(&info).unwrap();
        assert_eq!(info["kind"], "ExecCredential");
        assert_eq!(info["spec"]["interactive"], false);
        assert_eq!(info["spec"]["cluster"]["server"], home.server.origin());
    }

    #[test]
    fn a_credential_plugin_may_give_a_certificate() {
        let home = Home::new(true);
        let (builder, chain, key) = home.builder();
        let status = json!({"clientCertificateData": chain, "clientKeyData": key});
        let credential = json!({"kind": "ExecCredential", "status": status}).to_string();
        home.write("credential.json", &credential, 0o600);
        let user = plugin(&home, "cat \"${0%/*}/credential.json\"", "");
        home.issue(&user, 0o644).unwrap();
        assert_eq!(
            home.server.asked()[0].client_certificate.as_ref(),
            Some(&builder.chain[0])
        );
    }

    #[test]
    fn a_plugin_that_fails_says_nothing_or_wants_a_terminal_is_told() {
        let home = Home::new(false);
        for (script, more, words) in [
            ("echo no such profile >&2; exit 3", "", "no such profile"),
            ("echo '{}'", "", "gave no credential"),
            ("echo xyzzy-canary", "", "gave no credential"),
            ("true", "      interactiveMode: Always", "wants a terminal"),
        ] {
            let error = home.issue(&plugin(&home, script, more), 0o644).unwrap_err();
            assert!(matches!(error, AuthorityError::Settings(_)), "{error}");
            assert!(error.to_string().contains(words), "{error}");
            assert!(!format!("{error:?}").contains("xyzzy"), "{error:?}");
        }
        let missing = "    exec:\n      apiVersion: client.authentication.k8s.io/v1\n      \
                       command: ./gone\n      installHint: install it by apt";
        let finding = home.issue(missing, 0o644).unwrap_err().into_finding();
        assert_eq!(finding.hint, "install it by apt");
        let old = "    exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: x}";
        assert!(
            home.issue(old, 0o644)
                .unwrap_err()
                .to_string()
                .contains("apiVersion")
        );
        assert!(home.server.asked().is_empty());
    }

    #[test]
    fn a_pod_comes_with_its_service_account() {
        let home = Home::new(false);
        home.write("sa/token", CANARY, 0o644);
        home.write("sa/ca.crt", &home.root(), 0o644);
        let folder = home.dir.path().join("sa");
        let folder = folder.to_str().unwrap();
        let table = toml::toml! {
            service_account = folder
            signer_name = "example.com/images"
        };
        let port = home.server.port().to_string();
        let pod = [
            ("KUBERNETES_SERVICE_HOST", "127.0.0.1"),
            ("KUBERNETES_SERVICE_PORT", port.as_str()),
        ];
        let opened = open_in(table.clone(), &[], &pod).unwrap();
        opened.authority.issue(&order(PATIENCE).1).unwrap();
        assert_eq!(home.bearer(), format!("Bearer {CANARY}"));
        let error = open_in(table, &[], &[]).err().unwrap();
        assert!(error.reason.contains("this is no pod"), "{error}");
    }

    #[test]
    fn the_variable_and_the_file_at_home_are_found_as_kubectl_does() {
        let home = Home::new(false);
        let kubeconfig = home.kubeconfig(&format!("    token: {CANARY}"), 0o600);
        let table = toml::toml! { signer_name = "example.com/images" };
        let list = format!("/nonexistent/config:{}", kubeconfig.display());
        open_in(table.clone(), &[], &[("KUBECONFIG", &list)]).unwrap();
        let folder = home.dir.path().join(".kube");
        std::fs::create_dir(&folder).unwrap();
        std::fs::copy(&kubeconfig, folder.join("config")).unwrap();
        let at_home = home.dir.path().to_str().unwrap();
        let opened = open_in(table.clone(), &[], &[("HOME", at_home)]).unwrap();
        assert_eq!(
            opened.authority.place().place,
            format!("{}/", home.server.origin())
        );
        let error = open_in(table, &[], &[]).err().unwrap();
        assert!(error.reason.contains("set KUBECONFIG"), "{error}");
    }

    #[test]
    fn roots_of_the_api_server_may_be_others_than_those_of_what_is_issued() {
        let (cluster, issuing) = (Lab::new("Cluster"), Lab::new("Signer"));
        let serving = issuing.clone();
        let server = FakeServer::https(&cluster.server(), move |asked| well(&serving, asked));
        let dir = tempfile::tempdir().unwrap();
        let ca = dir.path().join("cluster.pem");
        std::fs::write(&ca, pem::encode("CERTIFICATE", &cluster.root())).unwrap();
        let (_file, source) = credential();
        let mut table = Kubernetes.settings(&server, &source);
        table.insert("cluster_ca".to_owned(), ca.to_str().unwrap().into());
        let opened = open_in(table, &issuing.anchors(), &[]).unwrap();
        opened.authority.issue(&order(PATIENCE).1).unwrap();
    }
}

mod settings {
    use super::*;

    fn fault(table: toml::Table) -> SettingsError {
        try_open("kubernetes", table, &[vec![1]]).err().unwrap()
    }

    #[test]
    fn a_signer_is_a_qualified_name_and_kubernetes_own_are_known() {
        for (name, words) in [
            ("images", "domain/name"),
            (
                "kubernetes.io/kube-apiserver-clent",
                "did you mean `kubernetes.io/kube-apiserver-client`",
            ),
        ] {
            let table = toml::toml! {
                url = "https://k8s.lab:6443"
                signer_name = name
            };
            let error = fault(table);
            assert_eq!(error.key, "signer_name");
            assert!(error.reason.contains(words), "{error}");
        }
    }

    #[test]
    fn what_decides_the_server_is_said_once() {
        let both = toml::toml! {
            url = "https://k8s.lab:6443"
            kubeconfig = "config"
            signer_name = "a.b/c"
        };
        assert_eq!(fault(both).key, "kubeconfig");
        let lone = toml::toml! {
            token = "env:T"
            signer_name = "a.b/c"
        };
        assert_eq!(fault(lone).key, "token");
        let gone = toml::toml! {
            kubeconfig = "/nonexistent/config"
            signer_name = "a.b/c"
        };
        assert!(fault(gone).reason.contains("/nonexistent/config"));
    }

    #[test]
    fn the_example_opens() {
        let table = baking::example("kubernetes");
        try_open("kubernetes", table, &[vec![1]]).map(drop).unwrap();
    }
}

#[test]
fn the_binary_bakes_from_it_and_shows_no_secret() {
    let lab = Lab::new("Lab");
    let serving = lab.clone();
    let server = FakeServer::https(&lab.server(), move |asked| well(&serving, asked));
    let table = Kubernetes.settings(&server, "env:K8S_TOKEN");
    let baked = Baked::provision(
        "kubernetes",
        &table,
        &lab.anchors(),
        &[("K8S_TOKEN", CANARY)],
    );
    baked.is_good(&[CANARY]);
}
