//! kube-controller-manager's own signers.

use std::fs;

use certbake::pki::pem;

use super::{attended, by_builder, certbake, leaf, printed, refused, root};
use crate::servers::assert_openssl_verifies;
use crate::servers::kubernetes::{BUILDER_TOKEN, CLUSTER_SIGNER, Kubernetes};
use crate::support::contract::{PATIENCE, order};

fn of_cluster(table: &mut toml::Table) {
    table.insert("signer_name".into(), CLUSTER_SIGNER.into());
}

#[test]
fn the_clusters_signer_signs_what_is_approved_and_a_client_of_the_api_server_comes_of_it() {
    let Some(mut kubernetes) = Kubernetes::start() else {
        return;
    };
    kubernetes.start_signers("2h");
    let (_file, opened) = by_builder(&kubernetes, |table| {
        of_cluster(table);
        let ca = kubernetes.anchors.to_str().unwrap();
        table.insert("cluster_ca".into(), ca.into());
    });
    let (key, order) = order(PATIENCE);
    let issued = attended(&kubernetes, false, || opened.authority.issue(&order));
    let issued = issued.unwrap();
    assert_eq!(issued.findings, []);
    assert_eq!(issued.anchors, root(&kubernetes));
    let leaf = leaf(&issued);
    assert_eq!(leaf.facts().spki, key.spki());
    assert_eq!(leaf.facts().names, order.request.names);

    let chain = kubernetes.directory().join("certbake.pem");
    fs::write(&chain, pem::encode("CERTIFICATE", &issued.certificates[0])).unwrap();
    assert_openssl_verifies(&chain, &kubernetes.anchors);
}

#[test]
fn a_lifetime_that_the_signer_cuts_is_seen() {
    let Some(mut kubernetes) = Kubernetes::start() else {
        return;
    };
    kubernetes.start_signers("2h");
    let kubeconfig = kubernetes.kubeconfig("builder", &format!("token: {BUILDER_TOKEN}"));
    let kubeconfig = kubeconfig.to_str().unwrap();
    let signer = format!("signer_name={CLUSTER_SIGNER}");
    let run = |options: &[&str]| {
        let options = [&["--ca-set", &signer, "--deadline", "20s"][..], options].concat();
        let output = attended(&kubernetes, false, || {
            certbake(&kubernetes, "provision", kubeconfig, &options)
        });
        (output.status.code(), printed(&output))
    };
    let (code, printed) = run(&["--ttl", "1h", "--min-validity", "30m"]);
    assert_eq!(code, Some(0), "{printed}");
    assert!(!printed.contains("lifetime-"), "{printed}");
    let (code, printed) = run(&["--ttl", "1d", "--min-validity", "1h"]);
    assert_eq!(code, Some(3), "{printed}");
    assert!(printed.contains("of the 1d asked for"), "{printed}");
    let (code, printed) = run(&[
        "--ttl",
        "1d",
        "--min-validity",
        "1h",
        "--on-shortened",
        "warn",
    ]);
    assert_eq!(code, Some(0), "{printed}");
}

#[test]
fn what_the_signer_does_not_sign_fails_with_its_reason() {
    let Some(mut kubernetes) = Kubernetes::start() else {
        return;
    };
    kubernetes.start_signers("2h");
    let (_file, opened) = by_builder(&kubernetes, |table| {
        of_cluster(table);
        table.insert(
            "usages".into(),
            vec!["digital signature", "server auth"].into(),
        );
    });
    let (_key, order) = order(PATIENCE);
    let outcome = attended(&kubernetes, false, || opened.authority.issue(&order));
    let finding = refused(outcome);
    assert_eq!(finding.facts["condition"], "Failed", "{}", finding.summary);
    let words = "SignerValidationFailure";
    assert!(finding.summary.contains(words), "{}", finding.summary);
}
