//! What is no certificate, request, list or key, called by its name.

use data_encoding::BASE64;

use crate::support::{Lab, Shown};

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
        "encrypted with PEM headers",
        "openssl pkcs8 -topk8",
    ),
    (
        "old.jks",
        "a Java key store in the old format (JKS)",
        "keytool -importkeystore",
    ),
    (
        "cut.der",
        "a DER file truncated after 200 bytes",
        "in binary mode",
    ),
    (
        "indented.yaml",
        "do not start at the beginning of a line",
        "remove the spaces",
    ),
    ("utf16.pem", "UTF-16", "iconv"),
    (
        "cut.pem",
        "PEM block 1: it has a BEGIN line but no END line",
        "from BEGIN to END",
    ),
    ("variable.pem", "its line breaks are lost", "printf '%s"),
    ("escaped.pem", "its line breaks are lost", "printf '%b'"),
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
        "a PKCS#12 key store without certificates or private keys",
        "",
    ),
    ("login.html", "an HTML page", "curl --fail"),
    ("answer.json", "JSON", "jq -r"),
    ("empty", "it is empty", ""),
    (
        "noise",
        "4 bytes in a format that certbake does not know",
        "",
    ),
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

/// The command in a hint, which stands between these words, run in the folder.
fn follow(lab: &Lab, shown: &Shown, after: &str, before: &str) {
    let hint = shown.json()["findings"][0]["hint"]
        .as_str()
        .unwrap()
        .to_owned();
    let (_, command) = hint.split_once(after).unwrap();
    let command = command.split(before).next().unwrap();
    let command = command
        .replace("FILE", "in")
        .replace("-out", "-passin env:PASSWORD -passout env:PASSWORD -out");
    lab.write("follow.sh", command);
    lab.tool("sh", "-e follow.sh");
}

#[test]
fn the_way_out_of_an_ed25519_key_of_openssh_leads_out() {
    let lab = Lab::new();
    lab.tool("ssh-keygen", "-q -t ed25519 -N x1234 -f key");
    lab.join(&["key.pub"], "in");
    let shown = lab.inspect("in --report json");
    follow(&lab, &shown, "this does: ", "\n");
    assert_eq!(lab.inspect("NEW.der").row("key"), "Ed25519");
    // The same key in the words of OpenSSH: the 32 bytes at its end.
    let own = String::from_utf8(lab.read("in")).unwrap();
    let own = BASE64
        .decode(own.split(' ').nth(1).unwrap().as_bytes())
        .unwrap();
    assert!(own.ends_with(&lab.read("NEW.der")[12..]));
}

#[test]
fn the_way_out_of_an_old_encryption_leads_out() {
    let lab = Lab::new();
    lab.openssl("pkcs8 -topk8 -v1 PBE-MD5-DES -provider legacy -provider default -in app.key -passout env:PASSWORD -out in");
    let shown = lab.inspect("in --password env:PASSWORD --report json");
    assert_eq!(shown.exit_code, 4);
    follow(&lab, &shown, "", " rewrites it");
    let shown = lab.inspect("NEW --password env:PASSWORD");
    assert_eq!(
        shown.row("item 1"),
        "private key, ECDSA P-256, was encrypted"
    );
}

#[test]
fn the_way_out_of_an_openssh_key_leads_out() {
    let lab = Lab::new();
    lab.tool("ssh-keygen", "-q -t ecdsa -N x1234 -f COPY");
    lab.tool("ssh-keygen", "-p -m PKCS8 -P x1234 -N x12345 -f COPY");
    assert_eq!(lab.inspect("COPY").row("item 1"), "private key, encrypted");
}
