//! The logins that this Vault has, and what becomes of their tokens.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use certbake::authority::Opened;
use certbake::pki::{KeyAlgorithm, PrivateKey, pem};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::{MOUNT, ROLE, authority, leaf, secret};
use crate::servers::tls;
use crate::servers::vault::Vault;
use crate::support::contract::{PATIENCE, order};

pub fn can_order(vault: &Vault) {
    vault.allow("builder", &format!("{MOUNT}/sign/{ROLE}"), &["update"]);
}

pub fn accessors(vault: &Vault) -> usize {
    let list = vault.read("auth/token/accessors?list=true");
    list["data"]["keys"].as_array().unwrap().len()
}

/// Orders, looks the token up by its accessor, ends the run, and finds it gone.
pub fn orders_and_leaves_nothing(vault: &Vault, opened: &Opened) {
    let before = accessors(vault);
    let (key, order) = order(PATIENCE);
    let issued = opened.authority.issue(&order).unwrap();
    assert_eq!(leaf(&issued).facts().spki, key.spki());
    assert_eq!(accessors(vault), before + 1);
    assert_eq!(opened.finish.as_ref().unwrap().finish(), []);
    assert_eq!(accessors(vault), before);
}

#[test]
fn userpass() {
    let Some(vault) = Vault::start() else { return };
    can_order(&vault);
    vault.enable("userpass");
    vault.write(
        "auth/userpass/users/bob",
        &json!({ "password": "hunter2", "token_policies": ["builder"] }),
    );
    let login = |password: &str| {
        let (file, source) = secret(password);
        let opened = authority(
            &vault,
            toml::toml! { method = "userpass"
            username = "bob"
            password = source },
            |_| {},
        );
        (file, opened)
    };
    let (_file, opened) = login("hunter2");
    orders_and_leaves_nothing(&vault, &opened);
    let (_file, opened) = login("hunter3");
    let finding = opened
        .authority
        .issue(&order(PATIENCE).1)
        .unwrap_err()
        .into_finding();
    assert_eq!(finding.code.as_str(), "ca-login-refused");
    assert!(
        finding.summary.contains("invalid username or password"),
        "{}",
        finding.summary
    );
    assert!(
        finding.hint.contains("password is wrong"),
        "{}",
        finding.hint
    );
}

#[test]
fn a_login_where_nothing_is_mounted() {
    let Some(vault) = Vault::start() else { return };
    let (_file, source) = secret("hunter2");
    let opened = authority(
        &vault,
        toml::toml! { method = "userpass"
        username = "bob"
        password = source },
        |_| {},
    );
    let finding = opened
        .authority
        .issue(&order(PATIENCE).1)
        .unwrap_err()
        .into_finding();
    assert_eq!(finding.code.as_str(), "ca-login-refused");
    assert!(
        finding.hint.contains("auth.mount"),
        "{}: {}",
        finding.summary,
        finding.hint
    );
}

#[test]
fn client_certificate() {
    let Some(vault) = Vault::start() else { return };
    can_order(&vault);
    vault.enable("cert");
    let files = vault.directory().join("clients");
    std::fs::create_dir(&files).unwrap();
    tls::make_ca(&files, "Builders", 2);
    let (certificate, key) = tls::make_client(&files, "builder", 2);
    let ca = std::fs::read_to_string(files.join("ca.pem")).unwrap();
    vault.write(
        "auth/cert/certs/builders",
        &json!({ "certificate": ca, "token_policies": ["builder"] }),
    );
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let opened = authority(
        &vault,
        toml::toml! { method = "cert"
        name = "builders" },
        |table| {
            table.insert(
                "client_certificate".into(),
                certificate.to_str().unwrap().into(),
            );
            table.insert("client_key".into(), key.to_str().unwrap().into());
        },
    );
    orders_and_leaves_nothing(&vault, &opened);
    let opened = authority(
        &vault,
        toml::toml! { method = "cert"
        name = "others" },
        |table| {
            table.insert(
                "client_certificate".into(),
                certificate.to_str().unwrap().into(),
            );
            table.insert("client_key".into(), key.to_str().unwrap().into());
        },
    );
    let finding = opened
        .authority
        .issue(&order(PATIENCE).1)
        .unwrap_err()
        .into_finding();
    assert_eq!(
        finding.code.as_str(),
        "ca-login-refused",
        "{}",
        finding.summary
    );
}

fn jwt(key: &PrivateKey, claims: &Value) -> String {
    let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let signed = format!(
        "{}.{}",
        encode(&json!({ "alg": "ES256", "typ": "JWT" })),
        encode(claims)
    );
    let pair =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.expose_pkcs8()).unwrap();
    let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
}

#[test]
fn a_jwt_of_a_ci_system() {
    let Some(vault) = Vault::start() else { return };
    can_order(&vault);
    vault.enable("jwt");
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let public = pem::encode("PUBLIC KEY", key.spki());
    vault.write(
        "auth/jwt/config",
        &json!({ "jwt_validation_pubkeys": [public], "bound_issuer": "https://ci.lab" }),
    );
    vault.write(
        "auth/jwt/role/builder",
        &json!({
            "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"],
            "bound_claims": { "project": "images" }, "token_policies": ["builder"],
        }),
    );
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let claims = |audience: &str| {
        json!({
            "iss": "https://ci.lab", "aud": audience, "sub": "job-7", "project": "images", "iat": now, "exp": now + 300,
        })
    };
    let login = |audience: &str| {
        let (file, source) = secret(&jwt(&key, &claims(audience)));
        let opened = authority(
            &vault,
            toml::toml! { method = "jwt"
            role = "builder"
            jwt = source },
            |_| {},
        );
        (file, opened)
    };
    let (_file, opened) = login("vault");
    orders_and_leaves_nothing(&vault, &opened);
    let (_file, opened) = login("somebody-else");
    let finding = opened
        .authority
        .issue(&order(PATIENCE).1)
        .unwrap_err()
        .into_finding();
    assert_eq!(finding.code.as_str(), "ca-login-refused");
    assert!(finding.summary.contains("audience"), "{}", finding.summary);
    assert!(
        finding.hint.contains("aud somebody-else"),
        "{}",
        finding.hint
    );
}
