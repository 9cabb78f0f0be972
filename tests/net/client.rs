//! Clients that trust a lab, and what they say of a failure.

use std::time::Duration;

use certbake::net::{
    Client, ClientCertificate, ClientSettings, Failure, NetError, Request, TlsReason, Trust,
};
use certbake::secret::Secret;

use crate::support::{FakeServer, Identity, Lab, Reply, script};

/// Patience of every client here; long enough for a loaded machine, never waited out in full but
/// where a test says so.
pub fn settings(lab: &Lab) -> ClientSettings {
    let mut settings = ClientSettings::new(Trust::Anchors(lab.anchors()));
    settings.connect_timeout = Duration::from_secs(5);
    settings.request_timeout = Duration::from_secs(5);
    settings.deadline = Duration::from_secs(10);
    settings
}

pub fn client(lab: &Lab) -> Client {
    Client::open(settings(lab)).unwrap()
}

/// Waits long enough for a loaded machine to get past every step but the one that never comes.
pub fn impatient(lab: &Lab) -> Client {
    let mut settings = settings(lab);
    settings.connect_timeout = Duration::from_millis(1500);
    settings.request_timeout = Duration::from_millis(1500);
    settings.deadline = Duration::from_millis(1600);
    Client::open(settings).unwrap()
}

pub fn showing(identity: &Identity) -> Option<ClientCertificate> {
    Some(ClientCertificate {
        chain: identity.chain.clone(),
        key: Secret::new(identity.key.clone()),
    })
}

pub fn failure(error: &NetError) -> &Failure {
    &error.failure
}

/// Asks a server that has this certificate, trusting the lab, and gives the TLS reason.
pub fn turned_down(lab: &Lab, identity: &Identity) -> (TlsReason, NetError) {
    let server = FakeServer::https(identity, script([Reply::ok("")]));
    let error = client(lab)
        .send(&Request::get(server.url("/")))
        .unwrap_err();
    assert!(server.asked().is_empty(), "a request went out");
    let Failure::Tls(reason) = failure(&error) else {
        panic!("{error}");
    };
    (reason.clone(), error)
}
