//! The templates of `examples/packer`, built by Packer for real: on a mounted root, and over SSH on an
//! instance that is this machine. Only the CA's place and the user's name differ from the example.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod servers;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use servers::est::{self, EstServer};
use servers::program;
use servers::sshd::Sshd;
use tempfile::TempDir;

/// The life of the CA, in days, which is the end of all that it signs; the example's floor is 21 days.
const LONG: u32 = 60;
const SHORT: u32 = 10;

#[test]
fn a_mounted_root_is_baked_and_packed() {
    let Some(build) = Build::new(LONG) else {
        return;
    };

    let built = build.mounted_root();

    assert!(built.status.success(), "{}", build.log());
    let packed = servers::run("tar", ["-tvf", build.image().to_str().unwrap()]);
    let packed = String::from_utf8(packed).unwrap();
    // Where a name is packed, it is shown in place of the number.
    let ((user, group), running) = (owner_of_the_key(), running());
    for (path, owner) in [
        ("./etc/app/tls/client.crt", running),
        ("./etc/app/tls/client.key", (user, group)),
        ("./var/lib/certbake/app-server.json", running),
    ] {
        let line = packed.lines().find(|line| line.ends_with(path));
        let line = line.unwrap_or_else(|| panic!("{path} is not in the image:\n{packed}"));
        let (uid, gid) = owner;
        assert!(line.contains(&format!(" {uid}/{gid} ")), "{packed}");
    }
    build.assert_verified();
    assert_eq!(
        build.record("app-server.tar.json")["identity"],
        "app-server"
    );
    build.assert_password_nowhere();
    // It holds the key.
    let mode = fs::metadata(build.image()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // Nothing of it is left for the next step to take, once a build fails.
    build.raise_the_floor();
    build.assert_failed_with_3(&build.mounted_root());
    for left in ["app-server.tar", "app-server.tar.json"] {
        assert!(!build.path(left).exists(), "{left} is of the build before");
    }
}

#[test]
fn a_window_below_the_floor_fails_the_build_and_leaves_no_image() {
    let Some(build) = Build::new(SHORT) else {
        return;
    };

    let built = build.mounted_root();

    build.assert_failed_with_3(&built);
    assert!(!build.image().exists());
    assert!(!build.root().join("etc/app/tls/client.crt").exists());
    build.assert_password_nowhere();
}

#[test]
fn a_mounted_root_is_left_alone_when_the_password_is_not_set() {
    let Some(build) = Build::new(LONG) else {
        return;
    };

    let built = build.packer("mounted-root.pkr.hcl", "", &build.mounted_root_variables());

    assert!(!built.status.success());
    assert!(build.log().contains("Set EST_PASSWORD"), "{}", build.log());
    assert!(!build.image().exists());
}

#[test]
fn an_instance_is_baked_over_ssh() {
    let Some(build) = Build::new(LONG) else {
        return;
    };
    let instance = Sshd::start();

    let built = build.over_ssh_as_the_readme_says(&instance);

    assert!(
        built.status.success(),
        "{}\nsshd: {}",
        build.log(),
        instance.running.output()
    );
    build.assert_verified();
    assert_eq!(build.record("app-server.json")["identity"], "app-server");
    assert!(
        !build.workdir().exists(),
        "the working directory stayed on the instance"
    );
    build.assert_password_nowhere();
}

#[test]
fn over_ssh_a_window_below_the_floor_fails_the_build_and_leaves_nothing() {
    let Some(build) = Build::new(SHORT) else {
        return;
    };
    let instance = Sshd::start();

    let built = build.over_ssh(&instance);

    build.assert_failed_with_3(&built);
    assert!(!build.directory.path().join("app-server.json").exists());
    assert!(!build.root().join("etc/app/tls/client.crt").exists());
    assert!(
        !build.workdir().exists(),
        "the working directory stayed on the instance"
    );
    build.assert_password_nowhere();
}

/// A copy of the example that asks a real EST server, and an image root.
struct Build {
    packer: PathBuf,
    server: EstServer,
    directory: TempDir,
}

impl Build {
    fn new(ca_days: u32) -> Option<Self> {
        let packer = program("packer")?;
        let server = EstServer::start(ca_days)?;
        let directory = tempfile::tempdir().unwrap();
        let build = Self {
            packer,
            server,
            directory,
        };
        build.copy_example();
        build.make_root();
        Some(build)
    }

    fn copy_example(&self) {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/packer");
        for name in ["mounted-root.pkr.hcl", "over-ssh.pkr.hcl"] {
            fs::copy(example.join(name), self.path(name)).unwrap();
        }
        let config = fs::read_to_string(example.join("certbake.toml")).unwrap();
        let (url, user) = ("https://ca.example:8443", "\"builder\"");
        assert!(config.contains(url) && config.contains(user));
        let config = config
            .replace(url, &self.server.url)
            .replace(user, &format!("{:?}", est::USER));
        fs::write(self.path("certbake.toml"), config).unwrap();
        fs::copy(&self.server.anchors, self.path("ca.pem")).unwrap();
    }

    /// Beyond the life of the CA.
    fn raise_the_floor(&self) {
        let config = fs::read_to_string(self.path("certbake.toml")).unwrap();
        let raised = config.replace("min_validity = \"21d\"", "min_validity = \"90d\"");
        assert_ne!(config, raised);
        fs::write(self.path("certbake.toml"), raised).unwrap();
    }

    /// An image in which the names of the example stand for [`owner_of_the_key`].
    fn make_root(&self) {
        let (user, group) = owner_of_the_key();
        fs::create_dir_all(self.root().join("etc")).unwrap();
        fs::write(
            self.root().join("etc/passwd"),
            format!("root:x:{user}:{group}::/:/bin/sh\n"),
        )
        .unwrap();
        fs::write(self.root().join("etc/group"), format!("app:x:{group}:\n")).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn root(&self) -> PathBuf {
        self.path("root")
    }

    fn image(&self) -> PathBuf {
        self.path("app-server.tar")
    }

    fn workdir(&self) -> PathBuf {
        self.path("workdir")
    }

    fn record(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap()
    }

    fn mounted_root_variables(&self) -> Vec<String> {
        vec![
            variable("root", self.root()),
            variable("image", self.image()),
        ]
    }

    fn mounted_root(&self) -> Output {
        self.packer(
            "mounted-root.pkr.hcl",
            est::PASSWORD,
            &self.mounted_root_variables(),
        )
    }

    /// With a binary that is called something else, as a static build of some version is.
    fn over_ssh(&self, instance: &Sshd) -> Output {
        let certbake = self.path("certbake-static");
        fs::copy(env!("CARGO_BIN_EXE_certbake"), &certbake).unwrap();
        let mut variables = vec![
            "host=127.0.0.1".to_owned(),
            variable("private_key", &instance.private_key),
            variable("certbake", &certbake),
        ];
        variables.extend(self.place_of(instance));
        self.packer("over-ssh.pkr.hcl", est::PASSWORD, &variables)
    }

    /// What the example leaves as it is, and a test cannot.
    fn place_of(&self, instance: &Sshd) -> [String; 5] {
        [
            format!("port={}", instance.port),
            format!("user={}", instance.user),
            variable("root", self.root()),
            variable("workdir", self.workdir()),
            variable("record", self.path("app-server.json")),
        ]
    }

    fn over_ssh_as_the_readme_says(&self, instance: &Sshd) -> Output {
        let readme = include_str!("../examples/packer/README.md");
        let (_, line) = readme.split_once("packer build -var host=").unwrap();
        let (line, _) = line.split_once("\n\n").unwrap();
        let more = self.place_of(instance).join(" -var ");
        let command = format!("packer build -var {more} -var host={line}")
            .replace("192.0.2.10", "127.0.0.1")
            .replace("~/.ssh/builder", instance.private_key.to_str().unwrap());
        let words = ["bash".into(), "-euc".into(), command];
        self.run(&words, est::PASSWORD)
    }

    fn packer(&self, template: &str, password: &str, variables: &[String]) -> Output {
        let mut words = vec![self.packer.display().to_string(), "build".to_owned()];
        words.extend(
            variables
                .iter()
                .flat_map(|variable| ["-var".into(), variable.clone()]),
        );
        words.push(template.to_owned());
        self.run(&words, password)
    }

    /// `packer build` in `words`, with Packer and certbake on PATH and a log that says everything Packer knows.
    fn run(&self, words: &[String], password: &str) -> Output {
        let binaries = Path::new(env!("CARGO_BIN_EXE_certbake")).parent().unwrap();
        let packer = self.packer.parent().unwrap();
        let path = std::env::var("PATH").unwrap();
        let path = format!("{}:{}:{path}", binaries.display(), packer.display());
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", "180"]).args(words);
        command.current_dir(self.directory.path());
        command
            .env_clear()
            .env("PACKER_NO_COLOR", "1")
            .env("PATH", path)
            .env("EST_PASSWORD", password);
        command
            .env("HOME", self.directory.path())
            .env("PACKER_CONFIG_DIR", self.path("packer.d"));
        command.env("CHECKPOINT_DISABLE", "1");
        command
            .env("PACKER_LOG", "1")
            .env("PACKER_LOG_PATH", self.path("packer.log"));
        let output = command.stdin(Stdio::null()).output().unwrap();
        fs::write(
            self.path("packer.out"),
            [output.stdout.as_slice(), &output.stderr].concat(),
        )
        .unwrap();
        output
    }

    /// All that Packer printed and logged.
    fn log(&self) -> String {
        let read = |name| fs::read(self.path(name)).unwrap_or_default();
        String::from_utf8_lossy(&[read("packer.log"), read("packer.out")].concat()).into_owned()
    }

    fn assert_verified(&self) {
        let chain = self.root().join("etc/app/tls/client.crt");
        servers::assert_openssl_verifies(&chain, &self.server.anchors);
    }

    fn assert_failed_with_3(&self, built: &Output) {
        assert!(!built.status.success(), "{}", self.log());
        let printed = String::from_utf8_lossy(&built.stdout);
        assert!(
            printed.contains("Script exited with non-zero exit status: 3."),
            "{}",
            self.log()
        );
        assert!(
            printed.contains("no artifacts were created"),
            "{}",
            self.log()
        );
    }

    /// Neither Packer's words nor any file that the build left holds the password.
    fn assert_password_nowhere(&self) {
        let found = Command::new("grep")
            .args(["-rlF", est::PASSWORD])
            .arg(self.directory.path())
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&found.stdout),
            "",
            "these files hold the password"
        );
        assert!(
            !self.log().contains("EST_PASSWORD="),
            "a command line held the password:\n{}",
            self.log()
        );
    }
}

fn running() -> (u32, u32) {
    (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    )
}

/// Whoever runs the test; root also has a group to give, which this machine calls by another name than the image.
fn owner_of_the_key() -> (u32, u32) {
    match running() {
        (0, _) => (0, 8),
        other => other,
    }
}

fn variable(name: &str, value: impl AsRef<Path>) -> String {
    format!("{name}={}", value.as_ref().display())
}
