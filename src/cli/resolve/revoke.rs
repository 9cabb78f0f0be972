//! The words of `revoke` as a plan: which certificate, and the authority that issued it.

use std::path::Path;
use std::slice;

use clap::ArgMatches;

use super::authority::Authorities;
use super::outside::{CONFIGURATION, inputs_are_spared};
use super::{Outside, source_of};
use crate::authority::Reason;
use crate::choice::advice;
use crate::cli::args::revoke::Args;
use crate::cli::source::Source;
use crate::cli::usage::UsageError;
use crate::command::check::Issuer;
use crate::command::provision::Candidate;
use crate::command::revoke::Plan;
use crate::os_error;
use crate::pki::{Certificate, PrivateKey, pem};
use crate::record::{self, Record};
use crate::span::Span;

const DEADLINE: Span = Span::seconds(30);

/// # Errors
/// The first thing that cannot be used, with where it was written.
pub fn plan(args: &Args, matches: &ArgMatches, outside: &Outside<'_>) -> Result<Plan, UsageError> {
    let source = source_of(args.config.as_deref(), &args.ca)?;
    let config = source.as_ref().map(|source| slice::from_ref(&source.path));
    let inputs = [
        (config.unwrap_or_default(), CONFIGURATION),
        (
            args.record.as_slice(),
            "the record of what is to be revoked",
        ),
        (args.cert.as_slice(), "what --cert names"),
        (args.key.as_slice(), "what --key names"),
    ];
    inputs_are_spared(&args.report, &inputs, None, matches)?;
    let record = args.record.as_deref().map(read_record).transpose()?;
    let certificate = certificate(args, record.as_ref())?;
    let candidate = issuer(args, matches, outside, source.as_ref(), record.as_ref())?;
    Ok(Plan {
        name: record.map_or_else(|| certificate.title(), |record| record.identity),
        candidate,
        key: args.key.as_deref().map(read_key).transpose()?,
        reason: args
            .reason
            .as_deref()
            .map_or(Ok(Reason::default()), reason)?,
        deadline: super::wait("--deadline", args.deadline.as_deref(), DEADLINE)?,
        certificate,
    })
}

fn reason(text: &str) -> Result<Reason, UsageError> {
    let all = || Reason::ALL.iter().map(|reason| reason.as_str());
    let found = Reason::ALL.iter().find(|reason| reason.as_str() == text);
    found.copied().ok_or_else(|| {
        UsageError::new("--reason", format!("\"{text}\" is not a reason")).hint(advice(
            text,
            "allowed",
            all(),
        ))
    })
}

fn read_record(path: &Path) -> Result<Record, UsageError> {
    let unusable = |reason: String| unusable_record(path, &reason);
    let text = std::fs::read(path).map_err(|error| unusable(os_error::in_words(&error)))?;
    record::parse(&text).map_err(|error| unusable(error.to_string()))
}

fn unusable_record(path: &Path, reason: &str) -> UsageError {
    UsageError {
        file: Some(path.display().to_string()),
        reason: format!("reading the record: {reason}"),
        hint: "give the record of the image (/var/lib/certbake/NAME.json) or its copy, or the certificate itself with --cert and --ca".to_owned(),
        ..UsageError::default()
    }
}

fn certificate(args: &Args, record: Option<&Record>) -> Result<Certificate, UsageError> {
    let recorded = record.and_then(|record| record.certificate.pem.as_deref());
    let (bytes, from) = match (&args.cert, recorded) {
        (Some(path), _) => {
            let bytes = std::fs::read(path)
                .map_err(|error| unreadable("--cert", path, &os_error::in_words(&error)))?;
            (bytes, path.display().to_string())
        }
        (None, Some(pem)) => (pem.as_bytes().to_vec(), "the record".to_owned()),
        (None, None) => {
            return Err(UsageError::new("--cert", "the record has no certificate, and none is given")
                .hint("give the certificate's file with --cert: the record's placements say where it is in the image"));
        }
    };
    let unusable = |reason: String| match (&args.cert, &args.record) {
        (None, Some(record)) => unusable_record(record, &format!("its certificate: {reason}")),
        _ => UsageError::new("--cert", format!("reading {from}: {reason}")),
    };
    let der = if bytes.first() == Some(&0x30) {
        Some(bytes)
    } else {
        let all = pem::certificates(&bytes).map_err(|error| unusable(error.to_string()))?;
        all.into_iter().next()
    };
    let der = der.ok_or_else(|| unusable("it contains no certificate".to_owned()))?;
    let certificate = Certificate::from_der(der).map_err(|error| unusable(error.to_string()))?;
    match record {
        Some(record) if record.certificate.fingerprint != certificate.fingerprint() => {
            Err(UsageError::new(
                "--cert",
                format!("{from} is not the certificate of the record"),
            )
            .hint(format!(
                "the record is of serial {}, but this is serial {}",
                record.certificate.serial,
                certificate.facts().serial
            )))
        }
        None if certificate.facts().is_ca => Err(UsageError::new(
            "--cert",
            format!(
                "{from} begins with a CA's certificate, \"{}\"",
                certificate.title()
            ),
        )
        .hint("put the certificate that is to be revoked first: without its CA's certificate, nothing that the CA issued is accepted any more")),
        _ => Ok(certificate),
    }
}

fn read_key(path: &Path) -> Result<PrivateKey, UsageError> {
    let unusable = |reason: &str| unreadable("--key", path, reason);
    let text = std::fs::read(path).map_err(|error| unusable(&os_error::in_words(&error)))?;
    let text = zeroize::Zeroizing::new(text);
    let der = pem::private_key(&text)
        .map_err(|error| unusable(&error.to_string()))?
        .ok_or_else(|| unusable("it contains no unencrypted private key"))?;
    PrivateKey::from_der(&der).map_err(|error| unusable(&error.to_string()))
}

fn unreadable(key: &str, path: &Path, reason: &str) -> UsageError {
    UsageError::new(key, format!("reading {}: {reason}", path.display()))
}

/// The authority that is named by a flag, else by the record.
fn issuer(
    args: &Args,
    matches: &ArgMatches,
    outside: &Outside<'_>,
    source: Option<&Source>,
    record: Option<&Record>,
) -> Result<Candidate, UsageError> {
    let name = match (args.ca.ca.as_slice(), record) {
        ([name], _) => name.clone(),
        ([], Some(record)) => record.authority.name.clone(),
        ([], None) => {
            return Err(
                UsageError::new("--ca", "the CA that issued the certificate is not given")
                    .hint("give --ca, or the record with --record"),
            );
        }
        _ => {
            return Err(UsageError::new(
                "--ca",
                "several CAs are given, but a certificate has one issuer",
            )
            .hint("give only the CA that issued it"));
        }
    };
    if args.ca.ca.is_empty() {
        described(&name, source)?;
    }
    let candidate = Authorities::new(&args.ca, matches, source, outside).named(&name)?;
    let there = candidate.place();
    let kind = &there.kind;
    match record {
        Some(record) if record.authority.kind != *kind => Err(UsageError::new(
            if args.ca.ca.is_empty() { "ca" } else { "--ca" },
            format!(
                "the certificate was issued by {} ({}), but `{name}` is of kind {kind}",
                record.authority.name, record.authority.kind
            ),
        )
        .hint("only its issuer can revoke a certificate: give the CA that the record names; if this is the same CA by another way, give --cert instead of --record")),
        // A serial number means nothing to another CA, and may be one of its own.
        Some(record) if args.ca.ca.is_empty() && !Issuer::at(there.clone()).issued(&record.authority) => Err(UsageError::new(
            "ca",
            format!(
                "the certificate was issued by `{name}` at {}, but `{name}` is now {}",
                record.authority.place, there.place
            ),
        )
        .hint(format!("if it is the same CA, which has moved, say so: --ca {name}; otherwise give the configuration it was baked with (--config)"))),
        _ => Ok(candidate),
    }
}

/// The record's name must stand in the file, or it would be taken for a kind.
fn described(name: &str, source: Option<&Source>) -> Result<(), UsageError> {
    let Some(source) = source else {
        return Err(UsageError::new(
            "",
            format!("the record names the CA `{name}`, which is not configured"),
        )
        .hint("give the configuration file it was baked with (--config), or describe the CA by flags: --ca KIND --ca-url …"));
    };
    if source.file.ca.contains_key(name) {
        return Ok(());
    }
    let there: Vec<_> = source.file.ca.keys().map(String::as_str).collect();
    Err(source
        .error(
            &["ca"],
            format!("the record names the CA `{name}`, which is not configured here"),
        )
        .hint(format!(
            "configured are: {}; say with --ca which of them it is now",
            there.join(", ")
        )))
}
