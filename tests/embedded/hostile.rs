//! Requests made to do harm, each signed with its key: refused or granted, and the program goes on.

use std::sync::OnceLock;

use certbake::authority::embedded::CaDirectory;
use certbake::pki::{PrivateKey, ReceivedRequest};
use proptest::prelude::*;
use proptest::sample::select;
use rcgen::SigningKey as _;

use crate::support::{TERMS, key, new_ca, openssl, request as request_of_ours};

/// A value of the tag, its length as DER has it.
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut der = vec![tag];
    match length {
        0..0x80 => der.push(u8::try_from(length).unwrap()),
        0x80..0x100 => der.extend([0x81, u8::try_from(length).unwrap()]),
        _ => {
            der.push(0x82);
            der.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    der.extend_from_slice(content);
    der
}

/// `CertificationRequest` (RFC 2986 section 4.2) of what is signed in it.
fn signed(info: &[u8], key: &PrivateKey) -> Vec<u8> {
    const ECDSA_SHA256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    let signature = key.sign(info).unwrap();
    let algorithm = tlv(0x30, &tlv(6, &ECDSA_SHA256));
    let bits = tlv(3, &[&[0][..], &signature].concat());
    tlv(0x30, &[info, &algorithm, &bits].concat())
}

/// A request with one attribute in its subject, and one extension where it is given.
fn request(
    key: &PrivateKey,
    (oid, tag, value): (&[u8], u8, &[u8]),
    extension: Option<(&[u8], &[u8])>,
) -> Vec<u8> {
    const EXTENSION_REQUEST: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 14];
    let attribute = tlv(0x30, &[tlv(6, oid), tlv(tag, value)].concat());
    let subject = tlv(0x30, &tlv(0x31, &attribute));
    let asked = extension.map(|(oid, value)| {
        let extension = tlv(0x30, &[tlv(6, oid), tlv(4, value)].concat());
        let values = tlv(0x31, &tlv(0x30, &extension));
        tlv(0x30, &[tlv(6, &EXTENSION_REQUEST), values].concat())
    });
    let attributes = tlv(0xa0, &asked.unwrap_or_default());
    let info = [&tlv(2, &[0])[..], &subject, key.spki(), &attributes].concat();
    signed(&tlv(0x30, &info), key)
}

/// What the CA makes of it; that it comes back at all is the point.
fn order(ca: &CaDirectory, der: &[u8]) -> bool {
    ReceivedRequest::from_der(der).is_ok_and(|request| ca.issue(&request, &TERMS).is_ok())
}

const CN: &[u8] = &[0x55, 4, 3];

#[test]
fn an_attribute_whose_oid_no_certificate_can_have_is_refused() {
    let key = key();
    for oid in [
        &[0x88, 0x37, 1][..],
        &[],
        &[0x80, 1],
        &[0xff, 0x7f, 1],
        &[0x78],
        &[
            0x55, 4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
        ],
    ] {
        let der = request(&key, (oid, 0x0c, b"x"), None);
        assert_eq!(
            ReceivedRequest::from_der(&der).unwrap_err().to_string(),
            "its subject cannot be used: an attribute has an unusable OID",
            "{oid:x?}"
        );
    }
}

/// What is signed in a request.
fn info(der: &[u8]) -> Vec<u8> {
    let start = |der: &[u8]| {
        if der[1] < 0x80 {
            2
        } else {
            2 + usize::from(der[1] & 0x7f)
        }
    };
    let inner = &der[start(der)..];
    let head = start(inner);
    let length = match head {
        2 => usize::from(inner[1]),
        _ => inner[2..head]
            .iter()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
    };
    inner[..head + length].to_vec()
}

/// A request of OpenSSL's for the key, with every extension that x509-parser reads.
fn rich(key: &PrivateKey) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.der");
    std::fs::write(&path, key.expose_pkcs8()).unwrap();
    let mut words = vec![
        "-key",
        path.to_str().unwrap(),
        "-keyform",
        "DER",
        "-subj",
        "/C=DE/O=Lab/CN=app/serialNumber=7",
    ];
    for extension in [
        "subjectAltName=DNS:a.lab,IP:10.0.0.7,URI:spiffe://lab/a,email:o@a.lab,RID:1.2.3,otherName:1.2.3;UTF8:x",
        "basicConstraints=critical,CA:FALSE",
        "keyUsage=digitalSignature,decipherOnly",
        "extendedKeyUsage=clientAuth,1.2.3",
        "subjectKeyIdentifier=hash",
        "crlDistributionPoints=URI:http://a.lab/crl",
        "certificatePolicies=1.2.3,1.2.4",
        "authorityInfoAccess=OCSP;URI:http://a.lab",
        "subjectInfoAccess=1.2.3;URI:http://a.lab",
        "nameConstraints=permitted;DNS:a.lab,excluded;IP:10.0.0.0/255.0.0.0",
        "policyConstraints=requireExplicitPolicy:1,inhibitPolicyMapping:2",
        "policyMappings=1.2.3:1.2.4",
        "inhibitAnyPolicy=1",
        "issuerAltName=DNS:a.lab",
        "nsCertType=client",
        "nsComment=x",
        "2.5.29.16=DER:3022800f32303236303130313030303030305a810f32303236303130313030303030305a",
        "2.5.29.20=DER:020101",
        "2.5.29.21=DER:0a0101",
        "2.5.29.24=DER:180f32303236303130313030303030305a",
        "2.5.29.28=DER:3003810101",
        "2.5.29.35=DER:30078001aa820201aa",
        "1.3.6.1.4.1.11129.2.4.2=DER:0410000e000c00aaaaaaaaaaaaaaaaaaaaaa",
    ] {
        words.extend(["-addext", extension]);
    }
    openssl(&words)
}

#[test]
fn an_attribute_that_cannot_be_written_again_is_refused() {
    let der = request(&key(), (CN, 0x13, b"who?"), None);
    assert_eq!(
        ReceivedRequest::from_der(&der).unwrap_err().to_string(),
        "its subject cannot be used: CN has a question mark: make it a UTF8String",
    );
}

#[test]
fn no_bit_of_a_signed_request_ends_the_program() {
    let above = tempfile::tempdir().unwrap();
    let (ca, key) = (new_ca(&above), key());
    let mut granted = 0;
    for whole in [request_of_ours(&key).der().to_vec(), rich(&key)] {
        let whole = info(&whole);
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut changed = whole.clone();
                changed[at] ^= 1 << bit;
                granted += usize::from(order(&ca, &signed(&changed, &key)));
            }
        }
    }
    assert!(granted > 100, "{granted}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn no_attribute_and_no_extension_ends_the_program(
        oid in prop_oneof![Just(CN.to_vec()), any::<Vec<u8>>().prop_map(|mut oid| { oid.truncate(12); oid })],
        tag in select(vec![0x0c, 0x13, 0x16, 0x14, 0x1e, 0x1c, 0x05, 0x30, 0x02]),
        value in prop_oneof!["[ -~]{0,8}".prop_map(String::into_bytes), any::<Vec<u8>>()],
        extension in proptest::option::of((0..64_u8, any::<Vec<u8>>())),
    ) {
        let lab = LAB.get_or_init(|| {
            let above = tempfile::tempdir().unwrap();
            (new_ca(&above), above, key())
        });
        let extension = extension.map(|(last, value)| ([0x55, 0x1d, last], value));
        let extension = extension.as_ref().map(|(oid, value)| (&oid[..], &value[..]));
        order(&lab.0, &request(&lab.2, (&oid, tag, &value), extension));
    }

    #[test]
    fn no_damage_to_a_signed_request_ends_the_program(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let (seed, key) = SEED.get_or_init(|| {
            let key = key();
            (info(&rich(&key)), key)
        });
        let mut changed = seed.clone();
        for (at, byte) in damage {
            *at.get_mut(&mut changed) = byte;
        }
        let _ = ReceivedRequest::from_der(&signed(&changed, key));
    }
}

static LAB: OnceLock<(CaDirectory, tempfile::TempDir, PrivateKey)> = OnceLock::new();
static SEED: OnceLock<(Vec<u8>, PrivateKey)> = OnceLock::new();
