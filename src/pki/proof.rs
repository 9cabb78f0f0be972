//! Whether a key made a signature, and what signatures are verified with.

use rustls::pki_types::SignatureVerificationAlgorithm;
use x509_parser::asn1_rs::BitString;
use x509_parser::error::X509Error;
use x509_parser::prelude::FromDer;
use x509_parser::verify::verify_signature;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

use super::ber;
use super::facts::{KeyFacts, LEAST_RSA_BITS};

/// Those of path validation.
pub(super) const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = webpki::ALL_VERIFICATION_ALGS;

/// Whether a key made a signature.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Proof {
    Holds,
    Wrong,
    /// Nothing here verifies this algorithm with a key of this kind.
    Unknown,
}

/// The sizes of RSA keys, in bits, that are verified with.
const RSA_BITS: std::ops::RangeInclusive<usize> = LEAST_RSA_BITS..=8192;

/// Of a certificate, request or list (`SEQUENCE { content, algorithm, signature }`, DER): whether the key
/// (DER `SubjectPublicKeyInfo`) made its signature.
pub(super) fn of(signed: &[u8], spki: &[u8]) -> Proof {
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
    // Path validation knows more.
    let fitting: Vec<_> = ALGORITHMS
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
