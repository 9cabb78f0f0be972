//! Signature algorithms by name, which of them no longer resist forgery, and whether a key made a signature.

use x509_parser::asn1_rs::{BitString, Oid, oid};
use x509_parser::error::X509Error;
use x509_parser::oid_registry::OID_HASH_SHA1;
use x509_parser::prelude::FromDer;
use x509_parser::signature_algorithm::SignatureAlgorithm;
use x509_parser::verify::verify_signature;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

use super::ber;
use super::certificate::KeyFacts;
use super::path;

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
    find(algorithm).map_or_else(
        || algorithm.algorithm.to_id_string(),
        |(_, name, _)| (*name).to_owned(),
    )
}

/// Signed with MD2, MD5 or SHA-1.
pub(super) fn is_broken(algorithm: &AlgorithmIdentifier<'_>) -> bool {
    find(algorithm)
        .is_some_and(|(known, _, broken)| *broken || (*known == RSASSA_PSS && is_sha1(algorithm)))
}

/// Whether a key made a signature.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Proof {
    Holds,
    Wrong,
    /// Nothing here verifies this algorithm with a key of this kind.
    Unknown,
}

/// The sizes of RSA keys, in bits, that are verified with.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Of a certificate, request or list (`SEQUENCE { content, algorithm, signature }`, DER): whether the key
/// (DER `SubjectPublicKeyInfo`) made its signature.
pub(super) fn proof(signed: &[u8], spki: &[u8]) -> Proof {
    let (Some([content, algorithm, signature]), Some([kind, key])) = (fields(signed), fields(spki))
    else {
        return Proof::Wrong;
    };
    // After the number of bits that its last octet does not use.
    let (Some((0, signature)), Some((0, key))) = (bits(signature.content), bits(key.content))
    else {
        return Proof::Wrong;
    };
    let (Ok((_, identifier)), Ok((_, public_key))) = (
        AlgorithmIdentifier::from_der(algorithm.encoded),
        SubjectPublicKeyInfo::from_der(spki),
    ) else {
        return Proof::Wrong;
    };
    let octets = BitString::new(0, signature);
    let known = match verify_signature(&public_key, &identifier, &octets, content.encoded) {
        Ok(()) => return Proof::Holds,
        Err(error) => !matches!(error, X509Error::SignatureUnsupportedAlgorithm),
    };
    // Those of path validation are more.
    let fitting: Vec<_> = path::ALGORITHMS
        .iter()
        .filter(|one| {
            one.signature_alg_id().as_ref() == algorithm.content
                && one.public_key_alg_id().as_ref() == kind.content
        })
        .collect();
    if fitting.iter().any(|one| {
        one.verify_signature(key, content.encoded, signature)
            .is_ok()
    }) {
        return Proof::Holds;
    }
    let odd_size = matches!(
        KeyFacts::of_spki(spki),
        Some(KeyFacts::Rsa { bits }) if !RSA_BITS.contains(&bits)
    );
    let is_known = known || !fitting.is_empty();
    if odd_size || !is_known {
        Proof::Unknown
    } else {
        Proof::Wrong
    }
}

fn bits(content: &[u8]) -> Option<(u8, &[u8])> {
    content
        .split_first()
        .map(|(unused, octets)| (*unused, octets))
}

fn fields<const COUNT: usize>(sequence: &[u8]) -> Option<[ber::Element<'_>; COUNT]> {
    let (sequence, _) = ber::read(sequence).ok()?;
    let fields: Result<Vec<_>, _> = ber::elements(sequence.content).collect();
    fields.ok()?.try_into().ok()
}

/// RSASSA-PSS names its digest in the parameters, and means SHA-1 where it names none (RFC 4055
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
