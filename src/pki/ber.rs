//! Tag, length, value: one step into BER (ITU-T X.690 section 8), of which DER is a part. For the
//! few structures that no library here reads in BER, and for telling what an unknown file is.

use x509_parser::asn1_rs::Oid;

/// How deep indefinite lengths may nest. A CMS message needs six.
const DEEPEST: usize = 16;

pub const INTEGER: u8 = 0x02;
pub const BIT_STRING: u8 = 0x03;
pub const OCTET_STRING: u8 = 0x04;
pub const OBJECT_IDENTIFIER: u8 = 0x06;
pub const SEQUENCE: u8 = 0x30;
pub const SET: u8 = 0x31;
/// `[0]`, constructed.
pub const CONTEXT_0: u8 = 0xa0;
pub const CONTEXT_1: u8 = 0xa1;

pub const CONSTRUCTED: u8 = 0x20;
const END_OF_CONTENTS: u8 = 0x00;

/// One element: what stands in it, and all of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Element<'a> {
    /// The identifier octet: class, constructed bit and a tag number below 31.
    pub tag: u8,
    /// Without the end-of-contents octets of an indefinite length.
    pub content: &'a [u8],
    /// From the identifier octet to the last octet that belongs to it.
    pub encoded: &'a [u8],
}

/// Reads the first element of `input`; the rest comes back beside it.
///
/// # Errors
/// When there is none, or it is cut, or it nests indefinite lengths too deep.
pub fn read(input: &[u8]) -> Result<(Element<'_>, &[u8]), BerError> {
    read_nested(input, DEEPEST)
}

fn read_nested(input: &[u8], depth: usize) -> Result<(Element<'_>, &[u8]), BerError> {
    let header = header(input)?;
    let body = &input[header.octets..];
    let (length, trailer) = match header.length {
        Some(length) if length <= body.len() => (length, 0),
        Some(length) => {
            return Err(BerError::Cut {
                missing: length - body.len(),
            });
        }
        None if depth == 0 => return Err(BerError::TooDeep),
        None => (indefinite(body, depth - 1)?, 2),
    };
    let (encoded, rest) = input.split_at(header.octets + length + trailer);
    Ok((
        Element {
            tag: header.tag,
            content: &body[..length],
            encoded,
        },
        rest,
    ))
}

/// Whether a file of this size that starts so is one SEQUENCE, as every certificate, key and store in DER is.
pub fn is_whole_sequence(start: &[u8], size: u64) -> bool {
    header(start).is_ok_and(|header| {
        let whole = |length| (header.octets + length) as u64 == size;
        header.tag == SEQUENCE && header.length.is_none_or(whole)
    })
}

/// The length of what stands before the matching end-of-contents octets.
fn indefinite(body: &[u8], depth: usize) -> Result<usize, BerError> {
    let mut rest = body;
    loop {
        if rest.first() == Some(&END_OF_CONTENTS) {
            return match rest.get(1) {
                Some(0) => Ok(body.len() - rest.len()),
                Some(_) => Err(BerError::Malformed),
                None => Err(BerError::Cut { missing: 1 }),
            };
        }
        (_, rest) = read_nested(rest, depth)?;
    }
}

struct Header {
    tag: u8,
    /// `None` when indefinite.
    length: Option<usize>,
    /// How many octets tag and length take.
    octets: usize,
}

fn header(input: &[u8]) -> Result<Header, BerError> {
    let &[tag, first, ref rest @ ..] = input else {
        return Err(BerError::Cut {
            missing: 2 - input.len(),
        });
    };
    // No structure read here has tag numbers of 31 and more.
    if tag & 0x1f == 0x1f {
        return Err(BerError::Malformed);
    }
    let (length, more) = match first {
        0x80 if tag & CONSTRUCTED != 0 => (None, 0),
        0..=0x7f => (Some(usize::from(first)), 0),
        0x81..=0x88 => {
            let more = usize::from(first & 0x7f);
            let octets = rest.get(..more).ok_or_else(|| BerError::Cut {
                missing: more - rest.len(),
            })?;
            let length = octets
                .iter()
                .fold(0_u64, |length, octet| length << 8 | u64::from(*octet));
            // Never near usize::MAX, so that sums of lengths cannot overflow.
            let length = u32::try_from(length).map_err(|_| BerError::Malformed)?;
            (Some(length as usize), more)
        }
        _ => return Err(BerError::Malformed),
    };
    Ok(Header {
        tag,
        length,
        octets: 2 + more,
    })
}

/// The elements of `content`, one after the other; ends after the first error.
pub fn elements(content: &[u8]) -> impl Iterator<Item = Result<Element<'_>, BerError>> {
    let mut rest = content;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        match read(rest) {
            Ok((element, after)) => {
                rest = after;
                Some(Ok(element))
            }
            Err(error) => {
                rest = &[];
                Some(Err(error))
            }
        }
    })
}

/// Writes one element in DER.
pub fn write(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 6);
    out.push(tag);
    let length = content.len().to_be_bytes();
    let significant = &length[content.len().leading_zeros() as usize / 8..];
    match significant {
        [] => out.push(0),
        &[short @ 0..=0x7f] => out.push(short),
        long => {
            out.push(0x80 | long.len().to_le_bytes()[0]);
            out.extend_from_slice(long);
        }
    }
    out.extend_from_slice(content);
    out
}

/// An object identifier, given as the content of its element, in numbers and dots; in hexadecimal where a
/// number has more than 64 bits.
pub fn dotted(identifier: &[u8]) -> String {
    Oid::new(identifier.into()).to_id_string()
}

/// Bytes that are not BER.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BerError {
    /// The end is missing: at least this many bytes.
    #[error("it is truncated: at least {missing} bytes are missing")]
    Cut { missing: usize },
    #[error("its tags and lengths are inconsistent")]
    Malformed,
    #[error("its indefinite lengths are nested too deeply")]
    TooDeep,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn definite_and_indefinite_lengths_hold_the_same() {
        let inner = write(OCTET_STRING, b"content");
        let definite = write(SEQUENCE, &inner);
        let indefinite = [&[SEQUENCE, 0x80], &inner[..], &[0, 0]].concat();
        for encoded in [definite, indefinite] {
            let with_more = [&encoded[..], b"more"].concat();
            let (element, rest) = read(&with_more).unwrap();
            assert_eq!(element.content, inner);
            assert_eq!(element.encoded, encoded);
            assert_eq!(rest, b"more");
        }
    }

    #[test]
    fn a_cut_element_says_how_much_is_missing() {
        let encoded = write(OCTET_STRING, &[7; 300]);
        assert_eq!(
            read(&encoded[..100]),
            Err(BerError::Cut {
                missing: encoded.len() - 100
            })
        );
    }

    #[test]
    fn endless_nesting_is_refused() {
        assert_eq!(read(&[SEQUENCE, 0x80].repeat(1000)), Err(BerError::TooDeep));
    }

    #[test]
    fn a_sequence_that_fills_its_file_is_told_from_text() {
        let certificate = write(SEQUENCE, &[0x02; 300]);
        let size = certificate.len() as u64;
        assert!(is_whole_sequence(&certificate[..8], size));
        assert!(!is_whole_sequence(&certificate, size + 1));
        assert!(is_whole_sequence(b"\x30\x80\x02\x01\x03", 2000));
        assert!(!is_whole_sequence(b"0 findings", 10));
        assert!(!is_whole_sequence(b"", 0));
    }

    #[test]
    fn an_identifier_is_written_in_numbers_and_in_octets_where_they_are_too_large() {
        assert_eq!(
            dotted(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1]),
            "1.2.840.10045.2.1"
        );
        // 2.25.2^64 (ITU-T X.667: a UUID has 128 bits).
        let large = [
            0x69, 0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0,
        ];
        assert_eq!(dotted(&large), "69 82 80 80 80 80 80 80 80 80 00");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for element in elements(&bytes).flatten() {
                prop_assert!(element.content.len() < element.encoded.len());
            }
            dotted(&bytes);
        }

        #[test]
        fn what_is_written_is_read_back(content in prop::collection::vec(any::<u8>(), 0..70_000)) {
            let encoded = write(OCTET_STRING, &content);
            let (element, rest) = read(&encoded).unwrap();
            prop_assert_eq!(element.content, &content[..]);
            prop_assert!(rest.is_empty());
        }
    }
}
