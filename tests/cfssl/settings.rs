//! Settings that cannot be meant, and the example.

use crate::support::Lab;
use crate::support::baking;
use crate::support::contract::try_open;

#[test]
fn a_plain_key_is_refused_and_not_repeated() {
    let table = toml::toml! {
        url = "https://ca.lab"
        key = "c0ffee11d00d"
    };
    let error = try_open("cfssl", table, &[vec![1]]).err().unwrap();
    assert_eq!(error.key, "key");
    assert!(!format!("{error:?}").contains("c0ffee"), "{error:?}");
}

#[test]
fn the_example_is_read() {
    let lab = Lab::new("Lab");
    assert!(try_open("cfssl", baking::example("cfssl"), &lab.anchors()).is_ok());
}
