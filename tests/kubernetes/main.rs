//! The Kubernetes authority against a scripted API server that speaks `certificates.k8s.io/v1` by the
//! names of its published types, in the words of the real one: tests/conformance/kubernetes.rs.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod fake;
#[path = "../support/mod.rs"]
mod support;

mod decisions;
mod logins;
mod preflight;
mod refusals;
mod requests;
mod settings;

use crate::fake::{Kubernetes, well};
use crate::support::baking::Baked;
use crate::support::contract::{CANARY, Protocol};
use crate::support::{FakeServer, Lab};

mod contract {
    use crate::fake::Kubernetes;

    crate::contract!(&Kubernetes);
}

#[test]
fn the_binary_bakes_from_it_and_shows_no_secret() {
    let lab = Lab::new("Lab");
    let serving = lab.clone();
    let server = FakeServer::https(&lab.server(), move |asked| well(&serving, asked));
    let table = Kubernetes.settings(&server, "env:K8S_TOKEN");
    let baked = Baked::provision(
        "kubernetes",
        &table,
        &lab.anchors(),
        &[("K8S_TOKEN", CANARY)],
    );
    baked.is_good(&[CANARY]);
}
