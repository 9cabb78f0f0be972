//! Reports as people and programs get them: canned runs rendered in every format and compared with
//! `tests/golden/report`, and each format read by a program that is not ours where one is here.
//! `CERTBAKE_UPDATE=1 cargo test --test report` writes the expected files anew.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test writes its own files and may end by a panic"
)]

mod canned;
mod generated;
mod hostile;
mod readers;
#[path = "../servers/mod.rs"]
mod servers;

use std::fs;
use std::path::{Path, PathBuf};

use certbake::outcome::Report;
use certbake::report::{FORMATS, Format, Style, github};

fn render(format: &Format, report: &Report, style: Style) -> String {
    let mut out = Vec::new();
    format.renderer.render(report, &mut out, style).unwrap();
    String::from_utf8(out).unwrap()
}

fn format(name: &str) -> &'static Format {
    FORMATS.iter().find(|format| format.name == name).unwrap()
}

fn plain(name: &str, report: &Report) -> String {
    render(format(name), report, Style::PLAIN)
}

fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The file says what the program says; with `CERTBAKE_UPDATE` set, it is made to.
fn assert_file(path: &str, text: &str) {
    let file = in_repository(path);
    if std::env::var_os("CERTBAKE_UPDATE").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        expected == text,
        "{path} is not what certbake writes; look, then run with CERTBAKE_UPDATE=1\n--- written\n{text}\n--- expected\n{expected}"
    );
}

#[test]
fn every_kind_of_run_is_told_in_every_format_as_expected() {
    for (name, report) in canned::all() {
        for format in FORMATS {
            let ending = match format.name {
                "human" => "txt",
                "json" => "json",
                "github" => "github.txt",
                "gitlab" => "gitlab.json",
                "junit" => "xml",
                "prometheus" => "prom",
                "markdown" => "md",
                other => panic!("say what the golden files of {other} are called"),
            };
            // Hundreds of equal entries prove nothing more.
            if name == "check-thousands" && matches!(format.name, "json" | "gitlab" | "junit") {
                continue;
            }
            let text = render(
                format,
                &report,
                Style {
                    colour: false,
                    width: 80,
                },
            );
            assert_file(&format!("tests/golden/report/{name}.{ending}"), &text);
        }
    }
}

#[test]
fn a_hundred_thousand_certificates_are_still_one_screen() {
    let (_, report) = canned::all()
        .into_iter()
        .find(|(name, _)| *name == "check-thousands")
        .unwrap();
    assert!(plain("human", &report).lines().count() < 30);
}

#[test]
fn every_run_fits_on_a_screen_of_eighty_columns() {
    for (name, report) in canned::all() {
        let text = render(
            format("human"),
            &report,
            Style {
                colour: false,
                width: 80,
            },
        );
        assert!(text.lines().count() <= 32, "{name}\n{text}");
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{name}: {line}");
        }
    }
}

#[test]
fn a_github_step_hands_on_what_later_steps_need() {
    for (name, report) in canned::all() {
        let outputs = github::outputs(&report, "token");
        assert!(outputs.starts_with(&format!(
            "outcome<<certbake-token\n{}\ncertbake-token\n",
            report.outcome.as_str()
        )));
        if name.starts_with("baked") {
            assert_file(&format!("tests/golden/report/{name}.outputs"), &outputs);
        }
        let listed = outputs.contains("/etc/app-server/tls/client.crt");
        let landed = name.starts_with("baked");
        assert_eq!(listed, landed, "files of a run that wrote none: {outputs}");
        assert_eq!(github::step_summary(&report), plain("markdown", &report));
    }
}

#[test]
fn colour_adds_nothing_but_colour() {
    for (name, report) in canned::all() {
        for format in FORMATS {
            let coloured = render(
                format,
                &report,
                Style {
                    colour: true,
                    width: 80,
                },
            );
            let plain = render(
                format,
                &report,
                Style {
                    colour: false,
                    width: 80,
                },
            );
            assert_eq!(
                anstream::adapter::strip_str(&coloured).to_string(),
                plain,
                "{name} {}",
                format.name
            );
        }
    }
}
