//! The templates of `examples/packer`, built by Packer for real: on a mounted root, and over SSH on an
//! instance that is this machine. Only the CA's place and the user's name differ from the example.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod servers;

use std::fs;
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
    let packed = servers::run("tar", ["-tf", build.image().to_str().unwrap()]);
    let packed = String::from_utf8(packed).unwrap();
    for path in [
        "./etc/app/tls/client.crt",
        "./etc/app/tls/client.key",
        "./var/lib/certbake/app-server.json",
    ] {
        assert!(
            packed.lines().any(|line| line == path),
            "{path} is not in the image:\n{packed}"
        );
    }
    build.assert_verified();
    assert_eq!(
        build.record("app-server.tar.json")["identity"],
        "app-server"
    );
    build.assert_password_nowhere();
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

    let built = build.over_ssh(&instance);

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

    /// An image in which the names of the example stand for whoever runs the test.
    fn make_root(&self) {
        let (user, group) = (
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        );
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

    fn over_ssh(&self, instance: &Sshd) -> Output {
        let variables = [
            "host=127.0.0.1".to_owned(),
            format!("port={}", instance.port),
            format!("user={}", instance.user),
            variable("private_key", &instance.private_key),
            variable("certbake", env!("CARGO_BIN_EXE_certbake")),
            variable("root", self.root()),
            variable("workdir", self.workdir()),
            variable("record", self.path("app-server.json")),
        ];
        self.packer("over-ssh.pkr.hcl", est::PASSWORD, &variables)
    }

    /// `packer build`, with certbake on PATH and a log that says everything Packer knows.
    fn packer(&self, template: &str, password: &str, variables: &[String]) -> Output {
        let binaries = Path::new(env!("CARGO_BIN_EXE_certbake")).parent().unwrap();
        let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", "180"]).arg(&self.packer);
        command.args(["build", "-color=false"]);
        command.args(variables.iter().flat_map(|variable| ["-var", variable]));
        command
            .arg(self.path(template))
            .current_dir(self.directory.path());
        command
            .env_clear()
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

fn variable(name: &str, value: impl AsRef<Path>) -> String {
    format!("{name}={}", value.as_ref().display())
}
