//! Settings that cannot be meant.

use crate::support::contract::try_open;

#[test]
fn a_plain_password_in_the_settings_is_refused_and_not_repeated() {
    let table = toml::toml! {
        url = "https://ca.lab"
        username = "builder"
        password = "xyzzy-plain"
    };
    let error = try_open("est", table, &[vec![1]]).err().unwrap();
    assert_eq!(error.key, "password");
    assert!(!format!("{error:?}").contains("xyzzy"), "{error:?}");
}

#[test]
fn an_unknown_key_is_refused() {
    let table = toml::toml! {
        url = "https://ca.lab"
        pasword = "env:P"
    };
    let error = try_open("est", table, &[vec![1]]).err().unwrap();
    assert!(error.reason.contains("pasword"), "{error:?}");
}
