//! The JSON of EJBCA's REST API, as its Community edition (`ejbca-rest-common`) reads and writes it.

use data_encoding::{BASE64, BASE64_MIME_PERMISSIVE};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::FormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// `EnrollCertificateRestRequest`.
#[derive(Serialize)]
pub struct Enroll<'a> {
    pub certificate_request: String,
    pub certificate_profile_name: &'a str,
    pub end_entity_profile_name: &'a str,
    pub certificate_authority_name: &'a str,
    pub username: &'a str,
    pub password: &'a str,
    pub include_chain: bool,
    pub response_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<String>,
}

/// `FinalizeRestRequest`.
#[derive(Serialize)]
pub struct Finalize<'a> {
    pub response_format: &'static str,
    pub password: &'a str,
}

/// `CertificateRestResponse`.
#[derive(Deserialize)]
pub struct Enrolled {
    /// Base64 of DER, or of PEM.
    certificate: String,
    #[serde(default)]
    certificate_chain: Option<Vec<String>>,
}

impl Enrolled {
    /// Each certificate in whatever wrapping, the leaf first. Jackson writes bytes as base64, so PEM
    /// comes as base64 of PEM.
    pub fn certificates(&self) -> Vec<Vec<u8>> {
        std::iter::once(&self.certificate)
            .chain(self.certificate_chain.iter().flatten())
            .map(
                |text| match BASE64_MIME_PERMISSIVE.decode(text.as_bytes()) {
                    Ok(pem) if pem.starts_with(b"-----BEGIN") => pem,
                    _ => text.as_bytes().to_vec(),
                },
            )
            .collect()
    }

    /// An enrolment that was finalised comes without it.
    pub fn has_chain(&self) -> bool {
        self.certificate_chain
            .as_ref()
            .is_some_and(|chain| !chain.is_empty())
    }
}

/// `ExceptionInfoRestResponse`: an approval is awaited.
#[derive(Deserialize)]
pub struct Waiting {
    #[serde(default)]
    request_id: Option<i64>,
    #[serde(default)]
    link: Option<String>,
}

impl Waiting {
    /// The number to finalise with; older releases give it in the link alone.
    pub fn request(&self) -> Option<i64> {
        self.request_id.filter(|id| *id != 0).or_else(|| {
            let link = self.link.as_deref()?.trim_end_matches("/finalize");
            link.rsplit('/').next()?.parse().ok()
        })
    }
}

/// `CaInfosRestResponse`.
#[derive(Deserialize)]
pub struct Authorities {
    pub certificate_authorities: Vec<AuthorityFacts>,
}

#[derive(Clone, Deserialize)]
pub struct AuthorityFacts {
    pub name: String,
    #[serde(default)]
    pub subject_dn: String,
    #[serde(default)]
    pub expiration_date: Option<String>,
}

impl AuthorityFacts {
    pub fn ends(&self) -> Option<OffsetDateTime> {
        let text = self.expiration_date.as_deref()?;
        OffsetDateTime::parse(text, &Rfc3339).ok()
    }
}

const TIME: &[FormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");

/// UTC. RFC 3339 is not understood, and what is not understood is passed over without a word.
pub fn time(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC)
        .format(TIME)
        .unwrap_or_default()
}

/// PKCS#10 as base64 without armour.
pub fn request(der: &[u8]) -> String {
    BASE64.encode(der)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn times_are_written_in_the_only_form_that_is_read() {
        assert_eq!(
            time(datetime!(2026-02-03 04:05:06 +1)),
            "2026-02-03 03:05:06"
        );
    }

    #[test]
    fn the_number_of_a_waiting_request_is_a_member_or_the_end_of_the_link() {
        let member: Waiting = serde_json::from_str(r#"{"request_id": 12}"#).unwrap();
        assert_eq!(member.request(), Some(12));
        let link = r#"{"link":"https://ca/ejbca/ejbca-rest-api/v1/certificate/34/finalize"}"#;
        let link: Waiting = serde_json::from_str(link).unwrap();
        assert_eq!(link.request(), Some(34));
        let none: Waiting = serde_json::from_str(r#"{"link":"https://ca/"}"#).unwrap();
        assert_eq!(none.request(), None);
    }
}
