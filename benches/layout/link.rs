//! How a release build is linked: what a run touches lies together and is all there is to load
//! (docs/performance.md says what each is worth).

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

pub fn tell() {
    println!("cargo::rerun-if-changed=benches/layout");
    let is = |name: &str, value: &str| env::var(name).as_deref() == Ok(value);
    if is("CARGO_CFG_TARGET_OS", "linux") && is("PROFILE", "release") && usual_linker() {
        functions_side_by_side();
        no_unwinding();
        if is("CARGO_CFG_TARGET_ENV", "gnu") && env::var("HOST") == env::var("TARGET") {
            unwinder_within();
        }
    }
}

/// Has the linker lay the functions of the main job side by side: a page of code is mapped with its
/// neighbours, so scattered ones cost memory and page faults.
fn functions_side_by_side() {
    to_linker(&format!("-T,{}", script("functions.ld")));
}

/// Leaves the tables for unwinding out, a twelfth of the binary: the profile has a panic end it, and without
/// symbols a backtrace says nothing.
fn no_unwinding() {
    to_linker(&format!("--no-eh-frame-hdr,-T,{}", script("unwinding.ld")));
}

fn to_linker(words: &str) {
    println!("cargo::rustc-link-arg-bins=-Wl,{words}");
}

fn script(name: &str) -> String {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    format!("{root}/benches/layout/{name}")
}

/// Links the compiler's unwinder into the binary, so that no library is loaded for the sake of
/// backtraces. The standard library asks for libgcc_s by name and for no other, so that name leads to
/// the static half of the same library; where it is not installed, the shared one is used.
fn unwinder_within() {
    let Some(archive) = static_unwinder() else {
        return;
    };
    let directory = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    let stand_in = format!("INPUT({})\n", archive.display());
    if fs::write(directory.join("libgcc_s.so"), stand_in).is_ok() {
        println!("cargo::rustc-link-search=native={}", directory.display());
    }
}

fn static_unwinder() -> Option<PathBuf> {
    let asked = Command::new("cc")
        .arg("-print-file-name=libgcc_eh.a")
        .output()
        .ok()?;
    // A bare name comes back where there is no such file.
    let path = PathBuf::from(String::from_utf8(asked.stdout).ok()?.trim());
    path.is_absolute().then_some(path)
}

/// Whether nobody has chosen a linker: ld and lld read linker scripts, others (mold) refuse them.
fn usual_linker() -> bool {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    env::var_os("RUSTC_LINKER").is_none()
        && !flags.contains("linker")
        && !flags.contains("-fuse-ld")
}
