//! One credential by its files: certificate, intermediates, anchors, key.

use std::path::Path;

use super::{CredentialFiles, nothing, read, trust_not_checked};
use crate::finding::{Finding, Severity};
use crate::outcome::{IdentityReport, Report};
use crate::pki::Chain;
use crate::verify::{self, Evidence, Policy};

pub(super) fn check(files: &CredentialFiles, policy: &Policy, report: &mut Report) {
    let name = files.certificate.display().to_string();
    let findings = &mut report.findings;
    let Some(content) = read::file(&files.certificate, findings) else {
        return;
    };
    let mut bundle: Vec<_> = content
        .certificates
        .into_iter()
        .map(|(certificate, _)| certificate)
        .collect();
    let Some(leaf) = read::end_entity(&bundle).cloned() else {
        findings.push(nothing(name, "the file contains no certificate"));
        return;
    };
    for link in read::certificates(&files.intermediates, findings) {
        // A chain that is given whole has the certificate itself in it, and is no less in order.
        if !bundle.contains(&link) {
            bundle.push(link);
        }
    }
    let anchors = read::anchors(&files.anchors, policy.usage, findings);
    let key = files.key.as_deref().and_then(|path| spki(path, findings));
    let crls = read::crls(&files.crls, findings);
    let others = bundle.iter().filter(|link| **link != leaf).cloned();
    let chain = Chain::above(leaf.clone(), others.collect());
    let evidence = Evidence {
        bundle: Some(&bundle),
        anchors: anchors.as_ref(),
        crls: &crls,
        key: key.as_deref(),
        ..Evidence::new(report.at, &chain)
    };
    let title = leaf.title();
    let mut verdict = verify::credential(&evidence, policy);
    if bundle.first() != Some(&leaf) {
        presented_instead(&mut verdict.findings);
    }
    report.findings.extend(
        verdict
            .findings
            .into_iter()
            .map(|finding| finding.in_file(name.as_str()).about(&title)),
    );
    if files.anchors.is_empty() {
        report.findings.push(
            trust_not_checked("the chain")
                .in_file(name.as_str())
                .about(&title),
        );
    }
    report.checked = Some(bundle.len());
    report.identities.push(IdentityReport {
        name: title,
        certificate: Some((&chain).into()),
        window: Some(verdict.summary),
        checks: verdict.checks,
        ..IdentityReport::default()
    });
}

/// Whatever loads the file takes the first certificate in it for its own.
fn presented_instead(findings: &mut [Finding]) {
    for finding in findings {
        if finding.code == verify::CHAIN_MISORDERED {
            finding.severity = Severity::Error;
        }
    }
}

/// The public key of the private key in a file.
fn spki(path: &Path, findings: &mut Vec<Finding>) -> Option<Vec<u8>> {
    let content = read::file(path, findings)?;
    let reason = match content.key() {
        Some(Ok(key)) => return Some(key.spki().to_vec()),
        Some(Err(error)) => error.to_string(),
        None => "it contains no unencrypted private key".to_owned(),
    };
    findings.push(read::key_unreadable(&path.display().to_string(), &reason));
    None
}
