//! Requests of others: what is copied, left out and refused.

use certbake::pki::ReceivedRequest;

use crate::support::{
    TERMS, assert_leads_to_root, codes, key, new_ca, openssl, openssl_request, received, request,
};

#[test]
fn what_this_ca_never_certifies_is_refused_in_words() {
    let above = tempfile::tempdir().unwrap();
    let ca = new_ca(&above);
    for (arguments, reason) in [
        (
            &["-subj", "/CN=a", "-addext", "basicConstraints=CA:TRUE"][..],
            "the request asks for a CA certificate, and this CA issues for clients and servers only",
        ),
        (
            &["-subj", "/CN=a", "-addext", "keyUsage=keyCertSign"],
            "the request asks for a CA certificate, and this CA issues for clients and servers only",
        ),
        (
            &["-subj", "/CN=a", "-addext", "extendedKeyUsage=codeSigning"],
            "the request asks for codeSigning, and this CA certifies clientAuth and serverAuth only",
        ),
        (
            &["-subj", "/"],
            "the request has no name: neither a subject nor a subject alternative name",
        ),
    ] {
        let error = ca.issue(&received(&openssl_request(arguments)), &TERMS);
        assert_eq!(error.unwrap_err().to_string(), reason, "{arguments:?}");
    }
    assert!(ca.log().read().unwrap().entries.is_empty());
}

#[test]
fn a_request_that_cannot_be_copied_faithfully_is_refused_in_words() {
    for (arguments, reason) in [
        (
            &["-subj", "/OU=a/OU=b/CN=c"][..],
            "its subject cannot be used: OU is given twice; name each attribute once",
        ),
        (
            &["-multivalue-rdn", "-subj", "/O=a+CN=b"],
            "its subject cannot be used: an element of it has not exactly one attribute",
        ),
        (
            &["-subj", "/CN=a", "-addext", "subjectAltName=DNS:a b"],
            "\"a b\" cannot be a subject alternative name: it is not a valid DNS name; use letters, digits, hyphens and underscores between single dots, no hyphen first or last",
        ),
        (
            &["-subj", "/CN=a", "-addext", "subjectAltName=DNS:10.0.0.7"],
            "\"10.0.0.7\" cannot be a subject alternative name: it is not a valid DNS name; give an address as an ip name, without brackets",
        ),
        (
            &[
                "-subj",
                "/CN=a",
                "-addext",
                "subjectAltName=URI:spiffe://lab/../admin",
            ],
            "\"spiffe://lab/../admin\" cannot be a subject alternative name: it is not a valid SPIFFE ID; write spiffe://TRUST-DOMAIN/PATH: the trust domain in lower case, without user and port; the path of letters, digits, dots, hyphens and underscores, without a final slash; one ID only",
        ),
        (
            &["-subj", "/CN=a", "-addext", "subjectAltName=RID:1.2.3"],
            "\"RegisteredID(1.2.3)\" cannot be a subject alternative name; DNS, IP, URI and email names can",
        ),
    ] {
        let error = ReceivedRequest::from_der(&openssl_request(arguments)).unwrap_err();
        assert_eq!(error.to_string(), reason, "{arguments:?}");
    }
    let short = openssl(&["-newkey", "rsa:1024", "-subj", "/CN=a"]);
    assert_eq!(
        ReceivedRequest::from_der(&short).unwrap_err().to_string(),
        "its public key is RSA 1024; ECDSA P-256 or P-384, Ed25519, or RSA of 2048 bits and more is needed"
    );
}

#[test]
fn extensions_that_this_ca_does_not_know_are_left_out_and_said() {
    let above = tempfile::tempdir().unwrap();
    let ca = new_ca(&above);
    let der = openssl_request(&[
        "-subj",
        "/CN=app",
        "-addext",
        "subjectKeyIdentifier=hash",
        "-addext",
        "extendedKeyUsage=clientAuth,emailProtection",
        "-addext",
        "1.2.3.4.5=critical,ASN1:UTF8String:what",
    ]);
    let granted = ca.issue(&received(&der), &TERMS).unwrap();
    assert_eq!(codes(&granted.findings), ["request-partly-granted"]);
    assert_eq!(
        granted.findings[0].facts["left_out"],
        serde_json::json!(["emailProtection", "2.5.29.14", "1.2.3.4.5"])
    );
    let usage = &granted.certificate.facts().extended_key_usage;
    assert_eq!(usage.as_deref().unwrap(), ["clientAuth"]);
    assert_leads_to_root(&granted.certificate, &ca);
}

#[test]
fn no_damage_to_a_request_changes_what_is_granted_or_ends_the_program() {
    let whole = request(&key()).der().to_vec();
    let meant = received(&whole);
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << bit;
            // A few bits of the wrapping are not covered by the signature, and mean nothing.
            if let Ok(read) = ReceivedRequest::from_der(&damaged) {
                assert_eq!(read.subject_der, meant.subject_der, "{at}, {bit}");
                assert_eq!(read.names, meant.names, "{at}, {bit}");
                assert_eq!(read.spki, meant.spki, "{at}, {bit}");
            }
        }
        assert!(ReceivedRequest::from_der(&whole[..at]).is_err(), "{at}");
    }
}
