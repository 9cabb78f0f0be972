//! Many files and folders at once, over all cores.
//!
//! A file with one end-entity certificate is that certificate and its chain. Any other file is a
//! bundle, and each certificate in it is checked for itself. In folders, files without certificates
//! are passed over.

use std::fs;
use std::io;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use time::OffsetDateTime;

use super::{nothing, read, trust_not_checked};
use crate::finding::Finding;
use crate::outcome::Report;
use crate::pki::crl::RevocationList;
use crate::pki::{Anchors, Certificate, Chain};
use crate::verify::{self, Evidence, Policy};

/// How many files a thread takes at a time: few enough to end together, enough not to queue.
const BATCH: usize = 64;

pub(super) fn check(
    paths: &[PathBuf],
    anchors: &[PathBuf],
    crls: &[PathBuf],
    policy: &Policy,
    report: &mut Report,
) {
    let anchors = read::anchors(anchors, policy.usage, &mut report.findings);
    let crls = read::crls(crls, &mut report.findings);
    let gate = Gate {
        now: report.at,
        policy,
        anchors: anchors.as_ref(),
        crls: &crls,
    };
    let mut tally = Tally::new(paths.len());
    let mut items = Vec::new();
    for (argument, path) in paths.iter().enumerate() {
        walk(path, argument, &mut items, &mut tally);
    }
    gate.look_at_all(&items, &mut tally);
    for (argument, path) in paths.iter().enumerate() {
        if tally.checked[argument] == 0 && !tally.faulty[argument] {
            let path = path.display().to_string();
            report
                .findings
                .push(nothing(path, "it contains no certificate"));
        }
    }
    tally.findings.sort_by_key(|(item, _)| *item);
    report
        .findings
        .extend(tally.findings.into_iter().map(|(_, finding)| finding));
    report.checked = Some(tally.checked.iter().sum());
    if tally.led_nowhere {
        report.findings.push(trust_not_checked("what was found"));
    }
}

/// A file to be looked at.
struct Item {
    path: PathBuf,
    /// Which of the paths given it comes from.
    argument: usize,
    /// Given by its own name, not met in a folder.
    named: bool,
}

/// What was seen.
struct Tally {
    /// Certificates, by the path given.
    checked: Vec<usize>,
    /// Whether something could not be read, by the path given.
    faulty: Vec<bool>,
    /// With the number of the item, so that the order does not depend on the threads.
    findings: Vec<(usize, Finding)>,
    /// An end-entity certificate was looked at without anchors to lead it to.
    led_nowhere: bool,
}

impl Tally {
    fn new(arguments: usize) -> Self {
        Self {
            checked: vec![0; arguments],
            faulty: vec![false; arguments],
            findings: Vec::new(),
            led_nowhere: false,
        }
    }

    fn fault(&mut self, argument: usize, item: usize, finding: Finding) {
        self.faulty[argument] = true;
        self.findings.push((item, finding));
    }

    fn add(&mut self, other: Self) {
        for (mine, theirs) in self.checked.iter_mut().zip(other.checked) {
            *mine += theirs;
        }
        for (mine, theirs) in self.faulty.iter_mut().zip(other.faulty) {
            *mine |= theirs;
        }
        self.findings.extend(other.findings);
        self.led_nowhere |= other.led_nowhere;
    }
}

/// Collects a file, or the files below a folder in the order of their names. Symbolic links to files
/// are followed, those to folders are not, so that no loop can be walked.
fn walk(path: &Path, argument: usize, items: &mut Vec<Item>, tally: &mut Tally) {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => walk_folder(path, argument, items, tally),
        // What cannot be looked at will say so when it is opened.
        _ => items.push(Item {
            path: path.to_owned(),
            argument,
            named: true,
        }),
    }
}

fn walk_folder(folder: &Path, argument: usize, items: &mut Vec<Item>, tally: &mut Tally) {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut entries = match entries {
        Ok(entries) => entries,
        Err(error) => {
            let name = folder.display().to_string();
            tally.fault(argument, items.len(), read::unopened(&name, &error));
            return;
        }
    };
    entries.sort_by_cached_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk_folder(&path, argument, items, tally),
            Ok(kind) if kind.is_file() || kind.is_symlink() && !leads_elsewhere(&path) => {
                items.push(Item {
                    path,
                    argument,
                    named: false,
                });
            }
            // Sockets, pipes and devices: to open one may wait for ever.
            Ok(_) => {}
            Err(error) => {
                let name = path.display().to_string();
                tally.fault(argument, items.len(), read::unopened(&name, &error));
            }
        }
    }
}

/// Whether a symbolic link leads to something that is not a file; a dangling one is a fault to report.
fn leads_elsewhere(link: &Path) -> bool {
    fs::metadata(link).is_ok_and(|found| !found.is_file())
}

/// What every certificate is held against.
struct Gate<'a> {
    now: OffsetDateTime,
    policy: &'a Policy,
    anchors: Option<&'a Anchors>,
    /// DER revocation lists.
    crls: &'a [RevocationList],
}

impl Gate<'_> {
    fn look_at_all(&self, items: &[Item], tally: &mut Tally) {
        let next = AtomicUsize::new(0);
        let arguments = tally.checked.len();
        let work = || {
            let mut tally = Tally::new(arguments);
            let mut buffer = read::buffer();
            loop {
                let start = next.fetch_add(BATCH, Ordering::Relaxed);
                let Some(rest) = items.get(start..).filter(|rest| !rest.is_empty()) else {
                    return tally;
                };
                for (offset, item) in rest.iter().take(BATCH).enumerate() {
                    self.look_at(item, start + offset, &mut buffer, &mut tally);
                }
            }
        };
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = cores.min(items.len().div_ceil(BATCH));
        thread::scope(|scope| {
            let start = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
            let others: Vec<_> = (1..threads).map_while(start).collect();
            tally.add(work());
            for other in others {
                tally.add(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
            }
        });
    }

    fn look_at(&self, item: &Item, number: usize, buffer: &mut Vec<u8>, tally: &mut Tally) {
        let name = || item.path.display().to_string();
        if let Err(error) = read::into(buffer, &item.path) {
            let finding = read::unopened(&name(), &error);
            return tally.fault(item.argument, number, finding);
        }
        if !item.named && !read::looks_like_certificates(&item.path, buffer) {
            return;
        }
        let certificates = match read::content(buffer) {
            Ok(content) => content.certificates,
            Err(fault) => {
                let finding = fault.finding(&name(), buffer);
                return tally.fault(item.argument, number, finding);
            }
        };
        // One that was named answers for itself at the end.
        if !item.named && read::was_emptied(&item.path, buffer) {
            let finding = nothing(name(), "the file is empty");
            return tally.fault(item.argument, number, finding);
        }
        tally.checked[item.argument] += certificates.len();
        let any_end = || certificates.iter().any(|(it, _)| !it.facts().is_ca);
        tally.led_nowhere |= self.anchors.is_none() && any_end();
        let findings = self.judge(&certificates).map(|(block, finding)| {
            let mut finding = finding.in_file(name());
            finding.line = read::line_of_block(buffer, block);
            (number, finding)
        });
        tally.findings.extend(findings);
    }

    /// Findings, each with the PEM block of the certificate that it is about.
    fn judge(&self, found: &[(Certificate, usize)]) -> impl Iterator<Item = (usize, Finding)> {
        let mut ends = found
            .iter()
            .filter(|(certificate, _)| !certificate.facts().is_ca);
        let mut findings = Vec::new();
        // A chain that was put behind its certificate whole has that in it again.
        let end = ends.next();
        let is_only_one = ends.all(|(other, _)| end.is_some_and(|(first, _)| first == other));
        if let (Some((leaf, block)), true) = (end, is_only_one) {
            let bundle: Vec<_> = found
                .iter()
                .map(|(certificate, _)| certificate.clone())
                .collect();
            let others = bundle
                .iter()
                .filter(|other| *other != leaf)
                .cloned()
                .collect();
            let chain = Chain::above(leaf.clone(), others);
            let evidence = Evidence {
                bundle: Some(&bundle),
                anchors: self.anchors,
                crls: self.crls,
                ..Evidence::new(self.now, &chain)
            };
            let verdict = verify::credential(&evidence, self.policy);
            findings.extend(
                verdict
                    .findings
                    .into_iter()
                    .map(|finding| (*block, finding)),
            );
        } else {
            for (certificate, block) in found {
                findings.extend(
                    self.alone(certificate)
                        .into_iter()
                        .map(|finding| (*block, finding)),
                );
            }
        }
        findings.into_iter()
    }

    /// A certificate of a bundle: an end-entity certificate as any other, an authority's by its dates
    /// and its strength.
    fn alone(&self, certificate: &Certificate) -> Vec<Finding> {
        let chain = Chain::above(certificate.clone(), Vec::new());
        let mut evidence = Evidence::new(self.now, &chain);
        if !certificate.facts().is_ca {
            evidence.anchors = self.anchors;
            evidence.crls = self.crls;
            return verify::credential(&evidence, self.policy).findings;
        }
        let policy = Policy {
            usage: None,
            peer_names: Vec::new(),
            ..self.policy.clone()
        };
        verify::credential(&evidence, &policy).findings
    }
}
