//! A Vault that says no, is sealed, or dies under an order.

use std::fs;
use std::time::{Duration, Instant};

use certbake::authority::{AuthorityError, Depth, Opened};
use certbake::finding::Finding;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::{MOUNT, ROLE, authority, builder, by_token, codes, secret};
use crate::servers::vault::{ROOT_TOKEN, Vault};
use crate::support::contract::{PATIENCE, order};

fn refused(opened: &Opened) -> Finding {
    match opened.authority.issue(&order(PATIENCE).1) {
        Err(AuthorityError::Refused(finding)) => *finding,
        other => panic!("not refused: {other:?}"),
    }
}

/// Its words and its 500 for what only an operator can mend.
#[test]
fn an_issuer_that_the_mount_has_not_is_a_refusal() {
    let Some(vault) = Vault::start() else { return };
    let (_file, token) = secret(ROOT_TOKEN);
    let on = |mount: &'static str, issuer: Option<&'static str>| {
        authority(&vault, by_token(&token), move |table| {
            table.insert("mount".into(), mount.into());
            if let Some(issuer) = issuer {
                table.insert("issuer".into(), issuer.into());
            }
        })
    };
    vault.write("sys/mounts/empty", &json!({ "type": "pki" }));
    vault.write("empty/roles/app", &json!({ "allow_any_name": true }));
    for (mount, issuer) in [("empty", None), (MOUNT, Some("nope"))] {
        let opened = on(mount, issuer);
        let started = Instant::now();
        let hint = refused(&opened).hint;
        assert!(
            hint.contains(&format!("vault list {mount}/issuers")),
            "{hint}"
        );
        let looked = opened.preflight.as_ref().unwrap();
        let looked = looked.preflight(&order(PATIENCE).1, Depth::Whole);
        assert!(
            matches!(looked, Err(AuthorityError::Refused(_))),
            "{looked:?}"
        );
        assert!(started.elapsed() < Duration::from_secs(1));
    }
}

#[test]
fn a_403_is_told_apart_by_its_cause() {
    let Some(vault) = Vault::start() else { return };
    let (_good, good) = secret(&builder(&vault));
    let (_wrong, wrong) = secret("hvs.no-such-token");
    vault.allow("nothing", "kv/none", &["read"]);
    let (_poor, poor) = secret(&vault.token("nothing", "10m"));
    let dying = vault.token("builder", "1s");
    std::thread::sleep(Duration::from_millis(1500));
    let (_late, late) = secret(&dying);
    let by = |token: &str, mount: &str| {
        authority(&vault, by_token(token), |table| {
            table.insert("mount".into(), mount.into());
        })
    };
    for (opened, code, cause, hint) in [
        (
            by(&wrong, MOUNT),
            "ca-login-refused",
            "token",
            "the token is wrong, has expired",
        ),
        (by(&late, MOUNT), "ca-login-refused", "token", "has expired"),
        (
            by(&good, "pkii"),
            "ca-refused",
            "path",
            "no PKI engine at \"pkii\"",
        ),
        (
            by(&poor, MOUNT),
            "ca-login-refused",
            "policy",
            "none of its policies (default, nothing)",
        ),
    ] {
        let finding = refused(&opened);
        assert_eq!(finding.code.as_str(), code, "{}", finding.summary);
        assert_eq!(finding.facts["cause"], cause, "{}", finding.summary);
        assert!(
            finding.summary.contains("permission denied"),
            "{}",
            finding.summary
        );
        assert!(
            !finding.summary.contains("errors occurred"),
            "{}",
            finding.summary
        );
        assert!(finding.hint.contains(hint), "{}", finding.hint);
        // A look beforehand finds the same.
        let preflight = opened.preflight.as_ref().unwrap();
        let foreseen = preflight
            .preflight(&order(PATIENCE).1, Depth::Whole)
            .unwrap_err();
        assert_eq!(foreseen.into_finding().facts["cause"], cause);
    }
}

#[test]
fn a_role_that_is_not_there_is_named() {
    let Some(vault) = Vault::start() else { return };
    let (_file, root) = secret(ROOT_TOKEN);
    let opened = authority(&vault, by_token(&root), |table| {
        table.insert("role".into(), "none".into());
    });
    let finding = refused(&opened);
    assert!(
        finding.hint.contains("there is no role \"none\""),
        "{}: {}",
        finding.summary,
        finding.hint
    );
    let opened = authority(&vault, by_token(&root), |table| {
        table.insert("mount".into(), "nowhere".into());
    });
    let finding = refused(&opened);
    assert_eq!(finding.facts["status"], 404, "{}", finding.summary);
}

#[test]
fn what_the_role_would_refuse_or_leave_out_is_foreseen_as_it_comes() {
    let Some(vault) = Vault::start() else { return };
    let (_file, root) = secret(ROOT_TOKEN);
    let look = || {
        let opened = authority(&vault, by_token(&root), |_| {});
        let preflight = opened.preflight.unwrap();
        (
            preflight
                .preflight(&order(PATIENCE).1, Depth::Whole)
                .unwrap(),
            opened.authority,
        )
    };
    let (findings, _) = look();
    assert_eq!(codes(&findings), ["ca-answers"]);
    let change = |key: &str, value: serde_json::Value| {
        let mut role = vault.read(&format!("{MOUNT}/roles/{ROLE}"))["data"].clone();
        role[key] = value;
        vault.write(&format!("{MOUNT}/roles/{ROLE}"), &role);
    };
    change("key_bits", json!(384));
    let (findings, authority) = look();
    assert_eq!(codes(&findings), ["vault-role-forbids", "ca-answers"]);
    let finding = authority
        .issue(&order(PATIENCE).1)
        .unwrap_err()
        .into_finding();
    assert!(
        finding.hint.contains("key_algorithm"),
        "{}: {}",
        finding.summary,
        finding.hint
    );
    change("key_bits", json!(256));
    change("client_flag", json!(false));
    change("ext_key_usage", json!([]));
    let (findings, authority) = look();
    assert_eq!(codes(&findings), ["vault-role-forbids", "ca-answers"]);
    let issued = authority.issue(&order(PATIENCE).1).unwrap();
    assert_ne!(
        super::leaf(&issued).facts().extended_key_usage.as_deref(),
        Some(&["clientAuth".to_owned()][..])
    );
}

#[test]
fn a_sealed_vault_says_so_at_once_beforehand_and_until_the_deadline_in_an_order() {
    let Some(vault) = Vault::start() else { return };
    let (_file, token) = secret(&builder(&vault));
    let opened = authority(&vault, by_token(&token), |_| {});
    vault.seal();
    let started = Instant::now();
    let preflight = opened.preflight.as_ref().unwrap();
    let foreseen = preflight
        .preflight(&order(PATIENCE).1, Depth::Whole)
        .unwrap_err();
    assert_eq!(foreseen.into_finding().code.as_str(), "vault-sealed");
    assert!(started.elapsed() < Duration::from_secs(5));
    let error = opened
        .authority
        .issue(&order(Duration::from_secs(2)).1)
        .unwrap_err();
    assert!(matches!(error, AuthorityError::Unreachable(_)), "{error}");
    let finding = error.into_finding();
    assert_eq!(finding.code.as_str(), "vault-sealed");
    assert!(
        finding.summary.contains("Vault is sealed"),
        "{}",
        finding.summary
    );
}

/// The server's process, found by its port.
fn process(vault: &Vault) -> Pid {
    let place = vault.url.trim_start_matches("https://").to_owned();
    let listens = |pid: &str| {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).into_owned();
        let program = command.split('\0').next().unwrap_or_default();
        program.ends_with("/vault") && command.contains(&place)
    };
    let pids = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|it| it.unwrap().file_name().into_string().ok());
    let pid = pids
        .filter(|pid| pid.parse::<i32>().is_ok())
        .find(|pid| listens(pid))
        .unwrap();
    Pid::from_raw(pid.parse().unwrap()).unwrap()
}

#[test]
fn one_that_dies_under_an_order_is_unreachable_and_nothing_hangs() {
    let Some(vault) = Vault::start() else { return };
    let (_file, token) = secret(&builder(&vault));
    let opened = authority(&vault, by_token(&token), |_| {});
    opened.authority.issue(&order(PATIENCE).1).unwrap();
    let server = process(&vault);
    kill_process(server, Signal::STOP).unwrap();
    let started = Instant::now();
    let waiting = std::thread::spawn({
        let authority = opened.authority.clone();
        move || authority.issue(&order(PATIENCE).1)
    });
    std::thread::sleep(Duration::from_millis(500));
    assert!(
        !waiting.is_finished(),
        "the order did not wait for its answer"
    );
    kill_process(server, Signal::KILL).unwrap();
    let error = waiting.join().unwrap().unwrap_err();
    assert!(matches!(error, AuthorityError::Unreachable(_)), "{error}");
    assert!(started.elapsed() < PATIENCE);
    assert_eq!(opened.finish.unwrap().finish(), []);
}
