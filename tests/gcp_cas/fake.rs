//! The service as the fake speaks it, held to the published proto.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use certbake::authority::Opened;
use certbake::pki::pem;
use serde_json::{Value, json};

use crate::support::contract::{Protocol, lab_with as on_server};
use crate::support::{Asked, FakeServer, Lab, Reply};

pub const POOL: &str = "/v1/projects/images/locations/europe-west1/caPools/builders";

/// The service as the fake speaks it.
pub struct Cas;

impl Protocol for Cas {
    fn kind(&self) -> &'static str {
        "gcp-cas"
    }

    fn settings(&self, server: &FakeServer, credential: &str) -> toml::Table {
        let url = server.origin();
        toml::toml! {
            url = url
            project = "images"
            location = "europe-west1"
            pool = "builders"
            access_token = credential
        }
    }

    fn ordered(&self, asked: &Asked) -> Option<Vec<u8>> {
        let (path, query) = target(asked);
        if path != format!("{POOL}/certificates") || asked.method != "POST" {
            return None;
        }
        if query.iter().any(|(name, _)| name == "validateOnly") {
            return None;
        }
        let body: Value = serde_json::from_slice(&asked.body).unwrap();
        match pem::decode(body["pemCsr"].as_str()?.as_bytes())
            .ok()?
            .pop()?
        {
            pem::Block::Request(der) => Some(der),
            _ => None,
        }
    }

    fn aside(&self, lab: &Lab, asked: &Asked) -> Reply {
        if let Err(reply) = by_the_proto(asked) {
            return reply;
        }
        let (path, query) = target(asked);
        let pem = |der: Vec<u8>| pem::encode("CERTIFICATE", &der);
        match path.strip_prefix(POOL) {
            Some(":fetchCaCerts") => answer(&json!({
                "caCerts": [{"certificates": [pem(lab.issuing()), pem(lab.root())]}],
            })),
            Some("/certificates") if asked.method == "POST" => {
                assert!(query.contains(&("validateOnly".to_owned(), "true".to_owned())));
                answer(&json!({ "lifetime": "3600s" }))
            }
            Some("") => answer(&json!({ "name": &POOL[4..], "tier": "ENTERPRISE" })),
            _ => failure(404, "NOT_FOUND", "not found"),
        }
    }

    fn issued(&self, certificates: &[Vec<u8>]) -> Reply {
        let pem: Vec<String> = certificates
            .iter()
            .map(|der| pem::encode("CERTIFICATE", der))
            .collect();
        answer(&json!({
            "name": format!("{}/certificates/app-1", &POOL[4..]),
            "issuerCertificateAuthority": format!("{}/certificateAuthorities/one", &POOL[4..]),
            "pemCertificate": pem[0],
            "pemCertificateChain": pem[1..],
        }))
    }

    fn refusal(&self, status: u16, words: &str) -> Reply {
        let name = if status == 401 {
            "UNAUTHENTICATED"
        } else {
            "PERMISSION_DENIED"
        };
        failure(status, name, words)
    }

    /// By its `requestId`.
    fn repeats_a_lost_order(&self) -> bool {
        true
    }
}

pub fn target(asked: &Asked) -> (String, Vec<(String, String)>) {
    let url = url::Url::parse(&format!("https://cas{}", asked.path)).unwrap();
    (
        url.path().to_owned(),
        url.query_pairs().into_owned().collect(),
    )
}

pub fn parameter(asked: &Asked, name: &str) -> Option<String> {
    let (_, query) = target(asked);
    query
        .into_iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value)
}

pub fn answer(body: &Value) -> Reply {
    Reply::ok(body.to_string()).header("content-type", "application/json; charset=UTF-8")
}

pub fn failure(status: u16, name: &str, message: &str) -> Reply {
    failure_with(status, name, message, &json!([]))
}

pub fn failure_with(status: u16, name: &str, message: &str, details: &Value) -> Reply {
    let error = json!({"code": status, "message": message, "status": name, "details": details});
    Reply::status(status)
        .header("content-type", "application/json; charset=UTF-8")
        .body(json!({ "error": error }).to_string())
}

/// The methods of the proto that are asked: verb and path below the pool, parameters beside the path,
/// members of the body, those that are required.
pub type Method = (
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
    &'static [&'static str],
);

pub const METHODS: &[Method] = &[
    (
        "POST",
        "/certificates",
        &[
            "certificateId",
            "requestId",
            "validateOnly",
            "issuingCertificateAuthorityId",
        ],
        &[
            "name",
            "pemCsr",
            "config",
            "lifetime",
            "certificateTemplate",
            "subjectMode",
            "labels",
        ],
        &["lifetime"],
    ),
    (
        "GET",
        "/certificates",
        &["pageSize", "pageToken", "filter", "orderBy"],
        &[],
        &[],
    ),
    (
        "POST",
        "/certificates/*:revoke",
        &[],
        &["name", "reason", "requestId"],
        &["reason"],
    ),
    ("POST", ":fetchCaCerts", &[], &["caPool", "requestId"], &[]),
    ("GET", "", &[], &[], &[]),
];

/// What Google's front end would answer to a request that does not fit.
pub fn by_the_proto(asked: &Asked) -> Result<(), Reply> {
    let wrong = |what: String| Err(failure(400, "INVALID_ARGUMENT", &what));
    let (path, query) = target(asked);
    let below = path.strip_prefix(POOL).unwrap_or("?").to_owned();
    let below = match below.strip_prefix("/certificates/") {
        Some(rest) if rest.ends_with(":revoke") => "/certificates/*:revoke".to_owned(),
        _ => below,
    };
    let method = METHODS
        .iter()
        .find(|(verb, place, ..)| *verb == asked.method && *place == below);
    let Some((_, _, parameters, members, required)) = method else {
        return wrong(format!("no method {} {path}", asked.method));
    };
    for (name, _) in &query {
        if !parameters.contains(&name.as_str()) {
            return wrong(format!(
                "Unknown name \"{name}\": cannot bind query parameter"
            ));
        }
    }
    let body: Value = serde_json::from_slice(&asked.body).unwrap_or(json!({}));
    for name in body.as_object().unwrap().keys() {
        if !members.contains(&name.as_str()) {
            return wrong(format!("Unknown name \"{name}\": cannot find field"));
        }
    }
    for name in *required {
        if body.get(name).is_none() {
            return wrong(format!("{name} is required"));
        }
    }
    let one_of = ["pemCsr", "config"]
        .iter()
        .filter(|name| body.get(**name).is_some());
    if asked.method == "POST" && below == "/certificates" && one_of.count() != 1 {
        return wrong("certificate_config is required".to_owned());
    }
    Ok(())
}

/// The fake, which answers orders as it should, and whatever `change` makes of the settings.
pub fn lab_with(
    mut script: impl FnMut(&Lab, &Asked) -> Option<Reply> + Send + 'static,
    environment: &[(&str, String)],
    change: impl FnOnce(&FakeServer, &mut toml::Table),
) -> (Lab, FakeServer, Opened) {
    let script =
        move |lab: &Lab, asked: &Asked| script(lab, asked).unwrap_or_else(|| well(lab, asked));
    on_server(&Cas, script, environment, change)
}

pub fn well(lab: &Lab, asked: &Asked) -> Reply {
    if let Err(reply) = by_the_proto(asked) {
        return reply;
    }
    match Cas.ordered(asked) {
        Some(request) => Cas.issued(&[lab.sign(&request), lab.issuing(), lab.root()]),
        None => Cas.aside(lab, asked),
    }
}

pub fn file(content: &Value, mode: u32) -> PathBuf {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "{content}").unwrap();
    std::fs::set_permissions(file.path(), PermissionsExt::from_mode(mode)).unwrap();
    file.keep().unwrap().1
}
