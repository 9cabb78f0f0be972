//! Settings that cannot be meant, and the example.

use crate::support::baking;
use crate::support::contract::try_open;

#[test]
fn an_order_without_any_login_is_refused_before_it_is_made() {
    let table = toml::toml! {
        url = "https://ca.lab"
        certificate_authority = "Lab"
        certificate_profile = "ENDUSER"
        end_entity_profile = "Images"
    };
    let error = try_open("ejbca", table, &[vec![1]]).err().unwrap();
    assert_eq!(error.key, "client_certificate");
}

#[test]
fn the_example_opens() {
    try_open("ejbca", baking::example("ejbca"), &[vec![1]])
        .map(drop)
        .unwrap();
}
