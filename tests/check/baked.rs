//! An image that certbake baked.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tempfile::TempDir;
use time::Duration;
use time::format_description::well_known::Rfc3339;

use crate::support::{Run, run};

/// A moment from the real now on, which is when images are baked here.
pub fn in_days(days: i64) -> String {
    let moment = time::OffsetDateTime::now_utc() + Duration::days(days);
    moment.format(&Rfc3339).unwrap()
}

/// An image baked by certbake itself, with the embedded CA.
pub struct Image {
    pub desk: TempDir,
}

pub const KEY: &str = "etc/app/client.key";

pub const CERT: &str = "etc/app/client.crt";

pub const RECORD: &str = "var/lib/certbake/app-server.json";

impl Image {
    pub fn baked() -> Self {
        Self::baked_with(CONFIG)
    }

    pub fn baked_with(config: &str) -> Self {
        let image = Self {
            desk: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(image.root()).unwrap();
        let desk = image.desk.path().to_str().unwrap();
        fs::write(image.config(), config.replace("DESK", desk)).unwrap();
        let password = image.desk.path().join("password");
        fs::write(&password, "a password for the tests").unwrap();
        fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
        let output = image.certbake(&["provision"]);
        assert_eq!(output.exit, 0, "{:#}", output.report);
        image
    }

    pub fn root(&self) -> PathBuf {
        self.desk.path().join("rootfs")
    }

    pub fn config(&self) -> PathBuf {
        self.desk.path().join("certbake.toml")
    }

    pub fn file(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    pub fn certbake(&self, words: &[&str]) -> Run {
        let config = self.config();
        let root = self.root();
        let fixed = [
            "--report",
            "json",
            "--root",
            root.to_str().unwrap(),
            "--config",
            config.to_str().unwrap(),
        ];
        run(&[words, &fixed].concat(), &[])
    }

    /// By the records alone.
    pub fn check(&self, words: &[&str]) -> Run {
        let root = self.root();
        run(
            &[
                &[
                    "check",
                    "--report",
                    "json",
                    "--root",
                    root.to_str().unwrap(),
                ],
                words,
            ]
            .concat(),
            &[],
        )
    }

    pub fn edit(&self, path: &str, change: impl FnOnce(String) -> String) {
        let path = self.file(path);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, change(text)).unwrap();
    }
}

pub const CONFIG: &str = r#"
[ca.lab]
kind = "embedded"
dir = "ca"

[identity.app-server]
common_name = "app-server"
dns = ["app.internal"]
ttl = "30d"
min_validity = "21d"

[identity.app-server.placements]
full_chain = "/etc/app/client.crt"
private_key = "/etc/app/client.key"
anchors = "/etc/app/ca.crt"
"#;
