//! One identity in full, or several as a table.

use time::OffsetDateTime;

use super::bar;
use super::headline::verb;
use super::screen::Screen;
use super::table;
use crate::outcome::{
    AuthorityPlace, CertificateSummary, Change, FloorSummary, IdentityReport, PlacementReport,
    Rehearsal, Report, WindowSummary,
};
use crate::report::words;
use crate::span::Span;

/// Identities in a table, the first to end on top.
const IDENTITIES: usize = 12;

/// Files in a table.
const FILES: usize = 16;

/// Columns of the bar in a table.
const SMALL_BAR: usize = 24;

pub fn write(screen: &mut Screen, report: &Report, identity: &IdentityReport) {
    asked(screen, identity);
    if let Some(certificate) = &identity.certificate {
        issued(screen, certificate, identity.stands());
    }
    screen.blank();
    if let Some(window) = &identity.window {
        lasts(screen, window, report.at);
    }
    if let Some(rehearsal) = &identity.rehearsal {
        screen.row("floor", &stated_floor(rehearsal));
    }
    screen.blank();
    let files = with_records([identity]);
    landed(screen, report.root.as_deref(), &files);
    copied(screen, [identity]);
}

/// The files, and in a dry run the records, which would be written as well.
fn with_records<'r>(
    identities: impl IntoIterator<Item = &'r IdentityReport>,
) -> Vec<PlacementReport> {
    let files = identities.into_iter().flat_map(|identity| {
        let record = identity.rehearsal.as_ref();
        let record = record.map(|rehearsal| &rehearsal.record);
        identity.placements.iter().chain(record)
    });
    files.cloned().collect()
}

fn copied<'r>(screen: &mut Screen, identities: impl IntoIterator<Item = &'r IdentityReport>) {
    let rehearsed = identities
        .into_iter()
        .filter_map(|it| it.rehearsal.as_ref());
    for copy in rehearsed.filter_map(|it| it.record_copy.as_deref()) {
        screen.row("record copy", copy);
    }
}

fn asked(screen: &mut Screen, identity: &IdentityReport) {
    if let Some(asked) = &identity.asked {
        let mut parts = vec![asked.subject.clone()];
        parts.extend(asked.names.iter().cloned());
        parts.push(asked.key.clone());
        parts.extend(asked.ttl.map(|ttl| format!("for {ttl}")));
        parts.retain(|part| !part.is_empty());
        screen.row("requested", &parts.join(", "));
    }
    if let Some(place) = &identity.authority {
        screen.row("authority", &authority(place));
    }
}

/// `lab (est), https://ca.example:8443`.
fn authority(place: &AuthorityPlace) -> String {
    let AuthorityPlace { kind, name, place } = place;
    if name.is_empty() || name == kind {
        format!("{kind}, {place}")
    } else {
        format!("{name} ({kind}), {place}")
    }
}

/// Of a certificate that was not kept, a finding tells the serial.
fn issued(screen: &mut Screen, certificate: &CertificateSummary, kept: bool) {
    // RFC 5280 section 4.2.1.6: all that names it may be its alternative names.
    let subject = match certificate.subject.as_str() {
        "" => certificate
            .names
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", "),
        subject => subject.to_owned(),
    };
    screen.row(
        "certificate",
        &format!("{subject}, issued by {}", certificate.issuer),
    );
    if kept {
        screen.row("serial", &certificate.serial);
        screen.row("fingerprint", &certificate.fingerprint);
    }
}

fn lasts(screen: &mut Screen, window: &WindowSummary, now: OffsetDateTime) {
    let drawn = bar::draw(window, now, screen.body(), screen);
    screen.raw("window", &drawn);
    for line in bar::legend(window, now) {
        screen.raw("", &line);
    }
    screen.row("limited by", &limit(window));
    if let Some(floor) = &window.floor {
        screen.row("floor", &stated(floor));
    }
    if let Some(by) = window.rebuild_by.filter(|by| *by > now) {
        screen.row(
            "rebuild by",
            &format!("{}, {}", words::date(by), words::distance(now, by)),
        );
    }
}

fn limit(window: &WindowSummary) -> String {
    match window.limited_by_depth {
        0 => "the certificate itself".to_owned(),
        1 => format!("its issuer {}", window.limited_by),
        depth => format!("{}, {depth} links above it", window.limited_by),
    }
}

fn stated(floor: &FloorSummary) -> String {
    in_words(&floor.stated, Some(floor.required), &floor.origin)
}

fn stated_floor(rehearsal: &Rehearsal) -> String {
    match &rehearsal.floor {
        Some(floor) => in_words(&floor.stated, floor.required, &floor.origin),
        None => "none".to_owned(),
    }
}

/// `21d, from --min-validity`, `66% = 19d 19h, from certbake.toml:12`.
fn in_words(stated: &str, required: Option<Span>, origin: &str) -> String {
    let required = required.map(|required| required.to_string());
    let floor = match required {
        Some(required) if required != stated => format!("{stated} = {required}"),
        _ => stated.to_owned(),
    };
    if origin.is_empty() {
        floor
    } else {
        format!("{floor}, from {origin}")
    }
}

/// The files, aligned; the label says what became of them when it is the same for all.
fn landed(screen: &mut Screen, root: Option<&str>, placements: &[PlacementReport]) {
    let Some(first) = placements.first() else {
        return;
    };
    if placements
        .iter()
        .all(|file| file.change == Change::NotWritten)
    {
        screen.row("written", "nothing");
        return;
    }
    let alike = placements.iter().all(|file| file.change == first.change);
    let shown = &placements[..placements.len().min(FILES)];
    let mut lines = files(shown, true, !alike);
    if lines
        .iter()
        .any(|line| line.chars().count() > screen.body())
    {
        // What a file is can be left out: its path says it.
        lines = files(shown, false, !alike);
    }
    for (index, line) in lines.iter().enumerate() {
        let label = match index {
            0 if alike => verb(first.change),
            0 => "files",
            _ => "",
        };
        screen.raw(label, line);
    }
    if placements.len() > FILES {
        screen.row(
            "",
            &format!(
                "and {}",
                words::count(placements.len() - FILES, "more file")
            ),
        );
    }
    if let Some(root) = root {
        screen.row("in", root);
    }
}

fn files(placements: &[PlacementReport], what: bool, change: bool) -> Vec<String> {
    let only = |wanted: bool, text: &str| {
        if wanted {
            text.to_owned()
        } else {
            String::new()
        }
    };
    let rows: Vec<Vec<String>> = placements
        .iter()
        .map(|file| {
            vec![
                only(what, &file.what),
                file.path.clone(),
                file.mode.clone(),
                format!("{}:{}", file.owner, file.group),
                only(change, verb(file.change)),
            ]
        })
        .collect();
    table::lines(&rows)
}

pub fn write_several(screen: &mut Screen, report: &Report, identities: &[IdentityReport]) {
    let mut lasting: Vec<(&str, &WindowSummary)> = identities
        .iter()
        .filter_map(|identity| Some((identity.name.as_str(), identity.window.as_ref()?)))
        .collect();
    lasting.sort_by_key(|(_, window)| window.not_after);
    let rows: Vec<Vec<String>> = lasting
        .iter()
        .take(IDENTITIES)
        .map(|(name, window)| row(screen, name, window, report.at))
        .collect();
    for (index, line) in table::lines(&rows).iter().enumerate() {
        screen.raw(if index == 0 { "windows" } else { "" }, line);
    }
    if lasting.len() > IDENTITIES {
        let more = words::thousands(lasting.len() - IDENTITIES);
        screen.row("", &format!("and {more} more that expire no sooner"));
    }
    let floors: Vec<Vec<String>> = identities
        .iter()
        .filter_map(|it| Some(vec![it.name.clone(), stated_floor(it.rehearsal.as_ref()?)]))
        .collect();
    for (index, line) in table::lines(&floors).iter().take(IDENTITIES).enumerate() {
        screen.raw(if index == 0 { "floors" } else { "" }, line);
    }
    if floors.len() > IDENTITIES {
        let more = words::thousands(floors.len() - IDENTITIES);
        screen.row("", &format!("and {more} more"));
    }
    screen.blank();
    landed(screen, report.root.as_deref(), &with_records(identities));
    copied(screen, identities);
}

/// A narrow screen has no room for the bar. The bar is drawn without colour, or the columns beside
/// it could not be aligned.
fn row(screen: &Screen, name: &str, window: &WindowSummary, now: OffsetDateTime) -> Vec<String> {
    let mut cells = vec![name.to_owned()];
    if screen.body() >= 80 {
        cells.push(bar::draw(
            window,
            now,
            SMALL_BAR,
            &Screen::new(crate::report::Style::PLAIN),
        ));
    }
    cells.push(format!("{} left", words::span(window.remaining_seconds)));
    cells.push(match &window.floor {
        Some(floor) => format!("{} needed", floor.required),
        None => String::new(),
    });
    cells.push(match window.limited_by_depth {
        0 => String::new(),
        _ => format!("limited by {}", window.limited_by),
    });
    cells
}
