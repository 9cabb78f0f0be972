//! The EJBCA authority against a scripted server that speaks as the sources of EJBCA CE 9 do: member
//! names, statuses and sentences are theirs. No EJBCA runs here (it needs a Java application server).

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod support;

use std::time::Duration;

use certbake::authority::{AuthorityError, Depth, Opened, Reason};
use certbake::pki::{Certificate, pem, pkcs7};
use data_encoding::BASE64;
use serde_json::{Value, json};
use support::baking::{self, Baked};
use support::contract::{
    CANARY, PATIENCE, Protocol, Run, credential, lab_with as on_server, order, revocation, told,
    try_open,
};
use support::{Asked, FakeServer, Lab, Reply};

const API: &str = "/ejbca/ejbca-rest-api";
const ENROLL: &str = "/ejbca/ejbca-rest-api/v1/certificate/pkcs10enroll";

/// EJBCA as the fake speaks it.
struct Ejbca;

impl Protocol for Ejbca {
    fn kind(&self) -> &'static str {
        "ejbca"
    }

    fn settings(&self, server: &FakeServer, credential: &str) -> toml::Table {
        let url = server.origin();
        toml::toml! {
            url = url
            certificate_authority = "Lab Issuing"
            certificate_profile = "ENDUSER"
            end_entity_profile = "Images"
            token = credential
        }
    }

    fn ordered(&self, asked: &Asked) -> Option<Vec<u8>> {
        if asked.path != ENROLL {
            return None;
        }
        let body = body(asked);
        BASE64
            .decode(body["certificate_request"].as_str()?.as_bytes())
            .ok()
    }

    fn aside(&self, _: &Lab, asked: &Asked) -> Reply {
        match asked.path.strip_prefix(API).unwrap() {
            "/v1/ca" => cas(),
            _ => answer(
                404,
                &json!({"error_code": 404, "error_message": "Not found"}),
            ),
        }
    }

    fn issued(&self, certificates: &[Vec<u8>]) -> Reply {
        let base64: Vec<String> = certificates.iter().map(|der| BASE64.encode(der)).collect();
        answer(
            201,
            &json!({
                "certificate": base64[0],
                "serial_number": "1234567890ABCDEF",
                "response_format": "DER",
                "certificate_chain": base64[1..],
            }),
        )
    }

    fn refusal(&self, status: u16, words: &str) -> Reply {
        error(status, words)
    }
}

fn body(asked: &Asked) -> Value {
    serde_json::from_slice(&asked.body).unwrap()
}

fn answer(status: u16, body: &Value) -> Reply {
    Reply::status(status)
        .header("content-type", "application/json")
        .body(body.to_string())
}

fn error(status: u16, words: &str) -> Reply {
    answer(
        status,
        &json!({"error_code": status, "error_message": words}),
    )
}

fn cas() -> Reply {
    let ca = |name: &str, dn: &str, ends: &str| json!({"id": 7, "name": name, "subject_dn": dn, "issuer_dn": dn, "expiration_date": ends});
    answer(
        200,
        &json!({"certificate_authorities": [
            ca("ManagementCA", "CN=ManagementCA", "2046-01-19T03:14:07Z"),
            ca("Lab Issuing", "CN=Lab Issuing,O=Lab\\, Inc/EU", "2046-01-19T03:14:07Z"),
        ]}),
    )
}

/// A server that answers everything by the script, and the authority on it.
fn lab_with(
    script: impl FnMut(&Lab, &Asked) -> Reply + Send + 'static,
    change: impl FnOnce(&mut toml::Table),
) -> (Lab, FakeServer, Opened) {
    on_server(&Ejbca, script, &[], |_, table| change(table))
}

fn well(lab: &Lab, asked: &Asked) -> Reply {
    match Ejbca.ordered(asked) {
        Some(request) => Ejbca.issued(&[lab.sign(&request), lab.issuing(), lab.root()]),
        None => Ejbca.aside(lab, asked),
    }
}

mod contract {
    use super::Ejbca;

    crate::contract!(&Ejbca);
}

mod requests {
    use super::*;

    #[test]
    fn an_order_holds_the_members_that_ejbca_reads_and_its_own_form_of_time() {
        let (_lab, server, opened) = lab_with(well, |_| {});
        opened.authority.issue(&order(PATIENCE).1).unwrap();
        let asked = &server.asked()[0];
        assert_eq!(
            (asked.method.as_str(), asked.path.as_str()),
            ("POST", ENROLL)
        );
        assert_eq!(
            asked.header("authorization").unwrap(),
            format!("Bearer {CANARY}")
        );
        let body = body(asked);
        let mut members: Vec<&str> = body
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        members.sort_unstable();
        assert_eq!(
            members,
            [
                "certificate_authority_name",
                "certificate_profile_name",
                "certificate_request",
                "end_entity_profile_name",
                "end_time",
                "include_chain",
                "password",
                "response_format",
                "username",
            ]
        );
        assert_eq!(body["username"], "app");
        assert_eq!(body["certificate_authority_name"], "Lab Issuing");
        assert_eq!(body["response_format"], "DER");
        // An hour from now, as `2026-02-03 04:05:06`.
        let end = body["end_time"].as_str().unwrap();
        let shape: String = end
            .chars()
            .map(|c| if c.is_ascii_digit() { '9' } else { c })
            .collect();
        assert_eq!(shape, "9999-99-99 99:99:99");
        let end = time::PrimitiveDateTime::parse(
            end,
            time::macros::format_description!("[year]-[month]-[day] [hour]:[minute]:[second]"),
        )
        .unwrap()
        .assume_utc();
        let ahead = end - time::OffsetDateTime::now_utc();
        assert!((ahead.whole_seconds() - 3600).abs() < 60, "{ahead}");
    }

    #[test]
    fn without_an_enrolment_code_each_order_gets_its_own() {
        let (_lab, server, opened) = lab_with(well, |table| {
            table.insert("send_end_time".to_owned(), false.into());
        });
        opened.authority.issue(&order(PATIENCE).1).unwrap();
        opened.authority.issue(&order(PATIENCE).1).unwrap();
        let codes: Vec<Value> = server
            .asked()
            .iter()
            .map(|asked| body(asked)["password"].clone())
            .collect();
        assert_ne!(codes[0], codes[1]);
        assert!(codes[0].as_str().unwrap().len() >= 32);
        assert!(body(&server.asked()[0]).get("end_time").is_none());
    }

    #[test]
    fn user_name_and_enrolment_code_of_the_settings_are_sent_and_never_shown() {
        let (file, source) = credential();
        let (_lab, server, opened) = lab_with(
            |_, _| error(400, &format!("wrong password {CANARY}")),
            |table| {
                table.insert("username".to_owned(), "image-builder".into());
                table.insert("password".to_owned(), source.into());
                table.remove("token");
                let lab = Lab::new("Login");
                let builder = lab.client("builder");
                let pem = pem::encode("CERTIFICATE", &builder.chain[0])
                    + &pem::encode("PRIVATE KEY", &builder.key);
                let both = tempfile::NamedTempFile::new().unwrap();
                std::fs::write(both.path(), pem).unwrap();
                let (_, path) = both.keep().unwrap();
                table.insert(
                    "client_certificate".to_owned(),
                    path.to_str().unwrap().into(),
                );
            },
        );
        let finding = opened
            .authority
            .issue(&order(PATIENCE).1)
            .unwrap_err()
            .into_finding();
        drop(file);
        assert!(
            finding.summary.ends_with("wrong password [withheld]"),
            "{}",
            finding.summary
        );
        let body = body(&server.asked()[0]);
        assert_eq!(body["username"], "image-builder");
        assert_eq!(body["password"], CANARY);
        assert_eq!(server.asked()[0].header("authorization"), None);
    }

    #[test]
    fn every_form_of_the_certificate_is_read_and_the_chains_root_vouched_for() {
        type Form = fn(Vec<u8>) -> String;
        let forms: [Form; 5] = [
            |der| BASE64.encode(&der),
            |der| pem::encode("CERTIFICATE", &der),
            |der| BASE64.encode(pem::encode("CERTIFICATE", &der).as_bytes()),
            |der| BASE64.encode(pem::encode("PKCS7", &pkcs7::certs_only(&[&der])).as_bytes()),
            |der| pem::encode("PKCS7", &pkcs7::certs_only(&[&der])),
        ];
        for form in forms {
            let (lab, _server, opened) = lab_with(
                move |lab, asked| {
                    let request = Ejbca.ordered(asked).unwrap();
                    answer(
                        201,
                        &json!({
                            "certificate": form(lab.sign(&request)),
                            "certificate_chain": [form(lab.issuing()), form(lab.root())],
                        }),
                    )
                },
                |_| {},
            );
            let issued = opened.authority.issue(&order(PATIENCE).1).unwrap();
            assert_eq!(issued.certificates.len(), 2);
            assert_eq!(issued.anchors, [lab.root()]);
        }
    }
}

mod approval {
    use super::*;

    fn waiting(link_only: bool) -> Reply {
        let mut body = json!({
            "status_code": 202,
            "info_message": "The request with ID 41 is waiting for approval",
            "link": "https://ca/ejbca/ejbca-rest-api/v1/certificate/41/finalize",
        });
        if !link_only {
            body["request_id"] = 41.into();
        }
        answer(202, &body)
    }

    /// A finalised enrolment comes without its chain, which the CA hands out itself.
    #[test]
    fn an_order_that_waits_for_approval_is_finalised_once_approved_and_gets_its_chain() {
        for link_only in [false, true] {
            let mut request = Vec::new();
            let mut asked_after = 0;
            let (_lab, server, opened) = lab_with(
                move |lab, asked| {
                    if let Some(der) = Ejbca.ordered(asked) {
                        request = der;
                        return waiting(link_only);
                    }
                    match asked.path.strip_prefix(API).unwrap() {
                        "/v1/certificate/41/finalize" => {
                            asked_after += 1;
                            if asked_after < 3 {
                                return waiting(link_only);
                            }
                            answer(
                                201,
                                &json!({
                                    "certificate": BASE64.encode(&lab.sign(&request)),
                                    "serial_number": "12",
                                    "response_format": "DER",
                                }),
                            )
                        }
                        "/v1/ca/CN=Lab%20Issuing,O=Lab%5C,%20Inc%2FEU/certificate/download" => {
                            Reply::ok(
                                pem::encode("CERTIFICATE", &lab.issuing())
                                    + &pem::encode("CERTIFICATE", &lab.root()),
                            )
                        }
                        "/v1/ca" => cas(),
                        other => panic!("{other}"),
                    }
                },
                |_| {},
            );
            told();
            let issued = opened.authority.issue(&order(PATIENCE).1).unwrap();
            assert_eq!(told(), ["an approval is awaited"; 3]);
            assert_eq!(issued.certificates.len(), 2);
            let asked = server.asked();
            let order = body(&asked[0]);
            let finalize = body(&asked[1]);
            assert_eq!(finalize["password"], order["password"]);
            assert_eq!(finalize["response_format"], "DER");
        }
    }

    #[test]
    fn an_approval_that_does_not_come_ends_with_the_deadline() {
        let (_lab, _server, opened) = lab_with(|_, _| waiting(false), |_| {});
        let error = opened
            .authority
            .issue(&order(Duration::from_secs(2)).1)
            .unwrap_err();
        assert!(matches!(error, AuthorityError::Unreachable(_)), "{error}");
        let finding = error.into_finding();
        assert_eq!(finding.code.as_str(), "ca-pending");
        assert_eq!(finding.facts["request_id"], 41);
    }

    #[test]
    fn a_rejection_and_a_wait_without_a_number_are_told() {
        let (_lab, _server, opened) = lab_with(
            |_, asked| match Ejbca.ordered(asked) {
                Some(_) => waiting(false),
                None => error(400, "Request with Id '41' has been rejected"),
            },
            |_| {},
        );
        let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
        assert!(matches!(error, AuthorityError::Refused(_)), "{error}");
        assert!(error.to_string().contains("has been rejected"), "{error}");
        let (_lab, _server, opened) = lab_with(
            |_, _| answer(202, &json!({"info_message": "later"})),
            |_| {},
        );
        let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
        assert!(matches!(error, AuthorityError::Unusable(_)), "{error}");
    }
}

mod refusals {
    use super::*;

    /// Status, EJBCA's words, what the hint must name, whether asking again may help.
    const TABLE: &[(u16, &str, &str, bool)] = &[
        (
            400,
            "Subject DN not allowed",
            "does not sign this request",
            false,
        ),
        (401, "Authorization failed", "does not know", false),
        (403, "Administrator not authorized to CA", "role", false),
        (
            404,
            "CA with name X doesn't exist",
            "certificate_authority",
            false,
        ),
        (
            409,
            "conflicting with an existing one",
            "one certificate a key",
            false,
        ),
        (413, "too long", "does not sign", false),
        (422, "ENDTIME is not allowed", "send_end_time", false),
        (500, "General failure.", "server log", true),
    ];

    #[test]
    fn each_status_is_told_in_ejbcas_words_with_what_to_do_in_ejbca() {
        for (status, words, hint, passes) in TABLE {
            let run = Run::new(&Ejbca, PATIENCE, move |_, _, _| error(*status, words));
            let finding = if *passes {
                run.unreachable()
            } else {
                run.refused()
            };
            assert!(finding.summary.contains(words), "{}", finding.summary);
            assert!(finding.hint.contains(hint), "{status}: {}", finding.hint);
        }
    }

    #[test]
    fn a_ca_that_is_offline_is_asked_again_and_then_told() {
        let run = Run::new(&Ejbca, Duration::from_secs(1), |_, _, _| {
            error(503, "Device was unavailable.")
        });
        let finding = run.unreachable();
        assert!(
            finding.summary.contains("Device was unavailable"),
            "{}",
            finding.summary
        );
        assert!(
            finding.hint.contains("crypto token activated"),
            "{}",
            finding.hint
        );
    }

    #[test]
    fn a_page_that_is_not_ejbcas_points_at_the_url() {
        let run = Run::new(&Ejbca, PATIENCE, |_, _, _| {
            Reply::status(404).body("<h1>Not Found</h1>")
        });
        assert!(run.refused().hint.contains("REST API is enabled"));
    }
}

mod preflight {
    use super::*;

    fn foresee(
        reply: Reply,
        name: &'static str,
        depth: Depth,
    ) -> Result<Vec<certbake::finding::Finding>, AuthorityError> {
        let (_lab, _server, opened) = lab_with(
            move |_, _| reply.clone(),
            |table| {
                table.insert("certificate_authority".to_owned(), name.into());
            },
        );
        opened
            .preflight
            .unwrap()
            .preflight(&order(PATIENCE).1, depth)
    }

    #[test]
    fn a_ca_that_is_there_and_lasts_is_told_to_doctor_alone() {
        assert_eq!(foresee(cas(), "Lab Issuing", Depth::Order).unwrap(), []);
        let found = foresee(cas(), "Lab Issuing", Depth::Whole).unwrap();
        assert_eq!(found[0].code.as_str(), "ca-answers");
        assert_eq!(found[0].facts["login"], "a token");
    }

    #[test]
    fn a_ca_that_is_not_there_is_told_with_the_one_that_may_be_meant() {
        let error = foresee(cas(), "Lab Isuing", Depth::Whole).unwrap_err();
        let finding = error.into_finding();
        assert!(
            finding.summary.contains("no CA \"Lab Isuing\""),
            "{}",
            finding.summary
        );
        assert!(
            finding.hint.contains("did you mean \"Lab Issuing\"?"),
            "{}",
            finding.hint
        );
    }

    #[test]
    fn a_ca_that_ends_before_the_certificate_would_is_a_warning() {
        let soon = time::OffsetDateTime::now_utc() + time::Duration::MINUTE * 10;
        let list = answer(
            200,
            &json!({"certificate_authorities": [{
                "name": "Lab Issuing",
                "subject_dn": "CN=Lab Issuing",
                "expiration_date": certbake::finding::rfc3339(soon),
            }]}),
        );
        let found = foresee(list, "Lab Issuing", Depth::Order).unwrap();
        assert_eq!(found[0].code.as_str(), "ca-ends-first");
    }

    #[test]
    fn a_login_that_may_not_list_cas_is_told_by_doctor_alone() {
        let denied = || error(403, "not authorized to resource /ca");
        assert_eq!(foresee(denied(), "Lab Issuing", Depth::Order).unwrap(), []);
        let error = foresee(denied(), "Lab Issuing", Depth::Whole).unwrap_err();
        assert_eq!(error.into_finding().code.as_str(), "ca-login-refused");
    }
}

mod revocations {
    use super::*;

    fn revoke(
        reply: Reply,
    ) -> (
        FakeServer,
        Certificate,
        Result<Vec<certbake::finding::Finding>, AuthorityError>,
    ) {
        let (lab, server, opened) = lab_with(
            move |_, asked| {
                if asked.path.ends_with("/v1/ca") {
                    cas()
                } else {
                    reply.clone()
                }
            },
            |_| {},
        );
        let certificate = lab.client("app").certificate();
        let revoked = opened
            .revoke
            .unwrap()
            .revoke(&revocation(&certificate, Reason::KeyCompromise));
        (server, certificate, revoked)
    }

    #[test]
    fn a_certificate_is_revoked_by_ejbcas_name_of_its_issuer_and_its_serial() {
        let (server, certificate, revoked) = revoke(answer(200, &json!({"revoked": true})));
        assert_eq!(revoked.unwrap(), []);
        let asked = &server.asked()[1];
        assert_eq!(asked.method, "PUT");
        let serial = &certificate.facts().serial;
        assert_eq!(
            asked.path,
            format!(
                "{API}/v1/certificate/CN=Lab%20Issuing,O=Lab%5C,%20Inc%2FEU/{serial}/revoke?reason=KEY_COMPROMISE"
            )
        );
    }

    #[test]
    fn one_revoked_already_is_no_error_and_one_that_waits_is_a_warning() {
        let (_, _, revoked) = revoke(error(409, "Certificate is already revoked"));
        assert_eq!(revoked.unwrap(), []);
        let (_, _, revoked) = revoke(answer(202, &json!({"info_message": "waiting"})));
        assert_eq!(revoked.unwrap()[0].code.as_str(), "ca-pending");
        let (_, _, revoked) = revoke(error(404, "no such certificate"));
        assert!(matches!(revoked, Err(AuthorityError::Refused(_))));
    }
}

mod settings {
    use super::*;

    #[test]
    fn an_order_without_any_login_is_refused_before_it_is_made() {
        let table = toml::toml! {
            url = "https://ca.lab"
            certificate_authority = "Lab"
            certificate_profile = "ENDUSER"
            end_entity_profile = "Images"
        };
        let error = try_open("ejbca", table, &[vec![1]]).err().unwrap();
        assert_eq!(error.key, "client_certificate");
    }

    #[test]
    fn the_example_opens() {
        try_open("ejbca", baking::example("ejbca"), &[vec![1]])
            .map(drop)
            .unwrap();
    }
}

#[test]
fn the_binary_bakes_from_it_and_shows_no_secret() {
    let lab = Lab::new("Lab");
    let serving = lab.clone();
    let server = FakeServer::https(&lab.server(), move |asked| well(&serving, asked));
    let table = Ejbca.settings(&server, "env:EJBCA_TOKEN");
    let baked = Baked::provision("ejbca", &table, &lab.anchors(), &[("EJBCA_TOKEN", CANARY)]);
    baked.is_good(&[CANARY]);
}
