//! Files outside an image: records beside the build, reports, the embedded CA's directory. The same
//! habits as in an image (mode first, synced, renamed as a whole), one file at a time, no journal.
//! Paths are the host's and follow its symbolic links up to the last directory.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Access, AtFlags, CWD, Mode as RawMode, OFlags, accessat, fchmod, openat};
use rustix::io::Errno;

use super::dir::{Dir, regular};
use super::error::{During, ImageError};
use super::journal::temporary_name;
use super::label::drop_inherited_access_list;
use super::lock::DirLock;
use super::mode::Mode;
use super::stat::{FileKind, stat_fd};

/// Creates or replaces the file `name` in `dir` as a whole: a temporary file beside it gets its mode,
/// then its content, is synced and renamed, and the directory is synced.
///
/// Kept of a file that is replaced: its name. Not kept: owner, group, access list, extended
/// attributes, SELinux label, other hard links, times. A symbolic link of that name is replaced, not
/// followed, unless it stands for a descriptor (`/dev/stdout`): that, a directory, FIFO, socket or
/// device is refused.
///
/// # Errors
/// Nothing is changed when an error is returned.
pub fn place_file(dir: &Path, name: &str, mode: Mode, bytes: &[u8]) -> Result<(), ImageError> {
    let dir = open_dir(dir)?;
    replaceable(&dir, name)?;
    let temporary = temporary_name()?;
    let placed =
        write_new(&dir, &temporary, mode, bytes).and_then(|()| dir.rename(&temporary, name));
    if placed.is_err() {
        // The first error is the one to tell.
        let _ = dir.remove_file(&temporary);
    }
    placed?;
    dir.sync()
}

/// Whether [`place_file`] could make or replace this file, after [`make_dirs`] of its directory; nothing
/// is tried.
pub(super) fn can_place(directory: &Path, name: &str) -> Result<(), ImageError> {
    if directory.as_os_str().is_empty() || directory.exists() {
        replaceable(&open_dir(directory)?, name)?;
        return can_write(directory);
    }
    // A link that leads nowhere is there too, and no directory.
    let is_there = |above: &&Path| above.symlink_metadata().is_ok();
    let above = directory.ancestors().find(is_there);
    can_write(above.unwrap_or(Path::new(".")))
}

fn replaceable(dir: &Dir, name: &str) -> Result<(), ImageError> {
    let kind = match dir.stat(name)?.map(|stat| stat.kind()) {
        None | Some(FileKind::File) => return Ok(()),
        Some(FileKind::SymbolicLink) if !dir.read_link(name)?.starts_with(DESCRIPTORS) => {
            return Ok(());
        }
        Some(kind) => kind,
    };
    Err(ImageError::NotAFile {
        path: dir.path_of(name),
        kind,
    })
}

/// Where links to what is open lead.
const DESCRIPTORS: &str = "/proc/";

/// Whether a path names what only takes bytes one after another: a device, a FIFO, an open descriptor.
pub fn is_stream(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let leads_to_descriptors = |path: std::io::Result<PathBuf>| {
        path.is_ok_and(|path| path.starts_with(DESCRIPTORS.trim_end_matches('/')))
    };
    // A descriptor that is not open leads nowhere.
    let Ok(kind) = std::fs::metadata(path).map(|found| found.file_type()) else {
        return false;
    };
    kind.is_char_device()
        || kind.is_fifo()
        || leads_to_descriptors(std::fs::read_link(path))
        || leads_to_descriptors(path.parent().unwrap_or(path).canonicalize())
}

/// Writes to what [`is_stream`].
///
/// # Errors
/// The operating system's reason.
pub fn write_stream(path: &Path, bytes: &[u8]) -> Result<(), ImageError> {
    let shown = path.display().to_string();
    // A descriptor may lead to a file that others have written to before.
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fd = openat(CWD, path, flags, RawMode::empty()).during("opening", &shown)?;
    File::from(fd).write_all(bytes).during("writing", &shown)
}

/// Appends `line` and a line feed to a file that keeps its mode, or is created with `mode`, and syncs
/// it. A line that an interrupted run left without its end is ended first.
///
/// # Errors
/// [`ImageError::NotAFile`] for anything but a regular file, symbolic links included.
pub fn append_line(path: &Path, mode: Mode, line: &str) -> Result<(), ImageError> {
    let (dir, name) = parent_of(path)?;
    let here = dir.path_of(&name);
    let existing = dir.stat(&name)?;
    if let Some(stat) = &existing {
        regular(stat, &here)?;
    }
    let mut file = dir.open_for_append(&name)?;
    regular(&stat_fd(&file).during("examining", &here)?, &here)?;
    if existing.is_none() {
        set_mode(&file, mode, &here)?;
    }
    let whole = ends_a_line(&mut file).during("reading", &here)?;
    // One write, so that two processes appending at once do not mix their lines.
    let text = if whole {
        format!("{line}\n")
    } else {
        format!("\n{line}\n")
    };
    file.write_all(text.as_bytes())
        .during("appending to", &here)?;
    file.sync_all().during("syncing", &here)?;
    if existing.is_none() {
        dir.sync()
    } else {
        Ok(())
    }
}

/// Whether [`append_line`] could write to a file; nothing is tried.
///
/// # Errors
/// As [`append_line`].
pub fn can_append(path: &Path) -> Result<(), ImageError> {
    let (dir, name) = parent_of(path)?;
    let here = dir.path_of(&name);
    match dir.stat(&name)? {
        None => can_write(path.parent().unwrap_or(Path::new("/"))),
        Some(stat) => {
            regular(&stat, &here)?;
            accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS).during("writing", &here)
        }
    }
}

/// Locks a directory against other runs of certbake, waiting at most `patience`.
///
/// # Errors
/// [`ImageError::Busy`] when it is still locked then.
pub fn lock_dir(path: &Path, patience: Duration) -> Result<DirLock, ImageError> {
    DirLock::take(&open_dir(path)?, path, patience)
}

/// Creates a directory with exactly `mode`, whatever the umask. One that exists is left as it is.
///
/// # Errors
/// [`ImageError::NotADirectory`] when something else has that name; the directory above must exist.
pub fn make_dir(path: &Path, mode: Mode) -> Result<(), ImageError> {
    let (above, name) = parent_of(path)?;
    let here = above.path_of(&name);
    if above.make_dir(&name, 0o700)? {
        let fd = above.open_dir(&name)?.readable()?;
        fchmod(&fd, RawMode::from_raw_mode(mode.bits())).during("setting the mode of", &here)?;
        return above.sync();
    }
    // Followed as the host does: a link to a directory will do.
    open_dir(path)
        .map(drop)
        .map_err(|_| ImageError::NotADirectory {
            path: here.clone(),
            component: here,
        })
}

/// Creates a directory and those above it that are missing.
pub(super) fn make_dirs(path: &Path) -> Result<(), ImageError> {
    if path.as_os_str().is_empty() || path.exists() {
        return Ok(());
    }
    if let Some(above) = path.parent() {
        make_dirs(above)?;
    }
    make_dir(path, Mode::new(0o755))
}

/// Whether a file could be made in a directory; nothing is tried.
///
/// # Errors
/// The operating system's reason: it is missing, no directory, read-only or closed to us.
pub fn can_write(dir: &Path) -> Result<(), ImageError> {
    let dir = if dir.as_os_str().is_empty() {
        Path::new(".")
    } else {
        dir
    };
    let shown = dir.display().to_string();
    if open_dir(dir)?.is_kernels()? {
        return Err(Errno::OPNOTSUPP).during("writing into", &shown);
    }
    accessat(
        CWD,
        dir,
        Access::WRITE_OK | Access::EXEC_OK,
        AtFlags::EACCESS,
    )
    .during("writing into", &shown)
}

fn open_dir(path: &Path) -> Result<Dir, ImageError> {
    // The empty parent of a bare file name.
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    let shown = path.display().to_string();
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = openat(CWD, path, flags, RawMode::empty()).during("opening the directory", &shown)?;
    Ok(Dir::new(fd, shown))
}

fn parent_of(path: &Path) -> Result<(Dir, String), ImageError> {
    let shown = path.display().to_string();
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name
        .ok_or(Errno::INVAL)
        .during("finding the file name of", &shown)?;
    Ok((
        open_dir(path.parent().unwrap_or(Path::new("/")))?,
        name.to_owned(),
    ))
}

fn write_new(dir: &Dir, name: &str, mode: Mode, bytes: &[u8]) -> Result<(), ImageError> {
    let path = dir.path_of(name);
    let mut file = dir.create_file(name)?;
    set_mode(&file, mode, &path)?;
    file.write_all(bytes).during("writing", &path)?;
    file.sync_all().during("syncing", &path)
}

fn set_mode(file: &File, mode: Mode, path: &str) -> Result<(), ImageError> {
    drop_inherited_access_list(file, path)?;
    fchmod(file, RawMode::from_raw_mode(mode.bits())).during("setting the mode of", path)
}

fn ends_a_line(file: &mut File) -> std::io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0_u8];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}
