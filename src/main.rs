//! certbake: bake fresh short-lived mTLS client certificates into machine images.

use std::process::ExitCode;
use std::time::Instant;

use certbake::cli::{self, Start};
use time::OffsetDateTime;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(cli::panicked));
    let start = Start {
        now: clock(),
        started: Instant::now(),
        clock,
    };
    ExitCode::from(cli::run(std::env::args_os(), &start))
}

#[allow(
    clippy::disallowed_methods,
    reason = "the one place where the clock is read"
)]
fn clock() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
