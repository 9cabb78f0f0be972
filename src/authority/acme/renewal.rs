//! Renewal information (RFC 9773): which certificate is meant, when the CA would have it renewed.

use std::borrow::Cow;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use instant_acme::CertificateIdentifier;
use time::OffsetDateTime;

use super::order::Conversation;
use super::wire::{Trouble, What};
use crate::finding::{Code, Finding, rfc3339};
use crate::net::Repeat;
use crate::pki::Certificate;

pub const WINDOW: Code = Code::new("acme-renewal-window");
const REPLACED: Code = Code::new("acme-already-replaced");

/// RFC 9773 section 4.1; `None` for a certificate that does not name its issuer's key.
pub fn identifier(der: &[u8]) -> Option<CertificateIdentifier<'static>> {
    let certificate = Certificate::from_der(der).ok()?;
    let facts = certificate.facts();
    let base64 = |hexadecimal: &str| {
        let octets = HEXLOWER.decode(hexadecimal.as_bytes()).ok()?;
        Some(Cow::Owned(BASE64URL_NOPAD.encode(&octets)))
    };
    Some(CertificateIdentifier {
        authority_key_identifier: base64(facts.authority_key_id.as_ref()?)?,
        serial: base64(&facts.serial)?,
    })
}

/// When the CA suggests to renew. A CA that does not say is no hindrance.
pub fn window(
    conversation: &Conversation<'_>,
    replaced: &CertificateIdentifier<'static>,
    now: OffsetDateTime,
) -> Option<Finding> {
    let what = What::of("asking when to renew");
    let told = conversation.wire.ask(what, Repeat::Safe, async || {
        conversation.account.renewal_info(replaced).await
    });
    let (told, _) = told.ok()?;
    let (start, end) = (told.suggested_window.start, told.suggested_window.end);
    let words = if end <= now {
        format!(
            "the CA wanted the certificate renewed before {}",
            rfc3339(end)
        )
    } else if start <= now {
        format!("the CA wants the certificate renewed by {}", rfc3339(end))
    } else {
        format!(
            "the CA suggests renewal between {} and {}",
            rfc3339(start),
            rfc3339(end)
        )
    };
    let why = told.explanation_url.as_deref();
    let why = why.and_then(|url| crate::line::sanitized(url.as_bytes(), 300));
    let finding = Finding::note(WINDOW, words)
        .instant("suggested_start", start)
        .instant("suggested_end", end);
    Some(match why {
        Some(url) => finding
            .fact("explanation", url.clone())
            .hint(format!("the CA explains it at {url}")),
        None => {
            finding.hint("rebuild within that window; the CA moves it forward if it has to revoke")
        }
    })
}

pub fn already_replaced(trouble: &Trouble) -> Finding {
    let said = trouble.error.clone().into_finding().summary;
    Finding::note(REPLACED, format!("the certificate has already been replaced: {said}"))
        .hint("nothing to do: the new one was ordered without `replaces`, and may count against the CA's limits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_9773_has_the_identifier_that_it_says() {
        // Appendix A; the serial's leading zero stays.
        let pem = "-----BEGIN CERTIFICATE-----\n\
            MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt\n\
            cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS\n\
            BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu\n\
            7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf\n\
            qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B\n\
            yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb\n\
            +FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK\n\
            -----END CERTIFICATE-----\n";
        let der = crate::pki::pem::certificates(pem.as_bytes())
            .unwrap()
            .remove(0);
        let identifier = identifier(&der).unwrap();
        assert_eq!(
            identifier.to_string(),
            "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"
        );
    }
}
