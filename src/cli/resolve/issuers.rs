//! Who may have issued what an image carries, by the configuration alone.

use std::path::PathBuf;

use time::OffsetDateTime;
use url::Url;

use super::authority::Authorities;
use super::draft::Draft;
use super::{Outside, relative_to};
use crate::cli::file::Ca;
use crate::cli::source::Source;
use crate::cli::usage::UsageError;
use crate::command::check::Issuer;

/// The authorities that an identity names, or the only one that there is; none where flags are to
/// choose among several.
fn names<'a>(draft: &'a Draft<'_>, source: &'a Source) -> Vec<&'a String> {
    match draft.identity.ca.0.as_slice() {
        [] if source.file.ca.len() == 1 => source.file.ca.keys().collect(),
        names => names.iter().collect(),
    }
}

/// The anchors of every authority that may have issued it; none where one of them pins none.
pub fn anchors(draft: &Draft<'_>, source: &Source) -> Vec<PathBuf> {
    names(draft, source)
        .into_iter()
        .map(|name| {
            let path = source.file.ca.get(name)?.anchors.as_deref()?;
            Some(relative_to(source.directory(), path))
        })
        .collect::<Option<_>>()
        .unwrap_or_default()
}

/// What the environment says is that of this machine, not of the one that baked.
pub const SILENT: Outside<'static> = Outside {
    now: OffsetDateTime::UNIX_EPOCH,
    environment: &|_| None,
    on_wait: None,
};

/// Every authority that may have issued it, each at the place that the configuration states.
///
/// # Errors
/// A name that is neither that of a table nor a kind.
pub fn stated(
    draft: &Draft<'_>,
    source: &Source,
    authorities: &mut Authorities<'_>,
) -> Result<Vec<Issuer>, UsageError> {
    names(draft, source)
        .into_iter()
        .map(|name| {
            if !authorities.is_known(name) {
                return Err(authorities.unknown(name, |reason| draft.error("ca", reason)));
            }
            if let Ok(opened) = authorities.named(name) {
                return Ok(Issuer::at(opened.place()));
            }
            let table = source.file.ca.get(name);
            Ok(Issuer {
                kind: table.map_or_else(|| name.clone(), |table| table.kind.clone()),
                name: name.clone(),
                place: table.and_then(url),
            })
        })
        .collect()
}

/// Of a table that flags of the build may have completed, with a login or roots; never with a password.
fn url(table: &Ca) -> Option<String> {
    let url = Url::parse(table.settings.get("url")?.as_str()?).ok()?;
    let is_plain = url.username().is_empty() && url.password().is_none();
    (is_plain && url.query().is_none()).then(|| url.to_string())
}
