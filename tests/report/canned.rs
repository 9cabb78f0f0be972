//! Reports as the commands make them, one for each way that a run can end.

mod checks;
mod failed;
mod looks;

use certbake::finding::{Code, Finding};
use certbake::outcome::{
    Asked, AuthorityPlace, CertificateSummary, Change, CheckNotMade, Checks, FloorSummary,
    IdentityReport, LookState, Outcome, PlacementReport, Rehearsal, Report, StatedFloor,
    WindowSummary,
};
use certbake::span::Span;
use serde_json::json;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use checks::{check_expired, check_good, check_thousands};
use failed::{below_floor, flawed, image, internal, refused, unreachable, usage};
use looks::{doctor, doctor_warned, look};

pub const NOW: OffsetDateTime = datetime!(2026-11-23 23:00 UTC);

const DAY: i64 = 86_400;

/// Every report by the name of its golden files.
pub fn all() -> Vec<(&'static str, Report)> {
    vec![
        ("baked", baked()),
        ("baked-with-warnings", baked_with_warnings()),
        ("baked-several", baked_several()),
        ("below-floor", below_floor()),
        ("flawed", flawed()),
        ("refused", refused()),
        ("unreachable", unreachable()),
        ("image", image()),
        ("usage", usage()),
        ("internal", internal()),
        ("dry-run", dry_run()),
        ("doctor", doctor()),
        ("doctor-warned", doctor_warned()),
        ("revoked", revoked()),
        ("check-good", check_good()),
        ("check-expired", check_expired()),
        ("check-thousands", check_thousands()),
    ]
}

fn provision() -> Report {
    let mut report = Report::new("provision", NOW);
    report.root = Some("./rootfs".to_owned());
    report
}

/// An identity that was asked for; nothing came yet.
fn asked(name: &str) -> IdentityReport {
    let file = |what: &str, path: String, mode: &str, owner: &str| PlacementReport {
        what: what.to_owned(),
        path,
        mode: mode.to_owned(),
        owner: owner.to_owned(),
        group: owner.to_owned(),
        change: Change::NotWritten,
        sha256: None,
    };
    IdentityReport {
        name: name.to_owned(),
        asked: Some(Asked {
            subject: format!("CN={name}"),
            names: vec![format!("dns:{name}.internal")],
            key: "ecdsa-p256".to_owned(),
            ttl: Some(Span::seconds(30 * DAY)),
        }),
        authority: Some(AuthorityPlace {
            kind: "est".to_owned(),
            name: "lab".to_owned(),
            place: "https://ca.example:8443".to_owned(),
        }),
        placements: vec![
            file(
                "full-chain",
                format!("/etc/{name}/tls/client.crt"),
                "0644",
                "root",
            ),
            file(
                "private-key",
                format!("/etc/{name}/tls/client.key"),
                "0600",
                "app",
            ),
        ],
        ..IdentityReport::default()
    }
}

/// An identity for which a certificate came that lasts for `days`; `limit` names an intermediate
/// that ends it.
fn issued(name: &str, days: i64, floor: i64, limit: Option<&str>) -> IdentityReport {
    let not_before = NOW - Duration::minutes(1);
    let not_after = NOW + Duration::days(days);
    let mut identity = asked(name);
    identity.certificate = Some(CertificateSummary {
        subject: format!("CN={name}"),
        issuer: "CN=Lab Issuing CA,O=Example".to_owned(),
        serial: "4f2a9c0d77e1b3a85510".to_owned(),
        names: vec![format!("dns:{name}.internal")],
        key: "ecdsa-p256".to_owned(),
        signature: "ecdsa-with-SHA256".to_owned(),
        fingerprint: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
        spki_pin: "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=".to_owned(),
        not_before,
        not_after: if limit.is_some() {
            NOW + Duration::days(30)
        } else {
            not_after
        },
        chain: vec!["Lab Issuing CA".to_owned()],
    });
    identity.window = Some(WindowSummary {
        not_before,
        not_after,
        remaining_seconds: days * DAY,
        limited_by: limit.unwrap_or(name).to_owned(),
        limited_by_depth: usize::from(limit.is_some()),
        floor: Some(FloorSummary {
            required: Span::seconds(floor * DAY),
            stated: format!("{floor}d"),
            origin: "--min-validity".to_owned(),
            holds: days >= floor,
        }),
        rebuild_by: Some(not_after - Duration::days(floor)),
    });
    identity.checks = Checks {
        made: [
            "key-mismatch",
            "window-below-floor",
            "names-missing",
            "lifetime-shortened",
        ]
        .map(Code::new)
        .to_vec(),
        not_made: vec![CheckNotMade::new(
            Code::new("revoked"),
            "no revocation lists were given",
        )],
    };
    identity
}

fn landed(mut identity: IdentityReport) -> IdentityReport {
    for file in &mut identity.placements {
        file.change = Change::Written;
        file.sha256 =
            Some("2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae".to_owned());
    }
    identity
}

pub fn baked() -> Report {
    let mut report = provision();
    report.identities = vec![landed(issued("app-server", 30, 21, None))];
    report
}

fn baked_with_warnings() -> Report {
    let mut report = provision();
    let mut identity = landed(issued("app-server", 45, 38, None));
    if let Some(floor) = identity
        .window
        .as_mut()
        .and_then(|window| window.floor.as_mut())
    {
        floor.stated = "image_max_age 30d + instance_life 7d + rollout 1d".to_owned();
        floor.origin = "certbake.toml:14".to_owned();
    }
    identity.placements[1].change = Change::Unchanged;
    report.identities = vec![identity];
    report.findings = vec![
        Finding::warning(Code::new("lifetime-shortened"), "the CA granted 45d of the 60d asked for")
            .about("app-server")
            .fact("asked_seconds", 60 * DAY)
            .fact("granted_seconds", 45 * DAY)
            .hint("raise the limit at the CA (its role, profile or provisioner), or ask for a ttl of at most 45d"),
        Finding::note(
            Code::new("replaced-in-place"),
            "/etc/app-server/tls/client.crt was overwritten in place: something is mounted on the file itself",
        )
        .in_file("/etc/app-server/tls/client.crt")
        .hint("mount the directory instead of the file"),
    ];
    report
}

fn baked_several() -> Report {
    let mut report = provision();
    report.identities = vec![
        landed(issued("app-server", 30, 21, None)),
        landed(issued("metrics", 90, 21, None)),
        landed(issued("log-shipper", 22, 21, Some("Lab Issuing CA"))),
    ];
    report
}

fn dry_run() -> Report {
    let mut report = provision();
    report.dry_run = true;
    let mut identity = asked("app-server");
    for file in &mut identity.placements {
        file.change = Change::WouldWrite;
    }
    identity.rehearsal = Some(Rehearsal {
        floor: Some(StatedFloor {
            required: Some(Span::seconds(21 * DAY)),
            stated: "70%".to_owned(),
            origin: "certbake.toml:12".to_owned(),
        }),
        record: PlacementReport {
            what: "record".to_owned(),
            path: "/var/lib/certbake/app-server.json".to_owned(),
            mode: "0644".to_owned(),
            owner: "0".to_owned(),
            group: "0".to_owned(),
            change: Change::WouldWrite,
            sha256: None,
        },
        record_copy: Some("out/app-server.json".to_owned()),
    });
    report.identities = vec![identity];
    report.findings = vec![
        Finding::note(
            Code::new("dry-run"),
            "no certificate was requested and nothing was written",
        )
        .hint("run it again without --dry-run"),
    ];
    report
}

fn revoked() -> Report {
    let mut report = Report::new("revoke", NOW);
    let mut identity = issued("app-server", 30, 21, None);
    identity.asked = None;
    identity.window = None;
    identity.placements.clear();
    identity.checks = Checks::default();
    report.identities.push(identity);
    report.findings.push(
        Finding::note(
            Code::new("certificate-revoked"),
            "lab has revoked certificate 4f1c, since its key may be known to others; peers that check no revocation list accept it until 2026-12-23T23:00:00Z",
        )
        .about("app-server")
        .fact("serial", "4f1c")
        .fact("reason", "key-compromise"),
    );
    report
}

/// A report in which every text that can come from outside is `hostile`.
pub fn all_texts(hostile: &str) -> Report {
    let text = || hostile.to_owned();
    let mut report = baked();
    report.root = Some(text());
    report.conclude(Outcome::Flawed);
    for severity in [Finding::error, Finding::warning, Finding::note] {
        for _ in 0..2 {
            report.findings.push(
                severity(Code::new("hostile"), text())
                    .about(hostile)
                    .in_file(hostile)
                    .fact(hostile, hostile)
                    .fact("list", json!([hostile, {hostile: hostile}]))
                    .hint(hostile),
            );
        }
    }
    report.looked_at = [LookState::Fine, LookState::Wrong, LookState::NotLookedAt]
        .map(|state| look(hostile, "reach", state, hostile))
        .to_vec();
    let mut identity = report.identities.remove(0);
    identity.name = text();
    identity.asked = Some(Asked {
        subject: text(),
        names: vec![text()],
        key: text(),
        ttl: None,
    });
    identity.authority = Some(AuthorityPlace {
        kind: text(),
        name: text(),
        place: text(),
    });
    if let Some(certificate) = &mut identity.certificate {
        certificate.subject = text();
        certificate.issuer = text();
        certificate.serial = text();
        certificate.names = vec![text()];
        certificate.key = text();
        certificate.signature = text();
        certificate.fingerprint = text();
        certificate.spki_pin = text();
        certificate.chain = vec![text()];
    }
    if let Some(window) = &mut identity.window {
        window.limited_by = text();
        window.limited_by_depth = 1;
        if let Some(floor) = &mut window.floor {
            floor.stated = text();
            floor.origin = text();
        }
    }
    for file in &mut identity.placements {
        file.what = text();
        file.path = text();
        file.mode = text();
        file.owner = text();
        file.group = text();
    }
    report.identities.push(identity);
    report
}
