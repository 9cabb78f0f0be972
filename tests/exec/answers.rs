//! What the program writes to standard output.

use crate::support::contract::{PATIENCE, arranged};
use crate::workshop::{ASK, Workshop, leaf, pem_of, refused, unusable};

#[test]
fn the_chain_on_standard_output_is_for_the_key_of_the_request() {
    let shop = Workshop::new(ASK);
    let (key, issued) = shop.issue(PATIENCE);
    let issued = issued.unwrap();
    assert_eq!(leaf(&issued).facts().spki, key.spki());
    assert_eq!(issued.certificates[1], shop.lab.issuing());
    assert!(issued.anchors.is_empty());
}

#[test]
fn a_shuffled_chain_with_text_around_it_and_a_root_is_accepted() {
    let shop = Workshop::answering(ASK, |lab, request| {
        let chain = pem_of(&[lab.root(), lab.issuing(), lab.sign(&request)]);
        [b"Certificate:\r\n    Data: v3\r\n", chain.as_slice()].concat()
    });
    let (key, issued) = shop.issue(PATIENCE);
    let issued = issued.unwrap();
    let chain = arranged(&issued, &key);
    assert_eq!(chain.intermediates.len(), 1);
    assert_eq!(issued.anchors, [shop.lab.root()]);
}

#[test]
fn a_certificate_for_another_key_is_unusable() {
    let shop = Workshop::answering(ASK, |lab, _| pem_of(&lab.client("app").chain));
    let finding = unusable(shop.fails(PATIENCE));
    assert_eq!(finding.code.as_str(), "ca-answer-unusable");
    assert!(finding.summary.contains("key"), "{}", finding.summary);
}

#[test]
fn junk_is_unusable_and_not_asked_for_again() {
    for junk in [
        "true",
        "echo welcome",
        "cat", // the request itself
        "printf -- '-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----\\n'",
        "printf -- '-----BEGIN CERTIFICATE-----\\nMIIC'",
        "head -c 2000000 /dev/zero",
        "printf '0\\200\\0\\0'",
    ] {
        let shop = Workshop::new(&format!("echo x >>runs; {junk}"));
        let finding = unusable(shop.fails(PATIENCE));
        assert_eq!(finding.code.as_str(), "ca-answer-unusable", "{junk}");
        assert_eq!(shop.read("runs"), "x\n", "{junk}");
    }
}

#[test]
fn a_program_that_reads_nothing_of_the_request_is_judged_by_its_answer() {
    let shop = Workshop::new("exec <&-; echo no >&2; exit 1");
    assert!(
        refused(shop.fails(PATIENCE))
            .summary
            .ends_with("sign refused: no")
    );
}
