//! Where reports and copies of the record go, where they must not, and how the report for people looks.

use std::fs;
use std::process::Command;

use crate::support::{APP, EMBEDDED, Lab, Run, TWO};

#[test]
fn files_of_a_github_runner_that_cannot_be_written_cost_no_certificate() {
    let lab = Lab::new();
    std::fs::create_dir(lab.path("folder")).unwrap();
    let command = |variable: &str, file: &str| {
        let words = [EMBEDDED, APP, &["--report", "github"]].concat();
        let mut command = lab.command(&words);
        command.env(variable, file);
        Run::of(command.output().unwrap())
    };
    for variable in ["GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"] {
        for file in ["missing/file", "folder", "rootfs/etc/passwd/file"] {
            let run = command(variable, file).ends_with(2);
            let start = format!("certbake: {variable}: {file} cannot be written: ");
            assert!(run.stderr.contains(&start), "{}", run.stderr);
        }
    }
    assert!(!lab.path("ca").exists(), "the authority was opened");
    // As people set them who try a workflow by hand.
    let run = command("GITHUB_OUTPUT", "/dev/stdout").ends_with(0);
    assert!(run.stdout.contains("serial<<"), "{}", run.stdout);
    command("GITHUB_STEP_SUMMARY", "summary.md").ends_with(0);
    assert!(lab.path("summary.md").exists());
}

#[test]
fn places_of_reports_and_records_that_cannot_be_written_are_refused_before_anything_is_asked() {
    let lab = Lab::new();
    std::fs::create_dir(lab.path("out")).unwrap();
    for report in ["json=out", "json=rootfs/etc/passwd/report.json", "json="] {
        let run = lab.run(&[EMBEDDED, APP, &["--report", report]].concat());
        run.ends_with(2);
    }
    let twice = [
        "--report",
        "markdown=out/a",
        "--report",
        "github=./out/../out/a",
    ];
    lab.provision(&[APP, &twice].concat()).ends_with(2);
    for record in ["out", "rootfs/etc/passwd/record.json"] {
        let run = lab
            .provision(&[APP, &["--record", record]].concat())
            .ends_with(2);
        assert_eq!(run.codes(), ["record-unwritable"]);
    }
    assert!(!lab.path("ca").exists(), "the authority was opened");
    // Directories that are missing are made.
    let new = [
        "--record",
        "new/a/record.json",
        "--report",
        "markdown=new/b/report.md",
    ];
    lab.provision(&[APP, &new].concat()).ends_with(0);
    assert!(
        lab.read("new/b/report.md")
            .starts_with("### certbake provision: ok")
    );
}

#[test]
fn why_something_could_not_be_written_is_said() {
    let lab = Lab::new();
    lab.provision(APP).ends_with(0);
    for report in [
        &["check", "--root", "rootfs", "--report", "json=/dev/full"][..],
        &["schema", "config"],
        &["completions", "bash"],
        &["man"],
        &["--help"],
        &["provision", "-h"],
        &["--version"],
    ] {
        let full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let run = Run::of(lab.command(report).stdout(full).output().unwrap()).ends_with(1);
        assert!(
            run.stderr
                .to_lowercase()
                .contains("no space left on device"),
            "{}",
            run.stderr
        );
    }
    // A name can be too long for a directory, and that shows only when it is made.
    let record = format!("{}/record.json", "x".repeat(300));
    let run = lab
        .provision(&[APP, &["--record", &record]].concat())
        .ends_with(7);
    let finding = &run.json()["findings"][0];
    assert_eq!(finding["code"], "record-unwritable");
    assert!(
        finding["summary"]
            .as_str()
            .unwrap()
            .ends_with("file name too long"),
        "{finding}"
    );
}

#[test]
fn a_report_is_as_wide_as_the_terminal() {
    let lab = Lab::new();
    let widest = |columns: u16| {
        let certbake = env!("CARGO_BIN_EXE_certbake");
        let words = format!("stty rows 24 cols {columns}; '{certbake}' check --root missing");
        let output = Command::new("script")
            .args(["-qec", &words, "/dev/null"])
            .current_dir(lab.dir.path())
            .env_remove("COLUMNS")
            .env("NO_COLOR", "1")
            .output();
        let run = Run::of(output.unwrap()).ends_with(7);
        let lines = run.stdout.lines().map(str::trim_end);
        lines.map(|line| line.chars().count()).max().unwrap()
    };
    assert!((50..=60).contains(&widest(60)));
    assert!((90..=110).contains(&widest(110)));
}

#[test]
fn a_report_goes_through_devices_and_descriptors_and_replaces_none() {
    let lab = Lab::new();
    lab.make_ca();
    // As /dev/stdout is made.
    std::os::unix::fs::symlink("/proc/self/fd/1", lab.path("stdout")).unwrap();
    let run = lab
        .provision(
            &[
                APP,
                &[
                    "--report",
                    "markdown=/dev/null",
                    "--report",
                    "gitlab=stdout",
                ],
            ]
            .concat(),
        )
        .ends_with(0);
    assert!(run.stdout.ends_with("}\n[]\n"), "{}", run.stdout);
    assert!(lab.path("stdout").is_symlink());
    let issued = lab.read("ca/issued.jsonl");
    for nowhere in ["markdown=/dev/fd/97", "markdown=/proc/report.md"] {
        let run = lab
            .provision(&[APP, &["--report", nowhere]].concat())
            .ends_with(2);
        assert!(run.stderr.contains("cannot be written"), "{}", run.stderr);
    }
    assert_eq!(
        lab.read("ca/issued.jsonl"),
        issued,
        "a certificate was spent"
    );
}

#[test]
fn no_report_and_no_record_takes_the_place_of_what_is_baked() {
    let lab = Lab::new();
    lab.write("certbake.toml", TWO);
    let bake = |more: &[&str]| lab.run(&[&["provision", "--root", "rootfs"], more].concat());
    bake(&[]).ends_with(0);
    std::os::unix::fs::symlink("rootfs", lab.path("link")).unwrap();
    let before = lab.image();
    let one = ["--identity", "app"];
    for (report, said) in [
        (
            "json=rootfs/etc/app.pem",
            "it would overwrite a certificate or a key",
        ),
        (
            "json=link/etc/agent.key",
            "it would overwrite a certificate or a key",
        ),
        (
            "json=rootfs/var/lib/certbake/app.json",
            "where the record of app goes",
        ),
        (
            "json=rootfs/var/lib/certbake/journal.json",
            "/var/lib/certbake in the image",
        ),
        ("json=./certbake.toml", "is the configuration file"),
        (
            "json=ca/keys/root.key",
            "it would overwrite a certificate or a key",
        ),
    ] {
        let run = bake(&["--report", report]).ends_with(2);
        assert!(run.stderr.contains(said), "{report}: {}", run.stderr);
    }
    for (record, said) in [
        ("rootfs/etc/app.pem", "where the combined placement of"),
        ("certbake.toml", "is the configuration file"),
        (
            "rootfs/var/lib/certbake/agent.json",
            "/var/lib/certbake in the image",
        ),
        ("out.json", "is already the path of the json report"),
    ] {
        let more = ["--record", record, "--report", "json=out.json"];
        let run = bake(&[&one, &more[..]].concat()).ends_with(2);
        assert!(
            run.stdout.contains(said) || run.stderr.contains(said),
            "{record}: {}",
            run.stdout
        );
    }
    assert_eq!(lab.image(), before);
    assert_eq!(lab.read("certbake.toml"), TWO);
    for run in [&["doctor"][..], &["provision"], &["provision", "--dry-run"]] {
        let fresh = [
            "--root",
            "fresh",
            "--report",
            "json=fresh/var/lib/certbake/journal.json",
        ];
        fs::create_dir_all(lab.path("fresh")).unwrap();
        let run = lab.run(&[run, &fresh[..]].concat()).ends_with(2);
        assert!(
            run.stderr.contains("/var/lib/certbake in the image"),
            "{}",
            run.stderr
        );
        assert!(!lab.path("fresh/var").exists());
    }
    // Elsewhere in the image, and over what an earlier run wrote, is where a report may go.
    for _ in 0..2 {
        bake(&["--report", "json=rootfs/etc/report.json"]).ends_with(0);
    }
}

#[test]
fn a_record_goes_to_no_file_called_dash_unless_that_is_meant() {
    let lab = Lab::new();
    let run = lab.provision(&[APP, &["--record", "-"]].concat());
    let finding = run.ends_with(2).json()["findings"][0].clone();
    let summary = "--record: - would be a file of that name, not standard output";
    assert_eq!(finding["summary"], summary);
    assert!(!lab.path("-").exists() && !lab.path("ca").exists());
    lab.provision(&[APP, &["--record", "./-"]].concat())
        .ends_with(0);
    assert!(lab.path("-").exists());
}

#[test]
fn a_certificate_without_a_subject_is_shown_by_its_other_names() {
    let lab = Lab::new();
    let words = [
        "--dns",
        "app.internal",
        "--ip",
        "10.0.0.7",
        "--combined",
        "/app.pem",
    ];
    let run = lab.run(&[EMBEDDED, &words].concat()).ends_with(0);
    let shown = run
        .stdout
        .lines()
        .find(|line| line.contains("certificate "))
        .unwrap();
    assert!(
        shown.contains("dns:app.internal, ip:10.0.0.7, issued by"),
        "{shown}"
    );
}
