//! Has the linker of a release build lay the functions of the main job side by side: a page of code
//! is mapped with its neighbours, so scattered ones cost memory and page faults (docs/performance.md).

#![allow(clippy::print_stdout, reason = "how a build script tells cargo")]

use std::env;
use std::path::Path;

fn main() {
    let script = Path::new("benches/layout/functions.ld");
    println!("cargo::rerun-if-changed={}", script.display());
    let is = |name: &str, value: &str| env::var(name).as_deref() == Ok(value);
    if is("CARGO_CFG_TARGET_OS", "linux") && is("PROFILE", "release") && usual_linker() {
        let script =
            Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join(script);
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", script.display());
    }
}

/// Whether nobody has chosen a linker: ld and lld read linker scripts, others (mold) refuse them.
fn usual_linker() -> bool {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    env::var_os("RUSTC_LINKER").is_none()
        && !flags.contains("linker")
        && !flags.contains("-fuse-ld")
}
