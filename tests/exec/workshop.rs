//! A program to run, who answers it, and how its failures are read.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use certbake::authority::{AuthorityError, Issued, Opened};
use certbake::finding::Finding;
use certbake::pki::{Certificate, PrivateKey, pem};
use tempfile::TempDir;

use crate::support::Lab;
use crate::support::contract::{open_beside, order};

/// Hands the request to the test, and the test's answer out.
pub const ASK: &str = "cat >request.part; mv request.part request; \
     while ! [ -e answer ]; do sleep 0.01; done; cat answer; rm answer";

/// A folder with a program in it, and a thread that answers what [`ASK`] hands over.
pub struct Workshop {
    pub lab: Lab,
    pub folder: TempDir,
    ended: Arc<AtomicBool>,
    signer: Option<std::thread::JoinHandle<()>>,
}

pub type Answer = fn(&Lab, Vec<u8>) -> Vec<u8>;

impl Workshop {
    pub fn new(script: &str) -> Self {
        Self::answering(script, |lab, request| {
            pem_of(&[lab.sign(&request), lab.issuing()])
        })
    }

    pub fn answering(script: &str, answer: Answer) -> Self {
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

    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn table(&self) -> toml::Table {
        let program = self.path("sign");
        toml::toml! {
            command = [program]
            env = { PATH = "/usr/bin:/bin" }
        }
    }

    pub fn open(&self) -> Opened {
        self.open_with(|_| {})
    }

    /// Programs run where the settings stand.
    pub fn open_with(&self, change: impl FnOnce(&mut toml::Table)) -> Opened {
        let mut table = self.table();
        change(&mut table);
        open_beside(self.folder.path(), "exec", table)
    }

    pub fn issue(&self, patience: Duration) -> (PrivateKey, Result<Issued, AuthorityError>) {
        let (key, order) = order(patience);
        (key, self.open().authority.issue(&order))
    }

    pub fn fails(&self, patience: Duration) -> AuthorityError {
        self.issue(patience).1.unwrap_err()
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = self.signer.take().unwrap().join();
    }
}

pub fn serve(lab: &Lab, folder: &Path, ended: &AtomicBool, answer: Answer) {
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

pub fn write_script(path: &Path, script: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

pub fn pem_of(ders: &[Vec<u8>]) -> Vec<u8> {
    let text: String = ders
        .iter()
        .map(|der| pem::encode("CERTIFICATE", der))
        .collect();
    text.into_bytes()
}

pub fn leaf(issued: &Issued) -> Certificate {
    Certificate::from_der(issued.certificates[0].clone()).unwrap()
}

pub fn refused(error: AuthorityError) -> Finding {
    assert!(matches!(error, AuthorityError::Refused(_)), "{error}");
    error.into_finding()
}

pub fn unreachable(error: AuthorityError) -> Finding {
    assert!(matches!(error, AuthorityError::Unreachable(_)), "{error}");
    error.into_finding()
}

pub fn unusable(error: AuthorityError) -> Finding {
    assert!(matches!(error, AuthorityError::Unusable(_)), "{error}");
    error.into_finding()
}

pub fn wrong_settings(error: AuthorityError) -> Finding {
    assert!(matches!(error, AuthorityError::Settings(_)), "{error}");
    error.into_finding()
}
