//! certbake
