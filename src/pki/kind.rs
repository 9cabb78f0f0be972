//! Kinds of key that certbake does not use, by their names, and the kind of a private key that it cannot use.

use super::ber::{self, Element};
use super::certificate::KeyFacts;
use super::facts::{WITHOUT_NAMED_CURVE, bit_length, curve_name};

/// Keys, signatures and curves by their object identifiers: RFC 8017 appendix C, RFC 8410 section 3, SEC 2,
/// RFC 5639 section 4.1, RFC 3279 section 2.3.2.
const NAMES: &[(&str, &str)] = &[
    ("1.2.840.113549.1.1.10", "RSA-PSS"),
    ("1.3.101.110", "X25519"),
    ("1.3.101.111", "X448"),
    ("1.3.101.113", "Ed448"),
    ("1.3.132.0.10", "secp256k1"),
    ("1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1"),
    ("1.3.36.3.3.2.8.1.1.11", "brainpoolP384r1"),
    ("1.3.36.3.3.2.8.1.1.13", "brainpoolP512r1"),
    (DSA, "DSA"),
    (RSA, "RSA"),
];

const DSA: &str = "1.2.840.10040.4.1";
const RSA: &str = "1.2.840.113549.1.1.1";
const EC: &str = "1.2.840.10045.2.1";
const ED25519: &str = "1.3.101.112";

pub(super) fn in_words(oid: &str) -> Option<&'static str> {
    let (_, name) = NAMES.iter().find(|(known, _)| *known == oid)?;
    Some(name)
}

/// What kind of private key this says it is, whether or not certbake can use it; `None` when it is not even
/// shaped like one. All open with a version. Then comes in PKCS#8 the kind of key, in SEC 1 the key, and in
/// PKCS#1, and OpenSSL's old form of DSA, a row of numbers.
pub fn of_private_key(der: &[u8]) -> Option<KeyFacts> {
    let (key, []) = ber::read(der).ok()? else {
        return None;
    };
    let fields = parts(&key);
    let [version, next, rest @ ..] = fields.as_slice() else {
        return None;
    };
    if key.tag != ber::SEQUENCE || version.tag != ber::INTEGER {
        return None;
    }
    match next.tag {
        ber::SEQUENCE => of_algorithm(&parts(next), rest.first()),
        ber::OCTET_STRING => {
            let curve = rest.iter().find(|field| field.tag == ber::CONTEXT_0);
            Some(on_curve(curve.map(parts).unwrap_or_default().first()))
        }
        _ => of_numbers(&fields),
    }
}

fn of_numbers(fields: &[Element<'_>]) -> Option<KeyFacts> {
    let are_numbers = fields.iter().all(|field| field.tag == ber::INTEGER);
    match fields {
        [_, modulus, ..] if are_numbers && fields.len() == RSA_NUMBERS => Some(KeyFacts::Rsa {
            bits: bit_length(modulus.content),
        }),
        _ if are_numbers && fields.len() == DSA_NUMBERS => Some(other(DSA)),
        _ => None,
    }
}

/// With the version: RFC 8017 appendix A.1.2; and p, q, g, the public and the private number.
const RSA_NUMBERS: usize = 9;
const DSA_NUMBERS: usize = 6;

/// Of PKCS#8 (RFC 5958 section 2): an object identifier and parameters, and the key.
fn of_algorithm(algorithm: &[Element<'_>], key: Option<&Element<'_>>) -> Option<KeyFacts> {
    let (kind, parameters) = algorithm.split_first()?;
    if kind.tag != ber::OBJECT_IDENTIFIER {
        return None;
    }
    Some(match ber::dotted(kind.content).as_str() {
        EC => on_curve(parameters.first()),
        ED25519 => KeyFacts::Ed25519,
        RSA => key
            .and_then(|key| ber::read(key.content).ok())
            .and_then(|(key, _)| of_numbers(&parts(&key)))
            .unwrap_or_else(|| other(RSA)),
        oid => other(oid),
    })
}

fn on_curve(parameters: Option<&Element<'_>>) -> KeyFacts {
    let named = parameters.filter(|curve| curve.tag == ber::OBJECT_IDENTIFIER);
    KeyFacts::Ec {
        curve: named.map_or_else(
            || WITHOUT_NAMED_CURVE.to_owned(),
            |curve| curve_name(&ber::dotted(curve.content)),
        ),
    }
}

fn other(oid: &str) -> KeyFacts {
    KeyFacts::Other {
        oid: oid.to_owned(),
    }
}

fn parts<'a>(element: &Element<'a>) -> Vec<Element<'a>> {
    ber::elements(element.content)
        .map_while(Result::ok)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_told_of_every_form_of_key_and_a_row_of_numbers_is_none() {
        let number = |octets: &[u8]| ber::write(ber::INTEGER, octets);
        let sequence = |parts: &[Vec<u8>]| ber::write(ber::SEQUENCE, &parts.concat());
        let version = number(&[0]);
        let oid = |octets: &[u8]| ber::write(ber::OBJECT_IDENTIFIER, octets);
        let octets = ber::write(ber::OCTET_STRING, &[4, 1, 7]);
        let rsa = sequence(&[vec![number(&[0, 0x80, 0]); 9].concat()]);
        let rsa_oid = oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1]);
        let secp256k1 = oid(&[0x2b, 0x81, 0x04, 0x00, 0x0a]);
        let ec_oid = oid(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1]);
        let of = |der: &[u8]| of_private_key(der).map(|kind| kind.to_string());
        let pkcs8 = |algorithm: &[Vec<u8>], key: &[u8]| {
            let key = ber::write(ber::OCTET_STRING, key);
            of(&sequence(&[version.clone(), sequence(algorithm), key]))
        };
        let said = |text: &str| Some(text.to_owned());
        assert_eq!(pkcs8(&[oid(&[0x2b, 0x65, 0x71])], &[]), said("Ed448"));
        assert_eq!(
            pkcs8(&[oid(&[0x2a, 3, 4])], &[]),
            said("key of kind 1.2.3.4")
        );
        assert_eq!(pkcs8(std::slice::from_ref(&rsa_oid), &rsa), said("RSA 16"));
        assert_eq!(pkcs8(&[rsa_oid], &octets), said("RSA"));
        assert_eq!(
            pkcs8(&[ec_oid.clone(), secp256k1.clone()], &[]),
            said("ECDSA secp256k1")
        );
        assert_eq!(pkcs8(&[ec_oid], &[]), said("ECDSA without a named curve"));
        assert_eq!(of(&rsa), said("RSA 16"));
        let numbers = |count| sequence(&[vec![number(&[3]); count].concat()]);
        assert_eq!(of(&numbers(6)), said("DSA"));
        assert_eq!(of(&numbers(2)), None);
        let parameters = ber::write(ber::CONTEXT_0, &secp256k1);
        let sec1 = sequence(&[number(&[1]), octets, parameters]);
        assert_eq!(of(&sec1), said("ECDSA secp256k1"));
    }
}
