//! The process that lands, recovers or appends while it is killed, failed or deprived of rights: this
//! test binary started again, with what to do in its environment.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use certbake::image::{ImageError, ImageRoot, Owner, Staging, recover};

use rustix::rand::{GetRandomFlags, getrandom};

use super::support::{land, slot, slots};

const TASK: &str = "CERTBAKE_IMAGE_TASK";
const ROOT: &str = "CERTBAKE_IMAGE_ROOT";

/// How the driver ends: the set landed, or an error was reported.
pub const LANDED: i32 = 0;
pub const REPORTED: i32 = 10;

/// More than the main thread makes of any one call.
pub const BURNT: usize = 12;

pub const NEW_KEY: &str = "the new PRIVATE KEY";
pub const OLD_KEY: &str = "the old PRIVATE KEY";

/// More files than the processes of some tests may have open.
pub const MANY: usize = 80;

/// Over an image that has the first two: a key, a certificate, and a chain in a directory to be made.
pub const NEW_SET: [(&str, u32, &str); 3] = [
    ("/etc/app/client.key", 0o600, NEW_KEY),
    ("/etc/app/client.crt", 0o644, "the new certificate"),
    ("/opt/tls/chain.pem", 0o644, "the new chain"),
];

/// The command that does `task` to the image at `root`, to be run by `runner` (strace, sh, setpriv).
pub fn driver(runner: &[&str], task: &str, root: &Path) -> Command {
    let binary = std::env::current_exe().unwrap();
    let mut words: Vec<PathBuf> = runner.iter().map(PathBuf::from).collect();
    words.push(binary);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command.args([
        "driver::drive",
        "--exact",
        "--nocapture",
        "--test-threads=1",
    ]);
    // Cargo's list of library directories makes the loader try a hundred names.
    command
        .env(TASK, task)
        .env(ROOT, root)
        .env_remove("LD_LIBRARY_PATH")
        .env_remove("TERM");
    command
}

#[test]
fn drive() {
    let (Ok(task), Some(root)) = (std::env::var(TASK), std::env::var_os(ROOT)) else {
        return;
    };
    burn();
    let outcome = perform(&task, Path::new(&root));
    if let Err(error) = &outcome
        && std::env::var_os("CERTBAKE_IMAGE_TELL").is_some()
    {
        eprintln!("{:#?}", error.finding());
    }
    // Nothing of the test harness runs after this, so the traced calls end here.
    std::process::exit(if outcome.is_ok() { LANDED } else { REPORTED });
}

/// strace counts the calls of each thread on their own and does to the n-th of every thread what it is
/// told to do to the n-th. The main thread makes a few before this one starts; after as many here, a
/// number past [`BURNT`] means this thread alone.
fn burn() {
    for _ in 0..BURNT {
        let mut null = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/null")
            .unwrap();
        null.write_all(b".").unwrap();
        let _ = null.read(&mut [0_u8]).unwrap();
        null.metadata().unwrap();
        getrandom(&mut [0_u8], GetRandomFlags::empty()).unwrap();
    }
}

fn perform(task: &str, root: &Path) -> Result<(), ImageError> {
    let root = ImageRoot::open(root)?;
    match task {
        "land" => land(&root, &NEW_SET).map(drop),
        "land-and-tell" => {
            eprintln!("{:#?}", land(&root, &NEW_SET)?.notes);
            Ok(())
        }
        "prepare-for-app" => {
            let mut key = slot("/etc/app/client.key", 0o600);
            key.owner = Owner::Name("app".into());
            Staging::prepare(&root, vec![key]).map(drop)
        }
        "prepare" => Staging::prepare(&root, slots(&NEW_SET)).map(drop),
        "land-many" => many(|set| land(&root, set).map(drop)),
        "prepare-many" => many(|set| Staging::prepare(&root, slots(set)).map(drop)),
        "recover" => recover(&root).map(drop),
        other => panic!("no task {other:?}"),
    }
}

/// Each in a directory of its own, which is missing.
fn many<T>(perform: impl FnOnce(&[(&str, u32, &str)]) -> T) -> T {
    let paths: Vec<String> = (0..MANY).map(|nth| format!("/etc/app/{nth}/key")).collect();
    let set: Vec<_> = paths
        .iter()
        .map(|path| (path.as_str(), 0o600, NEW_KEY))
        .collect();
    perform(&set)
}
