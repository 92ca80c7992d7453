use serde_json::{Map, Value, json};

use super::*;
use crate::environment::of;

type Variables = &'static [(&'static str, &'static str)];

/// The variables that each system sets, and the name that is sent.
const SYSTEMS: [(Variables, &str); 37] = [
    (
        &[("CI", "true"), ("GITHUB_ACTIONS", "true"), ("RUN_ID", "7")],
        "github_actions",
    ),
    (
        &[
            ("CI", "true"),
            ("GITHUB_ACTIONS", "true"),
            ("GITEA_ACTIONS", "true"),
        ],
        "gitea_actions",
    ),
    (&[("CI", "true"), ("GITLAB_CI", "true")], "gitlab"),
    (&[("CI", "true"), ("CIRCLECI", "true")], "circle"),
    (
        &[
            ("CI", "true"),
            ("CONTINUOUS_INTEGRATION", "true"),
            ("TRAVIS", "true"),
        ],
        "travis",
    ),
    (
        &[
            ("JENKINS_URL", "http://ci/"),
            ("BUILD_ID", "7"),
            ("BUILD_NUMBER", "7"),
        ],
        "jenkins",
    ),
    (&[("HUDSON_URL", "http://ci/")], "hudson"),
    (
        &[("TEAMCITY_VERSION", "2024.1"), ("BUILD_NUMBER", "7")],
        "teamcity",
    ),
    (
        &[("TF_BUILD", "True"), ("AGENT_NAME", "Hosted Agent")],
        "azure_pipelines",
    ),
    (&[("CI", "true"), ("BITBUCKET_COMMIT", "abc")], "bitbucket"),
    (&[("CI", "true"), ("BUILDKITE", "true")], "buildkite"),
    (&[("CI", "True"), ("APPVEYOR", "True")], "appveyor"),
    (&[("CI", "true"), ("DRONE", "true")], "drone"),
    (&[("CI", "true"), ("SEMAPHORE", "true")], "semaphore"),
    (
        &[("CODEBUILD_BUILD_ARN", "arn:aws:codebuild:x")],
        "codebuild",
    ),
    (&[("CI", "true"), ("CIRRUS_CI", "true")], "cirrus"),
    (&[("bamboo_planKey", "PLAN")], "bamboo"),
    (&[("CI", "true"), ("BITRISE_IO", "true")], "bitrise"),
    (&[("CI", "true"), ("BUDDY_WORKSPACE_ID", "1")], "buddy"),
    (&[("GO_PIPELINE_LABEL", "1")], "gocd"),
    (&[("CI", "true"), ("NETLIFY", "true")], "netlify"),
    (&[("CI", "true"), ("CF_BUILD_ID", "abc")], "codefresh"),
    (&[("CI", "true"), ("CF_PAGES", "1")], "cloudflare_pages"),
    (&[("CI", "true"), ("CM_BUILD_ID", "abc")], "codemagic"),
    (&[("CI", "true"), ("SCREWDRIVER", "true")], "screwdriver"),
    (&[("CI", "1"), ("VELA", "1")], "vela"),
    (&[("CI", "true"), ("PROW_JOB_ID", "abc")], "prow"),
    (&[("CI", "1"), ("EAS_BUILD", "true")], "expo"),
    (&[("CI", "1"), ("NOW_BUILDER", "1")], "vercel"),
    (
        &[("CI", "TRUE"), ("CI_XCODE_PROJECT", "App.xcodeproj")],
        "xcode_cloud",
    ),
    (&[("CI", "woodpecker")], "woodpecker"),
    (&[("CI", "true"), ("CI_NAME", "codeship")], "codeship"),
    (&[("CI_NAME", "sourcehut")], "sourcehut"),
    (&[("CI", "true")], "other"),
    (&[("CONTINUOUS_INTEGRATION", "1")], "other"),
    (&[("BUILD_NUMBER", "0")], "other"),
    (&[("TASK_ID", "abc"), ("RUN_ID", "0")], "other"), // Taskcluster
];

/// The variables that each agent sets, and the name that is sent.
const AGENTS: [(Variables, &str); 33] = [
    (
        &[("CLAUDECODE", "1"), ("AI_AGENT", "claude-code_2-1-0_agent")],
        "claude-code",
    ),
    (&[("CLAUDE_CODE", "1")], "claude-code"),
    (
        &[("CLAUDECODE", "1"), ("CLAUDE_CODE_IS_COWORK", "1")],
        "cowork",
    ),
    (&[("CODEX_SANDBOX", "seatbelt")], "codex"),
    (&[("CODEX_THREAD_ID", "0199")], "codex"),
    (&[("CODEX_CI", "1")], "codex"),
    (&[("GEMINI_CLI", "1")], "gemini-cli"),
    (&[("OPENCODE", "1")], "opencode"),
    (&[("AUGMENT_AGENT", "1")], "augment-cli"),
    (&[("GOOSE_TERMINAL", "1"), ("AGENT", "goose")], "goose"),
    (&[("COPILOT_CLI", "1")], "github-copilot"),
    (&[("CLINE_ACTIVE", "true")], "cline"),
    (&[("ROO_ACTIVE", "true")], "roo-code"),
    (&[("PI_CODING_AGENT", "true")], "pi"),
    (&[("OPENCLAW_SHELL", "exec")], "openclaw"),
    (&[("JUNIE_DATA", "/x")], "junie"),
    (&[("ANTIGRAVITY_AGENT", "1")], "antigravity"),
    (&[("TRAE_AI_SHELL_ID", "1")], "trae"),
    (&[("REPL_ID", "abc")], "replit"),
    (&[("CURSOR_AGENT", "1")], "cursor"),
    (&[("CURSOR_TRACE_ID", "abc")], "cursor"),
    (
        &[("CURSOR_TRACE_ID", "abc"), ("CLAUDECODE", "1")],
        "claude-code",
    ),
    (&[("AGENT", "amp")], "amp"),
    (&[("AI_AGENT", "Devin")], "devin"),
    (&[("AI_AGENT", "goose/1.9")], "goose"),
    (&[("AI_AGENT", "copilot@1")], "github-copilot"),
    (&[("AI_AGENT", "cursor-cli")], "cursor"),
    (&[("AI_AGENT", "crush 0.9")], "crush"),
    (&[("AI_AGENT", "my-agent"), ("AGENT", "amp")], "amp"),
    (&[("AI_AGENT", "of-ada@example.com")], "other"),
    (&[("AI_AGENT", "1")], "other"),
    (&[("AGENT", "/home/ada/agent")], "other"),
    (&[("AGENT", "claude-codex")], "other"),
];

/// A person at a terminal, in a script, at an editor, and in a shell that switches all of it off.
const PEOPLE: [Variables; 9] = [
    &[],
    &[
        ("TERM", "xterm-256color"),
        ("HOME", "/home/ada"),
        ("USER", "ada"),
    ],
    &[("TERM", "dumb")],
    &[
        ("TERM_PROGRAM", "vscode"),
        ("EDITOR", "vim"),
        ("SSH_AUTH_SOCK", "/x"),
    ],
    &[("CI", "false"), ("GITHUB_ACTIONS", "true")],
    &[("CI", "0"), ("BUILD_NUMBER", "7")],
    &[("CI", ""), ("TRAVIS", "false"), ("RUN_ID", " ")],
    &[
        ("AI_AGENT", "false"),
        ("AGENT", "0"),
        ("CLAUDECODE", ""),
        ("GEMINI_CLI", "0"),
    ],
    &[
        ("VERCEL", "1"),
        ("RENDER", "true"),
        ("COPILOT_GITHUB_TOKEN", "x"),
        ("GOOSE_PROVIDER", "x"),
    ],
];

fn facts(variables: Variables, is_terminal: bool) -> Map<String, Value> {
    let facts = ProcessFacts::of("1.4.2".into(), &of(variables), is_terminal);
    let properties = facts.into_properties().into_iter();
    properties.map(|(key, value)| (key.into(), value)).collect()
}

#[test]
fn each_ci_system_has_its_name() {
    for (variables, name) in SYSTEMS {
        let facts = facts(variables, false);
        assert_eq!(facts["ci"], true, "{variables:?}");
        assert_eq!(facts["ci_name"], name, "{variables:?}");
        assert!(!facts.contains_key("agent"), "{variables:?}");
    }
}

#[test]
fn each_agent_has_its_name_and_others_have_none() {
    for (variables, name) in AGENTS {
        let facts = facts(variables, false);
        assert_eq!(facts["agent"], name, "{variables:?}");
        assert_eq!(facts["ci"], false, "{variables:?}");
    }
}

#[test]
fn a_person_runs_neither_ci_nor_an_agent() {
    for variables in PEOPLE {
        let facts = facts(variables, true);
        assert_eq!(facts["ci"], false, "{variables:?}");
        assert!(!facts.contains_key("ci_name"), "{variables:?}");
        assert!(!facts.contains_key("agent"), "{variables:?}");
    }
}

#[test]
fn an_agent_in_ci_is_both() {
    let facts = facts(&[("GITHUB_ACTIONS", "true"), ("CLAUDECODE", "1")], false);
    assert_eq!(facts["ci_name"], "github_actions");
    assert_eq!(facts["agent"], "claude-code");
}

#[test]
fn the_facts_are_these_and_no_others() {
    let os = os_type(env::consts::OS);
    let arch = host_arch(env::consts::ARCH);
    let mut expected = json!({
        "app.version": "1.4.2", "os.type": os, "host.arch": arch, "ci": false, "terminal": true,
    });
    assert_eq!(Value::from(facts(&[("PATH", "/secret")], true)), expected);

    expected["terminal"] = false.into();
    expected["ci"] = true.into();
    expected["ci_name"] = "other".into();
    expected["agent"] = "other".into();
    let variables = &[("CI", "secret"), ("AI_AGENT", "secret")];
    assert_eq!(Value::from(facts(variables, false)), expected);
}

#[test]
fn systems_and_processors_have_the_names_of_the_conventions() {
    assert_eq!(["linux", "macos"].map(os_type), ["linux", "darwin"]);
    let found = ["x86_64", "aarch64", "riscv64"].map(host_arch);
    assert_eq!(found, ["amd64", "arm64", "riscv64"]);
}
