//! Whether the process runs in CI, and in which system.
//!
//! The variables are those on which the detectors `ci-info`, `env-ci` and `std-env` agree. Those that a host also sets
//! where it runs programs, such as `VERCEL` and `RENDER`, are left out, and so are those of systems that have ended.

use crate::environment::{Environment, asks, says_no, text};

/// The CI system that the process runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ci {
    pub(crate) name: &'static str,
    /// The variable that shows it.
    pub(crate) variable: &'static str,
}

/// Systems by a variable that only they set. Gitea also sets the variable of GitHub.
const BY_VARIABLE: [(&str, &str); 30] = [
    ("GITEA_ACTIONS", "gitea_actions"),
    ("GITHUB_ACTIONS", "github_actions"),
    ("GITLAB_CI", "gitlab"),
    ("CIRCLECI", "circle"),
    ("TRAVIS", "travis"),
    ("JENKINS_URL", "jenkins"),
    ("HUDSON_URL", "hudson"),
    ("TEAMCITY_VERSION", "teamcity"),
    ("TF_BUILD", "azure_pipelines"),
    ("BITBUCKET_COMMIT", "bitbucket"),
    ("BUILDKITE", "buildkite"),
    ("APPVEYOR", "appveyor"),
    ("DRONE", "drone"),
    ("SEMAPHORE", "semaphore"),
    ("CODEBUILD_BUILD_ARN", "codebuild"),
    ("CIRRUS_CI", "cirrus"),
    ("bamboo_planKey", "bamboo"),
    ("BITRISE_IO", "bitrise"),
    ("BUDDY_WORKSPACE_ID", "buddy"),
    ("GO_PIPELINE_LABEL", "gocd"),
    ("NETLIFY", "netlify"),
    ("CF_BUILD_ID", "codefresh"),
    ("CF_PAGES", "cloudflare_pages"),
    ("CM_BUILD_ID", "codemagic"),
    ("SCREWDRIVER", "screwdriver"),
    ("VELA", "vela"),
    ("PROW_JOB_ID", "prow"),
    ("EAS_BUILD", "expo"),
    ("NOW_BUILDER", "vercel"),
    ("CI_XCODE_PROJECT", "xcode_cloud"),
];

/// Systems by the value of a variable that other systems set, too.
const BY_VALUE: [(&str, &str, &str); 3] = [
    ("CI", "woodpecker", "woodpecker"),
    ("CI_NAME", "codeship", "codeship"),
    ("CI_NAME", "sourcehut", "sourcehut"),
];

/// Variables that several systems set, for one that is not known.
const FLAGS: [&str; 2] = ["CI", "CONTINUOUS_INTEGRATION"];

/// The same, of which a count may be 0.
const COUNTS: [&str; 2] = ["BUILD_NUMBER", "RUN_ID"];

const OTHER: &str = "other";

pub(crate) fn find_ci(environment: Environment<'_>) -> Option<Ci> {
    if text(environment, "CI").is_some_and(|value| says_no(&value)) {
        return None;
    }
    let by_variable = BY_VARIABLE.into_iter();
    let known = by_variable.filter(|(variable, _)| asks(environment, variable));
    let by_value = BY_VALUE.into_iter().filter(|(variable, value, _)| {
        text(environment, variable).is_some_and(|found| found.eq_ignore_ascii_case(value))
    });
    let flags = FLAGS.into_iter().filter(|flag| asks(environment, flag));
    let counts = COUNTS.into_iter();
    let counts = counts.filter(|count| text(environment, count).is_some());
    known
        .chain(by_value.map(|(variable, _, name)| (variable, name)))
        .chain(flags.chain(counts).map(|variable| (variable, OTHER)))
        .map(|(variable, name)| Ci { name, variable })
        .next()
}
