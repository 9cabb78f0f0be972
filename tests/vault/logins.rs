//! Every login: what is sent, once or again, and what is done with the token afterwards.

use certbake::authority::AuthorityError;
use certbake::finding::Finding;
use serde_json::{Value, json};

use crate::fake::{Bench, Vault, answer, body, errors, logged_in, signed, with};
use crate::support::contract::{CANARY, PATIENCE, Protocol, open, order};
use crate::support::{Asked, FakeServer, Lab, Reply};

const TOKEN: &str = "hvs.canary-of-the-login";

/// A fake whose `auth/<mount>/login…` accepts everybody, with this `auth` table.
fn bench(auth: impl FnOnce(&str) -> toml::Table) -> Bench {
    scripted(auth, |_| None)
}

fn scripted(
    auth: impl FnOnce(&str) -> toml::Table,
    mut script: impl FnMut(&Asked) -> Option<Reply> + Send + 'static,
) -> Bench {
    Bench::with(
        |table, source| {
            table.insert("auth".into(), auth(source).into());
        },
        move |_, asked| {
            script(asked).or_else(|| match asked.path.as_str() {
                path if path.starts_with("/v1/auth/") && path.contains("/login") => {
                    Some(logged_in(TOKEN))
                }
                "/v1/auth/token/revoke-self" => Some(Reply::status(204)),
                _ => None,
            })
        },
    )
}

/// Path and body of the login; the order after it carries the token.
fn login(bench: &Bench) -> (String, Value) {
    bench.issue().unwrap();
    let asked = bench.server.asked();
    let login = asked.iter().find(|it| it.path.contains("/login")).unwrap();
    assert_eq!(login.header("x-vault-token"), None);
    assert_eq!(asked.last().unwrap().header("x-vault-token"), Some(TOKEN));
    (login.path.clone(), body(login))
}

#[test]
fn jwt() {
    let bench = bench(|source| {
        toml::toml! { method = "jwt"
        mount = "gitlab"
        role = "builder"
        jwt = source }
    });
    let expected = json!({ "jwt": CANARY, "role": "builder" });
    assert_eq!(
        login(&bench),
        ("/v1/auth/gitlab/login".to_owned(), expected)
    );
}

#[test]
fn userpass_and_whatever_else_takes_a_password() {
    let bench = bench(|source| {
        toml::toml! { method = "userpass"
        mount = "ldap"
        username = "b@lab"
        password = source }
    });
    let expected = json!({ "password": CANARY });
    assert_eq!(
        login(&bench),
        ("/v1/auth/ldap/login/b@lab".to_owned(), expected)
    );
}

#[test]
fn kubernetes_by_the_file_that_the_pod_has() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{CANARY}\n")).unwrap();
    // As kubelet projects it.
    std::fs::set_permissions(
        file.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o644),
    )
    .unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    let bench = bench(|_| {
        toml::toml! { method = "kubernetes"
        role = "builder"
        token_file = path }
    });
    let expected = json!({ "jwt": CANARY, "role": "builder" });
    assert_eq!(
        login(&bench),
        ("/v1/auth/kubernetes/login".to_owned(), expected)
    );
}

#[test]
fn kubernetes_outside_a_pod_says_so() {
    let bench = bench(|_| {
        toml::toml! { method = "kubernetes"
        role = "builder" }
    });
    let error = bench.issue().unwrap_err();
    assert!(matches!(error, AuthorityError::Settings(_)), "{error}");
    assert!(
        error
            .to_string()
            .contains("/var/run/secrets/kubernetes.io/serviceaccount/token"),
        "{error}"
    );
    assert!(bench.asked().is_empty());
}

#[test]
fn cert_shows_the_client_certificate() {
    use std::os::unix::fs::PermissionsExt;
    let lab = Lab::new("Lab");
    let serving = lab.clone();
    let server = FakeServer::mtls(&lab.server(), &lab.anchors(), move |asked| {
        match Vault.ordered(asked) {
            Some(request) => Vault.issued(&[serving.sign(&request), serving.issuing()]),
            None if asked.path == "/v1/auth/cert/login" => logged_in(TOKEN),
            None => Reply::status(404),
        }
    });
    let builder = lab.client("builder");
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut text: String = builder
        .chain
        .iter()
        .map(|der| certbake::pki::pem::encode("CERTIFICATE", der))
        .collect();
    text += &certbake::pki::pem::encode("PRIVATE KEY", &builder.key);
    std::fs::write(file.path(), text).unwrap();
    std::fs::set_permissions(file.path(), PermissionsExt::from_mode(0o600)).unwrap();
    let (url, path) = (server.origin(), file.path().to_str().unwrap());
    // Nothing but a certificate is given, so that is the login.
    let table = toml::toml! {
        url = url
        role = "app"
        client_certificate = path
    };
    let opened = open("vault", table, &lab.anchors());
    opened.authority.issue(&order(PATIENCE).1).unwrap();
    let asked = server.asked();
    assert_eq!(body(&asked[0]), json!({}));
    assert_eq!(
        asked[0].client_certificate.as_ref(),
        Some(&builder.chain[0])
    );
    assert_eq!(asked[1].header("x-vault-token"), Some(TOKEN));
}

mod aws {
    use super::*;
    use data_encoding::BASE64;
    use std::io::Write;

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
}

mod approle {
    use super::*;

    fn auth(source: &str) -> toml::Table {
        toml::toml! { method = "approle"
        role_id = "app-role"
        secret_id_wrapped = source }
    }

    fn lookup(path: &str) -> Reply {
        answer(
            json!({ "creation_path": path, "creation_ttl": 300, "creation_time": "2026-11-25T00:00:00Z" }),
        )
    }

    /// The wrapping token, as Vault keeps it: unwrapped once.
    fn wrapping(asked: &Asked, left: &mut u32) -> Option<Reply> {
        let gone = || errors(400, &["wrapping token is not valid or does not exist"]);
        match asked.path.as_str() {
            "/v1/sys/wrapping/lookup" if *left == 0 => Some(gone()),
            "/v1/sys/wrapping/lookup" => {
                assert_eq!(body(asked)["token"], CANARY);
                Some(lookup("auth/approle/role/builder/secret-id"))
            }
            "/v1/sys/wrapping/unwrap" if *left == 0 => Some(gone()),
            "/v1/sys/wrapping/unwrap" => {
                *left -= 1;
                assert_eq!(asked.header("x-vault-token"), Some(CANARY));
                Some(answer(
                    json!({ "secret_id": "secret-id-canary", "secret_id_accessor": "a" }),
                ))
            }
            _ => None,
        }
    }

    #[test]
    fn a_secret_id_as_it_is() {
        let bench = bench(|source| {
            toml::toml! { method = "approle"
            role_id = source
            secret_id = source }
        });
        let expected = json!({ "role_id": CANARY, "secret_id": CANARY });
        assert_eq!(
            login(&bench),
            ("/v1/auth/approle/login".to_owned(), expected)
        );
    }

    #[test]
    fn a_wrapped_secret_id_is_unwrapped_once_whatever_is_tried_again() {
        let (mut left, mut logins) = (1, 0);
        let bench = scripted(auth, move |asked| {
            if asked.path == "/v1/auth/approle/login" {
                logins += 1;
                if logins == 1 {
                    return Some(errors(503, &["try again"]));
                }
                if logins == 2 {
                    return Some(errors(500, &["fault"]));
                }
            }
            wrapping(asked, &mut left)
        });
        let (_, body) = login(&bench);
        assert_eq!(
            body,
            json!({ "role_id": "app-role", "secret_id": "secret-id-canary" })
        );
        bench.issue().unwrap();
        let count = |path: &str| bench.asked().iter().filter(|it| it.ends_with(path)).count();
        assert_eq!((count("/unwrap"), count("/approle/login")), (1, 3));
    }

    #[test]
    fn a_failed_login_does_not_unwrap_again() {
        let mut left = 1;
        let bench = scripted(auth, move |asked| match asked.path.as_str() {
            "/v1/auth/approle/login" => Some(errors(400, &["invalid role or secret ID"])),
            _ => wrapping(asked, &mut left),
        });
        for _ in 0..2 {
            let finding = bench.refused();
            assert_eq!(finding.code.as_str(), "ca-login-refused");
            assert!(
                finding.hint.contains("secret_id_num_uses"),
                "{}",
                finding.hint
            );
        }
        let unwraps = bench
            .asked()
            .iter()
            .filter(|it| it.ends_with("/unwrap"))
            .count();
        assert_eq!(unwraps, 1);
    }

    fn stolen(finding: &Finding) {
        assert_eq!(finding.code.as_str(), "vault-secret-id-already-unwrapped");
        assert!(
            finding.summary.contains("somebody else"),
            "{}",
            finding.summary
        );
        assert!(finding.hint.contains("stolen"), "{}", finding.hint);
    }

    #[test]
    fn one_that_somebody_else_unwrapped_is_a_loud_refusal() {
        let mut left = 0;
        let bench = scripted(auth, move |asked| wrapping(asked, &mut left));
        stolen(&bench.refused());
        assert_eq!(bench.asked(), ["POST /v1/sys/wrapping/lookup"]);
    }

    /// Between our look and our unwrapping.
    #[test]
    fn one_that_is_unwrapped_under_our_hands_too() {
        let bench = scripted(auth, |asked| match asked.path.as_str() {
            "/v1/sys/wrapping/lookup" => Some(lookup("auth/approle/role/builder/secret-id")),
            "/v1/sys/wrapping/unwrap" => Some(errors(
                400,
                &["wrapping token is not valid or does not exist"],
            )),
            _ => None,
        });
        stolen(&bench.refused());
        stolen(&bench.refused());
        let unwraps = bench
            .asked()
            .iter()
            .filter(|it| it.ends_with("/unwrap"))
            .count();
        assert_eq!(unwraps, 1);
    }

    #[test]
    fn an_unwrapping_whose_answer_is_lost_is_not_repeated() {
        for reply in [
            Reply::Close,
            errors(503, &["maintenance"]),
            errors(500, &["fault"]),
        ] {
            let bench = scripted(auth, move |asked| match asked.path.as_str() {
                "/v1/sys/wrapping/unwrap" => Some(reply.clone()),
                "/v1/sys/wrapping/lookup" => Some(lookup("auth/approle/role/builder/secret-id")),
                _ => None,
            });
            bench.unreachable(PATIENCE);
            let unwraps = bench
                .asked()
                .iter()
                .filter(|it| it.ends_with("/unwrap"))
                .count();
            assert_eq!(unwraps, 1);
        }
    }

    #[test]
    fn one_that_was_unwrapped_and_wrapped_again_is_not_used() {
        let bench = scripted(auth, |asked| {
            (asked.path == "/v1/sys/wrapping/lookup").then(|| lookup("sys/wrapping/wrap"))
        });
        let finding = bench.refused();
        assert_eq!(finding.code.as_str(), "vault-secret-id-wrapped-elsewhere");
        assert_eq!(bench.asked(), ["POST /v1/sys/wrapping/lookup"]);
        // Where that is how it is meant, it is said.
        let mut left = 1;
        let bench = scripted(
            |source| {
                let mut auth = auth(source);
                auth.insert("secret_id_wrapped_at".into(), "sys/wrapping/wrap".into());
                auth
            },
            move |asked| match asked.path.as_str() {
                "/v1/sys/wrapping/lookup" => Some(lookup("sys/wrapping/wrap")),
                _ => wrapping(asked, &mut left),
            },
        );
        login(&bench);
    }
}

#[test]
fn a_refused_login_is_told_in_vaults_words_and_with_what_the_method_knows() {
    for (status, words, hint) in [
        (
            400,
            "invalid username or password",
            "the user name or the password is wrong",
        ),
        (
            403,
            "permission denied",
            "check auth.mount (now \"userpass\")",
        ),
        (404, "no handler for route", "auth list"),
    ] {
        let bench = scripted(
            |source| {
                toml::toml! { method = "userpass"
                username = "builder"
                password = source }
            },
            move |asked| {
                asked
                    .path
                    .contains("/login")
                    .then(|| errors(status, &[words, CANARY]))
            },
        );
        let finding = bench.refused();
        assert_eq!(finding.code.as_str(), "ca-login-refused");
        assert!(finding.summary.contains(words), "{}", finding.summary);
        assert!(finding.hint.contains(hint), "{}", finding.hint);
        assert!(!format!("{finding:?}").contains(CANARY));
        assert_eq!(bench.asked().len(), 1);
    }
}

#[test]
fn a_jwt_that_is_refused_is_shown_by_its_claims() {
    let payload =
        data_encoding::BASE64URL_NOPAD.encode(br#"{"iss":"https://ci.lab","aud":"other"}"#);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("e30.{payload}.c2ln")).unwrap();
    let source = format!("file:{}", file.path().display());
    let bench = scripted(
        |_| {
            toml::toml! { method = "jwt"
            jwt = source }
        },
        |asked| {
            asked
                .path
                .contains("/login")
                .then(|| errors(400, &["invalid audience"]))
        },
    );
    let finding = bench.refused();
    assert!(
        finding.hint.contains("iss https://ci.lab, aud other"),
        "{}",
        finding.hint
    );
}

#[test]
fn a_login_that_wants_a_second_factor_or_gives_no_token_ends_there() {
    for (auth, refused) in [
        (
            json!({ "client_token": "", "mfa_requirement": { "mfa_request_id": "x" } }),
            true,
        ),
        (json!({ "client_token": "" }), false),
        (json!(null), false),
    ] {
        let bench = scripted(
            |source| {
                toml::toml! { method = "jwt"
                jwt = source }
            },
            move |asked| {
                asked
                    .path
                    .contains("/login")
                    .then(|| with(json!({ "auth": auth })))
            },
        );
        let error = bench.issue().unwrap_err();
        assert_eq!(
            matches!(error, AuthorityError::Refused(_)),
            refused,
            "{error}"
        );
        assert_eq!(bench.asked().len(), 1);
    }
}

mod afterwards {
    use super::*;

    const REVOKE: &str = "POST /v1/auth/token/revoke-self";

    fn jwt(script: impl FnMut(&Asked) -> Option<Reply> + Send + 'static) -> Bench {
        scripted(
            |source| {
                toml::toml! { method = "jwt"
                jwt = source }
            },
            script,
        )
    }

    #[test]
    fn the_token_of_a_login_is_given_back_once() {
        let bench = jwt(|_| None);
        bench.issue().unwrap();
        bench.issue().unwrap();
        assert_eq!(bench.finish(), []);
        assert_eq!(bench.finish(), []);
        let asked = bench.server.asked();
        assert_eq!(bench.asked()[3..], [REVOKE]);
        assert_eq!(asked[3].header("x-vault-token"), Some(TOKEN));
    }

    #[test]
    fn a_token_that_was_given_is_left_alone_and_so_is_a_login_that_never_was() {
        let given = Bench::new(|_, _| None);
        given.issue().unwrap();
        assert_eq!(given.finish(), []);
        assert_eq!(given.asked(), ["POST /v1/pki/sign/app"]);
        let unused = jwt(|_| None);
        assert_eq!(unused.finish(), []);
        assert!(unused.asked().is_empty());
    }

    #[test]
    fn a_token_that_a_certificate_hangs_on_is_kept_and_said_to_be() {
        let lab = Lab::new("Elsewhere");
        let bench = jwt(move |asked| {
            let request = Vault.ordered(asked)?;
            Some(with(json!({
                "lease_id": "pki/sign/app/x7",
                "data": signed(&[lab.sign(&request), lab.issuing()]),
            })))
        });
        let issued = bench.issue().unwrap();
        assert_eq!(
            issued.findings[0].code.as_str(),
            "vault-certificate-on-lease"
        );
        let findings = bench.finish();
        assert_eq!(findings[0].code.as_str(), "vault-token-kept");
        assert_eq!(findings[0].severity.as_str(), "note");
        assert!(findings[0].hint.contains("generate_lease"));
        assert!(!bench.asked().contains(&REVOKE.to_owned()));
    }

    #[test]
    fn a_token_that_cannot_be_given_back_is_a_warning() {
        for (reply, words) in [
            (errors(403, &["permission denied"]), "permission denied"),
            (Reply::Close, "closed the connection"),
        ] {
            let bench = jwt(move |asked| asked.path.contains("revoke-self").then(|| reply.clone()));
            bench.issue().unwrap();
            let findings = bench.finish();
            assert_eq!(findings[0].code.as_str(), "vault-token-kept");
            assert_eq!(findings[0].severity.as_str(), "warning");
            assert!(
                findings[0].summary.contains(words),
                "{}",
                findings[0].summary
            );
            assert_eq!(findings[0].facts["ends_in_seconds"], 600);
        }
    }

    #[test]
    fn batch_tokens_end_by_themselves() {
        let bench = jwt(|asked| {
            asked
                .path
                .contains("/login")
                .then(|| with(json!({ "auth": { "client_token": "b", "token_type": "batch" } })))
        });
        bench.issue().unwrap();
        assert_eq!(bench.finish(), []);
        assert!(!bench.asked().contains(&REVOKE.to_owned()));
    }
}
