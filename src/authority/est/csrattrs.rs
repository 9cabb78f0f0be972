//! CSR attributes (RFC 7030 section 4.5, RFC 9908): what a server wants to see in requests, compared
//! with what stands in ours.

use crate::finding::{Code, Finding};
use crate::pki::ber::{self, BerError, CONSTRUCTED, OBJECT_IDENTIFIER};

pub const DEMANDED: Code = Code::new("csr-attributes-demanded");

/// Object identifiers as bytes, and what people call them.
const NAMES: &[(&str, &str)] = &[
    ("1.2.840.10045.2.1", "an EC key"),
    ("1.2.840.10045.3.1.7", "curve P-256"),
    ("1.3.132.0.34", "curve P-384"),
    ("1.3.132.0.35", "curve P-521"),
    ("1.2.840.113549.1.1.1", "an RSA key"),
    ("1.3.101.112", "an Ed25519 key"),
    ("1.2.840.10045.4.3.2", "a signature with ECDSA and SHA-256"),
    ("1.2.840.10045.4.3.3", "a signature with ECDSA and SHA-384"),
    ("1.2.840.113549.1.1.11", "a signature with RSA and SHA-256"),
    ("1.2.840.113549.1.9.7", "a challenge password"),
    ("1.2.840.113549.1.9.14", "extensions"),
    ("2.5.29.17", "subject alternative names"),
    ("2.5.29.37", "an extended key usage"),
    ("1.3.6.1.1.1.1.22", "a MAC address"),
    ("2.5.4.5", "a serial number in the subject"),
];

/// What is wanted stands in these templates (RFC 9908 section 3); they themselves stand in no request.
/// `id-aa-certificationRequestInfoTemplate` and `id-aa-extensionReqTemplate`.
const TEMPLATES: &[&[u8]] = &[
    &[
        0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x3d,
    ],
    &[
        0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x3e,
    ],
];

/// How deep attributes may nest; a template of RFC 9908 needs eight.
const DEEPEST: usize = 16;

/// More than any server has a use for.
const MOST: usize = 64;

/// The object identifiers that an answer (DER) asks for, as content octets, [`MOST`] of them.
///
/// # Errors
/// When it is no list of attributes.
pub fn wanted(der: &[u8]) -> Result<Vec<Vec<u8>>, BerError> {
    let (list, _) = ber::read(der)?;
    let mut found = Vec::new();
    collect(list.content, DEEPEST, &mut found)?;
    found.truncate(MOST);
    Ok(found)
}

/// Every identifier below: attributes are `SEQUENCE { OID, SET OF values }`.
fn collect(content: &[u8], depth: usize, found: &mut Vec<Vec<u8>>) -> Result<(), BerError> {
    for element in ber::elements(content) {
        let element = element?;
        match element.tag {
            OBJECT_IDENTIFIER if TEMPLATES.contains(&element.content) => {}
            OBJECT_IDENTIFIER => found.push(element.content.to_vec()),
            tag if tag & CONSTRUCTED != 0 => {
                let below = depth.checked_sub(1).ok_or(BerError::TooDeep)?;
                collect(element.content, below, found)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// A note on what is wanted and does not stand in the request (DER), if anything.
pub fn unmet(wanted: &[Vec<u8>], request: &[u8]) -> Option<Finding> {
    let missing: Vec<String> = wanted
        .iter()
        .filter(|oid| {
            let encoded = ber::write(OBJECT_IDENTIFIER, oid);
            !request
                .windows(encoded.len())
                .any(|window| window == encoded)
        })
        .map(|oid| name(oid))
        .collect();
    if missing.is_empty() {
        return None;
    }
    let list = missing.join(", ");
    Some(
        Finding::note(
            DEMANDED,
            format!("the CA wants requests to contain what certbake's does not: {list}"),
        )
        .fact("missing", missing)
        .hint(
            "if it refuses: choose the key algorithm it names, or have the CA drop the requirement",
        ),
    )
}

fn name(oid: &[u8]) -> String {
    let dotted = ber::dotted(oid);
    NAMES
        .iter()
        .find(|(known, _)| *known == dotted)
        .map_or_else(|| dotted.clone(), |(_, name)| format!("{name} ({dotted})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::ber::{CONTEXT_0, CONTEXT_1, INTEGER, SEQUENCE, SET};

    /// The example of RFC 7030 section 4.5.2.
    const EXAMPLE: &[u8] =
        b"MEEGCSqGSIb3DQEJBzASBgcqhkjOPQIBMQcGBSuBBAAiMBYGCSqGSIb3DQEJDjEJBgcrBgEBAQEWBggqhkjOPQQDAw==";

    #[test]
    fn the_example_of_the_standard_is_read() {
        let der = data_encoding::BASE64.decode(EXAMPLE).unwrap();
        let wanted = wanted(&der).unwrap();
        let names: Vec<String> = wanted.iter().map(|oid| ber::dotted(oid)).collect();
        assert_eq!(
            names,
            [
                "1.2.840.113549.1.9.7",
                "1.2.840.10045.2.1",
                "1.3.132.0.34",
                "1.2.840.113549.1.9.14",
                "1.3.6.1.1.1.1.22",
                "1.2.840.10045.4.3.3"
            ]
        );
    }

    /// RFC 9908 section 3.4: version, subject, key and attributes, of which some have a tag.
    #[test]
    fn what_a_template_wants_is_read_and_not_the_template() {
        let oid = |content: &[u8]| ber::write(OBJECT_IDENTIFIER, content);
        let wrapped = |tag, parts: &[Vec<u8>]| ber::write(tag, &parts.concat());
        let common_name = wrapped(SEQUENCE, &[oid(&[0x55, 0x04, 0x03])]);
        let subject = wrapped(SEQUENCE, &[wrapped(SET, &[common_name])]);
        let ec = oid(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01]);
        let key = wrapped(CONTEXT_0, &[wrapped(SEQUENCE, &[ec])]);
        let names = wrapped(SEQUENCE, &[oid(&[0x55, 0x1d, 0x11])]);
        let extensions = wrapped(
            SEQUENCE,
            &[
                oid(TEMPLATES[1]),
                wrapped(SET, &[wrapped(SEQUENCE, &[names])]),
            ],
        );
        let attributes = wrapped(CONTEXT_1, &[extensions]);
        let version = ber::write(INTEGER, &[0]);
        let template = wrapped(SEQUENCE, &[version, subject, key, attributes]);
        let attribute = wrapped(SEQUENCE, &[oid(TEMPLATES[0]), wrapped(SET, &[template])]);
        let wanted = wanted(&wrapped(SEQUENCE, &[attribute])).unwrap();
        let names: Vec<String> = wanted.iter().map(|oid| ber::dotted(oid)).collect();
        assert_eq!(names, ["2.5.4.3", "1.2.840.10045.2.1", "2.5.29.17"]);
    }

    #[test]
    fn what_stands_in_the_request_is_not_missed() {
        let ec = vec![0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
        let challenge = vec![0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x07];
        let request = ber::write(SEQUENCE, &ber::write(OBJECT_IDENTIFIER, &ec));
        assert_eq!(unmet(std::slice::from_ref(&ec), &request), None);
        let note = unmet(&[ec, challenge], &request).unwrap();
        assert_eq!(
            note.facts["missing"][0],
            "a challenge password (1.2.840.113549.1.9.7)"
        );
    }

    #[test]
    fn junk_is_an_error() {
        assert!(wanted(&[0x30, 0x05, 0x06]).is_err());
    }

    #[test]
    fn what_nests_without_end_is_an_error_and_what_lists_without_end_is_cut() {
        // Lengths of five octets, from the inside out.
        let levels = 150_000_u32;
        let mut nested = Vec::new();
        for below in (0..levels).rev() {
            nested.extend([SEQUENCE, 0x84]);
            nested.extend((below * 6).to_be_bytes());
        }
        assert_eq!(wanted(&nested), Err(BerError::TooDeep));
        let one = ber::write(OBJECT_IDENTIFIER, &[0x2a, 0x03]);
        let listed = ber::write(SEQUENCE, &one.repeat(100_000));
        assert_eq!(wanted(&listed).unwrap().len(), MOST);
    }
}
