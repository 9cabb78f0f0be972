//! Which names ACME can prove.

use certbake::authority::{Depth, Order};
use certbake::pki::{AltName, KeyAlgorithm};

use crate::fake::{Ca, none, settings_error};
use crate::support::contract::order_of;

fn order_for(common_name: Option<&str>, names: Vec<AltName>) -> Order {
    Order {
        ttl: None,
        ..order_of(KeyAlgorithm::EcdsaP256, common_name, names).1
    }
}

#[test]
fn a_common_name_alone_is_told_before_anything_is_asked() {
    let ca = Ca::new(|_| None);
    let opened = ca.open(none());
    for (name, hint) in [
        ("app.internal", "dns = [\"app.internal\"]"),
        ("app", "a dns or ip name"),
    ] {
        let finding = settings_error(opened.authority.issue(&order_for(Some(name), Vec::new())));
        assert_eq!(finding.code.as_str(), "acme-names-unfit");
        assert!(finding.hint.contains(hint), "{}", finding.hint);
    }
    let uri = AltName::uri("spiffe://lab/app").unwrap();
    let finding = settings_error(opened.authority.issue(&order_for(None, vec![uri])));
    assert!(
        finding.summary.contains("spiffe://lab/app"),
        "{}",
        finding.summary
    );
    assert!(ca.server.asked().is_empty());
}

#[test]
fn a_preflight_warns_of_a_common_name_that_is_none_of_the_names() {
    let ca = Ca::new(|_| None);
    let listen = toml::toml! { listen = "127.0.0.1:0" };
    let preflight = ca.open(listen).preflight.unwrap();
    let dns = vec![AltName::dns("app.internal").unwrap()];
    for (name, warned) in [("app", true), ("app.internal", false)] {
        let order = order_for(Some(name), dns.clone());
        let findings = preflight.preflight(&order, Depth::Whole).unwrap();
        let found = findings
            .iter()
            .any(|finding| finding.code.as_str() == "acme-names-unfit");
        assert_eq!(found, warned, "{findings:?}");
    }
}
