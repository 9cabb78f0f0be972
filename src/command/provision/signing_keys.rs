//! An authority that signs on this machine has its keys in a directory; in an image they would be
//! everybody's.

use super::plan::Identity;
use crate::finding::{Code, Finding};
use crate::image::{self, ImageRoot};

const INSIDE: Code = Code::new("ca-inside-image");

/// Every CA whose own keys are, or are going to be, part of the image.
pub fn inside(root: &ImageRoot, identities: &[Identity]) -> Vec<Finding> {
    let mut seen = Vec::new();
    let candidates = identities.iter().flat_map(|identity| &identity.candidates);
    candidates
        .filter_map(|candidate| {
            let directory = candidate.opened.keys_in.as_deref()?;
            if seen.contains(&directory) || !image::is_in_image(directory, root) {
                return None;
            }
            seen.push(directory);
            let (directory, top) = (directory.display(), root.host_path().display());
            let name = candidate.place().name;
            let summary = format!("the private keys of the CA {name} are inside the image: {directory} is below the image root {top}");
            Some(
                Finding::warning(INSIDE, summary)
                    .fact("directory", directory.to_string())
                    .fact("root", top.to_string())
                    .hint("keep the CA's directory outside the image root (--ca-dir, or dir in the file): whoever can read the image can sign as this CA"),
            )
        })
        .collect()
}
