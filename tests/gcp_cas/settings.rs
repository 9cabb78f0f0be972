//! What the settings may say.

use crate::support::baking;
use crate::support::contract::try_open;

#[test]
fn names_that_are_no_names_and_two_logins_are_refused() {
    let base = toml::toml! {
        project = "images"
        location = "l"
        pool = "p"
    };
    for (key, value) in [("project", "a/b"), ("pool", ""), ("location", "..")] {
        let mut table = base.clone();
        table.insert(key.to_owned(), value.into());
        assert_eq!(try_open("gcp-cas", table, &[]).err().unwrap().key, key);
    }
    let mut table = base;
    table.insert("access_token".to_owned(), "env:T".into());
    table.insert("credentials".to_owned(), "c.json".into());
    assert_eq!(
        try_open("gcp-cas", table, &[]).err().unwrap().key,
        "access_token"
    );
}

#[test]
fn the_example_opens() {
    try_open("gcp-cas", baking::example("gcp-cas"), &[])
        .map(drop)
        .unwrap();
}
