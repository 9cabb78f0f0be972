//! What is published about reports is what the program says of itself.

use std::fs;

use certbake::outcome::Outcome;
use certbake::report::{FORMATS, exit_codes, json, prometheus};

use super::{assert_file, canned, in_repository, plain};

fn validator() -> jsonschema::Validator {
    jsonschema::draft202012::new(json::schema().as_value()).unwrap()
}

#[test]
fn the_published_schema_is_the_one_of_the_program() {
    let text = serde_json::to_string_pretty(&json::schema()).unwrap();
    assert_file("docs/schema/report.schema.json", &(text + "\n"));
}

#[test]
fn every_report_is_valid_under_the_published_schema() {
    let validator = validator();
    let mut reports = canned::all();
    for outcome in Outcome::ALL {
        let mut report = canned::baked();
        report.conclude(outcome);
        reports.push((outcome.as_str(), report));
    }
    for (name, report) in reports {
        let value = serde_json::from_str(&plain("json", &report)).unwrap();
        let errors: Vec<_> = validator
            .iter_errors(&value)
            .map(|error| format!("{} at {}", error, error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
}

#[test]
fn the_schema_refuses_what_a_report_never_says() {
    let validator = validator();
    let report: serde_json::Value = serde_json::from_str(&plain("json", &canned::baked())).unwrap();
    for (pointer, wrong) in [
        ("/outcome", "fine"),
        ("/exit_code", "0"),
        ("/schema", "2"),
        ("/identities/0/placements/0/change", "perhaps"),
    ] {
        let mut changed = report.clone();
        *changed.pointer_mut(pointer).unwrap() = wrong.into();
        assert!(!validator.is_valid(&changed), "{pointer}");
    }
    for key in ["findings", "outcome", "at"] {
        let mut changed = report.clone();
        changed.as_object_mut().unwrap().remove(key);
        assert!(!validator.is_valid(&changed), "{key}");
    }
}

/// Replaces what stands between the two markers of a page, so that the rest is written by hand.
fn assert_table(page: &str, table: &str) {
    const BEGIN: &str = "<!-- generated: begin -->\n";
    const END: &str = "<!-- generated: end -->";
    let text = fs::read_to_string(in_repository(page)).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the page has a marker");
    let (_, after) = rest.split_once(END).expect("the page has an end marker");
    assert_file(page, &format!("{before}{BEGIN}\n{table}\n{END}{after}"));
}

#[test]
fn the_published_exit_codes_are_those_of_the_program() {
    assert_table("docs/exit-codes.md", &exit_codes::table());
}

#[test]
fn the_published_metrics_are_those_of_the_program() {
    assert_table("docs/metrics.md", &prometheus::table());
}

#[test]
fn every_metric_that_is_written_is_published_with_its_labels() {
    for (name, report) in canned::all() {
        for line in plain("prometheus", &report)
            .lines()
            .filter(|line| !line.starts_with('#'))
        {
            let series = line.split(' ').next().unwrap();
            let (metric, labels) = series.split_once('{').unwrap_or((series, ""));
            let row = prometheus::METRICS
                .iter()
                .find(|row| row.name == metric)
                .expect(name);
            let written: Vec<&str> = labels
                .split(',')
                .filter_map(|label| label.split('=').next())
                .filter(|label| !label.is_empty())
                .collect();
            assert_eq!(written, row.labels, "{name}: {line}");
        }
    }
}

#[test]
fn every_format_is_explained() {
    let page = fs::read_to_string(in_repository("docs/reports.md")).unwrap();
    for format in FORMATS {
        assert!(
            page.contains(&format!("\n## {}\n", format.name)),
            "docs/reports.md explains {}",
            format.name
        );
    }
}
