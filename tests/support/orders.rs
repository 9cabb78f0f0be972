//! What is asked of an authority: orders and revocations, and the chain that came for one.

use std::time::{Duration, Instant};

use certbake::authority::{Issued, Order, Reason, Revocation};
use certbake::pki::{
    AltName, Certificate, Chain, KeyAlgorithm, PrivateKey, SigningRequest, Subject, Usage,
};
use certbake::span::Span;

/// Long enough for everything here but where a case says that it waits.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// An order for a fresh key that must have ended after `patience`.
pub fn order(patience: Duration) -> (PrivateKey, Order) {
    order_for("app", patience)
}

pub fn order_for(name: &str, patience: Duration) -> (PrivateKey, Order) {
    let names = vec![AltName::dns("app.internal").unwrap()];
    let (key, order) = order_of(KeyAlgorithm::EcdsaP256, Some(name), names);
    let deadline = Instant::now() + patience;
    (key, Order { deadline, ..order })
}

/// An order for these names and no others, for an hour.
pub fn order_of(
    algorithm: KeyAlgorithm,
    common_name: Option<&str>,
    names: Vec<AltName>,
) -> (PrivateKey, Order) {
    let key = PrivateKey::generate(algorithm).unwrap();
    let order = order_by(&key, common_name, names);
    (key, order)
}

/// The same by a key that is there already.
pub fn order_by(key: &PrivateKey, common_name: Option<&str>, names: Vec<AltName>) -> Order {
    let subject = Subject {
        common_name: common_name.map(str::to_owned),
        ..Subject::default()
    };
    Order {
        request: SigningRequest::new(key, subject, names, Usage::Client).unwrap(),
        ttl: Some(Span::seconds(3600)),
        deadline: Instant::now() + PATIENCE,
    }
}

/// What came for the key, in order.
pub fn arranged(issued: &Issued, key: &PrivateKey) -> Chain {
    let certificates = issued
        .certificates
        .iter()
        .map(|der| Certificate::from_der(der.clone()).unwrap())
        .collect();
    Chain::arrange(certificates, key.spki()).unwrap()
}

/// By somebody who has not got the key of the certificate.
pub fn revocation(certificate: &Certificate, reason: Reason) -> Revocation<'_> {
    Revocation {
        certificate,
        key: None,
        reason,
        deadline: Instant::now() + PATIENCE,
    }
}
