//! What an order asks of EJBCA, and the forms of its answer.

use certbake::pki::{pem, pkcs7};
use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::fake::{ENROLL, Ejbca, answer, body, error, lab_with, well};
use crate::support::Lab;
use crate::support::contract::{CANARY, PATIENCE, Protocol, credential, order};

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
