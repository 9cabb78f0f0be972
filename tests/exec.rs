//! The exec authority: every way in which a program can end, and what the order makes of it. The CAs
//! that people run so are in `tests/conformance/exec.rs`.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use certbake::authority::{
    Ability, AuthorityError, CATALOGUE, Current, Depth, Issued, Opened, Reason,
};
use certbake::finding::Finding;
use certbake::pki::{Certificate, PrivateKey, pem};
use support::Lab;
use support::contract::{
    CANARY, PATIENCE, arranged, credential, open, open_beside, order, revocation, told, try_open,
};
use tempfile::TempDir;

/// Hands the request to the test, and the test's answer out.
const ASK: &str = "cat >request.part; mv request.part request; \
     while ! [ -e answer ]; do sleep 0.01; done; cat answer; rm answer";

/// A folder with a program in it, and a thread that answers what [`ASK`] hands over.
struct Workshop {
    lab: Lab,
    folder: TempDir,
    ended: Arc<AtomicBool>,
    signer: Option<std::thread::JoinHandle<()>>,
}

type Answer = fn(&Lab, Vec<u8>) -> Vec<u8>;

impl Workshop {
    fn new(script: &str) -> Self {
        Self::answering(script, |lab, request| {
            pem_of(&[lab.sign(&request), lab.issuing()])
        })
    }

    fn answering(script: &str, answer: Answer) -> Self {
        let lab = Lab::new("Lab");
        let folder = tempfile::tempdir().unwrap();
        write_script(&folder.path().join("sign"), script);
        let ended = Arc::new(AtomicBool::new(false));
        let signer = {
            let (lab, ended, folder) = (lab.clone(), ended.clone(), folder.path().to_owned());
            std::thread::spawn(move || serve(&lab, &folder, &ended, answer))
        };
        Self {
            lab,
            folder,
            ended,
            signer: Some(signer),
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn table(&self) -> toml::Table {
        let program = self.path("sign");
        toml::toml! {
            command = [program]
            env = { PATH = "/usr/bin:/bin" }
        }
    }

    fn open(&self) -> Opened {
        self.open_with(|_| {})
    }

    /// Programs run where the settings stand.
    fn open_with(&self, change: impl FnOnce(&mut toml::Table)) -> Opened {
        let mut table = self.table();
        change(&mut table);
        open_beside(self.folder.path(), "exec", table)
    }

    fn issue(&self, patience: Duration) -> (PrivateKey, Result<Issued, AuthorityError>) {
        let (key, order) = order(patience);
        (key, self.open().authority.issue(&order))
    }

    fn fails(&self, patience: Duration) -> AuthorityError {
        self.issue(patience).1.unwrap_err()
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = self.signer.take().unwrap().join();
    }
}

fn serve(lab: &Lab, folder: &Path, ended: &AtomicBool, answer: Answer) {
    while !ended.load(Ordering::SeqCst) {
        let asked = folder.join("request");
        let Ok(text) = std::fs::read(&asked) else {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        std::fs::rename(&asked, folder.join("request.last")).unwrap();
        let Some(pem::Block::Request(der)) = pem::decode(&text).unwrap().into_iter().next() else {
            panic!("no request: {}", String::from_utf8_lossy(&text));
        };
        std::fs::write(folder.join("answer.part"), answer(lab, der)).unwrap();
        std::fs::rename(folder.join("answer.part"), folder.join("answer")).unwrap();
    }
}

fn write_script(path: &Path, script: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

fn pem_of(ders: &[Vec<u8>]) -> Vec<u8> {
    let text: String = ders
        .iter()
        .map(|der| pem::encode("CERTIFICATE", der))
        .collect();
    text.into_bytes()
}

fn leaf(issued: &Issued) -> Certificate {
    Certificate::from_der(issued.certificates[0].clone()).unwrap()
}

fn refused(error: AuthorityError) -> Finding {
    assert!(matches!(error, AuthorityError::Refused(_)), "{error}");
    error.into_finding()
}

fn unreachable(error: AuthorityError) -> Finding {
    assert!(matches!(error, AuthorityError::Unreachable(_)), "{error}");
    error.into_finding()
}

fn unusable(error: AuthorityError) -> Finding {
    assert!(matches!(error, AuthorityError::Unusable(_)), "{error}");
    error.into_finding()
}

fn wrong_settings(error: AuthorityError) -> Finding {
    assert!(matches!(error, AuthorityError::Settings(_)), "{error}");
    error.into_finding()
}

mod answers {
    use super::*;

    #[test]
    fn the_chain_on_standard_output_is_for_the_key_of_the_request() {
        let shop = Workshop::new(ASK);
        let (key, issued) = shop.issue(PATIENCE);
        let issued = issued.unwrap();
        assert_eq!(leaf(&issued).facts().spki, key.spki());
        assert_eq!(issued.certificates[1], shop.lab.issuing());
        assert!(issued.anchors.is_empty());
    }

    #[test]
    fn a_shuffled_chain_with_text_around_it_and_a_root_is_accepted() {
        let shop = Workshop::answering(ASK, |lab, request| {
            let chain = pem_of(&[lab.root(), lab.issuing(), lab.sign(&request)]);
            [b"Certificate:\r\n    Data: v3\r\n", chain.as_slice()].concat()
        });
        let (key, issued) = shop.issue(PATIENCE);
        let issued = issued.unwrap();
        let chain = arranged(&issued, &key);
        assert_eq!(chain.intermediates.len(), 1);
        assert_eq!(issued.anchors, [shop.lab.root()]);
    }

    #[test]
    fn a_certificate_for_another_key_is_unusable() {
        let shop = Workshop::answering(ASK, |lab, _| pem_of(&lab.client("app").chain));
        let finding = unusable(shop.fails(PATIENCE));
        assert_eq!(finding.code.as_str(), "ca-answer-unusable");
        assert!(finding.summary.contains("key"), "{}", finding.summary);
    }

    #[test]
    fn junk_is_unusable_and_not_asked_for_again() {
        for junk in [
            "true",
            "echo welcome",
            "cat", // the request itself
            "printf -- '-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----\\n'",
            "printf -- '-----BEGIN CERTIFICATE-----\\nMIIC'",
            "head -c 2000000 /dev/zero",
            "printf '0\\200\\0\\0'",
        ] {
            let shop = Workshop::new(&format!("echo x >>runs; {junk}"));
            let finding = unusable(shop.fails(PATIENCE));
            assert_eq!(finding.code.as_str(), "ca-answer-unusable", "{junk}");
            assert_eq!(shop.read("runs"), "x\n", "{junk}");
        }
    }

    #[test]
    fn a_program_that_reads_nothing_of_the_request_is_judged_by_its_answer() {
        let shop = Workshop::new("exec <&-; echo no >&2; exit 1");
        assert!(
            refused(shop.fails(PATIENCE))
                .summary
                .ends_with("sign refused: no")
        );
    }
}

mod endings {
    use super::*;

    #[test]
    fn one_is_a_refusal_in_the_last_words_of_standard_error() {
        let shop = Workshop::new(
            "for i in 1 2 3 4 5 6 7; do echo noise $i >&2; done\n\
             printf 'no such\\r\\nbuilder\\033[2J\\n\\n' >&2\nexit 1",
        );
        let finding = refused(shop.fails(PATIENCE));
        assert_eq!(finding.code.as_str(), "ca-refused");
        assert!(
            finding
                .summary
                .ends_with("sign refused: noise 6 noise 7 no such builder [2J"),
            "{}",
            finding.summary
        );
        assert!(finding.hint.contains("standard error"), "{}", finding.hint);
    }

    #[test]
    fn a_refusal_without_words_says_that_there_are_none() {
        let finding = refused(Workshop::new("exit 1").fails(PATIENCE));
        assert!(finding.hint.contains("wrote nothing"), "{}", finding.hint);
    }

    #[test]
    fn two_and_three_are_run_again_with_the_same_request() {
        for status in [2, 3] {
            let shop = Workshop::new(&format!(
                "cat >request.$CERTBAKE_ATTEMPT\n\
                 [ $CERTBAKE_ATTEMPT -gt 2 ] || exit {status}\n\
                 {{ {ASK}; }} <request.$CERTBAKE_ATTEMPT"
            ));
            let (key, issued) = shop.issue(PATIENCE);
            assert_eq!(leaf(&issued.unwrap()).facts().spki, key.spki());
            assert_eq!(shop.read("request.1"), shop.read("request.3"));
            assert!(!Path::new(&shop.path("request.4")).exists());
        }
    }

    #[test]
    fn two_to_the_end_is_a_busy_authority() {
        let started = Instant::now();
        let shop = Workshop::new("echo x >>runs; echo the token is in use >&2; exit 2");
        let finding = unreachable(shop.fails(Duration::from_secs(2)));
        assert!(started.elapsed() < Duration::from_secs(5));
        assert_eq!(finding.code.as_str(), "ca-busy");
        assert!(finding.summary.ends_with("the token is in use"));
        assert!(shop.read("runs").len() > 2);
    }

    #[test]
    fn three_to_the_end_is_a_pending_request() {
        told();
        let shop = Workshop::new("echo request 17 waits for approval >&2; exit 3");
        let finding = unreachable(shop.fails(Duration::from_secs(1)));
        assert_eq!(finding.code.as_str(), "ca-pending");
        assert!(finding.summary.ends_with("request 17 waits for approval"));
        assert_eq!(finding.facts["runs"], 2);
        assert_eq!(told(), ["it is pending"]);
    }

    #[test]
    fn any_other_status_is_told_as_it_is() {
        let finding = unusable(Workshop::new("echo oops >&2; exit 7").fails(PATIENCE));
        assert_eq!(finding.code.as_str(), "ca-program-failed");
        assert!(
            finding.summary.contains("exit status 7") && finding.summary.ends_with("oops"),
            "{}",
            finding.summary
        );
        let finding = unusable(Workshop::new("certbake-no-such-tool").fails(PATIENCE));
        assert_eq!(finding.facts["exit_status"], 127);
        assert!(finding.hint.contains("PATH"), "{}", finding.hint);
    }

    #[test]
    fn a_program_that_is_killed_may_be_tried_again_by_a_later_run() {
        for (signal, name) in [("KILL", "SIGKILL"), ("SEGV", "SIGSEGV")] {
            let shop = Workshop::new(&format!("echo x >>runs; kill -{signal} $$"));
            let finding = unreachable(shop.fails(PATIENCE));
            assert_eq!(finding.code.as_str(), "ca-program-failed");
            assert!(finding.summary.ends_with(name), "{}", finding.summary);
            assert_eq!(shop.read("runs"), "x\n");
        }
    }

    #[test]
    fn a_program_that_hangs_is_killed_with_all_that_it_started() {
        let started = Instant::now();
        let shop = Workshop::new("echo asking the HSM >&2\n(sleep 2; touch alive) &\nsleep 60");
        let finding = unreachable(shop.fails(Duration::from_millis(500)));
        assert!(started.elapsed() < Duration::from_secs(3));
        assert_eq!(finding.code.as_str(), "ca-program-timeout");
        assert!(
            finding.summary.ends_with("asking the HSM"),
            "{}",
            finding.summary
        );
        std::thread::sleep(Duration::from_millis(2200));
        assert!(!Path::new(&shop.path("alive")).exists());
    }

    #[test]
    fn the_timeout_of_one_run_is_kept_too_and_it_is_not_run_again() {
        let shop = Workshop::new("echo x >>runs; sleep 60");
        let opened = shop.open_with(|table| {
            table.insert("timeout".to_owned(), "1s".into());
        });
        let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
        assert_eq!(unreachable(error).code.as_str(), "ca-program-timeout");
        assert_eq!(shop.read("runs"), "x\n");
    }

    #[test]
    fn what_cannot_be_started_is_a_matter_of_settings() {
        let shop = Workshop::new("exit 0");
        let plain = shop.path("plain");
        std::fs::write(&plain, "#!/bin/sh\n").unwrap();
        let lost = shop.path("lost");
        write_script(Path::new(&lost), "");
        std::fs::write(&lost, "#!/no/such/interpreter\n").unwrap();
        let folder = shop.path("");
        for (program, words) in [
            ("./missing", "no such program"),
            ("certbake-no-such-tool", "PATH"),
            (plain.as_str(), "may not be run"),
            (lost.as_str(), "no such program"),
            (folder.as_str(), "may not be run"),
        ] {
            let opened = shop.open_with(|table| {
                table.insert("command".to_owned(), vec![program].into());
            });
            let (_key, order) = order(PATIENCE);
            let finding = wrong_settings(opened.authority.issue(&order).unwrap_err());
            assert_eq!(finding.code.as_str(), "ca-program-not-started");
            assert!(finding.summary.contains(words), "{}", finding.summary);
            let seen_before = opened.preflight.unwrap().preflight(&order, Depth::Order);
            // That an interpreter is missing, only the kernel says.
            assert_eq!(seen_before.is_err(), program != lost, "{program}");
        }
    }
}

mod surroundings {
    use super::*;

    #[test]
    fn the_program_finds_what_is_named_and_nothing_else() {
        let shop = Workshop::new(&format!("env >seen; pwd >>seen; {ASK}"));
        let (_file, source) = credential();
        let opened = shop.open_with(|table| {
            let env = table["env"].as_table_mut().unwrap();
            env.insert("PROFILE".to_owned(), "client".into());
            let token = toml::toml! { secret = source };
            env.insert("TOKEN".to_owned(), token.into());
        });
        opened.authority.issue(&order(PATIENCE).1).unwrap();
        let seen = shop.read("seen");
        let names: std::collections::BTreeSet<&str> = seen
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, _)| name)
            // What sh adds.
            .filter(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name))
            .filter(|name| !["HOME", "LANG"].contains(name))
            .collect();
        let expected = [
            "CERTBAKE_ATTEMPT",
            "CERTBAKE_COMMON_NAME",
            "CERTBAKE_NAMES",
            "CERTBAKE_OPERATION",
            "CERTBAKE_REQUEST_SHA256",
            "CERTBAKE_TTL_SECONDS",
            "CERTBAKE_USAGE",
            "PATH",
            "PROFILE",
            "TOKEN",
        ];
        assert_eq!(names, expected.into(), "{seen}");
        for line in [
            "CERTBAKE_COMMON_NAME=app",
            "CERTBAKE_NAMES=DNS:app.internal",
            "CERTBAKE_OPERATION=issue",
            "CERTBAKE_TTL_SECONDS=3600",
            "CERTBAKE_USAGE=clientAuth",
            "PATH=/usr/bin:/bin",
            &format!("TOKEN={CANARY}"),
        ] {
            assert!(seen.lines().any(|seen| seen == line), "{line} in {seen}");
        }
        let home = shop.folder.path().canonicalize().unwrap();
        assert_eq!(seen.lines().last(), home.to_str());
        assert_eq!(opened.secrets.len(), 1);
    }

    #[test]
    fn a_secret_that_the_program_tells_is_redacted() {
        let (_file, source) = credential();
        let key = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(key.path(), "first-line-of-it\nsecond-line-of-it\n").unwrap();
        let several = format!("file:{}", key.path().display());
        // The last one begins so early that only its end is kept.
        let filler = 16 * 1024 - 6;
        for tell in [
            "echo \"denied for $TOKEN\" >&2".to_owned(),
            "echo \"denied for $KEY\" >&2".to_owned(),
            "echo denied for second-line-of-it >&2".to_owned(),
            format!("printf %s \"$TOKEN\" >&2; printf '%0{filler}d' 0 >&2"),
        ] {
            let shop = Workshop::new(&format!("{tell}; exit 1"));
            let opened = shop.open_with(|table| {
                let env = table["env"].as_table_mut().unwrap();
                env.insert(
                    "TOKEN".to_owned(),
                    toml::toml! { secret = (source.as_str()) }.into(),
                );
                env.insert(
                    "KEY".to_owned(),
                    toml::toml! { secret = (several.as_str()) }.into(),
                );
            });
            let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
            let printed = format!("{error} {error:?}");
            for part in [CANARY, "4f1c", "first-line", "second-line"] {
                assert!(!printed.contains(part), "{tell}: {printed}");
            }
        }
    }

    #[test]
    fn a_secret_that_cannot_be_read_ends_the_order_before_the_program_runs() {
        let shop = Workshop::new("echo x >>runs");
        let opened = shop.open_with(|table| {
            let token = toml::toml! { secret = "env:CERTBAKE_TEST_UNSET" };
            table["env"]
                .as_table_mut()
                .unwrap()
                .insert("TOKEN".to_owned(), token.into());
        });
        let (_key, order) = order(PATIENCE);
        let finding = wrong_settings(opened.authority.issue(&order).unwrap_err());
        assert_eq!(finding.code.as_str(), "secret-unreadable");
        assert!(!Path::new(&shop.path("runs")).exists());
        let preflight = opened.preflight.unwrap();
        assert!(preflight.preflight(&order, Depth::Order).is_ok());
        assert!(preflight.preflight(&order, Depth::Whole).is_err());
    }

    #[test]
    fn no_shell_reads_the_arguments() {
        let shop = Workshop::new(&format!("printf '%s|' \"$@\" >arguments; {ASK}"));
        let program = shop.path("sign");
        let opened = shop.open_with(|table| {
            let command = [program.as_str(), "a b", "$HOME; `id`", ""];
            table.insert("command".to_owned(), command.to_vec().into());
        });
        opened.authority.issue(&order(PATIENCE).1).unwrap();
        assert_eq!(shop.read("arguments"), "a b|$HOME; `id`||");
    }

    #[test]
    fn a_relative_program_starts_at_the_configuration() {
        let shop = Workshop::new(ASK);
        let opened = shop.open_with(|table| {
            table.insert("command".to_owned(), vec!["./sign"].into());
        });
        opened.authority.issue(&order(PATIENCE).1).unwrap();
        assert_eq!(opened.authority.place().place, shop.path("./sign"));
    }
}

mod abilities {
    use super::*;

    #[test]
    fn it_can_do_what_its_row_says() {
        let shop = Workshop::new("");
        let opened = shop.open_with(|table| {
            table.insert("revoke".to_owned(), vec!["./revoke"].into());
        });
        assert!(opened.renew.is_some() && opened.preflight.is_some() && opened.revoke.is_some());
        assert!(shop.open().revoke.is_none());
        let entry = CATALOGUE.iter().find(|entry| entry.kind == "exec").unwrap();
        assert_eq!(
            entry.abilities,
            [Ability::Renew, Ability::Preflight, Ability::Revoke]
        );
    }

    #[test]
    fn a_renewal_tells_the_current_certificate_and_never_its_key() {
        let shop = Workshop::new(&format!(
            "env >seen; echo \"$CERTBAKE_CURRENT_CERTIFICATE\" >current; {ASK}"
        ));
        let present = shop.lab.client("app");
        let current_key = PrivateKey::from_der(&present.key).unwrap();
        let (key, order) = order(PATIENCE);
        let current = Current {
            chain: &present.chain,
            key: &current_key,
        };
        let issued = shop.open().renew.unwrap().renew(&order, &current).unwrap();
        assert_eq!(leaf(&issued).facts().spki, key.spki());
        let seen = shop.read("seen");
        assert!(seen.contains("CERTBAKE_OPERATION=renew"), "{seen}");
        let chain = pem::certificates(shop.read("current").as_bytes()).unwrap();
        assert_eq!(chain, present.chain);
        assert!(!seen.contains("PRIVATE KEY"), "{seen}");
    }

    #[test]
    fn a_revocation_gives_the_certificate_its_serial_and_the_reason() {
        let shop = Workshop::new("");
        write_script(
            Path::new(&shop.path("revoke")),
            "cat >revoked; echo $CERTBAKE_OPERATION $CERTBAKE_SERIAL $CERTBAKE_REASON >>revoked\n\
             [ $CERTBAKE_REASON = superseded ] || { echo not by you >&2; exit 1; }",
        );
        let opened = shop.open_with(|table| {
            table.insert("revoke".to_owned(), vec!["./revoke"].into());
        });
        let certificate = shop.lab.client("app").certificate();
        let revoke = opened.revoke.unwrap();
        revoke
            .revoke(&revocation(&certificate, Reason::Superseded))
            .unwrap();
        let serial = certificate.facts().serial.to_ascii_uppercase();
        assert_eq!(
            shop.read("revoked"),
            format!("{}revoke {serial} superseded\n", certificate.pem())
        );
        let error = revoke
            .revoke(&revocation(&certificate, Reason::KeyCompromise))
            .unwrap_err();
        assert!(refused(error).summary.ends_with("not by you"));
    }
}

mod settings {
    use super::*;

    #[test]
    fn settings_that_cannot_be_used_are_told_by_their_key() {
        for (table, key, words) in [
            ("command = []", "command", "names no program"),
            ("command = ['']", "command", "names no program"),
            ("command = 'sign'", "command", "sequence"),
            ("command = ['x']\nrevoke = []", "revoke", "names no program"),
            ("command = ['x']\nenv.'A-B' = ''", "env.A-B", "variable"),
            (
                "command = ['x']\nenv.CERTBAKE_X = ''",
                "env.CERTBAKE_X",
                "CERTBAKE_",
            ),
            ("command = ['x']\nenv.T = 'env:T'", "env.T", "secret ="),
            (
                "command = ['x']\nurl = 'https://x'",
                "",
                "unknown field `url`",
            ),
            ("revoke = ['x']", "", "missing field `command`"),
        ] {
            let error = try_open("exec", table.parse().unwrap(), &[]).err().unwrap();
            assert_eq!(error.key, key, "{table}: {error}");
            assert!(error.reason.contains(words), "{table}: {error}");
        }
    }

    #[test]
    fn a_program_in_path_is_found_there() {
        let opened = open("exec", toml::toml! { command = ["true"] }, &[]);
        let (_key, order) = order(PATIENCE);
        opened
            .preflight
            .unwrap()
            .preflight(&order, Depth::Order)
            .unwrap();
        // It is run, and gives no certificate.
        unusable(opened.authority.issue(&order).unwrap_err());
    }
}

/// Through the binary, as a build runs it.
mod binary {
    use super::*;

    fn provision(shop: &Workshop, more: &str) -> std::process::Output {
        std::fs::create_dir_all(shop.path("rootfs")).unwrap();
        std::fs::write(shop.path("root.pem"), pem_of(&[shop.lab.root()])).unwrap();
        let config = format!(
            "[ca.lab]\nkind = 'exec'\ncommand = ['./sign']\nanchors = 'root.pem'\n{more}\n\
             [identity.app]\ncommon_name = 'app'\ndns = ['app.internal']\nttl = '24h'\n\
             min_validity = '12h'\n[identity.app.placements]\n\
             full_chain = '/tls.crt'\nprivate_key = '/tls.key'\n"
        );
        std::fs::write(shop.path("certbake.toml"), config).unwrap();
        Command::new(env!("CARGO_BIN_EXE_certbake"))
            .args(["provision", "--config"])
            .arg(shop.path("certbake.toml"))
            .args(["--root"])
            .arg(shop.path("rootfs"))
            .env("BUILD_TOKEN", CANARY)
            .output()
            .unwrap()
    }

    fn printed(output: &std::process::Output) -> String {
        let text = [output.stdout.as_slice(), &output.stderr].concat();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_certificate_from_a_program_lands_in_the_image() {
        let shop = Workshop::new(ASK);
        let output = provision(&shop, "");
        assert!(output.status.success(), "{}", printed(&output));
        let chain = pem::certificates(shop.read("rootfs/tls.crt").as_bytes()).unwrap();
        assert_eq!(chain[1], shop.lab.issuing());
    }

    #[test]
    fn each_ending_has_its_exit_code_and_nothing_is_written() {
        for (script, code, words) in [
            ("echo no quota left >&2; exit 1", 5, "no quota left"),
            ("kill -9 $$", 6, "SIGKILL"),
            ("exit 9", 4, "exit status 9"),
            ("echo hello", 4, "standard output"),
            (
                "echo \"bad token $TOKEN\" >&2; exit 1",
                5,
                "bad token [withheld]",
            ),
        ] {
            let shop = Workshop::new(script);
            let output = provision(&shop, "env.TOKEN = { secret = 'env:BUILD_TOKEN' }");
            let printed = printed(&output);
            assert_eq!(output.status.code(), Some(code), "{script}: {printed}");
            assert!(printed.contains(words), "{script}: {printed}");
            assert!(!printed.contains(CANARY), "{printed}");
            let landed = std::fs::read_dir(shop.path("rootfs")).unwrap().count();
            assert_eq!(landed, 0, "{script}");
        }
    }

    #[test]
    fn wrong_settings_are_told_with_file_line_and_key() {
        let shop = Workshop::new(ASK);
        let output = provision(&shop, "env.TOKEN = 'env:BUILD_TOKEN'");
        let printed = printed(&output);
        assert_eq!(output.status.code(), Some(2), "{printed}");
        assert!(printed.contains("certbake.toml:5"), "{printed}");
        assert!(printed.contains("env.TOKEN"), "{printed}");
    }
}
