//! Private keys and key stores.

use crate::support::Lab;

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
fn keys_of_kinds_that_are_not_used_are_named_all_the_same() {
    let lab = Lab::new();
    for (kind, name) in [
        ("-algorithm ED448", "Ed448"),
        ("-algorithm X25519", "X25519"),
        ("-algorithm X448", "X448"),
        ("-algorithm RSA-PSS", "RSA-PSS"),
        ("-algorithm RSA -pkeyopt rsa_keygen_bits:1024", "RSA 1024"),
        (
            "-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1",
            "ECDSA secp256k1",
        ),
        (
            "-algorithm EC -pkeyopt ec_paramgen_curve:brainpoolP256r1",
            "ECDSA brainpoolP256r1",
        ),
        (
            "-algorithm EC -pkeyopt ec_paramgen_curve:brainpoolP384r1",
            "ECDSA brainpoolP384r1",
        ),
        (
            "-algorithm EC -pkeyopt ec_paramgen_curve:brainpoolP512r1",
            "ECDSA brainpoolP512r1",
        ),
        (
            "-algorithm EC -pkeyopt ec_paramgen_curve:secp224r1",
            "ECDSA 1.3.132.0.33",
        ),
    ] {
        lab.openssl(&format!("genpkey {kind} -out other.key"));
        let shown = lab.inspect("other.key");
        let title = format!("private key, {name}, which certbake cannot use");
        assert_eq!((shown.exit_code, shown.row("item 1")), (0, title.as_str()));
        lab.openssl("pkey -in other.key -pubout -out other.pub");
        assert_eq!(lab.inspect("other.pub").row("key"), name);
    }
    // OpenSSL's old form of a DSA key.
    let old = "-----BEGIN DSA PRIVATE KEY-----\nMAA=\n-----END DSA PRIVATE KEY-----\n";
    lab.write("dsa.key", old);
    let shown = lab.inspect("dsa.key");
    let title = "private key, DSA, which certbake cannot use";
    assert_eq!((shown.exit_code, shown.row("item 1")), (0, title));
    for (kind, key, signature) in [
        ("ed448", "Ed448", "Ed448"),
        ("rsa-pss", "RSA-PSS", "RSASSA-PSS"),
        (
            "ec -pkeyopt ec_paramgen_curve:secp256k1",
            "ECDSA secp256k1",
            "ecdsa-with-SHA256",
        ),
    ] {
        lab.openssl(&format!(
            "req -x509 -newkey {kind} -nodes -keyout k -out c.pem -subj /CN=x"
        ));
        let shown = lab.inspect("c.pem --report json").json();
        let item = &shown["files"][0]["items"][0];
        assert_eq!(
            (&item["key"], &item["signature"]),
            (&key.into(), &signature.into())
        );
    }
}

#[test]
fn an_encrypted_key_without_a_password_says_how_to_give_one_and_shows_the_rest() {
    let lab = Lab::new();
    lab.openssl("pkcs8 -topk8 -in app.key -passout env:PASSWORD -out encrypted.pem");
    lab.join(&["app.pem", "encrypted.pem"], "both.pem");
    let shown = lab.inspect("both.pem");
    assert_eq!(shown.row("item 2"), "private key, encrypted");
    assert_eq!(shown.row("note"), "its private key is encrypted");
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
            (2, "it is a PKCS#12 key store with a password")
        );
        let wrong = lab.inspect(&format!("{store} --password env:OTHER"));
        assert_eq!(
            (wrong.exit_code, wrong.row("error")),
            (4, "the password does not open the key store")
        );
    }
}

#[test]
fn a_key_that_lies_open_in_a_key_store_is_not_said_to_have_been_encrypted() {
    let lab = Lab::new();
    lab.join(&["app.key", "app.pem"], "all.pem");
    for (options, password) in [
        ("-keypbe NONE -certpbe NONE -nomac -passout pass:", ""),
        (
            "-keypbe NONE -passout env:PASSWORD",
            " --password env:PASSWORD",
        ),
        // Encrypted under nothing.
        ("-passout pass:", ""),
    ] {
        lab.openssl(&format!(
            "pkcs12 -export -in all.pem {options} -out open.p12"
        ));
        let shown = lab.inspect(&format!("open.p12{password}"));
        assert_eq!(shown.row("item 1"), "private key, ECDSA P-256", "{options}");
    }
}
