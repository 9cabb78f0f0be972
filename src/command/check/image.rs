//! What an image root carries, by the records in it: every file as it was recorded, every credential
//! through the gate again.

use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::super::{LARGEST_FILE, records};
use super::placement::{self, CHANGED};
use super::read::{self, Content};
use super::{
    Expected, ImageTarget, TRUST_NOT_CHECKED, configured, nothing, successor, trust_not_checked,
};
use crate::finding::{Code, Finding, Severity};
use crate::image::{self, ImageError, ImagePath, ImageRoot, Places};
use crate::outcome::{AuthorityPlace, Change, IdentityReport, Outcome, PlacementReport, Report};
use crate::pki::crl::RevocationList;
use crate::pki::{Anchors, Certificate, Chain, Floor, PrivateKey};
use crate::record::{self, DIRECTORY, Record, RecordedPlacement};
use crate::span::Span;
use crate::verify::{self, Evidence, Policy};

const RECORD_MISSING: Code = Code::new("record-missing");

const UNBAKED: &str = "run `certbake provision` on this image, or check --root; what others have put there is checked by its path: certbake check --cert FILE";

/// As records call what does not open without its password.
const KEY_STORE: &str = "pkcs12";

pub(super) fn check(target: &ImageTarget, policy: &Policy, report: &mut Report) {
    report.root = Some(target.root.display().to_string());
    if let Err(error) = look(target, policy, report) {
        report.findings.push(error.finding());
        report.conclude(Outcome::Image);
    }
}

fn look(target: &ImageTarget, policy: &Policy, report: &mut Report) -> Result<(), ImageError> {
    let image = ImageRoot::open(&target.root)?;
    settle(&image, report)?;
    let recorded = records::listed(&image)?;
    let by_record: Vec<_> = recorded.iter().map(|name| Expected::named(name)).collect();
    let expected = if target.expected.is_empty() {
        &by_record
    } else {
        &target.expected
    };
    if expected.is_empty() {
        let what = format!("the image has no record in {DIRECTORY}");
        report
            .findings
            .push(nothing(target.root.display().to_string(), &what).hint(UNBAKED));
    }
    let crls = read::crls(&target.crls, &mut report.findings);
    for expected in expected {
        if !recorded.contains(&expected.name) {
            report.findings.push(unrecorded(&expected.name, &recorded));
            continue;
        }
        let pinned = if target.anchors.is_empty() {
            expected.anchors.as_slice()
        } else {
            &target.anchors
        };
        let anchors = read::anchors(
            pinned,
            policy.usage.or(expected.usage),
            &mut report.findings,
        );
        Identity::check(&image, expected, anchors, &crls, policy, report);
    }
    if report.findings.iter().any(|found| found.code == CHANGED) {
        let mut places = Places::of(&image);
        let records = recorded.iter().map(|name| records::read(&mut places, name));
        let records: Vec<_> = records.filter_map(Result::ok).collect();
        successor::name(&mut report.findings, &records);
    }
    Ok(())
}

/// Takes back or completes what a run that was cut short has left, as the next run would.
fn settle(image: &ImageRoot, report: &mut Report) -> Result<(), ImageError> {
    let Some(pending) = image::pending(image)? else {
        return Ok(());
    };
    match image::recover(image) {
        Ok(recovery) => report.findings.push(recovery.finding()),
        // They say themselves that a run was interrupted, and what helps.
        Err(error @ (ImageError::JournalTorn { .. } | ImageError::Journal { .. })) => {
            return Err(error);
        }
        Err(error) => {
            report.findings.push(pending.finding());
            return Err(error);
        }
    }
    Ok(())
}

fn unrecorded(identity: &str, recorded: &[String]) -> Finding {
    Finding::error(
        RECORD_MISSING,
        format!("the image has no record of {identity}"),
    )
    .about(identity)
    .in_file(record::path(identity))
    .fact("recorded", recorded.to_vec())
    .hint("run `certbake provision` on this image, or check --root and --identity")
}

/// One identity on its way through the checks.
struct Identity<'a> {
    image: &'a ImageRoot,
    /// DER revocation lists.
    crls: &'a [RevocationList],
    record: Record,
    findings: Vec<Finding>,
    placements: Vec<PlacementReport>,
    found: Vec<Found>,
    /// A file is there, and the system did not let it be read.
    unread: bool,
}

/// What a file of the identity holds.
struct Found {
    what: String,
    path: String,
    content: Content,
}

impl<'a> Identity<'a> {
    fn check(
        image: &'a ImageRoot,
        expected: &Expected,
        anchors: Option<Anchors>,
        crls: &'a [RevocationList],
        policy: &Policy,
        report: &mut Report,
    ) {
        let name = expected.name.as_str();
        let record = match records::read(&mut Places::of(image), name) {
            Ok(record) => record,
            Err(finding) => return report.findings.push((*finding).about(name)),
        };
        let mut identity = Self {
            image,
            crls,
            findings: Vec::new(),
            placements: Vec::new(),
            found: Vec::new(),
            unread: false,
            record,
        };
        if identity.record.placements.is_empty() {
            let empty = nothing(record::path(name), "the record lists no file").hint(UNBAKED);
            identity.findings.push(empty);
        }
        for placement in identity.record.placements.clone() {
            identity.look_at(&placement);
        }
        identity.compare_with_plan(expected);
        let policy = identity.policy(expected, policy);
        let summary = identity.judge(expected, anchors, &policy, report);
        report.identities.push(summary);
        if identity.unread {
            report.conclude(Outcome::Image);
        }
        let findings = identity
            .findings
            .into_iter()
            .map(|finding| finding.about(name));
        report.findings.extend(findings);
    }

    /// Holds a file against its record, and reads it.
    fn look_at(&mut self, recorded: &RecordedPlacement) {
        let read = recorded
            .path
            .parse()
            .map_err(|error| records::unreadable(&self.record.identity, &format!("{error}")))
            .and_then(|path: ImagePath| {
                self.read(&path).map_err(|error| {
                    self.unread |= matches!(
                        error,
                        ImageError::Io { .. } | ImageError::NotPermitted { .. }
                    );
                    Box::new(placement::unread(&error))
                })
            });
        let (metadata, bytes) = match read {
            Ok(read) => read,
            Err(finding) => return self.findings.push(*finding),
        };
        let before = self.findings.len();
        self.findings
            .extend(placement::compare(recorded, &metadata, &bytes));
        if self.findings.len() == before {
            self.placements.push(PlacementReport {
                what: recorded.what.clone(),
                path: recorded.path.clone(),
                mode: metadata.mode.to_string(),
                owner: metadata.uid.to_string(),
                group: metadata.gid.to_string(),
                change: Change::Unchanged,
                sha256: Some(recorded.sha256.clone()),
            });
        }
        // A key store does not open without its password; its digest was compared.
        if recorded.what == KEY_STORE {
            return;
        }
        match read::content(&bytes) {
            Ok(content) => self.found.push(Found {
                what: recorded.what.clone(),
                path: recorded.path.clone(),
                content,
            }),
            Err(fault) => self.findings.push(fault.finding(&recorded.path, &bytes)),
        }
    }

    fn read(
        &self,
        path: &ImagePath,
    ) -> Result<(image::Metadata, zeroize::Zeroizing<Vec<u8>>), ImageError> {
        let (bytes, metadata) = Places::of(self.image).read_and_examine(path, LARGEST_FILE)?;
        Ok((metadata, bytes.into()))
    }

    /// What the configuration places otherwise than the record says.
    fn compare_with_plan(&mut self, expected: &Expected) {
        let differs = configured::placements(self.image, expected, &self.record);
        // A file that is not as it was placed is told of once.
        let new = |finding: &Finding| {
            let told = |told: &Finding| told.code == finding.code && told.file == finding.file;
            !self.findings.iter().any(told)
        };
        let differs: Vec<_> = differs.into_iter().filter(new).collect();
        self.findings.extend(differs);
    }

    fn certificates(&self, what: &str) -> Vec<Certificate> {
        self.found
            .iter()
            .filter(|found| found.what == what)
            .flat_map(|found| &found.content.certificates)
            .map(|(certificate, _)| certificate.clone())
            .collect()
    }

    /// The private key that was placed, from the first file that holds one.
    fn key(&mut self) -> Option<PrivateKey> {
        let keys = |found: &Found| Some((found.path.clone(), found.content.key()?));
        let (path, key) = self.found.iter().find_map(keys)?;
        key.map_err(|error| {
            self.findings
                .push(read::key_unreadable(&path, &error.to_string()))
        })
        .ok()
    }

    /// The certificate and what came with it, from the most complete file. Issuers whose certificate is
    /// gone are nobody's chain.
    fn bundle(&self) -> Vec<Certificate> {
        ["full-chain", "combined"]
            .into_iter()
            .map(|what| self.certificates(what))
            .find(|certificates| !certificates.is_empty())
            .unwrap_or_else(|| {
                let mut bundle = self.certificates("certificate");
                if !bundle.is_empty() {
                    bundle.extend(self.certificates("issuers"));
                }
                bundle
            })
    }

    fn judge(
        &mut self,
        expected: &Expected,
        anchors: Option<Anchors>,
        policy: &Policy,
        report: &mut Report,
    ) -> IdentityReport {
        let mut summary = IdentityReport {
            name: self.record.identity.clone(),
            authority: Some(AuthorityPlace {
                kind: self.record.authority.kind.clone(),
                name: self.record.authority.name.clone(),
                place: self.record.authority.place.clone(),
            }),
            placements: std::mem::take(&mut self.placements),
            ..IdentityReport::default()
        };
        let bundle = self.bundle();
        let leaf = read::end_entity(&bundle);
        let differs = configured::certificate(expected, &self.record, leaf);
        let Some(leaf) = leaf else {
            self.judge_by_record(policy, report.at);
            self.findings.extend(differs);
            self.findings.extend(self.closed());
            summary.checks = verify::checks_by_record(
                policy.floor.is_some(),
                "no certificate could be read: only the record was checked",
            );
            return summary;
        };
        let others = bundle.iter().filter(|link| *link != leaf).cloned();
        let chain = Chain::above(leaf.clone(), others.collect());
        let placed = self.certificates("anchors");
        let anchors = anchors.or_else(|| (!placed.is_empty()).then(|| Anchors::new(placed)));
        let key = self.key();
        let evidence = Evidence {
            bundle: Some(&bundle),
            anchors: anchors.as_ref(),
            crls: self.crls,
            key: key.as_ref().map(PrivateKey::spki),
            asked: configured::asked(expected, policy),
            asked_afterwards: true,
            ..Evidence::new(report.at, &chain)
        };
        let verdict = verify::credential(&evidence, policy);
        self.findings.extend(verdict.findings);
        self.findings.extend(differs);
        if anchors.is_none() {
            self.findings
                .push(self.open(trust_not_checked("the chain")));
        }
        report.checked = Some(report.checked.unwrap_or(0) + bundle.len());
        summary.certificate = Some((&chain).into());
        summary.window = Some(verdict.summary);
        summary.checks = verdict.checks;
        summary
    }

    /// A key store does not show its certificates; that it is the one which was placed is known, and
    /// so is the window that was recorded of it.
    fn judge_by_record(&mut self, policy: &Policy, now: OffsetDateTime) {
        let window = &self.record.window;
        match OffsetDateTime::parse(&window.not_after, &Rfc3339) {
            Ok(not_after) => {
                let lifetime = Duration::seconds(self.record.granted_lifetime_seconds);
                let floor = policy.floor.as_ref().map(|floor| floor.required(lifetime));
                let limited_by = window.limited_by.clone();
                self.findings
                    .extend(verify::recorded(not_after, &limited_by, floor, now));
            }
            Err(_) => {
                let reason = format!("its notAfter is \"{}\"", window.not_after);
                let finding = records::unreadable(&self.record.identity, &reason);
                self.findings.push(*finding);
            }
        }
    }

    /// Of a key store, what the record does not tell is not known.
    fn closed(&self) -> Option<Finding> {
        let mut placements = self.record.placements.iter();
        let store = placements.find(|placement| placement.what == KEY_STORE)?;
        let path = &store.path;
        Some(self.open(
            Finding::note(
                TRUST_NOT_CHECKED,
                format!("the certificate is only in the key store {path}, which does not open without its password: files and window were checked against the record; names, usage and trust were not"),
            )
            .hint("also place the certificate beside the store (full_chain), or check it where the password is known"),
        ))
    }

    /// A question that was left open, which is no answer where revocation lists were given.
    fn open(&self, mut finding: Finding) -> Finding {
        if !self.crls.is_empty() {
            finding.severity = Severity::Error;
            finding
                .summary
                .push_str(", and nothing was held against the revocation lists");
        }
        finding
    }

    /// What the run demands, else what the configuration does, else what was recorded.
    fn policy(&self, expected: &Expected, policy: &Policy) -> Policy {
        let recorded = self.record.window.floor_seconds;
        let recorded = recorded.map(|seconds| Floor::Absolute(Span::seconds(seconds.into())));
        let (floor, floor_origin) = [
            (policy.floor.clone(), policy.floor_origin.clone()),
            (expected.floor.clone(), expected.floor_origin.clone()),
            (recorded, record::path(&self.record.identity)),
        ]
        .into_iter()
        .find(|(floor, _)| floor.is_some())
        .unwrap_or_default();
        Policy {
            floor,
            floor_origin,
            max_validity: expected.max_validity,
            usage: policy
                .usage
                .or(expected.usage)
                .or(Some(self.record.certificate.usage)),
            not_before_tolerance: verify::NOT_BEFORE_TOLERANCE,
            ..policy.clone()
        }
    }
}
