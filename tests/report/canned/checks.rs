//! Checks of what is there.

use certbake::finding::{Code, Finding};
use certbake::outcome::{Outcome, Report};
use serde_json::json;
use time::Duration;

use super::{DAY, NOW};

pub fn check_good() -> Report {
    let mut report = Report::new("check", NOW);
    report.checked = Some(100_000);
    report
}

pub fn check_expired() -> Report {
    let mut report = Report::new("check", NOW);
    report.checked = Some(1);
    report.findings = vec![
        Finding::error(Code::new("expired"), "certificate \"app-server\" expired 3d ago")
            .in_file("client.crt")
            .instant("not_after", NOW - Duration::days(3))
            .instant("at", NOW)
            .fact("expired_for_seconds", 3 * DAY)
            .fact("subject", "CN=app-server")
            .hint("have a new certificate issued; if this one was issued just now, compare this machine's clock with the CA's"),
    ];
    report.conclude(Outcome::Window);
    report
}

pub fn check_thousands() -> Report {
    let mut report = Report::new("check", NOW);
    report.checked = Some(100_000);
    for number in 0..815 {
        let ago = number % 90 + 1;
        report.findings.push(
            Finding::error(
                Code::new("expired"),
                format!("certificate \"node-{number:05}\" expired {ago}d ago"),
            )
            .in_file(format!("fleet/node-{number:05}.pem"))
            .instant("not_after", NOW - Duration::days(ago))
            .fact("expired_for_seconds", ago * DAY)
            .hint("have a new certificate issued"),
        );
    }
    for number in 0..40 {
        report.findings.push(
            Finding::error(
                Code::new("weak-signature"),
                "the certificate is signed with SHA-1",
            )
            .in_file(format!("fleet/old-{number:02}.pem"))
            .hint("have it issued again by an authority that signs with SHA-256"),
        );
    }
    report.findings.push(
        Finding::warning(
            Code::new("chain-misordered"),
            "the intermediates are not in the order of the chain",
        )
        .in_file("fleet/shuffled.pem")
        .fact("expected", json!(["Lab Issuing CA", "Lab Policy CA"]))
        .hint("write them from the certificate's issuer upwards"),
    );
    report.conclude(Outcome::Flawed);
    report
}
