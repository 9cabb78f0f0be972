//! Every other login: X5C, a key file, a ready-made token, an OIDC id token, the current certificate.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use certbake::authority::Issued;
use certbake::pki::{PrivateKey, pem};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::{Value, json};

use super::{assert_issued, jwk, open, order, order_of, refused, settings, with};
use crate::servers::step::{PASSWORD, StepCa};
use crate::support::{FakeServer, Reply};

fn secret_file(ca: &StepCa, name: &str, content: &str) -> PathBuf {
    let path = ca.directory().join(name);
    std::fs::write(&path, content).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    path
}

/// Chain and key in one file.
fn both(ca: &StepCa, name: &str, issued: &Issued, key: &PrivateKey) -> PathBuf {
    let mut text = pem::encode("PRIVATE KEY", key.expose_pkcs8());
    text.extend(
        issued
            .certificates
            .iter()
            .map(|der| pem::encode("CERTIFICATE", der)),
    );
    secret_file(ca, name, &text)
}

#[test]
fn a_token_of_step_is_good_once() {
    let Some(mut ca) = StepCa::start() else {
        return;
    };
    let token = ca.token("app.internal");
    let source = format!("cmd:printf {token}");
    let login = [("token", source.as_str())];
    // It has no names of its own, so that its subject is the only one.
    let names = vec![certbake::pki::AltName::dns("app.internal").unwrap()];
    let (key, order) = order_of(Some("app.internal"), names.clone());
    let issued = open(with(&ca, &login)).authority.issue(&order).unwrap();
    assert_issued(&ca, &issued, &key, &["dns:app.internal"]);
    // Another run does not know that it was spent; the CA does, and does not say so.
    let finding = refused(open(with(&ca, &login)).authority.issue(&order));
    assert_eq!(finding.code.as_str(), "ca-login-refused");
    assert!(finding.hint.contains("used before"), "{}", finding.hint);
    assert_eq!(finding.facts["token_subject"], "app.internal");
    assert!(finding.facts["request_id"].is_string(), "{finding:?}");
    assert!(!format!("{finding:?}").contains(&token));
    // Nor does it take one from before its own start.
    let source = format!("cmd:printf {}", ca.token("app.internal"));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    ca.serve();
    let finding = refused(
        open(with(&ca, &[("token", &source)]))
            .authority
            .issue(&order),
    );
    assert!(
        finding.hint.contains("before the CA started"),
        "{}",
        finding.hint
    );
    // For other names it is not even sent.
    let source = format!("cmd:printf {}", ca.token("web"));
    let finding = settings(
        open(with(&ca, &[("token", &source)]))
            .authority
            .issue(&order),
    );
    assert!(
        finding.summary.contains("the token is for \"web\""),
        "{}",
        finding.summary
    );
}

#[test]
fn a_key_file_needs_no_key_from_the_ca() {
    let Some(mut ca) = StepCa::make() else { return };
    let mut locked = String::new();
    ca.configure(|configuration| {
        let admin = &mut configuration["authority"]["provisioners"][0];
        let key = admin.as_object_mut().unwrap().remove("encryptedKey");
        locked = key.unwrap().as_str().unwrap().to_owned();
    });
    ca.serve();
    let finding = settings(open(jwk(&ca)).authority.issue(&order().1));
    assert!(
        finding.hint.contains("give the key itself"),
        "{}",
        finding.hint
    );
    let file = secret_file(&ca, "provisioner.jwe", &locked);
    let (source, password) = (
        format!("file:{}", file.display()),
        format!("cmd:printf {PASSWORD}"),
    );
    let login = [("key", source.as_str()), ("password", &password)];
    open(with(&ca, &login)).authority.issue(&order().1).unwrap();
}

#[test]
fn an_x5c_login_is_a_certificate_of_another_ca_and_ends_with_it() {
    let Some(mut ca) = StepCa::make() else { return };
    let roots = BASE64.encode(&std::fs::read(&ca.root).unwrap());
    ca.add_provisioner(json!({ "type": "X5C", "name": "fleet", "roots": roots }));
    ca.serve();
    let (key, order) = order();
    let issued = open(jwk(&ca)).authority.issue(&order).unwrap();
    let file = both(&ca, "x5c.pem", &issued, &key);
    let opened = open(with(&ca, &[("x5c_certificate", file.to_str().unwrap())]));
    let (new, mut order) = super::order();
    order.ttl = Some(certbake::span::Span::seconds(1800));
    let issued = opened.authority.issue(&order).unwrap();
    assert_issued(&ca, &issued, &new, &["dns:app.internal"]);
    order.ttl = Some(certbake::span::Span::seconds(7200));
    let finding = refused(opened.authority.issue(&order));
    assert!(
        finding
            .summary
            .contains("after the expiration of the provisioning credential")
    );
    assert!(finding.hint.contains("X5C login"), "{}", finding.hint);
}

#[test]
fn the_current_certificate_is_rekeyed() {
    let Some(ca) = StepCa::start() else { return };
    let (key, order) = order();
    let issued = open(jwk(&ca)).authority.issue(&order).unwrap();
    let file = both(&ca, "current.pem", &issued, &key);
    let opened = open(with(&ca, &[("client_certificate", file.to_str().unwrap())]));
    let (new, order) = super::order();
    let issued = opened.authority.issue(&order).unwrap();
    assert_issued(&ca, &issued, &new, &["dns:app.internal"]);
}

/// An identity provider on loopback, with one key.
struct Provider {
    server: FakeServer,
    key: EcdsaKeyPair,
}

impl Provider {
    fn start() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let point = key.public_key().as_ref().to_vec();
        let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let keys = json!({ "keys": [{
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "one",
            "x": encode(&point[1..33]), "y": encode(&point[33..]),
        }] });
        let server = FakeServer::http(move |asked| {
            let issuer = format!("http://{}", asked.header("host").unwrap());
            let answer = match asked.path.as_str() {
                "/.well-known/openid-configuration" => {
                    json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys") })
                }
                _ => keys.clone(),
            };
            Reply::ok(answer.to_string()).header("content-type", "application/json")
        });
        Self { server, key }
    }

    fn issuer(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// As CI systems hand them out: without a nonce.
    fn id_token(&self, audience: &str, id: &str) -> String {
        let now = time::OffsetDateTime::now_utc().unix_timestamp();
        let claims = json!({
            "iss": self.issuer(), "sub": "repo:lab/image", "aud": audience, "jti": id,
            "iat": now, "nbf": now, "exp": now + 300,
        });
        let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": "one" });
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let signature = self
            .key
            .sign(&SystemRandom::new(), signed.as_bytes())
            .unwrap();
        format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }

    fn provisioner(&self, name: &str, client: &str) -> Value {
        let endpoint = format!("{}/.well-known/openid-configuration", self.issuer());
        json!({
            "type": "OIDC", "name": name, "clientID": client, "clientSecret": "",
            "configurationEndpoint": endpoint,
        })
    }
}

#[test]
fn an_id_token_gets_what_the_provisioners_template_takes_from_the_request() {
    let Some(mut ca) = StepCa::make() else { return };
    let provider = Provider::start();
    let mut templated = provider.provisioner("ci", "image-builds");
    templated["options"]["x509"]["template"] = r#"{
        "subject": {"commonName": {{ toJson .Insecure.CR.Subject.CommonName }}},
        "dnsNames": {{ toJson .Insecure.CR.DNSNames }},
        "keyUsage": ["digitalSignature"],
        "extKeyUsage": ["clientAuth"]
    }"#
    .into();
    ca.add_provisioner(templated);
    ca.add_provisioner(provider.provisioner("plain", "other"));
    ca.serve();
    let issue = |token: &str| {
        let source = format!("cmd:printf {token}");
        let (key, order) = order();
        let opened = open(with(&ca, &[("id_token", &source)]));
        (key, opened.authority.issue(&order))
    };
    let token = provider.id_token("image-builds", "1");
    let (key, issued) = issue(&token);
    let chain = assert_issued(&ca, &issued.unwrap(), &key, &["dns:app.internal"]);
    assert_eq!(
        chain.leaf.facts().extended_key_usage.as_deref(),
        Some(&["clientAuth".to_owned()][..])
    );
    // Without a template, the names are the identity provider's; verify says so to the user.
    let (key, issued) = issue(&provider.id_token("other", "2"));
    let name = format!("uri:{}#repo:lab/image", provider.issuer());
    assert_issued(&ca, &issued.unwrap(), &key, &[&name]);
    let (_, again) = issue(&token);
    let finding = refused(again);
    assert!(finding.hint.contains("used before"), "{}", finding.hint);
    let (_, stranger) = issue(&provider.id_token("nobody", "3"));
    let finding = refused(stranger);
    assert!(
        finding.hint.contains("clientID is one of nobody"),
        "{}",
        finding.hint
    );
}
