//! A certificate from an authority: read or refused, and what was read can be shown and compared.
#![no_main]

use certbake::pki::{Certificate, Chain};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(certificate) = Certificate::from_der(bytes) {
        assert_eq!(certificate.der(), bytes);
        let _ = (certificate.title(), certificate.spki_pin(), certificate.subject_attributes());
        let _ = certificate.is_issued_by(&certificate);
        let chain = Chain::above(certificate.clone(), vec![certificate]);
        assert!(chain.certificates().count() <= 2);
    }
});
