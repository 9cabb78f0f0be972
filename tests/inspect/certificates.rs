//! Certificates and their chains: dates, names, fingerprints, forms.

use crate::support::Lab;

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
fn a_chain_in_the_wrong_order_is_said_with_the_right_one() {
    let lab = Lab::new();
    lab.join(&["issuing.pem", "app.pem"], "wrong.pem");
    let shown = lab.inspect("wrong.pem");
    assert!(
        shown
            .row("warning")
            .starts_with("its certificates are not in order"),
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
fn a_root_that_openssl_is_told_to_reject_is_not_shown_as_trusted() {
    let lab = Lab::new();
    for (mark, trusted) in [
        ("-addtrust clientAuth", true),
        ("-addreject clientAuth", false),
    ] {
        lab.openssl(&format!(
            "x509 -in root.pem -trustout {mark} -out marked.pem"
        ));
        let shown = lab.inspect("marked.pem");
        let title = shown.row("item 1");
        assert_eq!(title.ends_with(", marked as trusted"), trusted, "{title}");
    }
}
