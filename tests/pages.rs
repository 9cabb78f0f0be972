//! The commands of README.md and of the pages in `docs/`, run as they are written: the pages that
//! tests of their own run (`est-server.md`, `embedded.md`, `reissue-by-hand.md`) left out.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod ci;
mod servers;

use std::collections::BTreeMap;
use std::fs;

use ci::Project;
use servers::certbake::{PASSWORD, USER};

const CONFIG: &str = "examples/github-actions/certbake.toml";

/// The blocks of a page that are indented, and those that are marked as shell, which begin so.
fn commands(page: &str, start: &str) -> Vec<String> {
    let text = fs::read_to_string(format!("{}/{page}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let shell = text.split("```sh\n").skip(1);
    let shell = shell.map(|block| block.split_once("```").unwrap().0.to_owned());
    let indented = text.split("\n\n").map(|block| {
        let lines = block.lines().map(|line| line.strip_prefix("    "));
        let lines: Option<Vec<_>> = lines.collect();
        lines.unwrap_or_default().join("\n")
    });
    let commands: Vec<_> = shell
        .chain(indented)
        .filter(|command| command.starts_with(start))
        .collect();
    assert!(!commands.is_empty(), "{page} has no command with {start}");
    commands
}

/// A project with an image that lacks nothing but a certificate.
fn project() -> Project {
    let project = Project::new(CONFIG, "30d");
    fs::create_dir_all(project.path("rootfs/etc")).unwrap();
    fs::write(
        project.path("rootfs/etc/passwd"),
        "root:x:0:0::/:/bin/sh\napp:x:0:0::/:/bin/sh\n",
    )
    .unwrap();
    fs::write(project.path("rootfs/etc/group"), "root:x:0:\napp:x:0:\n").unwrap();
    project
}

/// Runs each, and gives back what the last one printed.
#[track_caller]
fn run(project: &Project, commands: &[String]) -> String {
    let environment = BTreeMap::from([("EST_PASSWORD".to_owned(), PASSWORD.to_owned())]);
    let mut log = String::new();
    for command in commands {
        let command = command
            .replace("https://ca.example:8443", &project.ca.url)
            .replace("--ca-user builder", &format!("--ca-user {USER}"));
        let ran = project.bash(&["-eu", "-o", "pipefail"], &command, &environment);
        assert_eq!(ran.exit_code, 0, "{command}\n{}", ran.log);
        log = ran.log;
    }
    log
}

#[test]
fn the_command_of_the_first_page_bakes() {
    let project = project();
    let log = run(&project, &commands("README.md", "certbake provision"));
    assert!(log.contains("app-server is baked"), "{log}");
    assert!(project.path("rootfs/etc/app/tls/client.key").is_file());
}

#[test]
fn the_failure_on_the_first_page_is_what_a_lowered_limit_prints() {
    let mut project = project();
    project.serve("14d");
    let command = &commands("README.md", "certbake provision")[0];
    let log = run(&project, &[format!("{command} && exit 1 || (($? == 3))")]);
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let screen = readme.split_once("    failed  app-server").unwrap().1;
    let screen = screen.split_once("\n\nA few lines").unwrap().0;
    let mut printed = log.lines().map(undated);
    for line in screen.lines().skip(1).filter(|line| !line.is_empty()) {
        let line = undated(line.strip_prefix("    ").unwrap());
        assert!(printed.any(|said| said == line), "{line}\n{log}");
    }
}

/// Without what each run has of its own: its dates.
fn undated(line: &str) -> String {
    let digit = |c: char| if c.is_ascii_digit() { '#' } else { c };
    match line.contains(" UTC") {
        true => line.chars().map(digit).collect(),
        false => line.to_owned(),
    }
}

#[test]
fn doctor_finds_nothing_before_a_build() {
    let log = run(&project(), &commands("docs/doctor.md", "certbake doctor"));
    assert!(
        log.contains("nothing found that would stop a build"),
        "{log}"
    );
}

#[test]
fn the_commands_on_reports_write_them_and_what_is_piped_can_be_read() {
    let project = project();
    run(&project, &commands("docs/reports.md", "certbake provision"));
    assert!(project.path("out/report.json").is_file());
    assert!(project.path("out/junit.xml").is_file());
    let errors = run(&project, &commands("docs/reports.md", "certbake check"));
    assert_eq!(errors, "");
}

#[test]
fn the_loop_that_tries_again_ends_with_the_first_success() {
    let project = project();
    let log = run(&project, &commands("docs/exit-codes.md", "code=6"));
    assert_eq!(log.matches("is baked").count(), 1, "{log}");
}

#[test]
fn the_command_on_inspect_prints_a_pin() {
    let project = project();
    run(&project, &commands("README.md", "certbake provision"));
    let client = project.path("rootfs/etc/app/tls/client.crt");
    fs::copy(client, project.path("client.crt")).unwrap();
    let page = commands("docs/inspect.md", "certbake inspect client.crt");
    let pin = run(&project, &page);
    assert_eq!(pin.trim_end().len(), 44, "{pin}");
}

#[test]
fn the_command_on_revocation_revokes_by_the_record() {
    let project = project();
    fs::write(
        project.path("certbake.toml"),
        "[ca.lab]\nkind = \"embedded\"\ndir = \"lab\"\n[identity.app-server]\ncommon_name = \"app-server\"\nplacements.combined = \"/app.pem\"\n",
    )
    .unwrap();
    run(&project, &["certbake provision --root rootfs".to_owned()]);
    let image = project.path("rootfs/var/lib/certbake");
    let page = commands("docs/revoke.md", "certbake revoke");
    let here: Vec<_> = page
        .iter()
        .map(|command| command.replace("/var/lib/certbake", image.to_str().unwrap()))
        .collect();
    let log = run(&project, &here);
    assert!(log.contains("is revoked"), "{log}");
}
