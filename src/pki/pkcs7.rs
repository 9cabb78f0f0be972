//! Certificates in a "certs-only" CMS message (RFC 5652 section 5; RFC 7030 section 4.1.3), the
//! form in which EST servers and `.p7b` files carry them. Nothing in it is signed.

use data_encoding::BASE64_NOPAD;

use super::ber::{self, BerError, Element};
use super::pem::{self, Block, PemError};

const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];

/// The certificates in a `SignedData`, each in DER, in their order; there may be none.
///
/// Reads DER and BER: servers built on BouncyCastle send indefinite lengths. CRLs, signatures and
/// kinds of certificate other than X.509 are passed over.
///
/// # Errors
/// When the bytes are not a CMS message, or it is of another kind than `SignedData`.
pub fn certificates(bytes: &[u8]) -> Result<Vec<Vec<u8>>, Pkcs7Error> {
    sequences(bytes, ber::CONTEXT_0)
}

/// The CRLs in a `SignedData`, each in DER, in their order; there may be none.
///
/// # Errors
/// As [`certificates`].
pub fn crls(bytes: &[u8]) -> Result<Vec<Vec<u8>>, Pkcs7Error> {
    sequences(bytes, ber::CONTEXT_1)
}

/// The SEQUENCEs in the set with this tag, between the content of a `SignedData` and its signatures.
fn sequences(bytes: &[u8], set: u8) -> Result<Vec<Vec<u8>>, Pkcs7Error> {
    let (message, _) = ber::read(bytes)?;
    let mut fields = ber::elements(expect(message, ber::SEQUENCE)?);
    let kind = next(&mut fields, ber::OBJECT_IDENTIFIER)?;
    if kind != SIGNED_DATA {
        return Err(Pkcs7Error::OtherKind(kind_name(kind)));
    }
    let (signed_data, _) = ber::read(next(&mut fields, ber::CONTEXT_0)?)?;
    let mut fields = ber::elements(expect(signed_data, ber::SEQUENCE)?);
    next(&mut fields, ber::INTEGER)?; // version
    next(&mut fields, ber::SET)?; // digestAlgorithms
    next(&mut fields, ber::SEQUENCE)?; // encapContentInfo
    let mut found = None;
    for field in fields.take(2) {
        let field = field?;
        if field.tag == set {
            found = Some(field.content);
        }
    }
    ber::elements(found.unwrap_or_default())
        .filter_map(|choice| match choice {
            Ok(choice) if choice.tag == ber::SEQUENCE => Some(Ok(choice.encoded.to_vec())),
            Ok(_) => None,
            Err(error) => Some(Err(error.into())),
        })
        .collect()
}

/// Certificates in whatever wrapping they come: a CMS message as raw DER or BER, as base64 in one
/// line or many, or PEM blocks of CMS messages and certificates, mixed.
///
/// # Errors
/// As [`certificates`]; also when the text is neither PEM nor base64.
pub fn from_any(bytes: &[u8]) -> Result<Vec<Vec<u8>>, Pkcs7Error> {
    let bytes = bytes.trim_ascii();
    if bytes.is_empty() {
        return Err(Pkcs7Error::Empty);
    }
    // No base64 of a SEQUENCE begins so: that would be "M".
    if bytes[0] == ber::SEQUENCE {
        return certificates(bytes);
    }
    let blocks = pem::decode(bytes)?;
    if blocks.is_empty() {
        return certificates(&base64(bytes)?);
    }
    let mut found = Vec::new();
    for block in blocks {
        match block {
            // Some servers put a whole CMS message under the label of a certificate.
            Block::Certificate(der) if is_message(&der) => found.extend(certificates(&der)?),
            Block::Certificate(der) => found.push(der),
            Block::Cms(der) => found.extend(certificates(&der)?),
            _ => {}
        }
    }
    Ok(found)
}

/// Whether these bytes begin like a CMS message: a SEQUENCE that opens with an object identifier.
pub fn is_message(bytes: &[u8]) -> bool {
    ber::read(bytes).is_ok_and(|(message, _)| {
        message.tag == ber::SEQUENCE && message.content.first() == Some(&ber::OBJECT_IDENTIFIER)
    })
}

/// A DER `SignedData` that holds these DER certificates, and no signature. They stay in this order,
/// as OpenSSL leaves them, although DER would sort a SET OF.
pub fn certs_only(certificates: &[&[u8]]) -> Vec<u8> {
    let signed_data = [
        ber::write(ber::INTEGER, &[1]),
        ber::write(ber::SET, &[]),
        ber::write(ber::SEQUENCE, &ber::write(ber::OBJECT_IDENTIFIER, DATA)),
        ber::write(ber::CONTEXT_0, &certificates.concat()),
        ber::write(ber::SET, &[]),
    ];
    let content = ber::write(ber::SEQUENCE, &signed_data.concat());
    let message = [
        ber::write(ber::OBJECT_IDENTIFIER, SIGNED_DATA),
        ber::write(ber::CONTEXT_0, &content),
    ];
    ber::write(ber::SEQUENCE, &message.concat())
}

fn next<'a>(
    fields: &mut impl Iterator<Item = Result<Element<'a>, BerError>>,
    tag: u8,
) -> Result<&'a [u8], Pkcs7Error> {
    expect(fields.next().ok_or(Pkcs7Error::NotAMessage)??, tag)
}

fn expect(element: Element<'_>, tag: u8) -> Result<&[u8], Pkcs7Error> {
    if element.tag == tag {
        Ok(element.content)
    } else {
        Err(Pkcs7Error::NotAMessage)
    }
}

/// Base64 with or without line breaks and padding.
fn base64(text: &[u8]) -> Result<Vec<u8>, Pkcs7Error> {
    let mut text = text.to_vec();
    text.retain(|byte| !byte.is_ascii_whitespace());
    while text.last() == Some(&b'=') {
        text.pop();
    }
    BASE64_NOPAD
        .decode(&text)
        .map_err(|_| Pkcs7Error::NotBase64)
}

/// What RFC 5652 calls this content type, or the object identifier.
fn kind_name(oid: &[u8]) -> String {
    let oid = ber::dotted(oid);
    match oid.as_str() {
        "1.2.840.113549.1.7.1" => "Data, without certificates".to_owned(),
        "1.2.840.113549.1.7.3" => "EnvelopedData, which is encrypted".to_owned(),
        "1.2.840.113549.1.7.6" => "EncryptedData, which is encrypted".to_owned(),
        _ => format!("content of kind {oid}"),
    }
}

/// Bytes in which no certificates could be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Pkcs7Error {
    #[error("it is empty")]
    Empty,
    #[error("it is neither DER, PEM nor base64")]
    NotBase64,
    #[error(transparent)]
    Pem(#[from] PemError),
    #[error(transparent)]
    Ber(#[from] BerError),
    #[error("it is not a CMS message")]
    NotAMessage,
    #[error("it is a CMS message, but contains {0}")]
    OtherKind(String),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Not certificates, but SEQUENCEs as a message carries them.
    fn samples() -> [Vec<u8>; 2] {
        [vec![0; 10], vec![1; 500]].map(|content| {
            ber::write(
                ber::SEQUENCE,
                &ber::write(ber::SEQUENCE, &ber::write(ber::OCTET_STRING, &content)),
            )
        })
    }

    /// A message as BouncyCastle writes it: every length that may be indefinite is.
    fn indefinite(certificates: &[&[u8]]) -> Vec<u8> {
        let wrap = |tag: u8, content: &[u8]| [&[tag, 0x80], content, &[0, 0]].concat();
        let signed_data = [
            ber::write(ber::INTEGER, &[1]),
            ber::write(ber::SET, &[]),
            wrap(ber::SEQUENCE, &ber::write(ber::OBJECT_IDENTIFIER, DATA)),
            wrap(ber::CONTEXT_0, &certificates.concat()),
            wrap(0xa1, &[]),
            ber::write(ber::SET, &[]),
        ];
        let content = wrap(ber::SEQUENCE, &signed_data.concat());
        let message = [
            ber::write(ber::OBJECT_IDENTIFIER, SIGNED_DATA),
            wrap(ber::CONTEXT_0, &content),
        ];
        wrap(ber::SEQUENCE, &message.concat())
    }

    #[test]
    fn certificates_are_read_from_definite_and_indefinite_lengths() {
        let expected = samples();
        let der: Vec<&[u8]> = expected.iter().map(Vec::as_slice).collect();
        for message in [certs_only(&der), indefinite(&der)] {
            assert_eq!(certificates(&message).unwrap(), expected);
        }
        assert_eq!(certificates(&certs_only(&[])), Ok(Vec::new()));
    }

    #[test]
    fn every_wrapping_that_servers_use_is_opened() {
        let expected = samples();
        let message = certs_only(&[&expected[0], &expected[1]]);
        let base64 = data_encoding::BASE64.encode(&message);
        let wrapped = data_encoding::BASE64_MIME.encode(&message);
        for text in [
            base64.clone(),
            format!("\r\n{wrapped}\r\n\r\n"),
            base64.trim_end_matches('=').to_owned(),
            pem::encode("PKCS7", &message),
            pem::encode("CMS", &message).replace('\n', "\r\n"),
            pem::encode("CERTIFICATE", &message),
            pem::encode("CERTIFICATE", &expected[0]) + &pem::encode("CERTIFICATE", &expected[1]),
        ] {
            assert_eq!(from_any(text.as_bytes()).unwrap(), expected, "{text}");
        }
        assert_eq!(from_any(&message).unwrap(), expected);
    }

    #[test]
    fn what_holds_no_certificates_is_named() {
        let enveloped = ber::write(
            ber::SEQUENCE,
            &[
                ber::write(
                    ber::OBJECT_IDENTIFIER,
                    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x03],
                ),
                ber::write(ber::CONTEXT_0, &[]),
            ]
            .concat(),
        );
        let message = certs_only(&[&samples()[0]]);
        for (bytes, words) in [
            (&b" \r\n"[..], "it is empty"),
            (
                b"<html>no such page</html>",
                "it is neither DER, PEM nor base64",
            ),
            (
                &enveloped,
                "it is a CMS message, but contains EnvelopedData, which is encrypted",
            ),
            (
                &message[..message.len() - 7],
                "it is truncated: at least 7 bytes are missing",
            ),
            (b"\x30\x03\x02\x01\x00", "it is not a CMS message"),
        ] {
            assert_eq!(from_any(bytes).unwrap_err().to_string(), words);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = from_any(&bytes);
            let _ = certificates(&bytes);
        }

        /// A whole message with one octet changed or cut off somewhere.
        #[test]
        fn a_damaged_message_is_read_or_refused(at in 0_usize..700, octet: u8, cut: bool) {
            let [one, two] = samples();
            let mut message = indefinite(&[&one, &two]);
            let at = at % message.len();
            message[at] = octet;
            if cut {
                message.truncate(at);
                prop_assert!(certificates(&message).is_err());
            }
            let _ = certificates(&message);
        }
    }
}
