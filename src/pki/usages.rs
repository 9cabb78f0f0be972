//! What a key may be used for: the key usage and extended key usage extensions (RFC 5280 section
//! 4.2.1.3 and 4.2.1.12), and Netscape's certificate type before them, by their names.

use x509_parser::extensions::{ExtendedKeyUsage, NSCertType};

/// What the key may do (RFC 5280 section 4.2.1.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyUsage {
    /// All nine bits, the standard's bit 0 lowest.
    pub bits: u16,
}

impl KeyUsage {
    const NAMES: [&'static str; 9] = [
        "digitalSignature",
        "nonRepudiation",
        "keyEncipherment",
        "dataEncipherment",
        "keyAgreement",
        "keyCertSign",
        "cRLSign",
        "encipherOnly",
        "decipherOnly",
    ];

    /// Whether it may sign what is neither a certificate nor a revocation list: a TLS handshake.
    pub const fn digital_signature(self) -> bool {
        self.bits & 1 == 1
    }

    /// Whether it may sign revocation lists.
    pub const fn crl_sign(self) -> bool {
        self.bits >> 6 & 1 == 1
    }

    /// The names of the bits that are set, in the standard's order.
    pub fn names(self) -> Vec<&'static str> {
        (0..)
            .zip(Self::NAMES)
            .filter(|(bit, _)| self.bits >> bit & 1 == 1)
            .map(|(_, name)| name)
            .collect()
    }
}

impl From<&x509_parser::extensions::KeyUsage> for KeyUsage {
    fn from(usage: &x509_parser::extensions::KeyUsage) -> Self {
        Self { bits: usage.flags }
    }
}

/// Every usage (RFC 5280 section 4.2.1.12).
pub const ANY: &str = "anyExtendedKeyUsage";

/// By name, or by OID where it has none here.
pub(super) fn purposes(usage: &ExtendedKeyUsage<'_>) -> Vec<String> {
    let mut names: Vec<String> = [
        (usage.any, ANY),
        (usage.client_auth, "clientAuth"),
        (usage.server_auth, "serverAuth"),
        (usage.code_signing, "codeSigning"),
        (usage.email_protection, "emailProtection"),
        (usage.time_stamping, "timeStamping"),
        (usage.ocsp_signing, "OCSPSigning"),
    ]
    .into_iter()
    .filter(|(set, _)| *set)
    .map(|(_, name)| name.to_owned())
    .collect();
    names.extend(usage.other.iter().map(ToString::to_string));
    names
}

/// By the names that OpenSSL's configuration has for them (`nsCertType`).
pub(super) fn netscape_types(types: &NSCertType) -> Vec<&'static str> {
    [
        (types.ssl_client(), "client"),
        (types.ssl_server(), "server"),
        (types.smime(), "email"),
        (types.object_signing(), "objsign"),
        (types.ssl_ca(), "sslCA"),
        (types.smime_ca(), "emailCA"),
        (types.object_signing_ca(), "objCA"),
    ]
    .into_iter()
    .filter_map(|(set, name)| set.then_some(name))
    .collect()
}
