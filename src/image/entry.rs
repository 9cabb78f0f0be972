//! One file of a set on its way: its temporary and backup names, the swap, and the way back.

use std::fs::File;
use std::io::{Seek, Write};
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::HEXLOWER;
use rustix::fs::{
    Gid, Mode as RawMode, RenameFlags, Timespec, Timestamps, Uid, fchmod, fchown, futimens,
};
use rustix::io::Errno;

use super::commit::Swap;
use super::dir::{Dir, regular};
use super::error::{During, ImageError};
use super::journal::Line;
use super::label::{AccessList, drop_access_list, drop_inherited_access_list};
use super::root::each_piece;
use super::stat::{Identity, Stat};

/// A file of the set, in a directory held open since it was prepared.
pub(super) struct Entry {
    pub(super) dir: Arc<Dir>,
    pub(super) line: Line,
    /// Mounted on its own, so that nothing can be renamed onto it.
    pub(super) in_place: bool,
    /// The file that was at the target when the temporary one was written.
    pub(super) before: Option<Identity>,
    /// How it was swapped, from just before the first step that changes the target.
    pub(super) swapped: Option<Swap>,
}

/// What the target was before it was written in place.
struct Before {
    mode: u32,
    uid: u32,
    gid: u32,
    mtime: Timespec,
    access_list: Option<AccessList>,
}

impl Entry {
    pub(super) fn target(&self) -> String {
        self.dir.path_of(&self.line.name)
    }

    pub(super) fn temporary(&self) -> String {
        self.dir.path_of(&self.line.temporary)
    }

    /// [`Entry::swap`], but not over something that was put there while the set was staged.
    pub(super) fn swap_as_staged(&mut self) -> Result<Swap, ImageError> {
        let now = self.dir.stat(&self.line.name)?;
        if now.map(|stat| stat.identity()) == self.before {
            return self.swap_over(now);
        }
        Err(ImageError::Changed {
            path: self.target(),
        })
    }

    /// Puts the new file in the target's place, in the most exact way the file system offers.
    pub(super) fn swap(&mut self) -> Result<Swap, ImageError> {
        let now = self.dir.stat(&self.line.name)?;
        self.swap_over(now)
    }

    fn swap_over(&mut self, now: Option<Stat>) -> Result<Swap, ImageError> {
        let Some(stat) = now else {
            return self.create();
        };
        regular(&stat, &self.target())?;
        if self.in_place {
            return self.write_in_place();
        }
        match self.exchange() {
            Ok(()) => Ok(self.done(Swap::Exchanged)),
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => self.replace(),
            // A mount point that statx(2) did not tell: a kernel before 5.8, or a mount made since.
            Err(Errno::BUSY) => self.write_in_place(),
            Err(errno) => Err(errno).during("swapping in", &self.target()),
        }
    }

    /// Undoes [`Entry::swap`], wherever it stopped; the temporary file holds the new content again, so
    /// that a run killed in the middle of this can still be completed.
    pub(super) fn swap_back(&mut self) -> Result<(), ImageError> {
        let (name, temporary, backup) = (&self.line.name, &self.line.temporary, &self.line.backup);
        match self.swapped {
            None => {}
            Some(Swap::Exchanged) => {
                self.exchange().during("swapping back", &self.target())?;
            }
            Some(Swap::Created) => self.dir.rename(name, temporary)?,
            Some(Swap::Renamed) => {
                if self.dir.stat(temporary)?.is_none() {
                    self.dir.rename(name, temporary)?;
                }
                if self.dir.stat(backup)?.is_some() {
                    self.dir.rename(backup, name)?;
                }
            }
            Some(Swap::InPlace) => self.restore_in_place()?,
        }
        self.swapped = None;
        Ok(())
    }

    /// Removes the old file, which the swap has left under a temporary name.
    pub(super) fn remove_old(&self) -> Result<(), ImageError> {
        match self.swapped {
            None | Some(Swap::Created) => Ok(()),
            Some(Swap::Exchanged) => self.dir.remove_file(&self.line.temporary),
            Some(Swap::Renamed) => self.dir.remove_file(&self.line.backup),
            Some(Swap::InPlace) => self.remove_temporaries(),
        }
    }

    /// Removes whatever is there under the temporary names.
    pub(super) fn remove_temporaries(&self) -> Result<(), ImageError> {
        self.dir.remove_file(&self.line.temporary)?;
        self.dir.remove_file(&self.line.backup)
    }

    /// Whether `name` holds the new content; `None` when it does not exist as a regular file.
    pub(super) fn holds_new(&self, name: &str) -> Result<Option<bool>, ImageError> {
        let Some(stat) = self.dir.stat(name)? else {
            return Ok(None);
        };
        if regular(&stat, name).is_err() {
            return Ok(None);
        }
        match self.dir.open_file(name) {
            Ok((file, _)) => Ok(Some(
                sha256_of(&file, &self.dir.path_of(name))? == self.line.shape.sha256,
            )),
            // Somebody else's, which was replaced without looking into it.
            Err(error) if error.is_no_access() && !self.line.shape.is_metadata_of(&stat) => {
                Ok(Some(false))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the target's mode and owner are those of the new file.
    pub(super) fn has_new_metadata(&self) -> Result<bool, ImageError> {
        let stat = self.dir.stat(&self.line.name)?;
        Ok(stat.is_some_and(|stat| self.line.shape.is_metadata_of(&stat)))
    }

    fn exchange(&self) -> Result<(), Errno> {
        self.dir
            .rename_with(&self.line.temporary, &self.line.name, RenameFlags::EXCHANGE)
    }

    fn done(&mut self, swap: Swap) -> Swap {
        self.swapped = Some(swap);
        swap
    }

    /// Gives a new file its name; one that has appeared meanwhile is not replaced.
    fn create(&mut self) -> Result<Swap, ImageError> {
        let (name, temporary) = (&self.line.name, &self.line.temporary);
        match self
            .dir
            .rename_with(temporary, name, RenameFlags::NOREPLACE)
        {
            Ok(()) => {}
            // Where the file system cannot promise that, nothing was there a moment ago.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                self.dir.rename(temporary, name)?
            }
            Err(Errno::EXIST) => {
                return Err(ImageError::Changed {
                    path: self.target(),
                });
            }
            Err(errno) => return Err(errno).during("naming", &self.target()),
        }
        Ok(self.done(Swap::Created))
    }

    /// Without RENAME_EXCHANGE: the old file is kept under its backup name, by a second link where
    /// the file system has links, else by a rename that leaves the name empty for a moment.
    fn replace(&mut self) -> Result<Swap, ImageError> {
        self.dir.remove_file(&self.line.backup)?;
        match self.dir.link(&self.line.name, &self.line.backup) {
            Ok(()) => {}
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK) => {
                self.dir.rename(&self.line.name, &self.line.backup)?;
            }
            Err(errno) => return Err(errno).during("keeping the old", &self.target()),
        }
        let swap = self.done(Swap::Renamed);
        self.dir.rename(&self.line.temporary, &self.line.name)?;
        Ok(swap)
    }

    /// Copies the new content into a file that nothing can be renamed onto; a copy of the old one is
    /// kept beside it until the set has landed.
    fn write_in_place(&mut self) -> Result<Swap, ImageError> {
        let (old, stat) = self.dir.open_file(&self.line.name)?;
        // In a second try after a kill the target may be torn; the backup was complete before that.
        if self.dir.stat(&self.line.backup)?.is_none() {
            let mut backup = self.dir.create_file(&self.line.backup)?;
            copy(&old, &mut backup).during("keeping a copy of", &self.target())?;
            let before = Before {
                mode: stat.mode_bits(),
                uid: stat.uid(),
                gid: stat.gid(),
                mtime: stat.mtime(),
                access_list: AccessList::of(&old).during("keeping a copy of", &self.target())?,
            };
            drop_inherited_access_list(&backup, &self.target())?;
            before
                .put_on(&backup)
                .during("keeping a copy of", &self.target())?;
            backup
                .sync_all()
                .during("syncing the copy of", &self.target())?;
        }
        let (new, _) = self.dir.open_file(&self.line.temporary)?;
        let shape = &self.line.shape;
        let after = (shape.mode, shape.uid, shape.gid);
        let (target, stat) = self.dir.open_file_for_writing(&self.line.name)?;
        self.swapped = Some(Swap::InPlace);
        overwrite(&target, &stat, &new, after).during("writing in place", &self.target())?;
        Ok(Swap::InPlace)
    }

    fn restore_in_place(&self) -> Result<(), ImageError> {
        let (backup, before) = self.dir.open_file(&self.line.backup)?;
        let (target, stat) = self.dir.open_file_for_writing(&self.line.name)?;
        let shape = (before.mode_bits(), before.uid(), before.gid());
        let restore = || {
            overwrite(&target, &stat, &backup, shape)?;
            if let Some(list) = AccessList::of(&backup)? {
                list.set_on(&target)?;
            }
            set_mtime(&target, before.mtime()).map_err(std::io::Error::from)
        };
        restore().during("restoring in place", &self.target())
    }
}

impl Before {
    /// The backup carries the old file's owner, mode, access list and time, so that it alone tells what to restore.
    fn put_on(&self, backup: &File) -> Result<(), Errno> {
        fchown(
            backup,
            Some(Uid::from_raw(self.uid)),
            Some(Gid::from_raw(self.gid)),
        )?;
        fchmod(backup, RawMode::from_raw_mode(self.mode))?;
        if let Some(list) = &self.access_list {
            list.set_on(backup)?;
        }
        set_mtime(backup, self.mtime)
    }
}

fn set_mtime(file: &File, mtime: Timespec) -> Result<(), Errno> {
    const OMIT: Timespec = Timespec {
        tv_sec: 0,
        tv_nsec: rustix::fs::UTIME_OMIT,
    };
    futimens(
        file,
        &Timestamps {
            last_access: OMIT,
            last_modification: mtime,
        },
    )
}

/// Empties `target`, takes away its access list and gives it owner and mode while it is empty, then the
/// content: with the list, the group bits of a mode such as 0640 would let in whom it names.
fn overwrite(
    mut target: &File,
    stat: &Stat,
    content: &File,
    (mode, uid, gid): (u32, u32, u32),
) -> std::io::Result<()> {
    target.set_len(0)?;
    drop_access_list(target)?;
    if (stat.uid(), stat.gid()) != (uid, gid) {
        fchmod(target, RawMode::from_raw_mode(0o600))?;
        fchown(target, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
        fchmod(target, RawMode::from_raw_mode(mode))?;
    } else if stat.mode_bits() != mode {
        fchmod(target, RawMode::from_raw_mode(mode))?;
    }
    target.rewind()?;
    copy(content, &mut target)?;
    target.sync_all()
}

fn copy(from: &File, to: &mut impl Write) -> std::io::Result<()> {
    let mut outcome = Ok(());
    each_piece(from, |piece| {
        if outcome.is_ok() {
            outcome = to.write_all(piece);
        }
    })?;
    outcome
}

/// The digest of a file's content from where it stands, as lower-case hexadecimal.
pub(super) fn sha256_of(file: &File, path: &str) -> Result<String, ImageError> {
    let mut context = Context::new(&SHA256);
    each_piece(file, |piece| context.update(piece)).during("reading", path)?;
    Ok(HEXLOWER.encode(context.finish().as_ref()))
}

pub(super) fn sha256(content: &[u8]) -> String {
    HEXLOWER.encode(aws_lc_rs::digest::digest(&SHA256, content).as_ref())
}
