//! Text from certificates, servers and files made fit to be read: nothing in it can move a cursor,
//! reorder or hide what stands beside it, or speak to the CI system that reads the log.

use serde_json::{Map, Value};

use crate::finding::Finding;
use crate::line::is_hidden;
use crate::outcome::{
    Asked, AuthorityPlace, CertificateSummary, FloorSummary, IdentityReport, Look, PlacementReport,
    Rehearsal, Report, StatedFloor, WindowSummary,
};

/// `text` with every hidden character written out, as `\n` or `\u{202e}`, and `##` parted: `##[…]`,
/// `##vso[…]` and `##teamcity[…]` are commands wherever they stand in a log.
pub fn visible(text: &str) -> String {
    // As nearly all texts are.
    if text.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'#') {
        return text.to_owned();
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '#' && shown.ends_with('#') {
            shown.push_str("\\#");
        } else if is_hidden(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A whole line that a workflow runner would take for a command (`::name::…`, spaces before it
/// allowed) with a backslash before it.
///
/// Only whole lines can tell: `::1` is an address.
pub fn not_a_command(line: &str) -> String {
    let text = line.trim_start();
    if text
        .strip_prefix("::")
        .is_some_and(|rest| rest.contains("::"))
    {
        let indent = &line[..line.len() - text.len()];
        format!("{indent}\\{text}")
    } else {
        line.to_owned()
    }
}

/// The report with every text in it made [`visible`].
///
/// Each struct is taken apart by name, so that a field added later cannot be forgotten here.
pub fn visible_report(report: &Report) -> Report {
    let Report {
        schema,
        command,
        certbake,
        outcome,
        exit_code,
        at,
        began,
        dry_run,
        root,
        checked,
        looked_at,
        findings,
        identities,
    } = report;
    Report {
        schema: *schema,
        command,
        certbake,
        outcome: *outcome,
        exit_code: *exit_code,
        at: *at,
        began: *began,
        dry_run: *dry_run,
        root: root.as_deref().map(visible),
        checked: *checked,
        looked_at: looked_at.iter().map(look).collect(),
        findings: findings.iter().map(finding).collect(),
        identities: identities.iter().map(identity).collect(),
    }
}

fn look(look: &Look) -> Look {
    let Look {
        subject,
        what,
        state,
        said,
    } = look;
    Look {
        subject: visible(subject),
        what,
        state: *state,
        said: visible(said),
    }
}

fn finding(finding: &Finding) -> Finding {
    let Finding {
        code,
        severity,
        identity,
        file,
        line,
        summary,
        facts,
        hint,
    } = finding;
    Finding {
        code: *code,
        severity: *severity,
        identity: identity.as_deref().map(visible),
        file: file.as_deref().map(visible),
        line: *line,
        summary: visible(summary),
        facts: map(facts),
        hint: visible(hint),
    }
}

fn map(facts: &Map<String, Value>) -> Map<String, Value> {
    facts
        .iter()
        .map(|(name, fact)| (visible(name), value(fact)))
        .collect()
}

fn value(fact: &Value) -> Value {
    match fact {
        Value::String(text) => Value::String(visible(text)),
        Value::Array(all) => Value::Array(all.iter().map(value).collect()),
        Value::Object(facts) => Value::Object(map(facts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => fact.clone(),
    }
}

fn identity(identity: &IdentityReport) -> IdentityReport {
    let IdentityReport {
        name,
        asked: order,
        authority: place,
        certificate: summary,
        window: dates,
        placements,
        rehearsal: known,
        checks,
    } = identity;
    IdentityReport {
        name: visible(name),
        asked: order.as_ref().map(asked),
        authority: place.as_ref().map(authority),
        certificate: summary.as_ref().map(certificate),
        window: dates.as_ref().map(window),
        placements: placements.iter().map(placement).collect(),
        rehearsal: known.as_ref().map(rehearsal),
        checks: checks.clone(),
    }
}

fn rehearsal(rehearsal: &Rehearsal) -> Rehearsal {
    let Rehearsal {
        floor,
        record,
        record_copy,
    } = rehearsal;
    Rehearsal {
        floor: floor.as_ref().map(stated_floor),
        record: placement(record),
        record_copy: record_copy.as_deref().map(visible),
    }
}

fn stated_floor(floor: &StatedFloor) -> StatedFloor {
    let StatedFloor {
        required,
        stated,
        origin,
    } = floor;
    StatedFloor {
        required: *required,
        stated: visible(stated),
        origin: visible(origin),
    }
}

fn all(texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| visible(text)).collect()
}

fn asked(asked: &Asked) -> Asked {
    let Asked {
        subject,
        names,
        key,
        ttl,
    } = asked;
    Asked {
        subject: visible(subject),
        names: all(names),
        key: visible(key),
        ttl: *ttl,
    }
}

fn authority(authority: &AuthorityPlace) -> AuthorityPlace {
    let AuthorityPlace { kind, name, place } = authority;
    AuthorityPlace {
        kind: visible(kind),
        name: visible(name),
        place: visible(place),
    }
}

fn certificate(certificate: &CertificateSummary) -> CertificateSummary {
    let CertificateSummary {
        subject,
        issuer,
        serial,
        names,
        key,
        signature,
        fingerprint,
        spki_pin,
        not_before,
        not_after,
        chain,
    } = certificate;
    CertificateSummary {
        subject: visible(subject),
        issuer: visible(issuer),
        serial: visible(serial),
        names: all(names),
        key: visible(key),
        signature: visible(signature),
        fingerprint: visible(fingerprint),
        spki_pin: visible(spki_pin),
        not_before: *not_before,
        not_after: *not_after,
        chain: all(chain),
    }
}

fn window(window: &WindowSummary) -> WindowSummary {
    let WindowSummary {
        not_before,
        not_after,
        remaining_seconds,
        limited_by,
        limited_by_depth,
        floor: least,
        rebuild_by,
    } = window;
    WindowSummary {
        not_before: *not_before,
        not_after: *not_after,
        remaining_seconds: *remaining_seconds,
        limited_by: visible(limited_by),
        limited_by_depth: *limited_by_depth,
        floor: least.as_ref().map(floor),
        rebuild_by: *rebuild_by,
    }
}

fn floor(floor: &FloorSummary) -> FloorSummary {
    let FloorSummary {
        required,
        stated,
        origin,
        holds,
    } = floor;
    FloorSummary {
        required: *required,
        stated: visible(stated),
        origin: visible(origin),
        holds: *holds,
    }
}

fn placement(placement: &PlacementReport) -> PlacementReport {
    let PlacementReport {
        what,
        path,
        mode,
        owner,
        group,
        change,
        sha256,
    } = placement;
    PlacementReport {
        what: visible(what),
        path: visible(path),
        mode: visible(mode),
        owner: visible(owner),
        group: visible(group),
        change: *change,
        sha256: sha256.as_deref().map(visible),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_written_out() {
        assert_eq!(visible("CN=Jürgen 証明書 ✓"), "CN=Jürgen 証明書 ✓");
        assert_eq!(visible("a\r\n\tb\u{1b}[31m"), "a\\r\\n\\tb\\u{1b}[31m");
        assert_eq!(
            visible("gro.\u{202e}elpmaxe\u{2066}\u{200b}"),
            "gro.\\u{202e}elpmaxe\\u{2066}\\u{200b}"
        );
        assert_eq!(
            visible("\u{e0041}\u{9b}\u{7f}\u{2028}"),
            "\\u{e0041}\\u{9b}\\u{7f}\\u{2028}"
        );
    }

    #[test]
    fn commands_to_ci_systems_are_broken_wherever_they_stand() {
        assert_eq!(visible("x ##[error]"), "x #\\#[error]");
        assert_eq!(visible("##vso[task]"), "#\\#vso[task]");
        assert!(!visible("####[a]").contains("##"));
        assert_eq!(not_a_command("  ::error::x"), "  \\::error::x");
        assert_eq!(not_a_command("::1 is an address"), "::1 is an address");
        assert_eq!(not_a_command("see ::error::"), "see ::error::");
    }
}
