//! OpenSSH's `sshd` on loopback: an "instance" that is this machine, for the user who runs the test.
//! Its keys are its own and live in a temporary directory.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Running, free_port, run};

/// A running sshd; dropping it stops it.
pub struct Sshd {
    pub port: u16,
    pub user: String,
    /// The key that logs in.
    pub private_key: PathBuf,
    pub running: Running,
    _directory: TempDir,
}

impl Sshd {
    /// Starts sshd for the user who runs the test, who alone can log in, by one fresh key.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let files = directory.path();
        let private_key = new_key(files, "login");
        let port = free_port();
        let config = files.join("sshd_config");
        fs::write(&config, configuration(files, &new_key(files, "host"), port)).unwrap();
        if rustix::process::geteuid().is_root() {
            // The privilege separation directory that Debian's sshd was built with.
            fs::create_dir_all("/run/sshd").unwrap();
        }

        let arguments = [
            "-D".as_ref(),
            "-e".as_ref(),
            "-f".as_ref(),
            config.as_os_str(),
        ];
        let running = Running::start(
            Path::new("/usr/sbin/sshd"),
            arguments,
            port,
            &files.join("log"),
        );
        let user = String::from_utf8(run("id", ["-un"]))
            .unwrap()
            .trim()
            .to_owned();
        Self {
            port,
            user,
            private_key,
            running,
            _directory: directory,
        }
    }
}

fn new_key(files: &Path, name: &str) -> PathBuf {
    let key = files.join(name);
    run(
        "ssh-keygen",
        [
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-C",
            name,
            "-f",
            key.to_str().unwrap(),
        ],
    );
    key
}

fn configuration(files: &Path, host_key: &Path, port: u16) -> String {
    format!(
        "ListenAddress 127.0.0.1:{port}\n\
         HostKey {host_key}\n\
         AuthorizedKeysFile {login}.pub\n\
         AuthenticationMethods publickey\n\
         PermitRootLogin prohibit-password\n\
         PidFile none\n\
         UsePAM no\n\
         # The shell profile of whoever runs the test is no part of it.\n\
         SetEnv HOME={home}\n\
         # sshd would otherwise refuse keys below a directory that others may write to, such as /tmp.\n\
         StrictModes no\n",
        host_key = host_key.display(),
        login = files.join("login").display(),
        home = files.display(),
    )
}
