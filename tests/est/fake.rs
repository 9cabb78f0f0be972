//! EST as the scripts speak it, and the authority on it.

use certbake::authority::Opened;
use certbake::pki::pkcs7;
use data_encoding::BASE64;

use crate::support::contract::{Protocol, credential, open};
use crate::support::{Asked, FakeServer, Lab, Reply};

/// EST as the fake speaks it.
pub struct Est;

impl Protocol for Est {
    fn kind(&self) -> &'static str {
        "est"
    }

    fn settings(&self, server: &FakeServer, credential: &str) -> toml::Table {
        let url = server.origin();
        toml::toml! {
            url = url
            username = "builder"
            password = credential
        }
    }

    fn ordered(&self, asked: &Asked) -> Option<Vec<u8>> {
        asked
            .path
            .ends_with("enroll")
            .then(|| unwrapped(&asked.body))
    }

    fn aside(&self, lab: &Lab, asked: &Asked) -> Reply {
        match asked.path.as_str() {
            "/.well-known/est/cacerts" => self.issued(&[lab.root(), lab.issuing()]),
            _ => Reply::status(404),
        }
    }

    fn issued(&self, certificates: &[Vec<u8>]) -> Reply {
        Reply::ok(BASE64.encode(&message(certificates))).header(
            "content-type",
            "application/pkcs7-mime; smime-type=certs-only",
        )
    }
}

pub fn message(certificates: &[Vec<u8>]) -> Vec<u8> {
    let ders: Vec<&[u8]> = certificates.iter().map(Vec::as_slice).collect();
    pkcs7::certs_only(&ders)
}

pub fn unwrapped(base64: &[u8]) -> Vec<u8> {
    let text: Vec<u8> = base64.iter().copied().filter(|b| *b != b'\n').collect();
    BASE64.decode(&text).unwrap()
}

/// A server that answers `enroll` by the script and the rest as it should, and the authority on it.
pub fn lab_with(
    mut enroll: impl FnMut(&Lab, &[u8]) -> Reply + Send + 'static,
    change: impl FnOnce(&mut toml::Table),
) -> (Lab, FakeServer, Opened) {
    let lab = Lab::new("Lab");
    let serving = lab.clone();
    let server = FakeServer::https(&lab.server(), move |asked| match Est.ordered(asked) {
        Some(request) => enroll(&serving, &request),
        None => Est.aside(&serving, asked),
    });
    let (file, source) = credential();
    let mut table = Est.settings(&server, &source);
    change(&mut table);
    let opened = open("est", table, &lab.anchors());
    // Read when the first order is made.
    file.keep().unwrap();
    (lab, server, opened)
}

pub fn sign(lab: &Lab, request: &[u8]) -> Reply {
    Est.issued(&[lab.sign(request)])
}

pub fn paths(server: &FakeServer) -> Vec<String> {
    server.asked().into_iter().map(|asked| asked.path).collect()
}
