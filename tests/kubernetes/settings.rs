//! Settings that cannot be.

use certbake::authority::SettingsError;
use certbake::pki::pem;

use crate::support::Lab;
use crate::support::contract::try_open;

fn fault(table: toml::Table) -> SettingsError {
    try_open("kubernetes", table, &[vec![1]]).err().unwrap()
}

#[test]
fn a_signer_is_a_qualified_name_and_kubernetes_own_are_known() {
    for (name, words) in [
        ("images", "domain/name"),
        (
            "kubernetes.io/kube-apiserver-clent",
            "did you mean `kubernetes.io/kube-apiserver-client`",
        ),
    ] {
        let table = toml::toml! {
            url = "https://k8s.lab:6443"
            signer_name = name
        };
        let error = fault(table);
        assert_eq!(error.key, "signer_name");
        assert!(error.reason.contains(words), "{error}");
    }
}

#[test]
fn what_decides_the_server_is_said_once() {
    let both = toml::toml! {
        url = "https://k8s.lab:6443"
        kubeconfig = "config"
        signer_name = "a.b/c"
    };
    assert_eq!(fault(both).key, "kubeconfig");
    let lone = toml::toml! {
        token = "env:T"
        signer_name = "a.b/c"
    };
    assert_eq!(fault(lone).key, "token");
    let gone = toml::toml! {
        kubeconfig = "/nonexistent/config"
        signer_name = "a.b/c"
    };
    assert!(fault(gone).reason.contains("/nonexistent/config"));
}

#[test]
fn the_roots_of_a_signer_are_given_or_the_clusters_own() {
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("cluster.pem");
    let root = pem::encode("CERTIFICATE", &Lab::new("Cluster").root());
    std::fs::write(&ca, root).unwrap();
    let ca = ca.to_str().unwrap();
    let opens = |signer: &str, anchors: &[Vec<u8>]| {
        let table = toml::toml! {
            url = "https://k8s.lab:6443"
            cluster_ca = ca
            signer_name = signer
        };
        try_open("kubernetes", table, anchors).map(drop)
    };
    let error = opens("a.b/c", &[]).unwrap_err();
    assert_eq!(error.key, "anchors");
    assert!(
        error.reason.contains("does not provide the roots of a.b/c"),
        "{error}"
    );
    opens("a.b/c", &[vec![1]]).unwrap();
    opens("kubernetes.io/kube-apiserver-client", &[]).unwrap();
}

#[test]
fn the_example_opens() {
    let table = crate::support::baking::example("kubernetes");
    try_open("kubernetes", table, &[vec![1]]).map(drop).unwrap();
}
