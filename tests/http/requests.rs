//! What is sent, by the templates of the settings.

use certbake::pki::{AltName, KeyAlgorithm};
use data_encoding::BASE64;
use serde_json::json;

use crate::fake::{Api, SIGN, body, csr, lab_with, pem_of, set, sign};
use crate::support::Reply;
use crate::support::contract::{CANARY, PATIENCE, Protocol, Run, credential, order, order_of};

#[test]
fn the_order_stands_in_the_body_as_the_template_says() {
    let run = Run::new(&Api, PATIENCE, |lab, request, _| {
        Api.issued(&[lab.sign(request), lab.issuing()])
    });
    assert!(run.outcome.unwrap().date.is_none());
    let [asked] = run.server.asked().try_into().unwrap();
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", SIGN));
    assert_eq!(asked.header("content-type"), Some("application/json"));
    let bearer = format!("Bearer {CANARY}");
    assert_eq!(asked.header("authorization"), Some(bearer.as_str()));
    let body = body(&asked);
    let names = json!({"dns": ["app.internal"], "ip": [], "uri": [], "email": []});
    assert_eq!(body["names"], names);
    assert_eq!(
        (&body["common_name"], &body["usage"]),
        (&json!("app"), &json!("client"))
    );
    assert_eq!(body["ttl"], 3600);
    assert!(body["until"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn a_form_and_a_body_of_plain_text_are_sent_too() {
    let (_lab, server, opened) = lab_with(
        |lab, asked| {
            let text = String::from_utf8(asked.body.clone()).unwrap();
            let request = match asked.header("content-type").unwrap() {
                "application/x-www-form-urlencoded" => {
                    let fields: std::collections::BTreeMap<String, String> =
                        url::form_urlencoded::parse(&asked.body)
                            .into_owned()
                            .collect();
                    assert_eq!(fields["template"], "mtls & more");
                    csr(&fields["request"])
                }
                "application/pkcs10" => csr(&text),
                other => panic!("{other}"),
            };
            Reply::ok(pem_of(&lab.sign(&request)))
        },
        |table| {
            table.remove("request");
            table.remove("answer");
            set(
                table,
                "request = { form = { request = '{{ csr }}', template = 'mtls & more' } }",
            );
        },
    );
    opened.authority.issue(&order(PATIENCE).1).unwrap();
    assert_eq!(server.asked()[0].path, "/api");

    let (_lab, _server, opened) = lab_with(
        |lab, asked| {
            Reply::ok(pem_of(
                &lab.sign(&csr(std::str::from_utf8(&asked.body).unwrap())),
            ))
        },
        |table| {
            table.remove("request");
            table.remove("answer");
            set(
                table,
                "request = { content_type = 'application/pkcs10', body = '{{ csr }}' }",
            );
        },
    );
    opened.authority.issue(&order(PATIENCE).1).unwrap();
}

#[test]
fn values_in_the_path_cannot_leave_their_place() {
    let (_lab, server, opened) = lab_with(
        |_, _| Reply::status(404),
        |table| {
            set(
                table,
                "request = { path = '/v1/{{ names.uri[0] }}/{{ common_name }}?d={{ names.dns | join(\",\") }}' }",
            );
        },
    );
    let names = vec![
        AltName::uri("spiffe://lab/a").unwrap(),
        AltName::dns("a.lab").unwrap(),
        AltName::dns("b.lab").unwrap(),
    ];
    let (_key, order) = order_of(KeyAlgorithm::EcdsaP256, Some("../../admin?x#y"), names);
    let _ = opened.authority.issue(&order);
    assert_eq!(
        server.asked()[0].path,
        "/api/v1/spiffe%3A%2F%2Flab%2Fa/..%2F..%2Fadmin%3Fx%23y?d=a.lab%2Cb.lab"
    );
}

#[test]
fn headers_are_templates_or_secrets() {
    let (_file, source) = credential();
    let (_lab, server, opened) = lab_with(sign, |table| {
        table.remove("token");
        set(
            table,
            &format!(
                "headers = {{ x-build = 'for {{{{ common_name }}}}', x-api-key = {{ secret = '{source}', prefix = 'Key ' }} }}"
            ),
        );
    });
    opened.authority.issue(&order(PATIENCE).1).unwrap();
    let [asked] = server.asked().try_into().unwrap();
    assert_eq!(asked.header("x-build"), Some("for app"));
    assert_eq!(
        asked.header("x-api-key"),
        Some(format!("Key {CANARY}").as_str())
    );
    assert_eq!(asked.header("authorization"), None);
    assert!(opened.secrets.contains(&source.parse().unwrap()));
}

#[test]
fn basic_and_a_command_for_the_token_are_logins_too() {
    let (_file, source) = credential();
    let (_lab, server, opened) = lab_with(sign, |table| {
        table.remove("token");
        set(
            table,
            &format!("username = 'builder'\npassword = '{source}'"),
        );
    });
    opened.authority.issue(&order(PATIENCE).1).unwrap();
    let login = BASE64.encode(format!("builder:{CANARY}").as_bytes());
    assert_eq!(
        server.asked()[0].header("authorization"),
        Some(format!("Basic {login}").as_str())
    );
    let (_lab, server, opened) = lab_with(sign, |table| {
        set(table, "token = 'cmd:printf of-a-command'");
    });
    opened.authority.issue(&order(PATIENCE).1).unwrap();
    assert_eq!(
        server.asked()[0].header("authorization"),
        Some("Bearer of-a-command")
    );
}

#[test]
fn a_secret_in_the_body_is_sent_and_never_told() {
    let (_file, source) = credential();
    let (_lab, server, opened) = lab_with(
        |_, asked| Reply::status(403).body(format!("who is {}?", body(asked)["token"])),
        |table| {
            table.remove("token");
            set(
                table,
                &format!(
                    "secrets = {{ api = '{source}' }}\n\
                     request = {{ body = '{{\"csr\": {{{{ csr }}}}, \"token\": {{{{ secrets.api }}}} }}' }}"
                ),
            );
        },
    );
    let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
    assert_eq!(body(&server.asked()[0])["token"], CANARY);
    let printed = format!("{error} {error:?}");
    assert!(!printed.contains(CANARY), "{printed}");
    assert!(printed.contains("[withheld]"), "{printed}");
}
