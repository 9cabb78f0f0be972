//! AppRole, whose secret id may come wrapped, and be stolen on the way.

use certbake::authority::{Depth, Opened};
use serde_json::json;

use super::logins::{accessors, can_order, orders_and_leaves_nothing};
use super::{MOUNT, ROLE, authority, codes, fails, leaf, secret, serial};
use crate::servers::vault::Vault;
use crate::support::contract::{PATIENCE, order};

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
    let finding = fails(&opened);
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
    let finding = fails(&opened);
    assert_eq!(finding.code.as_str(), "vault-secret-id-wrapped-elsewhere");
    assert_eq!(finding.facts["creation_path"], "sys/wrapping/wrap");
}

#[test]
fn a_secret_id_as_it_is_and_one_that_is_used_up() {
    let Some(vault) = Vault::start() else { return };
    can_order(&vault);
    vault.enable("approle");
    let role = vault.app_role("builder", "builder");
    let login = |secret_id: &str| {
        let (file, source) = secret(secret_id);
        let opened = authority(
            &vault,
            toml::toml! { method = "approle"
            role_id = (role.role_id.as_str())
            secret_id = source },
            |_| {},
        );
        (file, opened)
    };
    let (_file, opened) = login(&role.secret_id);
    orders_and_leaves_nothing(&vault, &opened);
    let (_file, opened) = login("11111111-2222-3333-4444-555555555555");
    let finding = fails(&opened);
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
    let place = format!("{MOUNT}/cert/{}", serial(&leaf(&issued)));
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
