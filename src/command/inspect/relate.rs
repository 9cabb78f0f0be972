//! How what was seen belongs together: who issued what, which key is whose, and whether the
//! certificates of a file stand in the order in which TLS sends them.

use std::collections::HashMap;

use crate::finding::Finding;
use crate::inspection::{Content, File, Place};
use crate::pki::{Certificate, Chain};
use crate::verify::{CHAIN_MISORDERED, KEY_MISMATCH};

/// A certificate, and where it was seen: the indices of its file and item.
pub(super) struct Seen {
    pub file: usize,
    pub item: usize,
    pub certificate: Certificate,
}

/// Fills in the places and says what does not fit.
pub(super) fn relate(files: &mut [File], seen: &[Seen]) -> Vec<Finding> {
    let owners = owners(files);
    for file in files.iter_mut() {
        for item in &mut file.items {
            if let Content::PrivateKey(key) = &mut item.content {
                let pin = key.spki_pin.as_deref().unwrap_or_default();
                key.belongs_to = owners.get(pin).cloned().unwrap_or_default();
            }
        }
    }
    for (child, issuer) in issuers(seen) {
        let place = place(&files[issuer.file], issuer.item);
        if let Content::Certificate(item) = &mut files[child.file].items[child.item].content {
            item.issued_by = Some(place);
        }
    }
    let mut findings = Vec::new();
    for (at, file) in files.iter().enumerate() {
        findings.extend(misordered(file, seen.iter().filter(|one| one.file == at)));
        findings.extend(orphans(file, seen.len()));
    }
    findings
}

fn place(file: &File, item: usize) -> Place {
    Place {
        file: file.file.clone(),
        item: item + 1,
    }
}

/// Where certificates and requests for a public key stand, by its pin.
fn owners(files: &[File]) -> HashMap<String, Vec<Place>> {
    let mut owners: HashMap<String, Vec<Place>> = HashMap::new();
    for file in files {
        for item in &file.items {
            let pin = match &item.content {
                Content::Certificate(certificate) => &certificate.spki_pin,
                Content::Request(request) => &request.spki_pin,
                _ => continue,
            };
            owners
                .entry(pin.clone())
                .or_default()
                .push(place(file, item.item - 1));
        }
    }
    owners
}

/// Each certificate whose issuer was seen too, beside it; one of the same file where there is one.
fn issuers(seen: &[Seen]) -> Vec<(&Seen, &Seen)> {
    let mut by_subject: HashMap<&[u8], Vec<&Seen>> = HashMap::new();
    for one in seen {
        by_subject
            .entry(&one.certificate.facts().subject_der)
            .or_default()
            .push(one);
    }
    seen.iter()
        .filter_map(|child| {
            let named = by_subject.get(child.certificate.facts().issuer_der.as_slice())?;
            let issuer = named
                .iter()
                .filter(|issuer| {
                    issuer.certificate != child.certificate
                        && child.certificate.is_issued_by(&issuer.certificate)
                })
                .max_by_key(|issuer| issuer.file == child.file)?;
            Some((child, *issuer))
        })
        .collect()
}

/// A PEM file with one leaf is meant as a chain: leaf first, each followed by its issuer.
fn misordered<'a>(file: &File, seen: impl Iterator<Item = &'a Seen>) -> Option<Finding> {
    if file.format != Some("PEM") {
        return None;
    }
    let is_root = |one: &Certificate| one.facts().is_ca && one.is_self_issued();
    let delivered: Vec<&Certificate> = seen
        .map(|one| &one.certificate)
        .filter(|one| !is_root(one))
        .collect();
    let mut leaves = delivered.iter().filter(|one| !one.facts().is_ca);
    let (Some(leaf), None) = (leaves.next(), leaves.next()) else {
        return None;
    };
    let others = delivered
        .iter()
        .filter(|one| *one != leaf)
        .copied()
        .cloned()
        .collect();
    let chain = Chain::above((*leaf).clone(), others);
    if chain.certificates().eq(delivered.iter().copied()) {
        return None;
    }
    let expected: Vec<String> = chain.certificates().map(Certificate::title).collect();
    let delivered: Vec<String> = delivered.into_iter().map(Certificate::title).collect();
    Some(
        Finding::warning(CHAIN_MISORDERED, "its certificates are not in order: the leaf first, then each issuer after the certificate it signed")
            .hint(format!("put them in this order: {}", expected.join(", ")))
            .fact("delivered", delivered)
            .fact("expected", expected)
            .in_file(&file.file),
    )
}

/// Keys for which no certificate was seen, though there were some.
fn orphans(file: &File, certificates: usize) -> Vec<Finding> {
    let is_orphan = |content: &Content| matches!(content, Content::PrivateKey(key) if key.spki_pin.is_some() && key.belongs_to.is_empty());
    file.items
        .iter()
        .filter(|item| certificates > 0 && is_orphan(&item.content))
        .map(|item| {
            let of = match certificates {
                1 => "not to the certificate".to_owned(),
                _ => format!("to none of the {certificates} certificates"),
            };
            Finding::warning(
                KEY_MISMATCH,
                format!(
                    "its private key (item {}) belongs {of} seen here",
                    item.item
                ),
            )
            .fact("item", item.item)
            .hint("give the key and the certificate that were made together")
            .in_file(&file.file)
        })
        .collect()
}
