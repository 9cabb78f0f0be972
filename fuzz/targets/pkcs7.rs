//! The answer of an EST server in any wrapping; what was read can be packed and read again.
#![no_main]

use certbake::pki::pkcs7;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = pkcs7::from_any(bytes);
    if let Ok(certificates) = pkcs7::certificates(bytes) {
        let borrowed: Vec<&[u8]> = certificates.iter().map(Vec::as_slice).collect();
        assert_eq!(pkcs7::certificates(&pkcs7::certs_only(&borrowed)), Ok(certificates));
    }
});
