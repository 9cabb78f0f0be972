//! Requests, revocation lists, and signatures that nobody can verify.

use crate::support::Lab;

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
            .ends_with("which does not match its key"),
        "{}",
        shown.text
    );
}
