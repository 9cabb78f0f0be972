//! `certbake ca init` beside a CA that is there already: what it is asked for is so, or is refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

struct Desk(TempDir);

impl Desk {
    fn with_ca(words: &[&str]) -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        assert_eq!(desk.init(words).0, 0);
        desk
    }

    fn ca(&self, file: &str) -> PathBuf {
        self.0.path().join("ca").join(file)
    }

    /// The exit code, and what was said in one line.
    fn init(&self, words: &[&str]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_certbake"))
            .args(["ca", "init", "--ca-dir"])
            .arg(self.ca(""))
            .args(words)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        let words: Vec<_> = said.split_whitespace().collect();
        (output.status.code().unwrap(), words.join(" "))
    }

    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        fn below(folder: &Path) -> Vec<PathBuf> {
            let entries = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
            let several = entries.map(|path| match path.is_dir() {
                true => below(&path),
                false => vec![path],
            });
            several.flatten().collect()
        }
        let files = below(&self.ca("")).into_iter();
        files
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect()
    }

    #[track_caller]
    fn refuses(&self, words: &[&str], reasons: &[&str]) {
        let before = self.files();
        let (exit, said) = self.init(words);
        assert_eq!(exit, 2, "{words:?}: {said}");
        for reason in reasons.iter().chain(&["nothing was changed"]) {
            assert!(
                said.contains(reason),
                "{words:?}: {reason} is not in {said}"
            );
        }
        assert_eq!(self.files(), before, "{words:?}");
    }

    #[track_caller]
    fn takes(&self, words: &[&str], told: &str) {
        let (exit, said) = self.init(words);
        assert_eq!(exit, 0, "{words:?}: {said}");
        assert!(said.starts_with(told), "{words:?}: {said}");
    }
}

const UNCHANGED: &str = "there is already a CA in ";
const RENEWED: &str = "made a new intermediate in ";

#[test]
fn a_ca_that_is_not_as_asked_is_refused_and_left_as_it_is() {
    let desk = Desk::with_ca(&["--name", "Old"]);
    let name = "its name is \"Old\", not \"New\"";
    let key = "its intermediate's key is ECDSA P-256, not rsa-2048";
    let root = "its root is made for 3650d, not 10d";
    let intermediate = "its intermediate is made for 1825d, not 5d";
    for (flag, value, reason) in [
        ("--name", "New", name),
        ("--key-algorithm", "rsa-2048", key),
        ("--root-lifetime", "10d", root),
        ("--intermediate-lifetime", "5d", intermediate),
    ] {
        desk.refuses(&[flag, value], &[reason, "--ca-dir", "embedded-ca-exists"]);
    }
    let all = [
        ["--name", "New"],
        ["--key-algorithm", "rsa-2048"],
        ["--root-lifetime", "10d"],
        ["--intermediate-lifetime", "5d"],
    ];
    desk.refuses(&all.concat(), &[name, key, root, intermediate]);
}

#[test]
fn the_same_command_may_be_given_again() {
    let as_made = [
        "--name",
        "Old",
        "--key-algorithm",
        "ed25519",
        "--root-lifetime",
        "100d",
        "--intermediate-lifetime",
        "10d",
    ];
    let desk = Desk::with_ca(&as_made);
    desk.takes(&as_made, UNCHANGED);
    desk.takes(&[], UNCHANGED);

    // Cut to its root's end, it is as it was asked for.
    let cut = ["--intermediate-lifetime", "4000d"];
    let desk = Desk::with_ca(&cut);
    desk.takes(&cut, UNCHANGED);
    desk.refuses(&["--intermediate-lifetime", "3000d"], &["made for 3650d"]);
}

#[test]
fn what_is_asked_of_a_renewed_intermediate_is_for_it_alone() {
    let desk = Desk::with_ca(&["--name", "Old"]);
    let lose = |file: &str| fs::remove_file(desk.ca(file)).unwrap();
    lose("intermediate.pem");
    let key = "its intermediate's key is ECDSA P-256, not rsa-2048";
    desk.refuses(&["--name", "New"], &["its name is \"Old\", not \"New\""]);
    desk.refuses(&["--root-lifetime", "10d"], &["made for 3650d, not 10d"]);
    desk.refuses(&["--key-algorithm", "rsa-2048"], &[key]);
    desk.takes(&["--name", "Old", "--intermediate-lifetime", "5d"], RENEWED);
    desk.takes(&["--intermediate-lifetime", "5d"], UNCHANGED);

    lose("intermediate.pem");
    lose("keys/intermediate.key");
    desk.takes(&["--key-algorithm", "rsa-2048"], RENEWED);
    desk.takes(&["--key-algorithm", "rsa-2048"], UNCHANGED);
    desk.refuses(
        &["--key-algorithm", "ecdsa-p256"],
        &["its intermediate's key is RSA 2048, not ecdsa-p256"],
    );
}

#[test]
fn a_ca_that_was_half_made_with_another_key_is_not_completed_with_it() {
    let desk = Desk::with_ca(&[]);
    for file in ["intermediate.pem", "keys/intermediate.key", "root.pem"] {
        fs::remove_file(desk.ca(file)).unwrap();
    }
    desk.refuses(
        &["--key-algorithm", "rsa-2048"],
        &["its root's key is ECDSA P-256, not rsa-2048"],
    );
    desk.takes(&["--name", "New"], "made a CA in ");
}
