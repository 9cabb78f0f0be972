//! The logins that this Vault has, and what becomes of their tokens.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use certbake::authority::{Depth, Opened};
use certbake::pki::{KeyAlgorithm, PrivateKey, pem};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::{MOUNT, ROLE, authority, codes, leaf, secret};
use crate::servers::tls;
use crate::servers::vault::Vault;
use crate::support::contract::{PATIENCE, order};

fn can_order(vault: &Vault) {
    vault.allow("builder", &format!("{MOUNT}/sign/{ROLE}"), &["update"]);
}

fn accessors(vault: &Vault) -> usize {
    let list = vault.read("auth/token/accessors?list=true");
    list["data"]["keys"].as_array().unwrap().len()
}

/// Orders, looks the token up by its accessor, ends the run, and finds it gone.
fn orders_and_leaves_nothing(vault: &Vault, opened: &Opened) {
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

mod approle {
    use super::*;

    /// A role, its id, and a secret id wrapped by Vault's own command line.
    fn wrapped(vault: &Vault) -> (String, String) {
        can_order(vault);
        vault.enable("approle");
        let role = vault.app_role("builder", "builder");
        vault.write(
            "auth/approle/role/builder",
            &json!({ "secret_id_num_uses": 1 }),
        );
        let place = "auth/approle/role/builder/secret-id";
        let token = vault.vault(&[
            "write",
            "-wrap-ttl=60s",
            "-field=wrapping_token",
            "-f",
            place,
        ]);
        (
            role.role_id,
            String::from_utf8(token).unwrap().trim().to_owned(),
        )
    }

    fn login(vault: &Vault, role_id: &str, wrapping: &str) -> (tempfile::NamedTempFile, Opened) {
        let (file, source) = secret(wrapping);
        let opened = authority(
            vault,
            toml::toml! { method = "approle"
            role_id = role_id
            secret_id_wrapped = source },
            |_| {},
        );
        (file, opened)
    }

    #[test]
    fn a_wrapped_secret_id_is_looked_at_unwrapped_once_and_used_for_all_orders() {
        let Some(vault) = Vault::start() else { return };
        let (role_id, wrapping) = wrapped(&vault);
        let (_file, opened) = login(&vault, &role_id, &wrapping);
        let look = |opened: &Opened| {
            let preflight = opened.preflight.as_ref().unwrap();
            preflight.preflight(&order(PATIENCE).1, Depth::Whole)
        };
        // Looking twice does not use it up.
        for _ in 0..2 {
            assert_eq!(
                codes(&look(&opened).unwrap()),
                ["vault-login-untried", "ca-answers"]
            );
        }
        std::thread::scope(|scope| {
            for _ in 0..5 {
                scope.spawn(|| opened.authority.issue(&order(PATIENCE).1).unwrap());
            }
        });
        assert_eq!(opened.finish.as_ref().unwrap().finish(), []);
        let (_file, late) = login(&vault, &role_id, &wrapping);
        let finding = look(&late).unwrap_err().into_finding();
        assert_eq!(finding.code.as_str(), "vault-secret-id-already-unwrapped");
    }

    #[test]
    fn one_that_a_thief_unwrapped_first_is_a_loud_refusal() {
        let Some(vault) = Vault::start() else { return };
        let (role_id, wrapping) = wrapped(&vault);
        vault.vault(&["unwrap", &wrapping]);
        let (_file, opened) = login(&vault, &role_id, &wrapping);
        let finding = opened
            .authority
            .issue(&order(PATIENCE).1)
            .unwrap_err()
            .into_finding();
        assert_eq!(finding.code.as_str(), "vault-secret-id-already-unwrapped");
        assert!(
            finding
                .summary
                .contains("wrapping token is not valid or does not exist"),
            "{}",
            finding.summary
        );
    }

    /// The thief hides the theft behind a wrapping of his own.
    #[test]
    fn one_that_a_thief_wrapped_again_is_not_used() {
        let Some(vault) = Vault::start() else { return };
        let (role_id, wrapping) = wrapped(&vault);
        let secret_id = vault.vault(&["unwrap", "-field=secret_id", &wrapping]);
        let secret_id = format!("secret_id={}", String::from_utf8(secret_id).unwrap().trim());
        let again = vault.vault(&[
            "write",
            "-wrap-ttl=60s",
            "-field=wrapping_token",
            "sys/wrapping/wrap",
            &secret_id,
        ]);
        let (_file, opened) = login(&vault, &role_id, String::from_utf8(again).unwrap().trim());
        let finding = opened
            .authority
            .issue(&order(PATIENCE).1)
            .unwrap_err()
            .into_finding();
        assert_eq!(finding.code.as_str(), "vault-secret-id-wrapped-elsewhere");
        assert_eq!(finding.facts["creation_path"], "sys/wrapping/wrap");
    }

    #[test]
    fn a_secret_id_as_it_is_and_one_that_is_used_up() {
        let Some(vault) = Vault::start() else { return };
        can_order(&vault);
        vault.enable("approle");
        let role = vault.app_role("builder", "builder");
        let (_file, source) = secret(&role.secret_id);
        let opened = authority(
            &vault,
            toml::toml! { method = "approle"
            role_id = (role.role_id.as_str())
            secret_id = source },
            |_| {},
        );
        orders_and_leaves_nothing(&vault, &opened);
        let (_file, source) = secret("11111111-2222-3333-4444-555555555555");
        let opened = authority(
            &vault,
            toml::toml! { method = "approle"
            role_id = (role.role_id.as_str())
            secret_id = source },
            |_| {},
        );
        let finding = opened
            .authority
            .issue(&order(PATIENCE).1)
            .unwrap_err()
            .into_finding();
        assert_eq!(finding.code.as_str(), "ca-login-refused");
        assert!(finding.summary.contains("invalid"), "{}", finding.summary);
    }

    /// Kept for as long as it lives: then Vault revokes the certificate by itself.
    #[test]
    fn a_token_that_the_certificate_hangs_on_is_kept_and_takes_it_along_in_the_end() {
        let Some(vault) = Vault::start() else { return };
        let (role_id, wrapping) = wrapped(&vault);
        let mut role = vault.read(&format!("{MOUNT}/roles/{ROLE}"))["data"].clone();
        role["generate_lease"] = true.into();
        vault.write(&format!("{MOUNT}/roles/{ROLE}"), &role);
        vault.write("auth/approle/role/builder", &json!({ "token_ttl": "6s" }));
        let (_file, opened) = login(&vault, &role_id, &wrapping);
        let before = accessors(&vault);
        let issued = opened.authority.issue(&order(PATIENCE).1).unwrap();
        assert_eq!(codes(&issued.findings), ["vault-certificate-on-lease"]);
        let findings = opened.finish.as_ref().unwrap().finish();
        assert_eq!(codes(&findings), ["vault-token-kept"]);
        // The wrapping token went, the login's stays.
        assert_eq!(accessors(&vault), before);
        let place = format!("{MOUNT}/cert/{}", super::super::serial(&leaf(&issued)));
        let revoked = || {
            vault.read(&place)["data"]["revocation_time"]
                .as_i64()
                .unwrap()
                > 0
        };
        assert!(!revoked());
        let ends = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while !revoked() {
            assert!(
                std::time::Instant::now() < ends,
                "it was not revoked: is the warning true?"
            );
            std::thread::sleep(std::time::Duration::from_millis(500));
        }
    }

    /// As its user meets it, from a configuration file; the thief is too late and the builder is not.
    #[test]
    fn the_binary_unwraps_bakes_and_leaves_no_token_behind() {
        let Some(vault) = Vault::start() else { return };
        let (role_id, wrapping) = wrapped(&vault);
        let trust = format!("file:{}", vault.anchors.display());
        let (url, root) = (vault.url.as_str(), vault.root.to_str().unwrap());
        let config = toml::toml! {
            [ca.vault]
            kind = "vault"
            url = url
            trust = trust
            anchors = root
            role = "app"
            auth = { method = "approle", role_id = role_id, secret_id_wrapped = "env:WRAPPING" }
            [identity.one]
            common_name = "one"
            ttl = "2d"
            min_validity = "1d"
            placements = { full_chain = "/one.crt", private_key = "/one.key" }
            [identity.two]
            common_name = "two"
            ttl = "2d"
            min_validity = "1d"
            placements = { full_chain = "/two.crt", private_key = "/two.key" }
        };
        let files = vault.directory();
        std::fs::write(files.join("certbake.toml"), config.to_string()).unwrap();
        std::fs::create_dir(files.join("rootfs")).unwrap();
        let bake = |options: &[&str]| {
            let output = std::process::Command::new(env!("CARGO_BIN_EXE_certbake"))
                .args(["provision", "--root", "rootfs"])
                .args(options)
                .env("WRAPPING", &wrapping)
                .current_dir(files)
                .output()
                .unwrap();
            let printed = [output.stdout, output.stderr].concat();
            let printed = String::from_utf8(printed).unwrap();
            assert!(!printed.contains(&wrapping));
            (output.status.code(), printed)
        };
        let before = accessors(&vault);
        let (code, printed) = bake(&["--dry-run"]);
        assert_eq!(code, Some(0), "{printed}");
        assert_eq!(accessors(&vault), before);
        let (code, printed) = bake(&[]);
        assert_eq!(code, Some(0), "{printed}");
        // The wrapping token is gone, and so is the login's.
        assert_eq!(accessors(&vault), before - 1);
        assert!(files.join("rootfs/two.key").exists());
        let (code, printed) = bake(&[]);
        assert_eq!(code, Some(5), "{printed}");
        assert!(
            printed.contains("somebody else has unwrapped it"),
            "{printed}"
        );
    }
}
