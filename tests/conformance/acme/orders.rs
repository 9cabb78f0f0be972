//! Orders, renewals, revocations and looks at Pebble.

use std::fs;
use std::path::Path;

use certbake::authority::{AuthorityError, Current, Depth, Opened, Reason, Revocation};
use time::OffsetDateTime;

use super::{at_pebble, http_01, issued, order, refused};
use crate::servers::curl;
use crate::servers::pebble::{EXTERNAL_ACCOUNT, Options, Pebble};
use crate::support::contract::{arranged, revocation};

#[test]
fn a_pebble_that_is_hard_to_please_is_pleased() {
    let options = Options {
        rejected_nonces: 20,
        external_account: true,
        profiles: vec![("default", 7_776_000), ("short", 86_400)],
        intermediates: 2,
    };
    let Some(pebble) = Pebble::start(&options) else {
        return;
    };
    let Err(AuthorityError::Settings(finding)) = at_pebble(&pebble, http_01(&pebble))
        .authority
        .issue(&order(&["app.example"]).1)
    else {
        panic!("an account without a binding");
    };
    assert_eq!(finding.code.as_str(), "acme-external-account-required");

    let (id, key) = EXTERNAL_ACCOUNT;
    let file = pebble.directory().join("hmac");
    secret(&file, key);
    let mut settings = http_01(&pebble);
    settings.insert("eab_key_id".to_owned(), id.into());
    settings.insert(
        "eab_hmac_key".to_owned(),
        format!("file:{}", file.display()).into(),
    );
    settings.insert("profile".to_owned(), "short".into());
    let opened = at_pebble(&pebble, settings.clone());
    // A nonce in five is called bad: many orders, none of which may fail for it.
    for number in 0..10 {
        let (_, chain, _) = issued(&opened, &[&format!("app{number}.example")]);
        assert_eq!(chain.intermediates.len(), 2);
        let window = chain.leaf.window();
        assert!((window.not_after - window.not_before) <= time::Duration::DAY);
    }

    settings.insert("profile".to_owned(), "tlsclient".into());
    let finding = refused(&at_pebble(&pebble, settings.clone()), &["app.example"]);
    assert_eq!(finding.code.as_str(), "acme-profile-unknown");
    assert_eq!(finding.hint, "the CA offers default, short");

    settings.insert("eab_hmac_key".to_owned(), "cmd:echo d3Jvbmc".into());
    settings.insert("account".to_owned(), "other.json".into());
    settings.remove("profile");
    let finding = refused(&at_pebble(&pebble, settings), &["app.example"]);
    assert!(
        finding.summary.starts_with("making an account: "),
        "{}",
        finding.summary
    );
}

fn secret(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn several_orders_at_once_share_one_account_and_one_listener() {
    let Some(pebble) = Pebble::start(&Options::default()) else {
        return;
    };
    let opened = at_pebble(&pebble, http_01(&pebble));
    std::thread::scope(|scope| {
        for number in 0..8 {
            let opened = &opened;
            scope.spawn(move || issued(opened, &[&format!("app{number}.example")]));
        }
    });
    let made = pebble.running.output().matches("POST /sign-me-up").count();
    assert_eq!(made, 1, "{}", pebble.running.output());
    assert!(std::net::TcpStream::connect(("127.0.0.1", pebble.http_port)).is_err());
}

#[test]
fn the_lifetime_is_asked_for_where_that_is_said() {
    let Some(pebble) = Pebble::start(&Options::default()) else {
        return;
    };
    let mut settings = http_01(&pebble);
    settings.insert("ask_lifetime".to_owned(), true.into());
    let (_, chain, _) = issued(&at_pebble(&pebble, settings), &["app.example"]);
    let left = chain.leaf.window().not_after - OffsetDateTime::now_utc();
    assert!(left <= time::Duration::hours(2), "{left}");
    assert!(left > time::Duration::minutes(118), "{left}");
}

#[test]
fn a_renewal_says_what_it_replaces_and_once_only() {
    let Some(pebble) = Pebble::start(&Options::default()) else {
        return;
    };
    let opened = at_pebble(&pebble, http_01(&pebble));
    let (key, first, _) = issued(&opened, &["app.example"]);
    let ders: Vec<Vec<u8>> = std::iter::once(&first.leaf)
        .chain(&first.intermediates)
        .map(|link| link.der().to_vec())
        .collect();
    let current = Current {
        chain: &ders,
        key: &key,
    };
    let renew = opened.renew.as_ref().unwrap();
    let mut codes = Vec::new();
    for _ in 0..2 {
        let (key, order) = order(&["app.example"]);
        let issued = renew.renew(&order, &current).unwrap();
        assert_ne!(arranged(&issued, &key).leaf, first.leaf);
        codes.push(
            issued
                .findings
                .iter()
                .map(|f| f.code.as_str())
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(codes[0], ["acme-renewal-window"]);
    assert_eq!(codes[1], ["acme-renewal-window", "acme-already-replaced"]);
    assert!(pebble.running.output().contains("marked as replaced"));
}

#[test]
fn a_certificate_is_revoked_by_its_account_or_by_its_own_key() {
    let Some(pebble) = Pebble::start(&Options::default()) else {
        return;
    };
    let opened = at_pebble(&pebble, http_01(&pebble));
    for by_key in [false, true] {
        let (key, chain, _) = issued(&opened, &["app.example"]);
        // Another account may not, and need not, where the key is at hand.
        let other = toml::toml! { account = "other.json" };
        let revoking = if by_key {
            &at_pebble(&pebble, other)
        } else {
            &opened
        };
        for _ in 0..2 {
            let revocation = Revocation {
                key: by_key.then_some(&key),
                ..revocation(&chain.leaf, Reason::KeyCompromise)
            };
            revoking
                .revoke
                .as_ref()
                .unwrap()
                .revoke(&revocation)
                .unwrap();
        }
        let serial = chain.leaf.facts().serial.trim_start_matches('0').to_owned();
        let place = format!("{}/cert-status-by-serial/{serial}", pebble.management);
        let status = curl::json(&place, Some(&pebble.anchors), &[], None);
        assert_eq!(status["Status"], "Revoked", "{status}");
        assert_eq!(status["Reason"], 1, "{status}");
    }
    assert!(!pebble.directory().join("other.json").exists());
}

#[test]
fn a_preflight_finds_out_what_an_order_would_and_makes_nothing() {
    let Some(pebble) = Pebble::start(&Options::default()) else {
        return;
    };
    let codes = |opened: &Opened| {
        let preflight = opened.preflight.as_ref().unwrap();
        let found = preflight.preflight(&order(&["app.example"]).1, Depth::Whole);
        found.map(|found| found.iter().map(|f| f.code.as_str()).collect::<Vec<_>>())
    };
    let opened = at_pebble(&pebble, http_01(&pebble));
    assert_eq!(codes(&opened).unwrap(), ["acme-account-new", "ca-answers"]);
    assert!(!pebble.directory().join("account.json").exists());
    issued(&opened, &["app.example"]);
    assert_eq!(codes(&opened).unwrap(), ["ca-answers"]);

    let mut settings = http_01(&pebble);
    settings.insert("profile".to_owned(), "no-such".into());
    assert_eq!(
        codes(&at_pebble(&pebble, settings)).unwrap(),
        ["acme-profile-unknown"]
    );

    // A Pebble that was started afresh knows nobody.
    let Some(afresh) = Pebble::start(&Options::default()) else {
        return;
    };
    let account = fs::read_to_string(pebble.directory().join("account.json")).unwrap();
    let account = account.replace(&pebble.url, &afresh.url);
    secret(&afresh.directory().join("account.json"), &account);
    let opened = at_pebble(&afresh, http_01(&afresh));
    let Err(AuthorityError::Refused(finding)) = codes(&opened) else {
        panic!("an account that nobody knows");
    };
    assert_eq!(finding.code.as_str(), "ca-login-refused");
}
