//! Who may have what: `GET /provisioners`, page by page, and the limits that stand there.

use std::time::Instant;

use serde::Deserialize;

use super::session::Api;
use crate::authority::{AuthorityError, answer};
use crate::choice::nearest;
use crate::finding::{Code, Finding};
use crate::net::Request;

pub const UNUSABLE: Code = Code::new("provisioner-unusable");

/// More pages than a CA has provisioners; it answers 100 of them at most.
const MOST_PAGES: usize = 50;

/// The members that certbake reads; the others differ by type.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Provisioner {
    #[serde(rename = "type")]
    pub kind: String,
    pub name: String,
    pub key: Option<PublicKey>,
    #[serde(rename = "encryptedKey")]
    pub encrypted_key: Option<String>,
    pub claims: Option<Claims>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct PublicKey {
    pub kid: String,
}

/// What this provisioner overrides; what is absent, the CA's own configuration decides, which is
/// not told.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Claims {
    #[serde(rename = "minTLSCertDuration")]
    pub min: Option<String>,
    #[serde(rename = "maxTLSCertDuration")]
    pub max: Option<String>,
    #[serde(rename = "defaultTLSCertDuration")]
    pub default: Option<String>,
    pub disable_renewal: Option<bool>,
    pub allow_renewal_after_expiry: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default)]
    provisioners: Option<Vec<Provisioner>>,
    #[serde(default)]
    next_cursor: String,
}

/// All of them.
///
/// # Errors
/// As [`Api::json`].
pub fn list(api: &Api, deadline: Instant) -> Result<Vec<Provisioner>, AuthorityError> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    for _ in 0..MOST_PAGES {
        let mut url = api.at("/provisioners");
        url.query_pairs_mut().append_pair("limit", "100");
        if !cursor.is_empty() {
            url.query_pairs_mut().append_pair("cursor", &cursor);
        }
        let request = Request::get(url).until(deadline);
        let page: Page = api.json("GET /provisioners", &request)?;
        all.extend(page.provisioners.unwrap_or_default());
        if page.next_cursor.is_empty() || page.next_cursor == cursor {
            break;
        }
        cursor = page.next_cursor;
    }
    Ok(all)
}

/// The one of that type (`JWK`, `X5C`) and name; without a name, the only one of the type.
///
/// # Errors
/// [`AuthorityError::Settings`]: none, several, or one of another type; says which there are.
pub fn choose(
    all: &[Provisioner],
    kind: &str,
    name: Option<&str>,
) -> Result<Provisioner, AuthorityError> {
    let of_kind: Vec<&Provisioner> = all
        .iter()
        .filter(|provisioner| provisioner.kind.eq_ignore_ascii_case(kind))
        .collect();
    let names: Vec<&str> = of_kind.iter().map(|one| one.name.as_str()).collect();
    let unusable = |summary: String, hint: String| {
        let finding = Finding::error(UNUSABLE, summary)
            .fact("type", kind)
            .fact("provisioners", names.clone())
            .hint(hint);
        Err(AuthorityError::Settings(Box::new(match name {
            Some(name) => finding.fact("name", name),
            None => finding,
        })))
    };
    let there_are = if names.is_empty() {
        format!("the CA has no provisioner of type {kind}")
    } else {
        format!("available of type {kind}: {}", names.join(", "))
    };
    let Some(name) = name else {
        return match of_kind[..] {
            [one] => Ok(one.clone()),
            [] => unusable(
                there_are,
                format!("create one: step ca provisioner add NAME --type {kind}"),
            ),
            _ => unusable(
                "the CA has several provisioners, and none is chosen".to_owned(),
                format!("set provisioner; {there_are}"),
            ),
        };
    };
    if let Some(found) = of_kind.iter().find(|one| one.name == name) {
        return Ok((*found).clone());
    }
    if let Some(other) = all.iter().find(|one| one.name == name) {
        return unusable(
            format!(
                "the provisioner \"{name}\" is of type {}, not {kind}",
                other.kind
            ),
            format!("use the login that its type needs, or choose another; {there_are}"),
        );
    }
    let meant = nearest(name, names.iter().copied())
        .map(|meant| format!("did you mean \"{meant}\"? "))
        .unwrap_or_default();
    unusable(
        format!("the CA has no provisioner \"{name}\""),
        format!("{meant}{there_are}"),
    )
}

/// The provisioner's private key, encrypted: from the list, or from its own place.
///
/// # Errors
/// [`AuthorityError::Settings`] when the CA keeps none.
pub fn encrypted_key(
    api: &Api,
    provisioner: &Provisioner,
    deadline: Instant,
) -> Result<String, AuthorityError> {
    #[derive(Deserialize)]
    struct Answer {
        key: String,
    }
    if let Some(key) = &provisioner.encrypted_key {
        return Ok(key.clone());
    }
    let kid = provisioner.key.as_ref().map_or("", |key| key.kid.as_str());
    let mut url = api.at("/provisioners");
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.push(kid).push("encrypted-key");
    }
    let what = "GET the provisioner's encrypted key";
    let request = Request::get(url).until(deadline);
    let response = api.ask(&request)?;
    if response.status == 404 {
        let name = &provisioner.name;
        return Err(AuthorityError::Settings(Box::new(
            Finding::error(
                UNUSABLE,
                format!("the CA does not store the private key of the provisioner \"{name}\""),
            )
            .fact("name", name.clone())
            .fact("key_id", kid)
            .hint("give the key itself: key = \"file:PATH\", a JWK or PEM, with password if it is encrypted"),
        )));
    }
    let answer: Answer = Api::read(what, &request, &response)?;
    if answer.key.is_empty() {
        return Err(answer::unusable(what, "the key is empty", &response));
    }
    Ok(answer.key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provisioner(kind: &str, name: &str) -> Provisioner {
        Provisioner {
            kind: kind.to_owned(),
            name: name.to_owned(),
            ..Provisioner::default()
        }
    }

    fn fault(all: &[Provisioner], name: Option<&str>) -> Finding {
        match choose(all, "JWK", name) {
            Err(AuthorityError::Settings(finding)) => *finding,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_only_one_of_its_type_needs_no_name() {
        let all = [provisioner("ACME", "acme"), provisioner("JWK", "builder")];
        assert_eq!(choose(&all, "JWK", None).unwrap().name, "builder");
        assert_eq!(
            choose(&all, "JWK", Some("builder")).unwrap().name,
            "builder"
        );
        assert!(
            fault(&[], None)
                .summary
                .contains("no provisioner of type JWK")
        );
    }

    #[test]
    fn a_name_that_is_not_there_is_told_with_the_one_that_was_meant() {
        let all = [
            provisioner("JWK", "builder"),
            provisioner("JWK", "ops"),
            provisioner("ACME", "acme"),
        ];
        let typo = fault(&all, Some("bulider"));
        assert!(
            typo.hint.starts_with("did you mean \"builder\"?"),
            "{}",
            typo.hint
        );
        let none = fault(&all, Some("zzz"));
        assert_eq!(none.hint, "available of type JWK: builder, ops");
        let wrong = fault(&all, Some("acme"));
        assert!(
            wrong.summary.contains("is of type ACME, not JWK"),
            "{}",
            wrong.summary
        );
        let several = fault(&all, None);
        assert!(several.hint.contains("builder, ops"), "{}", several.hint);
    }
}
