//! AWS Signature Version 4, as much of it as a request without query and with a short body needs.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use time::OffsetDateTime;
use time::UtcOffset;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::pki::digest;
use crate::secret::Secret;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

const INSTANT: &[BorrowedFormatItem<'_>] =
    format_description!("[year][month][day]T[hour][minute][second]Z");

pub struct Credentials {
    pub access_key_id: String,
    pub secret_access_key: Secret,
    pub session_token: Option<Secret>,
}

/// What is signed.
pub struct Signed<'a> {
    pub method: &'a str,
    pub path: &'a str,
    /// Name in lower case and value, in the order of the names.
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
    pub region: &'a str,
    pub service: &'a str,
    /// As [`instant`] writes it.
    pub at: &'a str,
}

/// `20150830T123600Z`.
pub fn instant(at: OffsetDateTime) -> String {
    at.to_offset(UtcOffset::UTC)
        .format(INSTANT)
        .unwrap_or_default()
}

impl Signed<'_> {
    /// The value of the `Authorization` header.
    pub fn authorization(&self, credentials: &Credentials) -> String {
        let scope = self.scope();
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let signature = self.signature(&credentials.secret_access_key, &scope, &names);
        let key = &credentials.access_key_id;
        format!(
            "{ALGORITHM} Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
    }

    fn day(&self) -> &str {
        self.at.get(..8).unwrap_or_default()
    }

    fn scope(&self) -> String {
        let Self {
            region, service, ..
        } = self;
        format!("{}/{region}/{service}/aws4_request", self.day())
    }

    fn signature(&self, secret: &Secret, scope: &str, names: &str) -> String {
        let headers: String = self
            .headers
            .iter()
            .map(|(name, value)| format!("{name}:{}\n", value.trim()))
            .collect();
        let canonical = format!(
            "{}\n{}\n\n{headers}\n{names}\n{}",
            self.method,
            self.path,
            digest::sha256_hex(self.body)
        );
        let canonical = digest::sha256_hex(canonical.as_bytes());
        let to_sign = format!("{ALGORITHM}\n{}\n{scope}\n{canonical}", self.at);
        let start = zeroize::Zeroizing::new([b"AWS4", secret.expose()].concat());
        let key = [self.day(), self.region, self.service, "aws4_request"]
            .iter()
            .fold(hmac::Key::new(hmac::HMAC_SHA256, &start), |key, part| {
                let next = hmac::sign(&key, part.as_bytes());
                hmac::Key::new(hmac::HMAC_SHA256, next.as_ref())
            });
        HEXLOWER.encode(hmac::sign(&key, to_sign.as_bytes()).as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the published test suite of the algorithm.
    #[test]
    fn signatures_are_those_of_the_published_cases() {
        let credentials = Credentials {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: Secret::from("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
            session_token: None,
        };
        let common = [
            ("host", "example.amazonaws.com"),
            ("x-amz-date", "20150830T123600Z"),
        ];
        let form = [
            ("content-type", "application/x-www-form-urlencoded"),
            common[0],
            common[1],
        ];
        for (method, headers, body, signature) in [
            (
                "GET",
                &common[..],
                &b""[..],
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "POST",
                &common[..],
                b"",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "POST",
                &form[..],
                b"Param1=value1",
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
        ] {
            let signed = Signed {
                method,
                path: "/",
                headers,
                body,
                region: "us-east-1",
                service: "service",
                at: "20150830T123600Z",
            };
            let authorization = signed.authorization(&credentials);
            assert!(
                authorization.ends_with(&format!("Signature={signature}")),
                "{authorization}"
            );
        }
    }

    #[test]
    fn an_instant_is_written_without_separators() {
        let at = time::macros::datetime!(2015-08-30 14:36:00.5 +2);
        assert_eq!(instant(at), "20150830T123600Z");
    }
}
