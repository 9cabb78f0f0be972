//! stub
#[derive(Clone, Copy, Debug)]
pub enum Encryption {
    Modern,
    Legacy,
}
pub fn write(
    _: &super::PrivateKey,
    _: &super::Chain,
    _: Option<&super::Anchors>,
    _: &crate::secret::Secret,
    _: &str,
    _: Encryption,
) -> Result<zeroize::Zeroizing<Vec<u8>>, std::fmt::Error> {
    Err(std::fmt::Error)
}
