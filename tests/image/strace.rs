//! strace(1) as a means to kill or fail the driver at one chosen system call.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use super::driver::{BURNT, driver};
use super::skips;

/// One system call of the driver: the `nth` of that name in its thread, from 1.
#[derive(Clone, Debug)]
pub struct Call {
    pub name: String,
    pub nth: usize,
}

/// Whether strace can trace here; if not, says so.
pub fn available() -> bool {
    let run = Command::new("strace")
        .args(["-f", "-o", "/dev/null", "-e", "trace=openat", "true"])
        .stderr(Stdio::null())
        .status();
    let works = run.is_ok_and(|status| status.success());
    if !works {
        skips::forbidden(
            "strace is missing or may not trace here, kills and failing calls are not tested",
        );
    }
    works
}

/// The calls among `names` that the driver makes from where it opens the image root, in order, while
/// `inject` is done to it.
pub fn calls(names: &[&str], inject: &[String], task: &str, root: &Path) -> Vec<Call> {
    let log = tempfile::NamedTempFile::new().unwrap();
    let log_path = log.path().to_str().unwrap();
    let traced = [names.join(","), named_in(inject), "openat".to_owned()].join(",");
    run(&["-o", log_path], &traced, inject, task, root);
    let text = std::fs::read_to_string(log.path()).unwrap();
    let marker = format!("\"{}\"", root.display());
    let lines: Vec<(&str, &str)> = text
        .lines()
        .filter_map(|line| line.split_once(char::is_whitespace))
        .collect();
    let worker = lines
        .iter()
        .find(|(_, call)| call.contains(&marker))
        .expect("the root is opened")
        .0;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut begun = false;
    let mut found = Vec::new();
    for (thread, call) in &lines {
        let Some((name, _)) = call.trim_start().split_once('(') else {
            continue;
        };
        if *thread != worker {
            continue;
        }
        begun |= call.contains(&marker);
        let count = counts.entry(name).or_default();
        *count += 1;
        if begun && names.contains(&name) {
            found.push(Call {
                name: name.to_owned(),
                nth: *count,
            });
        }
    }
    let burnt = |name: &str| {
        lines
            .iter()
            .filter(|(thread, call)| {
                *thread != worker && call.trim_start().starts_with(&format!("{name}("))
            })
            .count()
    };
    for name in names {
        assert!(
            burnt(name) < BURNT,
            "the main thread makes {} calls of {name}",
            burnt(name)
        );
    }
    found
}

/// Runs the driver with `inject` done to its system calls; `None` when it was killed.
pub fn tampered(inject: &[String], task: &str, root: &Path) -> Option<i32> {
    run(&["-o", "/dev/null"], &named_in(inject), inject, task, root)
}

/// The calls that rules are about; with none, one that the driver does not make.
fn named_in(inject: &[String]) -> String {
    let mut names: Vec<&str> = inject
        .iter()
        .filter_map(|rule| rule.split(':').next())
        .collect();
    names.push("chroot");
    names.join(",")
}

fn run(output: &[&str], traced: &str, inject: &[String], task: &str, root: &Path) -> Option<i32> {
    let trace = format!("trace={traced}");
    let rules: Vec<String> = inject.iter().map(|rule| format!("inject={rule}")).collect();
    let mut words = vec!["strace", "-f"];
    words.extend(output);
    words.extend(["-e", &trace]);
    for rule in &rules {
        words.extend(["-e", rule]);
    }
    driver(&words, task, root).output().unwrap().status.code()
}

/// Does `work` to every item on as many threads as there are processors.
pub fn on_all_processors<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for first in 0..threads {
            let work = &work;
            scope.spawn(move || items.iter().skip(first).step_by(threads).for_each(work));
        }
    });
}

/// All that needs strace is left out where it cannot trace, which no green run may hide.
#[test]
fn a_strace_that_cannot_trace_is_said_aloud_and_fails_the_tests_where_all_is_set_up() {
    let programs = tempfile::TempDir::new().unwrap();
    std::os::unix::fs::symlink("/bin/false", programs.path().join("strace")).unwrap();
    let one_test = |set_up: bool| {
        let mut test = Command::new(std::env::current_exe().unwrap());
        test.arg("on_a_kernel_without_openat2")
            .env("PATH", programs.path());
        test.env_remove("CERTBAKE_TEST_SERVERS");
        if set_up {
            test.env("CERTBAKE_TEST_SERVERS", programs.path());
        }
        test.output().unwrap()
    };
    let left_out = one_test(false);
    assert!(left_out.status.success(), "{left_out:?}");
    let said = String::from_utf8_lossy(&left_out.stderr);
    assert!(
        said.starts_with("skipped: links::on_a_kernel_without_openat2"),
        "{said}"
    );
    if skips::is_root() {
        assert!(!one_test(true).status.success());
    }
}
