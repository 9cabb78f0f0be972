//! Commands of README.md and of the pages in `docs/`, run as they are written. Tests of their own run those of
//! `est-server.md`, `embedded.md` (its shell blocks) and `reissue-by-hand.md`, and `.ci/run` the static build of README.md. Nothing runs
//! commands in the middle of a sentence, those with `…` in them, and the `# Run:` lines of `examples/*.toml`.

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

#[test]
fn the_list_of_the_embedded_ca_is_taken_and_says_what_it_does_not_cover() {
    let project = project();
    let bake = "certbake provision --ca embedded --ca-dir ca --common-name app --root rootfs \
                --cert /client.crt --key /client.key";
    let revoke =
        "certbake revoke --ca embedded --ca-dir ca --record rootfs/var/lib/certbake/app.json";
    let setup = [bake, revoke, bake, "mv rootfs/client.crt client.crt"].map(str::to_owned);
    run(&project, &setup);
    let page = commands("docs/authorities/embedded.md", "certbake check");
    let log = run(&project, &page);
    assert!(log.contains("do not cover every link"), "{log}");
}

#[test]
fn the_command_on_metrics_writes_all_that_the_alerts_are_about() {
    let project = project();
    run(&project, &commands("README.md", "certbake provision"));
    let folder = project.directory().display().to_string();
    let page: Vec<_> = commands("docs/metrics.md", "certbake check")
        .iter()
        .map(|command| {
            let command = command.replace("--root / ", "--root rootfs ");
            command.replace("/var/lib/node_exporter/textfile", &folder)
        })
        .collect();
    run(&project, &page);
    let written = fs::read_to_string(project.path("certbake.prom")).unwrap();
    let alerts = alerts();
    let names = alerts
        .split(|c: char| !c.is_ascii_lowercase() && c != '_')
        .filter(|word| word.starts_with("certbake_"));
    for name in names {
        assert!(
            written.contains(&format!("\n{name}{{")),
            "{name}\n{written}"
        );
    }
}

#[test]
fn each_alert_on_the_page_goes_off_when_it_should_and_none_when_all_is_well() {
    let Some(promtool) = servers::program("promtool") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let rules = alerts().replace('\n', "\n  ");
    let rules = format!("groups:\n- name: certbake\n  rules:\n  {rules}");
    fs::write(folder.path().join("rules.yml"), rules).unwrap();

    // Four days after 1970 began; promtool goes there from the beginning.
    let day = 86400;
    let now = 4 * day;
    let well = [now + 20 * day, now + 30 * day, 0, now - day / 2];
    let with = |place: usize, value: i64| {
        let mut values = well.map(Some);
        values[place] = Some(value);
        values
    };
    let cases = [
        ("", well.map(Some)),
        ("CertificateBelowFloor", with(0, now - 1)),
        ("CertificateEndsTomorrow", with(1, now + day - 1)),
        ("CheckFails", with(2, 3)),
        ("CheckNoLongerRuns", with(3, now - 3 * day)),
        ("CheckNeverRan", [None; 4]),
    ];
    let names = alerts();
    let names: Vec<_> = names
        .lines()
        .filter_map(|line| line.strip_prefix("- alert: "))
        .collect();
    let names: Vec<_> = names
        .iter()
        .map(|name| name.split(' ').next().unwrap())
        .collect();
    let expected: Vec<_> = cases.iter().map(|(name, _)| *name).skip(1).collect();
    assert_eq!(names, expected);
    for (nth, (goes_off, values)) in cases.iter().enumerate() {
        let test = folder.path().join(format!("{nth}.yml"));
        fs::write(&test, unit_test(&names, goes_off, *values)).unwrap();
        servers::run(
            &promtool,
            ["test".as_ref(), "rules".as_ref(), test.as_os_str()],
        );
    }
}

/// The rules of docs/metrics.md, as a list.
fn alerts() -> String {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md")).unwrap();
    let (_, rules) = page.split_once("```yaml\n").unwrap();
    rules.split_once("```").unwrap().0.to_owned()
}

/// What promtool is to find: of all alerts only `goes_off`. A build machine's last run never counts as a check.
fn unit_test(names: &[&str], goes_off: &str, values: [Option<i64>; 4]) -> String {
    let mut test = "rule_files: [rules.yml]\nevaluation_interval: 1h\ntests:\n- interval: 1h\n  input_series:\n".to_owned();
    let series = [
        "certbake_rebuild_by_seconds{identity=\"app\"}",
        "certbake_effective_not_after_seconds{identity=\"app\"}",
        "certbake_exit_code{command=\"check\"}",
        "certbake_last_run_seconds{command=\"check\"}",
    ];
    let values = series.into_iter().zip(values);
    let provisioned = ("certbake_last_run_seconds{command=\"provision\"}", Some(1));
    for (series, value) in values.chain([provisioned]) {
        if let Some(value) = value {
            test += &format!("  - series: '{series}'\n    values: '{value}+0x96'\n");
        }
    }
    test += "  alert_rule_test:\n";
    for name in names {
        test += &format!("  - alertname: {name}\n    eval_time: 4d\n");
        if *name == goes_off {
            let labels = match *name {
                "CertificateBelowFloor" | "CertificateEndsTomorrow" => "{identity: app}",
                _ => "{command: check}",
            };
            let annotations = match *name {
                "CertificateBelowFloor" => "{summary: \"app: rebuild the image\"}",
                _ => "{}",
            };
            test += &format!(
                "    exp_alerts: [{{exp_labels: {labels}, exp_annotations: {annotations}}}]\n"
            );
        }
    }
    test
}
