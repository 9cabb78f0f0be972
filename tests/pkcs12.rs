//! Key stores against those who must open them: OpenSSL and Java's keytool.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

use certbake::pki::pkcs12::{self, Encryption};
use certbake::pki::{Anchors, Certificate, Chain, KeyAlgorithm, PrivateKey, pem};
use certbake::secret::Secret;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer};

const PASSWORD: &str = "correct horse";

/// A leaf below an intermediate below a root, and the leaf's key.
struct Lab {
    key: PrivateKey,
    chain: Chain,
    anchors: Anchors,
}

fn params(name: &str, is_ca: bool) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    if is_ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    params
}

fn parse(certificate: &rcgen::Certificate) -> Certificate {
    Certificate::from_der(certificate.der().to_vec()).unwrap()
}

fn lab(algorithm: KeyAlgorithm) -> Lab {
    let [root_key, issuer_key] =
        [(); 2].map(|()| PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap());
    let key = PrivateKey::generate(algorithm).unwrap();
    let root = params("Lab Root", true).self_signed(&root_key).unwrap();
    let root_issuer = Issuer::new(params("Lab Root", true), &root_key);
    let issuer = params("Lab Issuing CA", true)
        .signed_by(&issuer_key, &root_issuer)
        .unwrap();
    let leaf_issuer = Issuer::new(params("Lab Issuing CA", true), &issuer_key);
    let leaf = params("app-server", false)
        .signed_by(&key, &leaf_issuer)
        .unwrap();
    Lab {
        key,
        chain: Chain::above(parse(&leaf), vec![parse(&issuer)]),
        anchors: Anchors::new(vec![parse(&root)]),
    }
}

impl Lab {
    fn write(&self, folder: &Path, encryption: Encryption, password: &str) -> PathBuf {
        let password = Secret::from(password.to_owned());
        let bytes = pkcs12::write(
            &self.key,
            &self.chain,
            Some(&self.anchors),
            &password,
            "app-server",
            encryption,
        )
        .unwrap();
        let path = folder.join("store.p12");
        std::fs::write(&path, &bytes[..]).unwrap();
        path
    }

    /// In the order in which a store holds them: anchors first.
    fn certificates(&self) -> Vec<&[u8]> {
        let anchors = self.anchors.certificates().iter();
        anchors
            .chain(self.chain.certificates())
            .map(Certificate::der)
            .collect()
    }
}

fn run(program: &str, arguments: &[&str], password: &str) -> String {
    let output = Command::new(program)
        .args(arguments)
        .env("STORE_PASSWORD", password)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

#[test]
fn openssl_opens_both_encryptions_and_finds_key_chain_and_anchors() {
    for encryption in [Encryption::Modern, Encryption::Legacy] {
        let lab = lab(KeyAlgorithm::EcdsaP256);
        let folder = tempfile::tempdir().unwrap();
        let store = lab.write(folder.path(), encryption, PASSWORD);
        let store = store.to_str().unwrap();
        let text = run(
            "openssl",
            &[
                "pkcs12",
                "-in",
                store,
                "-passin",
                "env:STORE_PASSWORD",
                "-noenc",
            ],
            PASSWORD,
        );
        assert_eq!(
            pem::certificates(text.as_bytes()).unwrap(),
            lab.certificates(),
            "{encryption:?}"
        );
        let blocks = pem::decode(text.as_bytes()).unwrap();
        let keys: Vec<_> = blocks
            .iter()
            .filter_map(|block| match block {
                pem::Block::PrivateKey(der) => Some(PrivateKey::from_der(der).unwrap()),
                _ => None,
            })
            .collect();
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0].spki(), lab.key.spki(), "{encryption:?}");
        assert!(text.contains("friendlyName: app-server"), "{text}");
    }
}

#[test]
fn openssl_sees_the_algorithms_that_were_asked_for() {
    for (encryption, words) in [
        (
            Encryption::Modern,
            [
                "MAC: sha256, Iteration 100000",
                "PBES2, PBKDF2, AES-256-CBC, Iteration 100000, PRF hmacWithSHA256",
            ],
        ),
        (
            Encryption::Legacy,
            [
                "MAC: sha1, Iteration 10000",
                "pbeWithSHA1And3-KeyTripleDES-CBC, Iteration 10000",
            ],
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let store = lab(KeyAlgorithm::EcdsaP256).write(folder.path(), encryption, PASSWORD);
        let output = Command::new("openssl")
            .args([
                "pkcs12",
                "-info",
                "-noout",
                "-passin",
                "env:STORE_PASSWORD",
                "-in",
            ])
            .arg(&store)
            .env("STORE_PASSWORD", PASSWORD)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        for word in words {
            assert!(text.contains(word), "{encryption:?}: {text}");
        }
    }
}

#[test]
fn keytool_opens_both_encryptions_and_finds_the_chain_and_the_anchor() {
    for encryption in [Encryption::Modern, Encryption::Legacy] {
        let lab = lab(KeyAlgorithm::Rsa2048);
        let folder = tempfile::tempdir().unwrap();
        let store = lab.write(folder.path(), encryption, PASSWORD);
        let store = store.to_str().unwrap();
        let text = run(
            "keytool",
            &[
                "-list",
                "-v",
                "-keystore",
                store,
                "-storepass:env",
                "STORE_PASSWORD",
            ],
            PASSWORD,
        );
        for words in [
            "Keystore type: PKCS12",
            "Your keystore contains 2 entries",
            "Alias name: app-server\n",
            "Entry type: PrivateKeyEntry",
            "Certificate chain length: 3",
            "Alias name: lab root\n",
            "Entry type: trustedCertEntry",
        ] {
            assert!(
                text.contains(words),
                "{encryption:?}: no \"{words}\" in {text}"
            );
        }
    }
}

/// Listing needs no key: a request signed with it proves that Java opens the key too.
#[test]
fn java_signs_with_the_key_of_every_algorithm() {
    for algorithm in [
        KeyAlgorithm::EcdsaP256,
        KeyAlgorithm::EcdsaP384,
        KeyAlgorithm::Ed25519,
        KeyAlgorithm::Rsa2048,
    ] {
        let lab = lab(algorithm);
        let folder = tempfile::tempdir().unwrap();
        let store = lab.write(folder.path(), Encryption::Modern, PASSWORD);
        let store = store.to_str().unwrap();
        let text = run(
            "keytool",
            &[
                "-certreq",
                "-alias",
                "app-server",
                "-keystore",
                store,
                "-storepass:env",
                "STORE_PASSWORD",
            ],
            PASSWORD,
        );
        let blocks = pem::decode(text.as_bytes()).unwrap();
        assert!(
            matches!(&blocks[..], [pem::Block::Request(_)]),
            "{algorithm}: {text}"
        );
    }
}

#[test]
fn what_openssl_and_java_write_is_read() {
    let lab = lab(KeyAlgorithm::EcdsaP256);
    let folder = tempfile::tempdir().unwrap();
    let pem_file = folder.path().join("all.pem");
    std::fs::write(
        &pem_file,
        pem::encode("PRIVATE KEY", lab.key.expose_pkcs8()) + &lab.chain.pem(),
    )
    .unwrap();
    let pem_file = pem_file.to_str().unwrap();
    let stores = ["modern", "legacy", "empty", "java"].map(|name| folder.path().join(name));
    let [modern, legacy, empty, java] = stores.each_ref().map(|path| path.to_str().unwrap());

    let export = [
        "pkcs12",
        "-export",
        "-in",
        pem_file,
        "-name",
        "app-server",
        "-passout",
        "env:STORE_PASSWORD",
        "-out",
    ];
    run("openssl", &[&export[..], &[modern]].concat(), PASSWORD);
    // RC2-40 for the certificates.
    run(
        "openssl",
        &[&export[..], &[legacy, "-legacy"]].concat(),
        PASSWORD,
    );
    run("openssl", &[&export[..], &[empty]].concat(), "");
    let import = [
        "-importkeystore",
        "-srckeystore",
        modern,
        "-srcstorepass:env",
        "STORE_PASSWORD",
        "-destkeystore",
        java,
        "-deststorepass:env",
        "STORE_PASSWORD",
    ];
    run("keytool", &import, PASSWORD);

    for (store, password) in stores.iter().zip([PASSWORD, PASSWORD, "", PASSWORD]) {
        let bytes = std::fs::read(store).unwrap();
        let contents = pkcs12::read(&bytes, &Secret::from(password.to_owned())).unwrap();
        let key = PrivateKey::from_der(&contents.keys[0].pkcs8).unwrap();
        assert_eq!(key.spki(), lab.key.spki(), "{}", store.display());
        let certificates: Vec<_> = contents
            .certificates
            .iter()
            .map(|entry| &entry.certificate[..])
            .collect();
        let expected: Vec<_> = lab.chain.certificates().map(Certificate::der).collect();
        assert_eq!(certificates, expected, "{}", store.display());
    }
}

#[test]
fn openssl_opens_a_store_whose_password_is_not_ascii() {
    let password = "pässwörd";
    let folder = tempfile::tempdir().unwrap();
    let store = lab(KeyAlgorithm::EcdsaP256).write(folder.path(), Encryption::Modern, password);
    run(
        "openssl",
        &[
            "pkcs12",
            "-in",
            store.to_str().unwrap(),
            "-passin",
            "env:STORE_PASSWORD",
            "-noenc",
        ],
        password,
    );
}
