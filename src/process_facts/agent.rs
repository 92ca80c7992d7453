//! Which coding agent runs the process.
//!
//! The variables are those on which the detectors `std-env`, `@vercel/detect-agent` and `huggingface_hub` agree.
//! Variables that people set themselves, such as an agent's credentials or its choice of a model, are left out.

use crate::environment::{Environment, asks, says_no, text};

/// Agents by variables that they set for the programs that they run. An agent may run in the terminal of an editor, so
/// editors come last.
const BY_VARIABLE: [(&[&str], &str); 17] = [
    (&["CLAUDE_CODE_IS_COWORK"], "cowork"),
    (&["CLAUDECODE", "CLAUDE_CODE"], "claude-code"),
    (&["CODEX_SANDBOX", "CODEX_THREAD_ID", "CODEX_CI"], "codex"),
    (&["GEMINI_CLI"], "gemini-cli"),
    (&["OPENCODE", "OPENCODE_CLIENT"], "opencode"),
    (&["AUGMENT_AGENT"], "augment-cli"),
    (&["GOOSE_TERMINAL"], "goose"),
    (&["COPILOT_CLI"], "github-copilot"),
    (&["CLINE_ACTIVE"], "cline"),
    (&["ROO_ACTIVE"], "roo-code"),
    (&["PI_CODING_AGENT"], "pi"),
    (&["OPENCLAW_SHELL"], "openclaw"),
    (&["JUNIE_DATA"], "junie"),
    (&["ANTIGRAVITY_AGENT"], "antigravity"),
    (&["TRAE_AI_SHELL_ID"], "trae"),
    (&["REPL_ID"], "replit"),
    (&["CURSOR_AGENT", "CURSOR_TRACE_ID"], "cursor"),
];

/// Variables in which any agent may give its name.
const NAMED: [&str; 2] = ["AI_AGENT", "AGENT"];

/// Names that agents give there beside those of [`BY_VARIABLE`], and the name that is sent.
const OTHER_NAMES: [(&str, &str); 14] = [
    ("amp", "amp"),
    ("crush", "crush"),
    ("devin", "devin"),
    ("kiro", "kiro"),
    ("claude", "claude-code"),
    ("codex-cli", "codex"),
    ("gemini", "gemini-cli"),
    ("augment", "augment-cli"),
    ("auggie", "augment-cli"),
    ("copilot", "github-copilot"),
    ("copilot-cli", "github-copilot"),
    ("github-copilot-cli", "github-copilot"),
    ("cursor-agent", "cursor"),
    ("cursor-cli", "cursor"),
];

const OTHER: &str = "other";

pub(super) fn find(environment: Environment<'_>) -> Option<&'static str> {
    let is_set = |variables: &[&str]| variables.iter().any(|name| asks(environment, name));
    let by_variable = BY_VARIABLE.iter().find(|(variables, _)| is_set(variables));
    if let Some((_, name)) = by_variable {
        return Some(name);
    }
    // `AGENT` is a common name, so one that is known counts more than one that is not.
    let given = NAMED
        .iter()
        .filter_map(|variable| text(environment, variable));
    let given = given.filter(|value| !says_no(value));
    let names: Vec<_> = given.map(|value| canonical(&value)).collect();
    let known = names.iter().copied().flatten().next();
    known.or((!names.is_empty()).then_some(OTHER))
}

/// The name that is sent; none for one that is not known. Some agents add their version, as in
/// `claude-code_2-1-0_agent` and `goose/1.9`.
fn canonical(given: &str) -> Option<&'static str> {
    let end = given.find(['_', '/', '@', ' ']);
    let given = &given[..end.unwrap_or(given.len())];
    let own = BY_VARIABLE.iter().map(|(_, name)| (*name, *name));
    own.chain(OTHER_NAMES)
        .find(|(name, _)| given.eq_ignore_ascii_case(name))
        .map(|(_, canonical)| canonical)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_lists_each_name_that_is_sent() {
        let page = include_str!("../process_facts.rs");
        let own = BY_VARIABLE.iter().map(|(_, name)| *name);
        for name in own.chain(OTHER_NAMES.map(|(_, name)| name)) {
            assert!(page.contains(&format!("`{name}`")), "{name}");
        }
    }
}
