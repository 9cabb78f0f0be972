//! The account: made once, kept, and refused where it does not fit.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use certbake::authority::{AuthorityError, Depth};

use crate::fake::{Ca, directory, json_reply, none, problem, refused, settings_error};
use crate::support::contract::{PATIENCE, order};

#[test]
fn it_is_made_once_and_is_for_its_owner_alone() {
    let ca = Ca::new(|_| None);
    std::thread::scope(|scope| {
        // As two builds beside each other: nothing is shared but the file.
        for _ in 0..3 {
            scope.spawn(|| ca.issue(none()).unwrap());
        }
    });
    ca.issue(none()).unwrap();
    assert_eq!(ca.asked_for("/account").len(), 1);
    let mode = fs::metadata(&ca.account).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn one_that_others_may_read_is_refused() {
    let ca = Ca::new(|_| None);
    ca.issue(none()).unwrap();
    fs::set_permissions(&ca.account, fs::Permissions::from_mode(0o640)).unwrap();
    let finding = settings_error(ca.issue(none()));
    assert_eq!(finding.code.as_str(), "secret-file-exposed");
}

#[test]
fn one_of_another_ca_or_of_no_ca_is_refused_and_stays() {
    let ca = Ca::new(|_| None);
    let other = Ca::new(|_| None);
    other.issue(none()).unwrap();
    for content in [
        fs::read(&other.account).unwrap(),
        b"{}".to_vec(),
        b"[".to_vec(),
    ] {
        fs::write(&ca.account, &content).unwrap();
        fs::set_permissions(&ca.account, fs::Permissions::from_mode(0o600)).unwrap();
        let finding = settings_error(ca.issue(none()));
        assert_eq!(finding.code.as_str(), "acme-account-unusable");
        assert_eq!(fs::read(&ca.account).unwrap(), content);
    }
    assert_eq!(ca.asked_for("/account").len(), 0);
}

#[test]
fn none_is_made_before_the_terms_are_agreed_and_the_binding_given() {
    let ca = Ca::new(|_| None);
    let finding = settings_error(ca.issue(toml::toml! { terms_of_service_agreed = false }));
    assert_eq!(finding.code.as_str(), "acme-terms-not-agreed");
    assert!(
        finding.hint.contains("https://ca.lab/terms"),
        "{}",
        finding.hint
    );

    let ca = Ca::new(|asked| {
        let origin = format!("https://{}", asked.header("host").unwrap());
        let mut directory = directory(&origin);
        directory["meta"]["externalAccountRequired"] = true.into();
        (asked.path == "/directory").then(|| json_reply(200, &directory))
    });
    let finding = settings_error(ca.issue(none()));
    assert_eq!(finding.code.as_str(), "acme-external-account-required");
    assert_eq!(ca.asked_for("/account").len(), 0);
}

#[test]
fn none_is_made_where_its_key_cannot_be_kept() {
    let mut ca = Ca::new(|_| None);
    ca.account = ca.account.with_file_name("missing").join("account.json");
    let finding = settings_error(ca.issue(none()));
    assert_eq!(finding.code.as_str(), "acme-account-unusable");
    assert_eq!(ca.asked_for("/account").len(), 0);
}

/// As Pebble and others say of a binding.
#[test]
fn a_binding_that_is_not_taken_is_told_as_one() {
    let bound = || {
        toml::toml! {
            eab_key_id = "kid-1"
            eab_hmac_key = "cmd:printf emVybw"
        }
    };
    for (kind, settings, code, words) in [
        ("unauthorized", bound(), "ca-login-refused", "eab_key_id"),
        ("malformed", bound(), "ca-login-refused", "eab_key_id"),
        (
            "unauthorized",
            none(),
            "ca-refused",
            "does not create an account",
        ),
    ] {
        let ca = Ca::new(move |asked| {
            (asked.path == "/account").then(|| problem(403, kind, "the kid is not known"))
        });
        let finding = refused(ca.issue(settings));
        assert_eq!(finding.code.as_str(), code, "{kind}");
        assert!(finding.hint.contains(words), "{}", finding.hint);
    }
}

#[test]
fn a_bindings_key_that_is_none_is_known_beforehand() {
    let ca = Ca::new(|_| None);
    let opened = ca.open(toml::toml! {
        listen = "127.0.0.1:0"
        eab_key_id = "kid-1"
        eab_hmac_key = "cmd:printf a.b"
    });
    let looked = opened
        .preflight
        .unwrap()
        .preflight(&order(PATIENCE).1, Depth::Whole);
    match looked {
        Err(AuthorityError::Settings(finding)) => {
            assert!(
                finding.summary.contains("not base64url"),
                "{}",
                finding.summary
            );
        }
        other => panic!("{other:?}"),
    }
}
