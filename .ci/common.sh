# Shared by the checks. Each check sources this file first; it moves to the repository's root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The examples and the tests use servers on this machine, whatever the caller's environment says.
unset TRUBRICS_API_KEY TRUBRICS_HOST TRUBRICS_MOCK_HOST TRUBRICS_DISABLED DO_NOT_TRACK CLI_TOOL_NO_TELEMETRY
export CARGO_TERM_COLOR=never
# cargo-deny and cargo-public-api are there, also where cargo itself is in another folder.
export PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# `.ci/run` sets both: the folder for the output of tests and the list of skipped checks, and the second of its start.
gate=${GATE:-$scratch}
started=${GATE_STARTED:-$(date +%s)}

step() { printf '\n== %s (%s s)\n' "$*" "$(($(date +%s) - started))"; }
skip() { printf 'left out: %s\n' "$*" | tee -a "$gate/skipped"; }
fail() { printf 'failed: %s\n' "$*" >&2; exit 1; }

# Succeeds if every program named is there.
have() {
  local program
  for program; do command -v "$program" >/dev/null || return 1; done
}

# Runs tests and keeps their output for the count at the end.
run_tests() { "$@" 2>&1 | tee -a "$gate/tests"; }

# The feature native-tls needs OpenSSL's headers on Linux.
has_openssl() { [[ $(uname) != Linux ]] || pkg-config --exists openssl 2>/dev/null; }
no_openssl="OpenSSL's headers are not installed"

# The two commands at the beginning of the README, one a line: the first runs an example, the second the tests.
readme_commands() {
  local commands
  commands=$(awk '/^```/ { if (inside) exit; inside = ($0 == "```sh"); next } inside' README.md)
  [[ $commands == 'cargo run --example quickstart'$'\n''cargo test'* && $(wc -l <<<"$commands") == 2 ]] ||
    fail "README.md does not begin with the command of the quick start and the one of the tests"
  printf '%s\n' "$commands"
}

# The mock server of `.ci/prism`. `.ci/setup` installs it.
prism_version=5.14.2
prism_folder=target/prism
prism=$prism_folder/node_modules/.bin/prism
