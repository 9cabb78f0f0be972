//! What `doctor` looks at.

use certbake::finding::{Code, Finding};
use certbake::outcome::{Look, LookState, Report};

use super::NOW;

pub fn look(subject: &str, what: &'static str, state: LookState, said: &str) -> Look {
    Look {
        subject: subject.to_owned(),
        what,
        state,
        said: said.to_owned(),
    }
}

pub fn doctor() -> Report {
    let mut report = Report::new("doctor", NOW);
    report.root = Some("./rootfs".to_owned());
    report.looked_at = vec![
        look(
            "lab",
            "place",
            LookState::Fine,
            "est, https://ca.lab:8443/.well-known/est",
        ),
        look(
            "lab",
            "reach",
            LookState::Fine,
            "answers within 41ms; certbake presents the user name \"builder\"",
        ),
        look(
            "lab",
            "clock",
            LookState::Fine,
            "its clock agrees with this machine's",
        ),
        look(
            "lab",
            "login",
            LookState::NotLookedAt,
            "whether it accepts the user name \"builder\": only an order shows",
        ),
        look(
            "image",
            "files",
            LookState::Fine,
            "3 files can be written in ./rootfs, records included, and their owners exist",
        ),
        look(
            "secrets",
            "read",
            LookState::Fine,
            "env:EST_PASSWORD can be read",
        ),
    ];
    report
}

pub fn doctor_warned() -> Report {
    let mut report = doctor();
    report.looked_at.insert(
        0,
        look("vault-eu", "reach", LookState::Wrong, "does not answer"),
    );
    report.findings.push(
        Finding::warning(
            Code::new("ca-unreachable"),
            "asking vault-eu.lab:8200: connecting to 10.0.0.5: connection refused (4 attempts in 1.8 s)",
        )
        .fact("host", "vault-eu.lab")
        .fact("port", 8200)
        .fact("attempts", 4)
        .fact("authority", "vault-eu")
        .hint("nothing listens on that port: check that the CA runs, and name and port in the URL"),
    );
    report
}
