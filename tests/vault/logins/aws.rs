//! By a request to AWS that Vault sends on.

use std::io::Write;

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::{bench, login};
use crate::support::contract::CANARY;

fn decoded(body: &Value, member: &str) -> String {
    let text = BASE64
        .decode(body[member].as_str().unwrap().as_bytes())
        .unwrap();
    String::from_utf8(text).unwrap()
}

fn secret(text: &str) -> (tempfile::NamedTempFile, String) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{text}").unwrap();
    let source = format!("file:{}", file.path().display());
    (file, source)
}

/// By OpenSSL, from the description of the algorithm.
fn hmac(key: &[u8], message: &str) -> Vec<u8> {
    use std::process::{Command, Stdio};
    let key = format!("hexkey:{}", data_encoding::HEXLOWER.encode(key));
    let mut openssl = Command::new("openssl")
        .args([
            "dgst", "-sha256", "-mac", "HMAC", "-macopt", &key, "-binary",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    openssl
        .stdin
        .take()
        .unwrap()
        .write_all(message.as_bytes())
        .unwrap();
    openssl.wait_with_output().unwrap().stdout
}

fn sha256(text: &str) -> String {
    certbake::pki::digest::sha256_hex(text.as_bytes())
}

#[test]
fn a_signed_request_that_aws_would_accept() {
    let (_key, key) = secret("AKIDEXAMPLE");
    let (_session, session) = secret("session-canary");
    let bench = bench(|source| {
        toml::toml! { method = "aws"
        role = "builder"
        region = "eu-central-1"
        server_id = "vault.lab"
        access_key_id = key
        secret_access_key = source
        session_token = session }
    });
    let (path, body) = login(&bench);
    assert_eq!(path, "/v1/auth/aws/login");
    assert_eq!(
        (&body["role"], &body["iam_http_request_method"]),
        (&json!("builder"), &json!("POST"))
    );
    let host = "sts.eu-central-1.amazonaws.com";
    assert_eq!(
        decoded(&body, "iam_request_url"),
        format!("https://{host}/")
    );
    let request = decoded(&body, "iam_request_body");
    assert_eq!(request, "Action=GetCallerIdentity&Version=2011-06-15");
    let headers: Value = serde_json::from_str(&decoded(&body, "iam_request_headers")).unwrap();
    let header = |name: &str| headers[name][0].as_str().unwrap();
    assert_eq!(header("X-Vault-Aws-Iam-Server-Id"), "vault.lab");

    let at = header("X-Amz-Date");
    let day = &at[..8];
    let scope = format!("{day}/eu-central-1/sts/aws4_request");
    let names = "content-type;host;x-amz-date;x-amz-security-token;x-vault-aws-iam-server-id";
    let canonical = format!(
        "POST\n/\n\ncontent-type:{}\nhost:{host}\nx-amz-date:{at}\nx-amz-security-token:session-canary\n\
         x-vault-aws-iam-server-id:vault.lab\n\n{names}\n{}",
        header("Content-Type"),
        sha256(&request)
    );
    let to_sign = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{}", sha256(&canonical));
    let mut key = format!("AWS4{CANARY}").into_bytes();
    for part in [day, "eu-central-1", "sts", "aws4_request"] {
        key = hmac(&key, part);
    }
    let signature = data_encoding::HEXLOWER.encode(&hmac(&key, &to_sign));
    assert_eq!(
        header("Authorization"),
        format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}, SignedHeaders={names}, Signature={signature}"
        )
    );
    // The key itself stays here.
    assert!(!headers.to_string().contains(CANARY));
}

#[test]
fn without_keys_it_says_which_variable_is_missing() {
    let bench = bench(|_| toml::toml! { method = "aws" });
    let finding = bench.issue().unwrap_err().into_finding();
    assert_eq!(finding.code.as_str(), "secret-unreadable");
    assert!(
        finding.summary.contains("AWS_ACCESS_KEY_ID"),
        "{}",
        finding.summary
    );
}
