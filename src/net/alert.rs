//! TLS alerts (RFC 8446 section 6, RFC 5246 section 7.2): number, name, and what each usually means
//! when a server sends it to a client.

/// An alert and its usual cause.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Alert {
    pub number: u8,
    /// As in RFC 8446.
    pub name: &'static str,
    /// What a client should suspect first.
    pub usually: &'static str,
}

const ALERTS: &[Alert] = &[
    alert(
        10,
        "unexpected_message",
        "the server received a message that it did not expect",
    ),
    alert(
        20,
        "bad_record_mac",
        "something on the network path alters the data",
    ),
    alert(
        40,
        "handshake_failure",
        "over TLS 1.2: it requires a client certificate, or shares no cipher suite",
    ),
    alert(
        42,
        "bad_certificate",
        "it does not accept the client certificate, and gives no exact reason",
    ),
    alert(
        43,
        "unsupported_certificate",
        "the client certificate lacks clientAuth, or its key type is not accepted",
    ),
    alert(
        44,
        "certificate_revoked",
        "the client certificate was revoked",
    ),
    alert(
        45,
        "certificate_expired",
        "the client certificate has expired or is not valid yet: compare both clocks",
    ),
    alert(
        46,
        "certificate_unknown",
        "it does not accept the client certificate, and gives no exact reason",
    ),
    alert(
        47,
        "illegal_parameter",
        "the two TLS stacks disagree about the protocol",
    ),
    alert(
        48,
        "unknown_ca",
        "it does not know the issuer of the client certificate, or the chain was sent without its intermediate",
    ),
    alert(
        49,
        "access_denied",
        "the client certificate is valid, but its holder is not permitted",
    ),
    alert(50, "decode_error", "it could not read a message"),
    alert(
        51,
        "decrypt_error",
        "the client certificate and its key do not belong together",
    ),
    alert(
        70,
        "protocol_version",
        "it supports neither TLS 1.2 nor 1.3",
    ),
    alert(
        71,
        "insufficient_security",
        "it requires stronger cipher suites",
    ),
    alert(
        80,
        "internal_error",
        "the server has an internal error: its log says more",
    ),
    alert(90, "user_canceled", "the server gave up"),
    alert(
        109,
        "missing_extension",
        "the two TLS stacks disagree about the protocol",
    ),
    alert(
        110,
        "unsupported_extension",
        "the two TLS stacks disagree about the protocol",
    ),
    alert(112, "unrecognized_name", "it does not serve this host name"),
    alert(
        116,
        "certificate_required",
        "it requires a client certificate, and none was sent",
    ),
    alert(
        120,
        "no_application_protocol",
        "it speaks neither HTTP/1.1 nor HTTP/2 there",
    ),
];

const fn alert(number: u8, name: &'static str, usually: &'static str) -> Alert {
    Alert {
        number,
        name,
        usually,
    }
}

/// The alert of this number; an unlisted one keeps its number.
pub fn of(number: u8) -> Alert {
    ALERTS
        .iter()
        .find(|alert| alert.number == number)
        .copied()
        .unwrap_or(alert(
            number,
            "unlisted",
            "the number alone does not tell the cause",
        ))
}

impl Alert {
    /// What to do next.
    pub const fn hint(&self) -> &'static str {
        match self.number {
            40 | 116 => "give a client certificate and its key, if the server wants mTLS",
            42..=46 | 48 | 49 | 51 => {
                "check the client certificate: dates, issuer, clientAuth, its key, and that the \
                 chain is complete; the server's log names the reason"
            }
            70 | 71 => "enable TLS 1.2 or 1.3 with common cipher suites on the server",
            112 => "use a name that the server serves in the URL",
            _ => "look in the server's log",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_stand_once_each_and_in_order() {
        assert!(ALERTS.is_sorted_by(|a, b| a.number < b.number));
    }

    #[test]
    fn an_unlisted_alert_keeps_its_number() {
        assert_eq!((of(250).number, of(250).name), (250, "unlisted"));
    }
}
