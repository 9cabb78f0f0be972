//! From `placements` to files with a checked path, mode and owner.

use super::draft::Draft;
use super::secret_relative_to;
use crate::cli::file;
use crate::cli::usage::UsageError;
use crate::command::provision::{Content, Identity, Pkcs12, Placement};
use crate::image::{ImagePath, Mode, Owner, OwnerError};
use crate::pki::pkcs12::Encryption;
use crate::record;
use crate::secret_source::SecretSource;

/// A key that more than owner and group can reach is refused.
const WIDEST_KEY_MODE: Mode = Mode::new(0o640);

/// # Errors
/// The first placement that cannot be used, by its key.
pub fn plan(draft: &Draft<'_>) -> Result<Vec<Placement>, UsageError> {
    let words = &draft.identity.placements;
    let mut placements = Vec::new();
    for (key, list, content) in [
        ("full_chain", &words.full_chain, Content::FullChain),
        ("certificate", &words.certificate, Content::Certificate),
        ("issuers", &words.issuers, Content::Issuers),
        ("anchors", &words.anchors, Content::Anchors),
        ("private_key", &words.private_key, Content::PrivateKey),
        ("combined", &words.combined, Content::Combined),
    ] {
        for one in &list.0 {
            placements.push(placement(
                draft,
                &format!("placements.{key}"),
                one,
                content.clone(),
            )?);
        }
    }
    for one in &words.pkcs12.0 {
        placements.push(pkcs12(draft, one)?);
    }
    if placements.is_empty() {
        return Err(draft
            .error("placements", "no placement is given for the certificate")
            .hint(draft.missing("give paths inside the image: full_chain and private_key in its placements table, or --cert /etc/app/tls/client.crt --key /etc/app/tls/client.key")));
    }
    if !placements
        .iter()
        .any(|placement| placement.content.holds_key())
    {
        return Err(draft
            .error(
                "placements",
                "no placement is given for the private key, so the certificate could not be used",
            )
            .hint("add private_key, combined or pkcs12 (--key, --combined, --pkcs12)"));
    }
    if !placements
        .iter()
        .any(|placement| placement.content.holds_certificate())
    {
        return Err(draft
            .error(
                "placements",
                "no placement is given for the certificate, so the private key could not be used",
            )
            .hint("add full_chain, certificate, combined or pkcs12 (--cert, --leaf, --combined, --pkcs12)"));
    }
    Ok(placements)
}

fn pkcs12(draft: &Draft<'_>, words: &file::Pkcs12Placement) -> Result<Placement, UsageError> {
    let key = "placements.pkcs12";
    let password: SecretSource = words
        .password
        .parse()
        .map_err(|error| draft.error("placements.pkcs12.password", format!("{error}")))?;
    let directory = draft.directory_of("placements.pkcs12.password");
    let content = Content::Pkcs12(Pkcs12 {
        password: secret_relative_to(directory, password),
        encryption: match words.encryption.unwrap_or_default() {
            file::Pkcs12Encryption::Modern => Encryption::Modern,
            file::Pkcs12Encryption::Legacy => Encryption::Legacy,
        },
        alias: words.alias.clone().unwrap_or_else(|| draft.name.clone()),
    });
    let file::Pkcs12Placement {
        path,
        mode,
        owner,
        group,
        danger_readable_key,
        ..
    } = words.clone();
    placement(
        draft,
        key,
        &file::Placement {
            path,
            mode,
            owner,
            group,
            danger_readable_key,
        },
        content,
    )
}

fn placement(
    draft: &Draft<'_>,
    key: &str,
    words: &file::Placement,
    content: Content,
) -> Result<Placement, UsageError> {
    let path: ImagePath = words
        .path
        .parse()
        .map_err(|error| draft.error(key, format!("{error}")))?;
    if path.directory() == record::DIRECTORY && path.file_name().ends_with(".json") {
        return Err(draft
            .error(
                key,
                format!("{path} would be taken for a record of certbake's"),
            )
            .hint(format!(
                "give another path: files in {} that end in .json are records",
                record::DIRECTORY
            )));
    }
    let mode: Mode = match &words.mode {
        Some(mode) => mode
            .parse()
            .map_err(|error| draft.error(key, format!("{error}")))?,
        None => Mode::new(if content.holds_key() { 0o600 } else { 0o644 }),
    };
    if content.holds_key() && mode.is_wider_than(WIDEST_KEY_MODE) && !words.danger_readable_key {
        let key = if draft.is_set_by("key_mode") {
            "key_mode"
        } else {
            key
        };
        return Err(draft.error(key, format!("mode {mode} of the private key {path} allows more than 0640 (owner reads and writes, group reads)"))
            .hint("use 0600, or 0640 with a dedicated group; danger_readable_key = true overrides this"));
    }
    Ok(Placement {
        content,
        mode,
        mode_is_stated: words.mode.is_some(),
        owner: owner(draft, key, "owner", words.owner.as_deref())?,
        group: owner(draft, key, "group", words.group.as_deref())?,
        path,
    })
}

/// The owner of a placement, or its group.
fn owner(
    draft: &Draft<'_>,
    placement: &str,
    which: &str,
    text: Option<&str>,
) -> Result<Owner, UsageError> {
    let Some(text) = text else {
        return Ok(Owner::Running);
    };
    let key = if draft.is_set_by(which) {
        which
    } else {
        placement
    };
    text.parse().map_err(|error: OwnerError| {
        draft
            .error(key, format!("the {which} {text:?} {error}"))
            .hint("give a name from the image, or a number; owner and group are separate settings")
    })
}

/// Two files on one path would overwrite each other.
pub fn no_two_share_a_path(
    drafts: &[Draft<'_>],
    identities: &[Identity],
) -> Result<(), UsageError> {
    let mut seen = std::collections::BTreeMap::new();
    for (draft, identity) in drafts.iter().zip(identities) {
        for placement in &identity.placements {
            let path = placement.path.as_str();
            let content = placement.content.name();
            let Some((other, earlier)) = seen.insert(path, (&identity.name, content)) else {
                continue;
            };
            let of_whom = if *other == identity.name {
                String::new()
            } else {
                format!(" of identity {other}")
            };
            return Err(draft
                .error(
                    &format!("placements.{}", content.replace('-', "_")),
                    format!("{path} is already the path of the {earlier}{of_whom}"),
                )
                .hint("give each file its own path"));
        }
    }
    Ok(())
}
