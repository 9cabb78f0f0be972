//! What a test leaves out is said on stderr, past the test runner's capture, where `tests/run` counts it. Where all is
//! set up (`tests/install` has run, by root) nothing may be left out but what the kernel decides.
#![allow(dead_code, clippy::disallowed_methods, clippy::unwrap_used)] // each test program uses a part

use std::io::Write;

/// The test that calls this does not go on because `why`.
///
/// # Panics
/// Where all is set up.
pub fn skipped(why: &str) {
    say_unless(is_set_up(), why);
}

/// [`skipped`], for what needs more than the user id 0: root of a container or of a user namespace may neither mount
/// nor always trace.
///
/// # Panics
/// Where all is set up, by the machine's own root.
pub fn forbidden(why: &str) {
    say_unless(is_set_up() && has_all_rights(), why);
}

/// [`skipped`], for what a kernel or a file system has or has not.
pub fn not_here(why: &str) {
    say_unless(false, why);
}

fn say_unless(set_up: bool, why: &str) {
    let why = why.trim();
    assert!(
        !set_up,
        "all is set up, and yet this would be left out: {why}"
    );
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("skipped: {test}: {}\n", why.replace('\n', " "));
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn is_set_up() -> bool {
    std::env::var_os("CERTBAKE_TEST_SERVERS").is_some() && is_root()
}

/// Whether this is root of the first user namespace with the right to administer the system.
fn has_all_rights() -> bool {
    const CAP_SYS_ADMIN: u32 = 21;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap();
    let users = std::fs::read_to_string("/proc/self/uid_map").unwrap();
    effective >> CAP_SYS_ADMIN & 1 == 1 && users.split_whitespace().eq(["0", "0", "4294967295"])
}
