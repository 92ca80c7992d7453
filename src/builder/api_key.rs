//! Which API keys can be sent.

use crate::error::ConfigError;

/// Servers refuse, or cut, a longer header.
const MAX_API_KEY: usize = 4096;

/// Gives the key without blanks around it.
pub(super) fn check_api_key(api_key: &str) -> Result<String, ConfigError> {
    let api_key = api_key.trim();
    if api_key.is_empty() {
        return Err(ConfigError::new(
            "api_key",
            "is empty: the project's API key is needed",
        ));
    }
    if !api_key.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        let problem = "has a character that no HTTP header may carry: printable ASCII is allowed";
        return Err(ConfigError::new("api_key", problem));
    }
    if api_key.len() > MAX_API_KEY {
        let problem = format!("is {} bytes long: {MAX_API_KEY} are allowed", api_key.len());
        return Err(ConfigError::new("api_key", problem));
    }
    Ok(api_key.into())
}
