//! Findings about an image that are no errors of this run: what an earlier one left, and what a file
//! system made us do otherwise.

use super::error::ImageError;
use super::explain::INTERRUPTED;
use super::journal::{Pending, Phase};
use super::recover::Recovery;
use crate::finding::{Code, Finding};

const RECOVERED: Code = Code::new("image-recovered");
const LEFT_OVER: Code = Code::new("image-left-over");
const LABEL_NOT_SET: Code = Code::new("image-label-not-set");
const NO_EXCHANGE: Code = Code::new("image-no-exchange");
const WRITTEN_IN_PLACE: Code = Code::new("image-written-in-place");

/// An interrupted run that someone only looked at.
pub(super) fn interrupted(pending: &Pending) -> Finding {
    let (what, phase) = match pending.phase {
        Phase::Staging => ("before anything was replaced", "staging"),
        Phase::Landing => ("while files were being replaced", "landing"),
    };
    Finding::error(INTERRUPTED, format!("a certbake run was interrupted in this image {what}"))
        .fact("phase", phase)
        .fact("files", pending.files.clone())
        .hint("run `certbake provision` on the image again: it first undoes or completes the interrupted run")
}

pub(super) fn recovered(recovery: &Recovery) -> Finding {
    let (done, files): (_, &[String]) = match recovery {
        Recovery::Clean => ("nothing was left of an interrupted run", &[]),
        Recovery::RolledBack { files } => (
            "an interrupted run was undone: the old files are in place",
            files,
        ),
        Recovery::Completed { files } => (
            "an interrupted run was completed: the new files are in place",
            files,
        ),
    };
    Finding::note(RECOVERED, done)
        .fact("files", files.to_vec())
        .hint("nothing to do in the image; find out what interrupted the earlier run")
}

pub(super) fn left_over(trouble: &ImageError) -> Finding {
    Finding::warning(LEFT_OVER, format!("the new files are in place, but old ones are left beside them: {trouble}"))
        .fact("trouble", trouble.to_string())
        .hint("run `certbake provision` on the image again: it removes what is left under temporary names, including old keys")
}

pub(super) fn label_not_set(path: &str) -> Finding {
    Finding::warning(LABEL_NOT_SET, format!("the SELinux label of {path} could not be set"))
        .in_file(path)
        .fact("path", path)
        .hint("run certbake as root, or relabel the image afterwards (`setfiles`, or `touch /.autorelabel` in the image)")
}

pub(super) fn no_exchange(path: &str) -> Finding {
    Finding::note(NO_EXCHANGE, format!("{path} was replaced by a plain rename: its file system cannot exchange two files"))
        .in_file(path)
        .fact("path", path)
        .hint("nothing to do during an image build; on a live system, use a file system with RENAME_EXCHANGE")
}

pub(super) fn written_in_place(path: &str) -> Finding {
    Finding::note(
        WRITTEN_IN_PLACE,
        format!("{path} was overwritten in place: something is mounted on the file itself"),
    )
    .in_file(path)
    .fact("path", path)
    .hint("mount the directory instead of the file, so that the file can be replaced atomically")
}
