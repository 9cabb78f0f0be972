//! Settings that cannot be used, and where a program is found.

use certbake::authority::Depth;

use crate::support::contract::{PATIENCE, open, order, try_open};
use crate::workshop::unusable;

#[test]
fn settings_that_cannot_be_used_are_told_by_their_key() {
    for (table, key, words) in [
        ("command = []", "command", "has no program"),
        ("command = ['']", "command", "has no program"),
        ("command = 'sign'", "command", "sequence"),
        ("command = ['x']\nrevoke = []", "revoke", "has no program"),
        ("command = ['x']\nenv.'A-B' = ''", "env.A-B", "variable"),
        (
            "command = ['x']\nenv.CERTBAKE_X = ''",
            "env.CERTBAKE_X",
            "CERTBAKE_",
        ),
        ("command = ['x']\nenv.T = 'env:T'", "env.T", "secret ="),
        (
            "command = ['x']\nurl = 'https://x'",
            "",
            "unknown field `url`",
        ),
        ("revoke = ['x']", "", "missing field `command`"),
    ] {
        let error = try_open("exec", table.parse().unwrap(), &[]).err().unwrap();
        assert_eq!(error.key, key, "{table}: {error}");
        assert!(error.reason.contains(words), "{table}: {error}");
    }
}

#[test]
fn a_program_in_path_is_found_there() {
    let opened = open("exec", toml::toml! { command = ["true"] }, &[]);
    let (_key, order) = order(PATIENCE);
    opened
        .preflight
        .unwrap()
        .preflight(&order, Depth::Order)
        .unwrap();
    // It is run, and gives no certificate.
    unusable(opened.authority.issue(&order).unwrap_err());
}
