//! secret_source
