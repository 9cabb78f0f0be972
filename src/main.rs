//! certbake: bake fresh short-lived mTLS client certificates into machine images.

use std::process::ExitCode;
use std::time::Instant;

use certbake::cli::{self, Start};

fn main() -> ExitCode {
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place where the clock is read"
    )]
    let now = time::OffsetDateTime::now_utc();
    let start = Start {
        now,
        started: Instant::now(),
    };
    ExitCode::from(cli::run(std::env::args_os(), &start))
}
