//! A mount that has not the issuer that is to sign.

use certbake::authority::{AuthorityError, Depth};

use super::{ROLE, bench, look, whole};
use crate::fake::errors;
use crate::support::contract::{PATIENCE, codes, order};

/// Vault says 500, and means what nobody but its operator can change.
#[test]
fn a_mount_without_an_issuer_is_refused_at_once_and_beforehand() {
    for words in [
        "no default issuer currently configured",
        "unable to find PKI issuer for reference: nope",
    ] {
        let bench = bench(move |asked| {
            let is_of_issuer = ["/issuer/", "/sign/"]
                .iter()
                .any(|part| asked.path.contains(part));
            is_of_issuer.then(|| errors(500, &[words]))
        });
        let looked =
            [Depth::Order, Depth::Whole].map(|depth| look(&bench, &order(PATIENCE).1, depth));
        for error in looked.map(Result::unwrap_err) {
            assert!(matches!(error, AuthorityError::Refused(_)), "{error}");
            let hint = error.into_finding().hint;
            assert!(hint.contains("vault list pki/issuers"), "{hint}");
        }
        bench.refused();
        let signed = bench.asked();
        let signed = signed.iter().filter(|asked| asked.contains("/sign/"));
        assert_eq!(signed.count(), 1);
    }
}

#[test]
fn the_issuer_of_a_role_that_may_not_be_read_is_not_guessed_to_be_missing() {
    let bench = bench(|asked| match asked.path.as_str() {
        ROLE => Some(errors(403, &["permission denied"])),
        "/v1/pki/issuer/default/json" => {
            Some(errors(500, &["no default issuer currently configured"]))
        }
        _ => None,
    });
    let findings = whole(&bench).unwrap();
    assert_eq!(codes(&findings), ["ca-answers"]);
    let looked_at = findings[0].facts["looked_at"].to_string();
    assert!(!looked_at.contains("own end"), "{looked_at}");
    bench.issue().unwrap();
}
