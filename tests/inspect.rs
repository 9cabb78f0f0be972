//! `certbake inspect` on what OpenSSL, Java and OpenSSH write, and on what is no certificate at all.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod built;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use data_encoding::BASE64;
use serde_json::Value;
use tempfile::TempDir;

const PASSWORD: &str = "correct horse";

/// A folder in which OpenSSL has made a root, an issuing CA below it, and a client certificate.
struct Lab {
    folder: TempDir,
}

impl Lab {
    fn new() -> Self {
        let lab = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        lab.write(
            "ca.ext",
            "basicConstraints=critical,CA:true\nkeyUsage=keyCertSign,cRLSign\n",
        );
        lab.write("leaf.ext", "extendedKeyUsage=clientAuth\nkeyUsage=digitalSignature\nsubjectAltName=DNS:app.internal,URI:spiffe://lab/app\n");
        let ec = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        lab.openssl(&format!(
            "req -x509 {ec} -keyout root.key -out root.pem -subj /CN=Lab.Root -days 400"
        ));
        lab.openssl(&format!(
            "req -new {ec} -keyout issuing.key -out issuing.csr -subj /CN=Lab.Issuing"
        ));
        lab.openssl("x509 -req -in issuing.csr -CA root.pem -CAkey root.key -days 200 -extfile ca.ext -out issuing.pem");
        lab.openssl(&format!(
            "req -new {ec} -keyout app.key -out app.csr -subj /O=Lab/CN=app-server"
        ));
        lab.openssl("x509 -req -in app.csr -CA issuing.pem -CAkey issuing.key -days 22 -extfile leaf.ext -text -out app.pem");
        lab
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// The files one after the other, as `cat` joins them.
    fn join(&self, names: &[&str], to: &str) {
        let all: Vec<u8> = names.iter().flat_map(|name| self.read(name)).collect();
        self.write(to, all);
    }

    fn openssl(&self, words: &str) {
        self.tool("openssl", words);
    }

    fn tool(&self, program: &str, words: &str) {
        let output = Command::new(program)
            .args(words.split_whitespace())
            .current_dir(self.folder.path())
            .env("PASSWORD", PASSWORD)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{program} {words}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn inspect(&self, words: &str) -> Shown {
        self.inspect_with(words, b"")
    }

    fn inspect_with(&self, words: &str, stdin: &[u8]) -> Shown {
        let mut child = built::certbake()
            .arg("inspect")
            .args(words.split_whitespace())
            .current_dir(self.folder.path())
            .env("PASSWORD", PASSWORD)
            .env("OTHER", "wrong horse")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(stdin).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        Shown {
            exit_code: output.status.code().unwrap(),
            text: String::from_utf8(output.stdout).unwrap(),
        }
    }
}

struct Shown {
    exit_code: i32,
    text: String,
}

impl Shown {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// The line that has this label, without it.
    fn row(&self, label: &str) -> &str {
        let row = self
            .text
            .lines()
            .find_map(|line| line.trim_start().strip_prefix(label));
        row.unwrap_or_else(|| panic!("no \"{label}\" in\n{}", self.text))
            .trim()
    }
}

/// What was made for so many whole days ends in as many, or in one less once a second has gone by.
fn ends_in_days(text: &str, what: &str, days: u32) -> bool {
    [days, days - 1]
        .iter()
        .any(|days| text == format!("{what} in {days} days"))
}

#[test]
fn a_chain_is_shown_with_its_dates_names_and_links() {
    let lab = Lab::new();
    lab.join(&["app.pem", "issuing.pem", "root.pem"], "chain.pem");
    let shown = lab.inspect("chain.pem");
    assert_eq!(shown.exit_code, 0, "{}", shown.text);
    assert_eq!(shown.row("chain.pem"), "PEM, 3 items");
    assert!(ends_in_days(
        shown.row("item 1"),
        "certificate, expires",
        22
    ));
    assert_eq!(shown.row("subject"), "O=Lab, CN=app-server");
    assert_eq!(shown.row("issuer"), "CN=Lab.Issuing (item 2)");
    assert_eq!(shown.row("names"), "dns:app.internal, uri:spiffe://lab/app");
    assert_eq!(shown.row("usage"), "clientAuth");
    assert_eq!(shown.row("key usage"), "digitalSignature");
    assert!(ends_in_days(
        shown.row("item 2"),
        "issuing certificate, expires",
        200
    ));
    assert!(ends_in_days(
        shown.row("item 3"),
        "root certificate, expires",
        400
    ));
    assert!(!shown.text.contains("warning"), "{}", shown.text);
}

#[test]
fn the_fingerprint_and_the_pin_are_those_that_openssl_computes() {
    let lab = Lab::new();
    lab.openssl("x509 -in app.pem -noout -fingerprint -sha256 -out fingerprint");
    lab.openssl("x509 -in app.pem -noout -pubkey -out app.pub");
    lab.openssl("pkey -pubin -in app.pub -outform DER -out spki");
    lab.openssl("dgst -sha256 -binary -out digest spki");
    let fingerprint = String::from_utf8(lab.read("fingerprint")).unwrap();
    let fingerprint = fingerprint
        .trim()
        .rsplit('=')
        .next()
        .unwrap()
        .replace(':', "")
        .to_lowercase();
    let pin = data_encoding::BASE64.encode(&lab.read("digest"));

    let shown = lab.inspect("app.pem app.pub --report json").json();
    let certificate = &shown["files"][0]["items"][0];
    assert_eq!(certificate["fingerprint"], fingerprint);
    assert_eq!(certificate["spki_pin"], pin);
    assert_eq!(shown["files"][1]["items"][0]["kind"], "public-key");
    assert_eq!(shown["files"][1]["items"][0]["spki_pin"], pin);
}

#[test]
fn an_expired_certificate_and_one_of_tomorrow_say_so() {
    let lab = Lab::new();
    let days = |from: i64| {
        let at = time::OffsetDateTime::now_utc() + time::Duration::days(from);
        at.format(time::macros::format_description!(
            "[year][month][day]000000Z"
        ))
        .unwrap()
    };
    lab.write("ca.cnf", "[ca]\ndefault_ca=lab\n[lab]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=any\nrand_serial=yes\nunique_subject=no\n[any]\ncommonName=optional\norganizationName=optional\n");
    lab.write("index", "");
    for (name, from, to) in [("old.pem", -10, -2), ("new.pem", 4, 9)] {
        let (from, to) = (days(from), days(to));
        lab.openssl(&format!("ca -batch -config ca.cnf -in app.csr -cert issuing.pem -keyfile issuing.key -startdate {from} -enddate {to} -notext -out {name}"));
    }
    assert!(
        lab.inspect("old.pem")
            .row("item 1")
            .starts_with("certificate, expired 2 days ago")
    );
    assert!(
        lab.inspect("new.pem")
            .row("item 1")
            .starts_with("certificate, not valid yet: begins in 3 days")
    );
}

#[test]
fn a_key_is_matched_with_its_certificate_and_request_across_files() {
    let lab = Lab::new();
    let shown = lab.inspect("app.key app.pem app.csr");
    assert_eq!(
        shown.row("belongs to"),
        "item 1 of app.pem, item 1 of app.csr"
    );
    let shown = lab.inspect("root.key app.pem");
    assert_eq!(
        shown.row("warning"),
        "its private key (item 1) belongs not to the certificate seen here"
    );
    assert_eq!(shown.exit_code, 0, "inspect shows; check judges");
}

#[test]
fn a_chain_in_the_wrong_order_is_said_with_the_right_one() {
    let lab = Lab::new();
    lab.join(&["issuing.pem", "app.pem"], "wrong.pem");
    let shown = lab.inspect("wrong.pem");
    assert!(
        shown
            .row("warning")
            .starts_with("its certificates are not a chain in order"),
        "{}",
        shown.text
    );
    assert_eq!(
        shown.row("hint"),
        "put them in this order: app-server, Lab.Issuing"
    );
    let shown = lab.inspect("wrong.pem --report json").json();
    assert_eq!(shown["findings"][0]["code"], "chain-misordered");
    assert_eq!(
        shown["findings"][0]["facts"]["delivered"],
        serde_json::json!(["Lab.Issuing", "app-server"])
    );
}

#[test]
fn every_form_in_which_openssl_writes_a_certificate_shows_the_same() {
    let lab = Lab::new();
    lab.openssl("x509 -in app.pem -outform DER -out app.der");
    lab.openssl("x509 -in app.pem -trustout -addtrust clientAuth -out trusted.pem");
    lab.openssl("crl2pkcs7 -nocrl -certfile app.pem -out app.p7b");
    lab.openssl("crl2pkcs7 -nocrl -certfile app.pem -outform DER -out app.p7c");
    let base64 = data_encoding::BASE64_MIME.encode(&lab.read("app.der"));
    lab.write("app.b64", base64);
    lab.write(
        "app.crlf",
        String::from_utf8(lab.read("app.pem"))
            .unwrap()
            .replace('\n', "\r\n"),
    );
    lab.write("app.der+lf", [lab.read("app.der"), b"\n".to_vec()].concat());
    let expected =
        &lab.inspect("app.pem --report json").json()["files"][0]["items"][0]["fingerprint"];
    for (name, format) in [
        ("app.der", "DER"),
        ("app.der+lf", "DER"),
        ("trusted.pem", "PEM"),
        ("app.p7b", "PEM"),
        ("app.p7c", "PKCS#7"),
        ("app.b64", "base64"),
        ("app.crlf", "PEM"),
    ] {
        let shown = lab.inspect(&format!("{name} --report json")).json();
        assert_eq!(shown["files"][0]["format"], format, "{name}");
        assert_eq!(
            &shown["files"][0]["items"][0]["fingerprint"], expected,
            "{name}"
        );
        assert_eq!(shown["exit_code"], 0, "{name}");
    }
}

#[test]
fn every_form_in_which_openssl_writes_a_key_shows_the_same() {
    let lab = Lab::new();
    lab.openssl("ec -in app.key -out sec1.pem");
    lab.openssl("ec -in app.key -outform DER -out sec1.der");
    lab.openssl("pkcs8 -topk8 -nocrypt -in app.key -outform DER -out pkcs8.der");
    lab.openssl("pkcs8 -topk8 -in app.key -passout env:PASSWORD -out encrypted.pem");
    lab.openssl("pkcs8 -topk8 -in app.key -passout env:PASSWORD -outform DER -out encrypted.der");
    lab.openssl("ecparam -name prime256v1 -out parameters.pem");
    lab.join(&["parameters.pem", "sec1.pem"], "both.pem");
    let expected = &lab.inspect("app.pem --report json").json()["files"][0]["items"][0]["spki_pin"];
    for (name, item) in [
        ("sec1.pem", 0),
        ("sec1.der", 0),
        ("pkcs8.der", 0),
        ("encrypted.pem", 0),
        ("encrypted.der", 0),
        ("both.pem", 1),
    ] {
        let shown = lab
            .inspect(&format!("{name} --password env:PASSWORD --report json"))
            .json();
        let key = &shown["files"][0]["items"][item];
        assert_eq!(key["kind"], "private-key", "{name}: {shown}");
        assert_eq!(&key["spki_pin"], expected, "{name}");
        assert_eq!(key["encrypted"], name.starts_with("encrypted"), "{name}");
    }
}

#[test]
fn a_curve_that_is_given_by_its_numbers_is_said_to_have_no_name() {
    let lab = Lab::new();
    lab.openssl("ecparam -name prime256v1 -genkey -noout -param_enc explicit -out numbers.key");
    lab.openssl("req -x509 -new -key numbers.key -subj /CN=numbers -out numbers.pem");
    let shown = lab.inspect("numbers.pem --report json").json();
    assert_eq!(
        shown["files"][0]["items"][0]["key"],
        "ECDSA without a named curve"
    );
}

#[test]
fn an_encrypted_key_without_a_password_says_how_to_give_one_and_shows_the_rest() {
    let lab = Lab::new();
    lab.openssl("pkcs8 -topk8 -in app.key -passout env:PASSWORD -out encrypted.pem");
    lab.join(&["app.pem", "encrypted.pem"], "both.pem");
    let shown = lab.inspect("both.pem");
    assert_eq!(shown.row("item 2"), "private key, encrypted");
    assert_eq!(shown.row("note"), "its private key is under a password");
    assert!(
        shown.row("hint").contains("--password env:NAME"),
        "{}",
        shown.text
    );
    assert_eq!(shown.exit_code, 0);
    let shown = lab.inspect("both.pem --password env:OTHER");
    assert_eq!(
        shown.row("error"),
        "the password does not open the private key"
    );
    assert_eq!(shown.exit_code, 4);
}

#[test]
fn a_key_store_of_openssl_or_java_is_opened_with_its_password() {
    let lab = Lab::new();
    lab.join(&["app.key", "app.pem", "issuing.pem"], "all.pem");
    lab.openssl("pkcs12 -export -in all.pem -name app -passout env:PASSWORD -out modern.p12");
    lab.openssl(
        "pkcs12 -export -legacy -in all.pem -name app -passout env:PASSWORD -out legacy.p12",
    );
    lab.tool("keytool", "-importkeystore -srckeystore modern.p12 -srcstorepass:env PASSWORD -destkeystore java.p12 -deststorepass:env PASSWORD");
    for store in ["modern.p12", "legacy.p12", "java.p12"] {
        let shown = lab.inspect(&format!("{store} --password env:PASSWORD"));
        assert_eq!(shown.exit_code, 0, "{}", shown.text);
        assert_eq!(shown.row(store), "PKCS#12, 3 items");
        assert_eq!(shown.row("alias"), "app");
        assert_eq!(shown.row("belongs to"), "item 2");

        let locked = lab.inspect(store);
        assert_eq!(
            (locked.exit_code, locked.row("error")),
            (2, "it is a PKCS#12 key store under a password")
        );
        let wrong = lab.inspect(&format!("{store} --password env:OTHER"));
        assert_eq!(
            (wrong.exit_code, wrong.row("error")),
            (4, "the password does not open the key store")
        );
    }
}

#[test]
fn requests_and_revocation_lists_are_shown() {
    let lab = Lab::new();
    lab.write(
        "ca.cnf",
        "[ca]\ndefault_ca=lab\n[lab]\ndatabase=index\ncrlnumber=number\ndefault_md=sha256\n",
    );
    lab.write("index", "");
    lab.write("number", "07\n");
    lab.openssl(
        "ca -gencrl -config ca.cnf -cert issuing.pem -keyfile issuing.key -crldays 8 -out lab.crl",
    );
    lab.openssl("crl -in lab.crl -outform DER -out crl.der");
    lab.openssl("req -in app.csr -outform DER -out csr.der");
    let shown = lab
        .inspect("lab.crl crl.der app.csr csr.der --report json")
        .json();
    for list in [0, 1].map(|file| &shown["files"][file]["items"][0]) {
        assert_eq!(
            (&list["kind"], &list["issuer"], &list["number"]),
            (&"crl".into(), &"CN=Lab.Issuing".into(), &"7".into())
        );
        assert_eq!(list["revoked"], 0);
    }
    for request in [2, 3].map(|file| &shown["files"][file]["items"][0]) {
        assert_eq!(
            (&request["kind"], &request["subject"]),
            (&"request".into(), &"O=Lab, CN=app-server".into())
        );
        assert_eq!(request["signature_holds"], true);
    }
    // As CAs hand out their chains: with the lists beside the certificates, or alone.
    lab.openssl("crl2pkcs7 -in lab.crl -certfile issuing.pem -out both.p7b");
    lab.openssl("crl2pkcs7 -in lab.crl -outform DER -out alone.p7b");
    let shown = lab.inspect("both.p7b alone.p7b --report json").json();
    assert_eq!(shown["files"][0]["items"][0]["kind"], "certificate");
    for list in [
        &shown["files"][0]["items"][1],
        &shown["files"][1]["items"][0],
    ] {
        assert_eq!(
            (&list["kind"], &list["number"]),
            (&"crl".into(), &"7".into())
        );
    }
    let shown = lab.inspect("lab.crl");
    let valid = shown.row("valid");
    assert!(
        ["in 8 days", "in 7 days"]
            .iter()
            .any(|left| valid.ends_with(left)),
        "{}",
        shown.text
    );
}

/// Files that are nothing of what is read, though most of them were meant to be.
fn strangers() -> Lab {
    let lab = Lab::new();
    lab.tool("ssh-keygen", "-q -t ecdsa -N x1234 -f openssh.key");
    lab.openssl("ec -in app.key -aes256 -passout env:PASSWORD -out traditional.pem");
    lab.join(&["app.key", "app.pem"], "all.pem");
    lab.openssl("pkcs12 -export -in all.pem -name app -passout env:PASSWORD -out store.p12");
    lab.tool("keytool", "-importkeystore -srckeystore store.p12 -srcstorepass:env PASSWORD -destkeystore old.jks -deststoretype JKS -deststorepass:env PASSWORD");
    lab.openssl("x509 -in app.pem -outform DER -out app.der");
    let der = lab.read("app.der");
    lab.write("cut.der", &der[..200]);
    let pem = String::from_utf8(lab.read("app.pem")).unwrap();
    lab.write(
        "indented.yaml",
        pem.replace('\n', "\n    ")
            .replacen("-----BEGIN", "cert: |\n    -----BEGIN", 1),
    );
    lab.write(
        "utf16.pem",
        pem.encode_utf16().fold(vec![0xff, 0xfe], |mut all, unit| {
            all.extend(unit.to_le_bytes());
            all
        }),
    );
    lab.write("cut.pem", &pem[..pem.len() - 40]);
    lab.write(
        "login.html",
        "\n<!DOCTYPE html><html><title>Sign in</title></html>",
    );
    lab.write(
        "answer.json",
        "{\"certificate\": \"-----BEGIN CERTIFICATE-----\\nMIIB\"}",
    );
    lab.write("empty", "\n\n");
    lab.write("noise", [0x80, 0x01, 0x02, 0xff]);
    let block = &pem[pem.find("-----BEGIN").unwrap()..];
    lab.write("variable.pem", block.trim_end().replace('\n', " "));
    lab.write("escaped.pem", block.replace('\n', "\\n"));
    let key = String::from_utf8(lab.read("app.key")).unwrap();
    lab.write(
        "mislabelled.pem",
        key.replace("EC PRIVATE", "PRIVATE")
            .replace("PRIVATE KEY", "CERTIFICATE"),
    );
    // The length of the whole takes four octets, and two more that end it.
    lab.write("ber.cer", [&[0x30, 0x80], &der[4..], &[0, 0]].concat());
    let in_pem = BASE64.encode(&lab.read("store.p12"));
    lab.write(
        "gnutls.p12",
        format!("-----BEGIN PKCS12-----\n{in_pem}\n-----END PKCS12-----\n"),
    );
    lab.tool("keytool", "-genseckey -keyalg AES -keysize 128 -storetype PKCS12 -keystore secrets.p12 -storepass:env PASSWORD -alias one");
    lab
}

/// What each is called, and the way out.
const STRANGERS: &[(&str, &str, &str)] = &[
    (
        "openssh.key",
        "an OpenSSH private key",
        "ssh-keygen -p -m PKCS8",
    ),
    (
        "openssh.key.pub",
        "an OpenSSH public key",
        "ssh-keygen -e -m PKCS8",
    ),
    (
        "traditional.pem",
        "encrypted by PEM headers",
        "openssl pkcs8 -topk8",
    ),
    (
        "old.jks",
        "a Java key store in the old format (JKS)",
        "keytool -importkeystore",
    ),
    (
        "cut.der",
        "a DER file cut after 200 bytes",
        "in binary mode",
    ),
    (
        "indented.yaml",
        "do not begin at the start of a line",
        "remove the blanks",
    ),
    ("utf16.pem", "UTF-16", "iconv"),
    (
        "cut.pem",
        "PEM block 1: it has a BEGIN line but no END line",
        "from BEGIN to END",
    ),
    ("variable.pem", "its line ends are lost", "printf '%s"),
    ("escaped.pem", "its line ends are lost", "printf '%b'"),
    (
        "mislabelled.pem",
        "labelled as a certificate, but is a private key",
        "",
    ),
    (
        "ber.cer",
        "but its lengths are indefinite (BER)",
        "openssl x509",
    ),
    ("gnutls.p12", "a PKCS#12 key store in PEM", "base64 -d"),
    (
        "secrets.p12 --password env:PASSWORD",
        "a PKCS#12 key store without certificates and private keys",
        "",
    ),
    ("login.html", "an HTML page", "curl --fail"),
    ("answer.json", "JSON", "jq -r"),
    ("empty", "it is empty", ""),
    ("noise", "4 bytes of a kind that certbake does not know", ""),
];

#[test]
fn what_cannot_be_read_is_named_with_the_way_out() {
    let lab = strangers();
    for (name, words, hint) in STRANGERS {
        let shown = lab.inspect(&format!("{name} --report json"));
        let finding = &shown.json()["findings"][0];
        assert_eq!(
            (shown.exit_code, &finding["code"]),
            (4, &"input-unreadable".into()),
            "{name}: {finding}"
        );
        assert!(
            finding["summary"].as_str().unwrap().contains(words),
            "{name}: {finding}"
        );
        assert!(
            finding["hint"].as_str().unwrap().contains(hint),
            "{name}: {finding}"
        );
    }
}

/// OpenSSL signs with SHA-256 whatever the key, and with much that no TLS peer knows.
#[test]
fn a_signature_that_cannot_be_verified_is_not_called_a_wrong_one() {
    let lab = Lab::new();
    for (kind, said) in [
        ("EC -pkeyopt ec_paramgen_curve:P-521", ""),
        (
            "EC -pkeyopt ec_paramgen_curve:secp256k1",
            ", which certbake cannot verify",
        ),
        (
            "RSA -pkeyopt rsa_keygen_bits:1024",
            ", which certbake cannot verify",
        ),
        ("ED448", ", which certbake cannot verify"),
    ] {
        lab.openssl(&format!("genpkey -algorithm {kind} -out odd.key"));
        lab.openssl("req -new -key odd.key -subj /CN=odd -out odd.csr");
        let shown = lab.inspect("odd.csr");
        let signature = shown.row("signature");
        let after = &signature[signature.find(',').unwrap_or(signature.len())..];
        assert_eq!(after, said, "{kind}: {}", shown.text);
    }
    lab.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out root.key");
    lab.openssl("req -x509 -new -key root.key -subj /CN=P521 -out root.pem");
    let shown = lab.inspect("root.pem");
    assert!(
        shown.row("item 1").starts_with("root certificate"),
        "{}",
        shown.text
    );
    let mut forged = lab.read("app.csr");
    let at = forged.len() - 60;
    forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
    lab.write("forged.csr", forged);
    let shown = lab.inspect("forged.csr");
    assert!(
        shown
            .row("signature")
            .ends_with("which does not prove its key"),
        "{}",
        shown.text
    );
}

#[test]
fn a_name_in_the_letters_of_an_older_time_is_shown() {
    let lab = Lab::new();
    lab.write(
        "old.cnf",
        "[req]\nprompt = no\nstring_mask = MASK:0x4\ndistinguished_name = dn\n[dn]\nO = Gr\u{f6}\u{df}e\nCN = old\n",
    );
    lab.openssl("req -x509 -new -key app.key -utf8 -config old.cnf -out old.pem");
    assert_eq!(
        lab.inspect("old.pem").row("subject"),
        "O=Gr\u{f6}\u{df}e, CN=old"
    );
}

#[test]
fn no_rows_of_numbers_are_taken_for_a_private_key() {
    let lab = Lab::new();
    lab.openssl("genrsa -out rsa.key 2048");
    lab.openssl("rsa -in rsa.key -RSAPublicKey_out -out rsapub.pem");
    lab.openssl("ts -query -data app.pem -out timestamp.tsq");
    lab.openssl("dgst -sha256 -sign app.key -out app.sig app.pem");
    for (name, words, hint) in [
        (
            "rsapub.pem",
            "an RSA public key in the old form",
            "openssl rsa -RSAPublicKey_in",
        ),
        ("timestamp.tsq", "nor a key", "openssl asn1parse"),
        ("app.sig", "nor a key", "openssl asn1parse"),
    ] {
        let shown = lab.inspect(&format!("{name} --report json"));
        let finding = &shown.json()["findings"][0];
        assert_eq!(shown.exit_code, 4, "{name}: {finding}");
        let text = |key: &str| finding[key].as_str().unwrap().to_owned();
        assert!(text("summary").contains(words), "{name}: {finding}");
        assert!(text("hint").contains(hint), "{name}: {finding}");
    }
}

#[test]
fn the_way_out_of_an_openssh_key_leads_out() {
    let lab = Lab::new();
    lab.tool("ssh-keygen", "-q -t ecdsa -N x1234 -f COPY");
    lab.tool("ssh-keygen", "-p -m PKCS8 -P x1234 -N x12345 -f COPY");
    assert_eq!(lab.inspect("COPY").row("item 1"), "private key, encrypted");
}

#[test]
fn a_missing_file_does_not_keep_the_others_from_being_shown() {
    let lab = Lab::new();
    let shown = lab.inspect("nosuch . app.pem");
    assert_eq!(shown.exit_code, 2);
    assert!(
        shown.text.contains("reading it: no such file or directory"),
        "{}",
        shown.text
    );
    assert!(
        shown.text.contains("reading it: is a directory"),
        "{}",
        shown.text
    );
    assert_eq!(shown.row("subject"), "O=Lab, CN=app-server");
}

#[test]
fn standard_input_is_read() {
    let lab = Lab::new();
    let shown = lab.inspect_with("-", &lab.read("app.pem"));
    assert_eq!(shown.exit_code, 0);
    assert_eq!(shown.row("standard input"), "PEM, 1 item");
}

#[test]
fn a_hostile_name_cannot_move_the_cursor() {
    let lab = Lab::new();
    lab.write("evil.cnf", "[req]\nprompt=no\ndistinguished_name=dn\nstring_mask=utf8only\nutf8=yes\n[dn]\nCN=\u{1b}[2Jgood\u{202e}live\n");
    lab.openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -config evil.cnf -utf8 -keyout evil.key -out evil.pem");
    for words in ["evil.pem", "evil.pem --report json"] {
        let shown = lab.inspect(words);
        assert!(
            shown.text.contains("good") && shown.text.contains("live"),
            "{}",
            shown.text
        );
        assert!(
            !shown.text.contains(['\u{1b}', '\u{202e}']),
            "{:?}",
            shown.text
        );
    }
}

#[test]
fn no_part_of_a_key_or_password_is_ever_shown() {
    let lab = Lab::new();
    lab.openssl("pkcs8 -topk8 -in app.key -passout env:PASSWORD -out encrypted.pem");
    lab.openssl("ec -in app.key -outform DER -out sec1.der");
    // RFC 5915: version, then the private key as an octet string of 32 octets.
    let scalar = &lab.read("sec1.der")[7..39];
    let pem = String::from_utf8(lab.read("app.key")).unwrap();
    let mut secrets = vec![PASSWORD.to_owned(), data_encoding::HEXLOWER.encode(scalar)];
    secrets.extend(
        pem.lines()
            .filter(|line| !line.starts_with("-----"))
            .map(str::to_owned),
    );
    for words in [
        "app.key encrypted.pem sec1.der --password env:PASSWORD",
        "app.key encrypted.pem sec1.der --password env:PASSWORD --report json",
    ] {
        let shown = lab.inspect(words).text;
        for secret in &secrets {
            assert!(!shown.contains(secret.as_str()), "{shown}");
        }
    }
}

#[test]
fn a_password_is_never_taken_from_the_command_line_itself() {
    let lab = Lab::new();
    let output = built::certbake()
        .args(["inspect", "app.pem", "--password", PASSWORD])
        .current_dir(lab.folder.path())
        .output()
        .unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        complaint.contains("a secret is never given itself"),
        "{complaint}"
    );
    assert!(!complaint.contains(PASSWORD), "{complaint}");
}

#[test]
fn the_published_schema_describes_what_is_written() {
    let lab = Lab::new();
    lab.join(&["app.key", "app.pem", "issuing.pem", "app.csr"], "all.pem");
    lab.openssl("pkcs12 -export -in all.pem -name app -passout env:PASSWORD -out store.p12");
    let schema: Value =
        serde_json::from_str(include_str!("../docs/schema/inspection.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for words in [
        "all.pem",
        "store.p12 --password env:PASSWORD",
        "store.p12",
        "nosuch",
    ] {
        let shown = lab.inspect(&format!("{words} --report json")).json();
        let errors: Vec<String> = validator
            .iter_errors(&shown)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{words}: {errors:?}");
    }
}
