//! PEM with anything around and inside the blocks; what is written is read back.
#![no_main]

use certbake::pki::pem::{self, Block};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for block in pem::blocks(bytes).flatten() {
        if let Block::Certificate(der) = block {
            let again = pem::certificates(pem::encode("CERTIFICATE", &der).as_bytes());
            assert_eq!(again, Ok(vec![der]));
        }
    }
});
