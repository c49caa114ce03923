//! Random values from the operating system, read at the edge and passed down.

use crate::error::Error;

/// `N` random bytes from the operating system's generator.
///
/// # Errors
/// [`Error::Internal`] when the generator fails; nothing is guessed instead.
pub fn bytes<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|cause| Error::internal("random", &cause))?;
    Ok(bytes)
}
