//! step-ca broken on purpose: stopped in the middle of an order, killed, its disk full.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{jwk, open, order, unreachable};
use crate::servers::skips;
use crate::servers::step::StepCa;

/// The server's own process, below the `timeout` that bounds it.
fn process(ca: &StepCa) -> Pid {
    let parent = ca.running.as_ref().unwrap().process();
    let children = format!("/proc/{parent}/task/{parent}/children");
    let children = std::fs::read_to_string(children).unwrap();
    let child = children.split_whitespace().next().unwrap();
    Pid::from_raw(child.parse().unwrap()).unwrap()
}

#[test]
fn a_ca_that_hangs_is_given_up_and_one_that_is_killed_is_unreachable() {
    let Some(ca) = StepCa::start() else { return };
    let mut table = jwk(&ca);
    table.insert("timeout".to_owned(), "1s".into());
    let hasty = open(table);
    let patient = open(jwk(&ca));
    for opened in [&hasty, &patient] {
        opened.authority.issue(&order().1).unwrap();
    }
    let server = process(&ca);
    kill_process(server, Signal::STOP).unwrap();
    let started = Instant::now();
    let finding = unreachable(hasty.authority.issue(&order().1));
    assert_eq!(finding.code.as_str(), "ca-timeout", "{finding:?}");
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "{:?}",
        started.elapsed()
    );

    let finding = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| unreachable(patient.authority.issue(&order().1)));
        std::thread::sleep(Duration::from_millis(500));
        kill_process(server, Signal::KILL).unwrap();
        waiting.join().unwrap()
    });
    assert_eq!(finding.code.as_str(), "ca-unreachable", "{finding:?}");
    let finding = unreachable(open(jwk(&ca)).authority.issue(&order().1));
    assert!(
        finding.summary.contains("connection refused"),
        "{}",
        finding.summary
    );
}

/// A file system of its own for the CA's database, as small as it gets; `None` where none may be
/// mounted.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(at: &'a Path) -> Option<Self> {
        let options = ["-t", "tmpfs", "-o", "size=2m", "tmpfs"];
        let mounted = std::process::Command::new("mount")
            .args(options)
            .arg(at)
            .status()
            .is_ok_and(|status| status.success());
        mounted.then_some(Self(at))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg("-l")
            .arg(self.0)
            .status();
    }
}

#[test]
fn a_full_disk_behind_the_ca_is_a_fault_that_may_pass() {
    let Some(mut ca) = StepCa::make() else { return };
    let disk = ca.directory().join("small");
    std::fs::create_dir(&disk).unwrap();
    let Some(_mounted) = SmallDisk::mount(&disk) else {
        return skips::forbidden("a small file system for step-ca needs root");
    };
    ca.configure(|configuration| {
        configuration["db"] = serde_json::json!({
            "type": "bbolt", "dataSource": disk.join("db").to_str().unwrap(),
        });
    });
    ca.serve();
    let opened = open(jwk(&ca));
    opened.authority.issue(&order().1).unwrap();
    let filler = disk.join("filler");
    // Written until there is no more room.
    let _ = std::fs::write(&filler, vec![0; 4 << 20]);
    let outcome = (0..200)
        .map(|_| opened.authority.issue(&order().1))
        .find(Result::is_err)
        .expect("the disk is not full");
    let finding = unreachable(outcome);
    assert_eq!(finding.code.as_str(), "ca-busy", "{finding:?}");
    assert!(finding.hint.contains("full disk"), "{}", finding.hint);
    assert!(finding.facts.contains_key("request_id"));
    std::fs::remove_file(&filler).unwrap();
    opened.authority.issue(&order().1).unwrap();
}
