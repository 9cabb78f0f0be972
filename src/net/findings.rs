//! Findings for what goes wrong on the network: code, facts and hint for each failure.

use super::error::{ConnectReason, Failure, NetError, OpenError, ProxyReason, UrlFault};
use super::progress::Stage;
use super::tls_reason::TlsReason;
use crate::finding::{Code, Finding};

pub const UNREACHABLE: Code = Code::new("ca-unreachable");
pub const TIMEOUT: Code = Code::new("ca-timeout");
pub const TLS: Code = Code::new("ca-tls");
pub const TOO_LARGE: Code = Code::new("ca-answer-too-large");
pub const GARBAGE: Code = Code::new("ca-answer-garbage");
pub const REDIRECTED: Code = Code::new("ca-redirected");
pub const PROXY: Code = Code::new("ca-proxy");
pub const REQUEST_UNSAFE: Code = Code::new("ca-request-unsafe");
pub const CLIENT_SETTINGS: Code = Code::new("ca-client-settings");

impl NetError {
    /// What happened, with host, attempts and the values that decide, and what to do next.
    pub fn finding(&self) -> Finding {
        let finding = Finding::error(self.failure.code(), self.to_string())
            .fact("host", self.endpoint.host.clone())
            .fact("port", self.endpoint.port)
            .fact("attempts", self.attempts)
            .fact("elapsed_seconds", self.elapsed.as_secs_f64());
        self.failure.facts(finding).hint(self.failure.hint())
    }
}

impl OpenError {
    pub fn finding(&self) -> Finding {
        let hint = match self {
            Self::Anchor { .. } => {
                "give the CA's root certificate (or the intermediate to pin) as PEM or DER"
            }
            Self::NoRoots { .. } => {
                "give the CA's root with anchors or --ca-anchors, or install the system's \
                 certificates (Debian: ca-certificates)"
            }
            Self::ClientCertificate { .. } => {
                "give a certificate and its own key; `certbake inspect` shows both"
            }
            Self::Unverified => "pin the server's root (anchors or trust)",
            Self::Proxy { .. } => "check the proxy's URL and credentials",
            Self::Start { .. } => "check the limits of this process (threads, open files)",
        };
        Finding::error(CLIENT_SETTINGS, self.to_string()).hint(hint)
    }
}

impl Failure {
    pub const fn code(&self) -> Code {
        match self {
            Self::Resolve { .. } | Self::Connect { .. } | Self::Closed { .. } => UNREACHABLE,
            Self::Tls(_) => TLS,
            Self::TimedOut { .. } => TIMEOUT,
            Self::Proxy { .. } => PROXY,
            Self::Redirected { .. } => REDIRECTED,
            Self::TooLarge { .. } => TOO_LARGE,
            Self::Garbage { .. } => GARBAGE,
            Self::Header { .. } | Self::Url(_) => REQUEST_UNSAFE,
        }
    }

    fn facts(&self, finding: Finding) -> Finding {
        match self {
            Self::Connect { addresses, .. } => finding.fact(
                "addresses",
                addresses
                    .iter()
                    .map(|address| address.ip().to_string())
                    .collect::<Vec<_>>(),
            ),
            Self::Tls(reason) => reason.facts(finding),
            Self::TimedOut { stage, after } => finding
                .fact("stage", stage.as_str())
                .fact("after_seconds", after.as_secs_f64()),
            Self::Proxy { proxy, .. } => finding.fact("proxy", proxy.clone()),
            Self::Redirected { status, to } => {
                finding.fact("status", *status).fact("to", to.clone())
            }
            Self::TooLarge { limit } => finding.fact("limit_bytes", *limit),
            _ => finding,
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::Resolve {
                temporary: true, ..
            } => "check this machine's resolver (/etc/resolv.conf), its network and its limits",
            Self::Resolve { .. } => "check the host name in the URL",
            Self::Connect { reason, .. } => connect_hint(reason),
            Self::Closed { .. } => {
                "look in the server's log, and in the log of any load balancer in front of it"
            }
            Self::Tls(reason) => return reason.hint(),
            Self::TimedOut { stage, .. } => stage_hint(*stage),
            Self::Proxy { reason, .. } => proxy_hint(reason),
            Self::Redirected { .. } => {
                "certbake follows no redirect: give the final address as url"
            }
            Self::TooLarge { .. } => {
                "check that the URL is that of the CA's API, not of a web page"
            }
            Self::Garbage { .. } => "check that the port is that of the CA's HTTPS endpoint",
            Self::Header { .. } => {
                "check the credential for a newline or another control character"
            }
            Self::Url(fault) => url_hint(*fault),
        }
        .to_owned()
    }
}

const fn connect_hint(reason: &ConnectReason) -> &'static str {
    match reason {
        ConnectReason::Refused => {
            "nothing listens there: check the port, and that the CA is running"
        }
        ConnectReason::HostUnreachable | ConnectReason::NetworkUnreachable => {
            "there is no route: check the network of the build, its VPN, or set HTTPS_PROXY"
        }
        ConnectReason::Reset | ConnectReason::Other(_) => {
            "check firewalls between the build and the CA"
        }
    }
}

const fn stage_hint(stage: Stage) -> &'static str {
    match stage {
        Stage::Resolving => "check this machine's resolver (/etc/resolv.conf) and its network",
        Stage::Connecting => {
            "a firewall is probably dropping packets: check host, port and network, or set HTTPS_PROXY"
        }
        Stage::Handshaking => "something listens there but does not speak TLS: check the port",
        Stage::Awaiting | Stage::Reading => {
            "the CA is reachable but slow: look in its log, or raise timeout"
        }
    }
}

const fn proxy_hint(reason: &ProxyReason) -> &'static str {
    match reason {
        ProxyReason::Connect(_) | ProxyReason::Resolve(_) => {
            "check HTTPS_PROXY; hosts in NO_PROXY are reached directly"
        }
        ProxyReason::WantsCredentials => {
            "give the proxy's user name and password, or list the host in NO_PROXY"
        }
        ProxyReason::TimedOut { .. } => {
            "the proxy does not answer, or cannot reach the CA; hosts in NO_PROXY are reached directly"
        }
        ProxyReason::TurnedDown => {
            "have the proxy permit this host and port, or check that it can reach them"
        }
    }
}

const fn url_hint(fault: UrlFault) -> &'static str {
    match fault {
        UrlFault::Credentials => {
            "move them out of the URL, to username and password = \"env:NAME\""
        }
        UrlFault::PlainHttp | UrlFault::Scheme => "use https://",
        UrlFault::NoHost => "write the URL as https://host:port",
        UrlFault::Unverified => "pin the server's root first",
    }
}

impl TlsReason {
    fn facts(&self, finding: Finding) -> Finding {
        match self {
            Self::Expired {
                certificate,
                not_after,
                now,
            } => finding
                .fact("certificate", certificate.clone())
                .instant("not_after", *not_after)
                .instant("now", *now),
            Self::NotYetValid {
                certificate,
                not_before,
                now,
            } => finding
                .fact("certificate", certificate.clone())
                .instant("not_before", *not_before)
                .instant("now", *now),
            Self::WrongName {
                expected,
                presented,
            } => finding
                .fact("expected", expected.clone())
                .fact("presented", presented.clone()),
            Self::UnknownIssuer { ends_in } => finding.fact("ends_in", ends_in.clone()),
            Self::WrongUsage { presented } => finding.fact("presented", presented.clone()),
            Self::Alert(alert) => finding
                .fact("alert", alert.number)
                .fact("alert_name", alert.name),
            _ => finding,
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::Expired { .. } => "renew the server's certificate, or correct this machine's clock",
            Self::NotYetValid { .. } => {
                "correct this machine's clock, or wait until the server's certificate is valid"
            }
            Self::WrongName { .. } => {
                "use a name from the server's certificate in the URL, or have this name added to the certificate"
            }
            Self::UnknownIssuer {
                ends_in: Some(root),
            } => {
                return format!(
                    "if {root} is the root of your CA, give its certificate with anchors or --ca-anchors; if not, another server answers there"
                );
            }
            Self::UnknownIssuer { ends_in: None } => {
                "give the root of the server's certificate with anchors or --ca-anchors"
            }
            Self::BadSignature => {
                "the pinned root has the right name but another key: fetch the CA's current root"
            }
            Self::WrongUsage { .. } => "have serverAuth added to the server's certificate",
            Self::Revoked => "replace the server's certificate",
            Self::CaAsServer => {
                "give the server a certificate signed by a CA; pinning a self-signed one that is also marked as a CA does not work"
            }
            Self::Certificate(_) => "have the server's certificate reissued",
            Self::Alert(alert) => return alert.hint().to_owned(),
            Self::NothingShared(_) => {
                "enable TLS 1.2 or 1.3 with common cipher suites on the server"
            }
            Self::Incompatible(_) => {
                "change the server's TLS settings: certbake speaks TLS 1.2 and 1.3 with today's usual algorithms"
            }
            Self::NotTls => "check the port: certbake needs the HTTPS port",
            Self::Closed => {
                "look in the server's log, and in the log of any load balancer in front of it"
            }
            Self::Other(_) => "look in the server's log",
        }
        .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Endpoint;
    use crate::net::alert;
    use std::time::Duration;

    fn finding(failure: Failure) -> Finding {
        NetError {
            endpoint: Endpoint {
                host: "ca.lab".to_owned(),
                port: 8443,
            },
            failure: Box::new(failure),
            attempts: 4,
            elapsed: Duration::from_millis(1750),
        }
        .finding()
    }

    #[test]
    fn a_refused_connection_tells_host_addresses_and_attempts() {
        let finding = finding(Failure::Connect {
            reason: ConnectReason::Refused,
            addresses: vec![
                "10.0.0.5:8443".parse().unwrap(),
                "[::1]:8443".parse().unwrap(),
            ],
        });
        assert_eq!(finding.code, UNREACHABLE);
        assert_eq!(
            finding.summary,
            "asking ca.lab:8443: connecting to 10.0.0.5, ::1: connection refused (4 attempts in 1.8 s)"
        );
        assert_eq!(finding.facts["attempts"], 4);
        assert_eq!(finding.facts["addresses"][0], "10.0.0.5");
    }

    #[test]
    fn an_unknown_issuer_names_the_root_to_give() {
        let finding = finding(Failure::Tls(TlsReason::UnknownIssuer {
            ends_in: Some("CN=Lab Root".to_owned()),
        }));
        assert_eq!(finding.code, TLS);
        assert_eq!(
            finding.hint,
            "if CN=Lab Root is the root of your CA, give its certificate with anchors or --ca-anchors; if not, another server answers there"
        );
    }

    #[test]
    fn an_alert_says_what_it_usually_means() {
        let finding = finding(Failure::Tls(TlsReason::Alert(alert::of(116))));
        assert!(finding.summary.contains("116 (certificate_required)"));
        assert!(
            finding.hint.contains("client certificate"),
            "{}",
            finding.hint
        );
    }
}
