//! Environment, arguments, secrets and folder of the program.

use std::path::Path;

use certbake::authority::Depth;

use crate::support::contract::{CANARY, PATIENCE, credential, order};
use crate::workshop::{ASK, Workshop, wrong_settings};

#[test]
fn the_program_finds_what_is_named_and_nothing_else() {
    let shop = Workshop::new(&format!("env >seen; pwd >>seen; {ASK}"));
    let (_file, source) = credential();
    let opened = shop.open_with(|table| {
        let env = table["env"].as_table_mut().unwrap();
        env.insert("PROFILE".to_owned(), "client".into());
        let token = toml::toml! { secret = source };
        env.insert("TOKEN".to_owned(), token.into());
    });
    opened.authority.issue(&order(PATIENCE).1).unwrap();
    let seen = shop.read("seen");
    let names: std::collections::BTreeSet<&str> = seen
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name)
        // What sh adds.
        .filter(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name))
        .filter(|name| !["HOME", "LANG"].contains(name))
        .collect();
    let expected = [
        "CERTBAKE_ATTEMPT",
        "CERTBAKE_COMMON_NAME",
        "CERTBAKE_NAMES",
        "CERTBAKE_OPERATION",
        "CERTBAKE_REQUEST_SHA256",
        "CERTBAKE_TTL_SECONDS",
        "CERTBAKE_USAGE",
        "PATH",
        "PROFILE",
        "TOKEN",
    ];
    assert_eq!(names, expected.into(), "{seen}");
    for line in [
        "CERTBAKE_COMMON_NAME=app",
        "CERTBAKE_NAMES=DNS:app.internal",
        "CERTBAKE_OPERATION=issue",
        "CERTBAKE_TTL_SECONDS=3600",
        "CERTBAKE_USAGE=clientAuth",
        "PATH=/usr/bin:/bin",
        &format!("TOKEN={CANARY}"),
    ] {
        assert!(seen.lines().any(|seen| seen == line), "{line} in {seen}");
    }
    let home = shop.folder.path().canonicalize().unwrap();
    assert_eq!(seen.lines().last(), home.to_str());
    assert_eq!(opened.secrets.len(), 1);
}

#[test]
fn a_secret_that_the_program_tells_is_redacted() {
    let (_file, source) = credential();
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), "first-line-of-it\nsecond-line-of-it\n").unwrap();
    let several = format!("file:{}", key.path().display());
    // The last one begins so early that only its end is kept.
    let filler = 16 * 1024 - 6;
    for tell in [
        "echo \"denied for $TOKEN\" >&2".to_owned(),
        "echo \"denied for $KEY\" >&2".to_owned(),
        "echo denied for second-line-of-it >&2".to_owned(),
        format!("printf %s \"$TOKEN\" >&2; printf '%0{filler}d' 0 >&2"),
    ] {
        let shop = Workshop::new(&format!("{tell}; exit 1"));
        let opened = shop.open_with(|table| {
            let env = table["env"].as_table_mut().unwrap();
            env.insert(
                "TOKEN".to_owned(),
                toml::toml! { secret = (source.as_str()) }.into(),
            );
            env.insert(
                "KEY".to_owned(),
                toml::toml! { secret = (several.as_str()) }.into(),
            );
        });
        let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
        let printed = format!("{error} {error:?}");
        for part in [CANARY, "4f1c", "first-line", "second-line"] {
            assert!(!printed.contains(part), "{tell}: {printed}");
        }
    }
}

#[test]
fn a_secret_that_cannot_be_read_ends_the_order_before_the_program_runs() {
    let shop = Workshop::new("echo x >>runs");
    let opened = shop.open_with(|table| {
        let token = toml::toml! { secret = "env:CERTBAKE_TEST_UNSET" };
        table["env"]
            .as_table_mut()
            .unwrap()
            .insert("TOKEN".to_owned(), token.into());
    });
    let (_key, order) = order(PATIENCE);
    let finding = wrong_settings(opened.authority.issue(&order).unwrap_err());
    assert_eq!(finding.code.as_str(), "secret-unreadable");
    assert!(!Path::new(&shop.path("runs")).exists());
    let preflight = opened.preflight.unwrap();
    assert!(preflight.preflight(&order, Depth::Order).is_ok());
    assert!(preflight.preflight(&order, Depth::Whole).is_err());
}

#[test]
fn no_shell_reads_the_arguments() {
    let shop = Workshop::new(&format!("printf '%s|' \"$@\" >arguments; {ASK}"));
    let program = shop.path("sign");
    let opened = shop.open_with(|table| {
        let command = [program.as_str(), "a b", "$HOME; `id`", ""];
        table.insert("command".to_owned(), command.to_vec().into());
    });
    opened.authority.issue(&order(PATIENCE).1).unwrap();
    assert_eq!(shop.read("arguments"), "a b|$HOME; `id`||");
}

#[test]
fn a_relative_program_starts_at_the_configuration() {
    let shop = Workshop::new(ASK);
    let opened = shop.open_with(|table| {
        table.insert("command".to_owned(), vec!["./sign"].into());
    });
    opened.authority.issue(&order(PATIENCE).1).unwrap();
    assert_eq!(opened.authority.place().place, shop.path("./sign"));
}
