//! Random values from the operating system, read at the edge and passed down.

/// The operating system's generator failed; no value is guessed instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no random bytes")]
pub struct RandomError;

/// `N` random bytes from the operating system's generator.
///
/// # Errors
/// [`RandomError`] when the generator fails.
pub fn bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| RandomError)?;
    Ok(bytes)
}
