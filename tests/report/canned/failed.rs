//! Provisions that fail, one for each way.

use certbake::finding::{Code, Finding};
use certbake::outcome::{Outcome, Report};
use serde_json::json;
use time::Duration;

use super::{DAY, NOW, asked, issued, provision};

pub fn below_floor() -> Report {
    let mut report = provision();
    report.identities = vec![issued("app-server", 14, 21, Some("Lab Issuing CA"))];
    report.findings = vec![
        Finding::error(
            Code::new("window-below-floor"),
            "intermediate \"Lab Issuing CA\" expires in 14d, 7d short of the floor of 21d",
        )
        .about("app-server")
        .fact("remaining_seconds", 14 * DAY)
        .fact("required_seconds", 21 * DAY)
        .fact("short_by_seconds", 7 * DAY)
        .fact("floor", "21d")
        .instant("not_after", NOW + Duration::days(14))
        .fact("limited_by", "Lab Issuing CA")
        .fact("limited_by_depth", 1)
        .hint("renew the intermediate at the CA; asking for a longer lifetime does not help as long as it ends first"),
    ];
    report.conclude(Outcome::Window);
    report
}

pub fn flawed() -> Report {
    let mut report = provision();
    report.identities = vec![issued("app-server", 30, 21, None)];
    report.findings = vec![
        Finding::error(
            Code::new("names-missing"),
            "the certificate lacks a name that was asked for: dns:app-server.internal",
        )
        .about("app-server")
        .fact("missing", json!(["dns:app-server.internal"]))
        .fact("present", json!(["dns:app-server.example"]))
        .hint("allow the name in the CA's role or profile"),
        Finding::error(
            Code::new("client-auth-missing"),
            "the certificate is not for TLS clients: its extended key usage has serverAuth alone",
        )
        .about("app-server")
        .fact("present", json!(["serverAuth"]))
        .hint("ask the CA for a profile with clientAuth"),
    ];
    report.conclude(Outcome::Flawed);
    report
}

pub fn refused() -> Report {
    let mut report = provision();
    report.identities = vec![asked("app-server")];
    report.findings = vec![
        Finding::error(
            Code::new("authority-refused"),
            "ca.example:8443 refused the order: 403 \"role builder may not sign app-server.internal\"",
        )
        .about("app-server")
        .fact("host", "ca.example")
        .fact("port", 8443)
        .fact("status", 403)
        .fact("attempts", 1)
        .fact("elapsed_seconds", 0.04)
        .hint("have the name allowed for this login, or log in as somebody for whom it is"),
    ];
    report.conclude(Outcome::Refused);
    report
}

pub fn unreachable() -> Report {
    let mut report = provision();
    report.identities = vec![asked("app-server"), asked("metrics")];
    report.findings = ["app-server", "metrics"]
        .map(|name| {
            Finding::error(
                Code::new("connection-refused"),
                "asking lab for a certificate: connecting to ca.example:8443: connection refused",
            )
            .about(name)
            .fact("host", "ca.example")
            .fact("port", 8443)
            .fact("attempts", 4)
            .fact("elapsed_seconds", 12.5)
            .hint("check that the CA runs and that the build machine may reach its port")
        })
        .to_vec();
    report.conclude(Outcome::Unreachable);
    report
}

pub fn image() -> Report {
    let mut report = provision();
    report.identities = vec![asked("app-server")];
    report.findings = vec![
        Finding::error(
            Code::new("owner-unknown"),
            "the image has no user \"app\" to own /etc/app-server/tls/client.key",
        )
        .in_file("/etc/app-server/tls/client.key")
        .fact("path", "/etc/app-server/tls/client.key")
        .fact("owner", "app")
        .fact("looked_in", "/etc/passwd")
        .hint("create the user before certbake runs, or give a numeric owner"),
    ];
    report.conclude(Outcome::Image);
    report
}

pub fn usage() -> Report {
    let mut report = Report::new("provision", NOW);
    let mut finding = Finding::error(
        Code::new("config-unknown-key"),
        "there is no key \"min_validty\"",
    )
    .in_file("certbake.toml")
    .fact("key", "identity.app-server.min_validty")
    .hint("did you mean \"min_validity\"?");
    finding.line = Some(12);
    report.findings = vec![finding];
    report.conclude(Outcome::Usage);
    report
}

pub fn internal() -> Report {
    let mut report = provision();
    report.conclude(Outcome::Internal);
    report
}
