//! The whole program, from its example.

use crate::fake::{Cas, well};
use crate::support::baking::Baked;
use crate::support::contract::{CANARY, Protocol};
use crate::support::{FakeServer, Lab};

#[test]
fn the_binary_bakes_from_it_and_shows_no_secret() {
    let lab = Lab::new("Lab");
    let serving = lab.clone();
    let server = FakeServer::https(&lab.server(), move |asked| well(&serving, asked));
    let table = Cas.settings(&server, "env:GOOGLE_TOKEN");
    let baked = Baked::provision(
        "gcp-cas",
        &table,
        &lab.anchors(),
        &[("GOOGLE_TOKEN", CANARY)],
    );
    baked.is_good(&[CANARY]);
}
