//! Signature algorithms by name, and which of them no longer resist forgery.

use x509_parser::asn1_rs::{Oid, oid};
use x509_parser::oid_registry::OID_HASH_SHA1;
use x509_parser::signature_algorithm::SignatureAlgorithm;
use x509_parser::x509::AlgorithmIdentifier;

use super::kind;

const RSASSA_PSS: Oid<'static> = oid!(1.2.840.113549.1.1.10);

/// Identifier, name, and whether the digest is broken: collisions can be made, so a certificate can
/// be forged (RFC 6151 for MD5; Leurent and Peyrin, "SHA-1 is a Shambles", for SHA-1).
static ALGORITHMS: &[(Oid<'static>, &str, bool)] = &[
    (oid!(1.2.840.10045.4.3.2), "ecdsa-with-SHA256", false),
    (
        oid!(1.2.840.113549.1.1.11),
        "sha256WithRSAEncryption",
        false,
    ),
    (oid!(1.2.840.10045.4.3.3), "ecdsa-with-SHA384", false),
    (
        oid!(1.2.840.113549.1.1.12),
        "sha384WithRSAEncryption",
        false,
    ),
    (
        oid!(1.2.840.113549.1.1.13),
        "sha512WithRSAEncryption",
        false,
    ),
    (oid!(1.2.840.10045.4.3.4), "ecdsa-with-SHA512", false),
    (oid!(1.3.101.112), "Ed25519", false),
    (RSASSA_PSS, "RSASSA-PSS", false),
    (oid!(1.2.840.113549.1.1.5), "sha1WithRSAEncryption", true),
    (oid!(1.3.14.3.2.29), "sha1WithRSASignature", true),
    (oid!(1.2.840.10045.4.1), "ecdsa-with-SHA1", true),
    (oid!(1.2.840.10040.4.3), "dsa-with-sha1", true),
    (oid!(2.16.840.1.101.3.4.3.2), "dsa-with-sha256", false),
    (oid!(1.2.840.113549.1.1.4), "md5WithRSAEncryption", true),
    (oid!(1.2.840.113549.1.1.2), "md2WithRSAEncryption", true),
];

fn find(
    algorithm: &AlgorithmIdentifier<'_>,
) -> Option<&'static (Oid<'static>, &'static str, bool)> {
    ALGORITHMS
        .iter()
        .find(|(known, ..)| *known == algorithm.algorithm)
}

/// `ecdsa-with-SHA256`, or the object identifier of what is not known here.
pub(super) fn name(algorithm: &AlgorithmIdentifier<'_>) -> String {
    if let Some((_, name, _)) = find(algorithm) {
        return (*name).to_owned();
    }
    let oid = algorithm.algorithm.to_id_string();
    kind::in_words(&oid).unwrap_or(&oid).to_owned()
}

/// Signed with MD2, MD5 or SHA-1.
pub(super) fn is_broken(algorithm: &AlgorithmIdentifier<'_>) -> bool {
    find(algorithm)
        .is_some_and(|(known, _, broken)| *broken || (*known == RSASSA_PSS && is_sha1(algorithm)))
}

/// RSASSA-PSS names its digest in the parameters, and means SHA-1 where it has none (RFC 4055
/// section 3.1).
fn is_sha1(algorithm: &AlgorithmIdentifier<'_>) -> bool {
    match SignatureAlgorithm::try_from(algorithm) {
        Ok(SignatureAlgorithm::RSASSA_PSS(parameters)) => {
            *parameters.hash_algorithm_oid() == OID_HASH_SHA1
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use x509_parser::asn1_rs::Any;
    use x509_parser::prelude::FromDer;

    use super::*;

    #[test]
    fn pss_is_as_strong_as_the_digest_in_its_parameters() {
        // RSASSA-PSS-params: an empty sequence, and one with [0] { id-sha256 } (RFC 4055 section 3.1).
        let sha256 = [
            0x30, 0x11, 0xa0, 0x0f, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03,
            0x04, 0x02, 0x01, 0x05, 0x00,
        ];
        for (parameters, broken) in [(&[0x30, 0x00][..], true), (&sha256, false)] {
            let parameters = Any::from_der(parameters).unwrap().1;
            let algorithm = AlgorithmIdentifier::new(RSASSA_PSS, Some(parameters));
            assert_eq!(name(&algorithm), "RSASSA-PSS");
            assert_eq!(is_broken(&algorithm), broken);
        }
        assert!(is_broken(&AlgorithmIdentifier::new(RSASSA_PSS, None)));
    }

    #[test]
    fn an_algorithm_that_is_not_known_is_shown_by_its_identifier() {
        let algorithm = AlgorithmIdentifier::new(oid!(1.2.3.4), None);
        assert_eq!(name(&algorithm), "1.2.3.4");
        assert!(!is_broken(&algorithm));
    }
}
