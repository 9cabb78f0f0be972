//! What the benchmarks share: an embedded CA served as EST on loopback, orders for it, an image root.
#![allow(dead_code, clippy::disallowed_methods, clippy::unwrap_used)] // each benchmark uses a part

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use certbake::authority::embedded::server::{Config, Server, Users};
use certbake::authority::embedded::{CaDirectory, NewCa, TTL, Terms};
use certbake::pki::{
    AltName, Anchors, Chain, KeyAlgorithm, PrivateKey, ReceivedRequest, SigningRequest, Subject,
    Usage,
};
use certbake::secret::Secret;
use tempfile::TempDir;
use time::OffsetDateTime;

pub const USER: &str = "bench";
pub const PASSWORD: &str = "loopback";

/// A CA, an image root and the user's password, on the disk that holds target/: not on a tmpfs.
pub struct Lab {
    pub dir: TempDir,
}

impl Lab {
    pub fn new() -> Self {
        let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        std::fs::create_dir(dir.path().join("image")).unwrap();
        let lab = Self { dir };
        let password = lab.path("password");
        std::fs::write(&password, PASSWORD).unwrap();
        std::fs::set_permissions(&password, Permissions::from_mode(0o600)).unwrap();
        CaDirectory::make(&lab.path("ca"), &NewCa::default(), now()).unwrap();
        lab
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn ca(&self) -> CaDirectory {
        CaDirectory::open(&self.path("ca")).unwrap()
    }

    /// An EST server on a thread of its own; it serves until the benchmark ends.
    pub fn serve(&self) -> SocketAddr {
        let clock = Arc::new(OffsetDateTime::now_utc);
        let mut config = Config::new(SocketAddr::from(([127, 0, 0, 1], 0)), clock);
        config.users = Users::single(USER, Secret::from(PASSWORD.to_owned()));
        let ca = self.ca();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let server = Server::bind(ca, config, Arc::new(|_| {})).await.unwrap();
                tell.send(server.address()).unwrap();
                server.run(std::future::pending()).await;
            });
        });
        told.recv().unwrap()
    }

    /// A certificate for `key`, its issuer, and the roots they lead to.
    pub fn issued(&self, key: &PrivateKey) -> (Chain, Anchors) {
        let ca = self.ca();
        let request = ReceivedRequest::from_der(request(key).der()).unwrap();
        let leaf = ca.issue(&request, &terms()).unwrap().certificate;
        let chain = Chain {
            leaf,
            intermediates: vec![ca.intermediate().clone()],
            roots: Vec::new(),
        };
        (chain, Anchors::new(vec![ca.root().clone()]))
    }
}

pub fn terms() -> Terms<'static> {
    Terms {
        now: now(),
        ttl: TTL,
        max_ttl: TTL,
        requester: "local",
    }
}

pub fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

pub fn key() -> PrivateKey {
    PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap()
}

pub fn subject() -> Subject {
    Subject {
        common_name: Some("app-server".to_owned()),
        ..Subject::default()
    }
}

pub fn names() -> Vec<AltName> {
    vec![AltName::dns("app.internal").unwrap()]
}

pub fn request(key: &PrivateKey) -> SigningRequest {
    SigningRequest::new(key, subject(), names(), Usage::Client).unwrap()
}
