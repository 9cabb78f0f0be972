//! What is in a file: every sample is shown, and whatever is broken of one is said.

use proptest::prelude::*;

use super::*;
use crate::pki::key::{KeyAlgorithm, PrivateKey};

/// One of each thing that can be looked at, without the slow key stores.
fn samples() -> Vec<Vec<u8>> {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let params = rcgen::CertificateParams::new(vec!["app.internal".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap().der().to_vec();
    let request = params.serialize_request(&key).unwrap().der().to_vec();
    let message = pkcs7::certs_only(&[&certificate, &certificate]);
    let pem = pem::encode("CERTIFICATE", &certificate) + &pem::encode("PKCS7", &message);
    vec![
        certificate,
        request,
        message,
        key.expose_pkcs8().to_vec(),
        key.spki().to_vec(),
        pem.into_bytes(),
    ]
}

fn look(bytes: &[u8]) -> Contents {
    of(bytes, None, OffsetDateTime::UNIX_EPOCH)
}

/// Whatever is looked at, something is said of it.
fn says_something(contents: &Contents) -> bool {
    !contents.pieces.is_empty() || !contents.errors.is_empty()
}

#[test]
fn whole_samples_are_shown_without_trouble() {
    for sample in samples() {
        let contents = look(&sample);
        assert!(
            contents.errors.is_empty() && !contents.pieces.is_empty(),
            "{contents:?}"
        );
    }
}

proptest! {
    #[test]
    fn of_any_bytes_something_is_said(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(says_something(&look(&bytes)));
    }

    #[test]
    fn of_any_text_something_is_said(text in "(-----(BEGIN|END) (CMS|X|PRIVATE KEY)-----|\\PC|[{<=\r\n ]){0,40}") {
        prop_assert!(says_something(&look(text.as_bytes())));
    }

    #[test]
    fn of_a_damaged_sample_something_is_said(which in 0_usize..6, at: prop::sample::Index, octet: u8, cut: bool) {
        let mut sample = samples().swap_remove(which);
        let at = at.index(sample.len());
        sample[at] = octet;
        if cut {
            sample.truncate(at);
        }
        prop_assert!(says_something(&look(&sample)));
    }
}
