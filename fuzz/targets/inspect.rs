//! `certbake inspect` on any file: it says something of it, for people and for programs.
#![no_main]

use certbake::command::inspect;
use certbake::report::{Style, human, json};
use libfuzzer_sys::fuzz_target;
use time::OffsetDateTime;
use zeroize::Zeroizing;

fuzz_target!(|bytes: &[u8]| {
    let inspection = inspect::look(Zeroizing::new(bytes.to_vec()), OffsetDateTime::UNIX_EPOCH);
    let file = &inspection.files[0];
    assert!(!file.items.is_empty() || !inspection.findings.is_empty());
    let screen = human::inspection(&inspection, Style::PLAIN);
    assert!(!screen.contains(|c: char| c.is_control() && c != '\n'));
    json::text(&inspection).expect("a value that can be written");
});
