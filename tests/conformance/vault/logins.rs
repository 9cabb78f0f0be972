//! The logins that this Vault has, and what becomes of their tokens.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use certbake::authority::Opened;
use certbake::pki::{KeyAlgorithm, PrivateKey, pem};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::{MOUNT, ROLE, authority, fails, leaf, secret};
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

/// A user who may order, with the password `hunter2`.
fn bob(vault: &Vault) {
    can_order(vault);
    vault.enable("userpass");
    let bob = json!({ "password": "hunter2", "token_policies": ["builder"] });
    vault.write("auth/userpass/users/bob", &bob);
}

fn as_bob(vault: &Vault, password: &str) -> (tempfile::NamedTempFile, Opened) {
    let (file, source) = secret(password);
    let login = toml::toml! { method = "userpass"
    username = "bob"
    password = source };
    (file, authority(vault, login, |_| {}))
}

#[test]
fn userpass() {
    let Some(vault) = Vault::start() else { return };
    bob(&vault);
    let (_file, opened) = as_bob(&vault, "hunter2");
    orders_and_leaves_nothing(&vault, &opened);
    let (_file, opened) = as_bob(&vault, "hunter3");
    let finding = fails(&opened);
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

/// `doctor` logs in to see what the login may do.
#[test]
fn a_look_beforehand_leaves_no_token_behind() {
    let Some(vault) = Vault::start() else { return };
    bob(&vault);
    let trust = format!("file:{}", vault.anchors.display());
    let (url, root) = (vault.url.as_str(), vault.root.to_str().unwrap());
    let config = toml::toml! {
        [ca.vault]
        kind = "vault"
        url = url
        trust = trust
        anchors = root
        role = "app"
        username = "bob"
        password = "env:PASSWORD"
        [identity.app]
        common_name = "app"
        ttl = "2d"
        placements = { full_chain = "/c.crt", private_key = "/c.key" }
    };
    std::fs::write(vault.directory().join("certbake.toml"), config.to_string()).unwrap();
    let before = accessors(&vault);
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_certbake"))
        .arg("doctor")
        .env("PASSWORD", "hunter2")
        .current_dir(vault.directory())
        .output()
        .unwrap();
    let printed = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{printed}");
    assert!(printed.contains("the user name \"bob\""), "{printed}");
    assert_eq!(accessors(&vault), before, "{printed}");
}

#[test]
fn a_login_where_nothing_is_mounted() {
    let Some(vault) = Vault::start() else { return };
    let (_file, opened) = as_bob(&vault, "hunter2");
    let finding = fails(&opened);
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
    let login = |role: &str| {
        authority(
            &vault,
            toml::toml! { method = "cert"
            name = role },
            |table| {
                let [certificate, key] = [&certificate, &key].map(|path| path.to_str().unwrap());
                table.insert("client_certificate".into(), certificate.into());
                table.insert("client_key".into(), key.into());
            },
        )
    };
    orders_and_leaves_nothing(&vault, &login("builders"));
    let opened = login("others");
    let finding = fails(&opened);
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
    let finding = fails(&opened);
    assert_eq!(finding.code.as_str(), "ca-login-refused");
    assert!(finding.summary.contains("audience"), "{}", finding.summary);
    assert!(
        finding.hint.contains("aud somebody-else"),
        "{}",
        finding.hint
    );
}
