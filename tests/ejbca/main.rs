//! The EJBCA authority against a scripted server that speaks as the sources of EJBCA CE 9 do: member
//! names, statuses and sentences are theirs. No EJBCA runs here (it needs a Java application server).

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod fake;
#[path = "../support/mod.rs"]
mod support;

mod approval;
mod preflight;
mod refusals;
mod requests;
mod revocations;
mod settings;

use crate::fake::{Ejbca, well};
use crate::support::baking::Baked;
use crate::support::contract::{CANARY, Protocol};
use crate::support::{FakeServer, Lab};

mod contract {
    use crate::fake::Ejbca;

    crate::contract!(&Ejbca);
}

#[test]
fn the_binary_bakes_from_it_and_shows_no_secret() {
    let lab = Lab::new("Lab");
    let serving = lab.clone();
    let server = FakeServer::https(&lab.server(), move |asked| well(&serving, asked));
    let table = Ejbca.settings(&server, "env:EJBCA_TOKEN");
    let baked = Baked::provision("ejbca", &table, &lab.anchors(), &[("EJBCA_TOKEN", CANARY)]);
    baked.is_good(&[CANARY]);
}
