use std::{env, fs, path::PathBuf};

use super::*;
use crate::{
    environment::of,
    stored_choice::{Choice, StoredChoice},
};

const NONE: &[(&str, &str)] = &[];

/// A file that is not there yet, in a folder of its own.
fn file() -> PathBuf {
    let folder = format!("trubrics-gate-{}", crate::anonymous_id());
    env::temp_dir().join(folder).join("telemetry")
}

#[test]
fn a_gate_for_ci_names_the_variable() {
    let state = |variables: &[_]| Gate::ci().state(&of(variables));
    assert_eq!(state(NONE), State::On);
    assert_eq!(state(&[("CI", "false")]), State::On);
    let github = [("CI", "true"), ("GITHUB_ACTIONS", "true")];
    assert_eq!(state(&github), State::Off(OffReason::Ci("GITHUB_ACTIONS")));
    assert_eq!(state(&[("CI", "1")]), State::Off(OffReason::Ci("CI")));
}

#[test]
fn a_gate_for_a_variable_reads_it_as_an_opt_out() {
    let gate = Gate::variable("MY_TOOL_QUIET".to_owned());
    for (value, is_off) in [("1", true), ("no", true), ("0", false), ("", false)] {
        let off = State::Off(OffReason::Variable("MY_TOOL_QUIET".into()));
        let expected = if is_off { off } else { State::On };
        assert_eq!(gate.state(&of(&[("MY_TOOL_QUIET", value)])), expected);
    }
    assert_eq!(gate.state(&of(&[("QUIET", "1")])), State::On);
}

#[test]
fn a_name_that_no_variable_can_have_is_refused() {
    for name in ["", "A=B", "A\0"] {
        let error = Gate::variable(name).check().expect_err(name);
        assert_eq!(error.setting(), Some("off_if"));
    }
    assert!(Gate::variable("A").check().is_ok());
    assert!(Gate::ci().check().is_ok());
}

#[test]
fn a_gate_for_a_condition_has_the_reason_of_the_program() {
    let gate = |condition| Gate::when(condition, "a test").state(&of(NONE));
    assert_eq!(gate(true), State::Off(OffReason::Condition("a test")));
    assert_eq!(gate(false), State::On);
}

#[test]
fn a_variable_and_a_choice_are_the_users_no_and_other_gates_are_not() {
    let opts_out = |gate: &Gate| gate.opts_out(&of(&[("QUIET", "1"), ("CI", "1")]));
    let path = file();
    let stored = StoredChoice::in_file(&path);
    let choice = Gate::choice(&stored);
    assert!(opts_out(&Gate::variable("QUIET")) && !opts_out(&Gate::variable("LOUD")));
    assert!(!opts_out(&Gate::ci()) && !opts_out(&Gate::when(true, "a test")));
    assert!(!opts_out(&choice), "undecided");
    stored.set(Choice::Off, "1").expect("stored");
    assert!(opts_out(&choice));
    fs::write(&path, "something else").expect("written");
    assert!(!opts_out(&choice), "unreadable");
    fs::remove_dir_all(path.parent().expect("a folder")).expect("removed");
}

#[test]
fn a_gate_for_a_choice_follows_the_file() {
    let path = file();
    let stored = StoredChoice::in_file(&path);
    let state = || Gate::choice(&stored).state(&of(NONE));
    assert_eq!(state(), State::Undecided, "no file");
    stored.note_shown().expect("stored");
    assert_eq!(state(), State::Undecided, "a notice alone");
    stored.set(Choice::Undecided, "1").expect("stored");
    assert_eq!(state(), State::Undecided);
    stored.set(Choice::On, "1").expect("stored");
    assert_eq!(state(), State::On);
    stored.set(Choice::Off, "1").expect("stored");
    let made = stored.made().expect("read").expect("made");
    assert_eq!(state(), State::Off(OffReason::Choice(made)));

    fs::write(&path, "something else").expect("written");
    let text = format!(
        "off: {} cannot keep a choice: it holds something else, which is left as it is",
        path.display()
    );
    assert_eq!(state().to_string(), text);
    fs::remove_dir_all(path.parent().expect("a folder")).expect("removed");
}

#[test]
fn a_user_who_saw_the_notice_is_in_until_a_choice_says_otherwise() {
    let path = file();
    let stored = StoredChoice::in_file(&path);
    let gate = Gate::choice_or_notice(&stored);
    let state = || gate.state(&of(NONE));
    assert_eq!(state(), State::Undecided, "no file");
    stored.note_shown().expect("stored");
    assert_eq!(state(), State::On, "the notice was shown");
    stored.set(Choice::Off, "1").expect("stored");
    assert!(matches!(state(), State::Off(OffReason::Choice(_))));
    assert!(gate.opts_out(&of(NONE)));
    stored.set(Choice::Undecided, "1").expect("stored");
    assert_eq!(state(), State::On, "the choice was taken back");
    fs::remove_file(&path).expect("removed");
    stored.set(Choice::On, "1").expect("stored");
    assert_eq!(state(), State::On, "without a notice");
    fs::write(&path, "something else").expect("written");
    assert!(matches!(
        state(),
        State::Off(OffReason::UnreadableChoice(_))
    ));
    fs::remove_dir_all(path.parent().expect("a folder")).expect("removed");
}

#[cfg(unix)]
#[test]
fn the_state_is_one_line_whatever_the_path_of_the_choice() {
    let folder = env::temp_dir().join(format!("trubrics-\n-{}", crate::anonymous_id()));
    fs::create_dir(&folder).expect("a folder");
    let state = Gate::choice(&StoredChoice::in_file(&folder)).state(&of(NONE));
    fs::remove_dir(folder).expect("removed");
    assert!(matches!(state, State::Off(OffReason::UnreadableChoice(_))));
    assert_eq!(state.to_string().lines().count(), 1);
}

#[test]
fn the_first_gate_that_is_off_counts_before_an_undecided_one() {
    let undecided = || Gate::choice(&StoredChoice::in_file(file()));
    let off = |reason| Gate::when(true, reason);
    let open = || Gate::when(false, "open");
    let state = |gates: &[Gate]| state_of(gates, &of(NONE)).to_string();
    assert_eq!(state(&[]), "on");
    assert_eq!(state(&[open(), open()]), "on");
    assert_eq!(state(&[undecided(), open()]), "undecided");
    assert_eq!(state(&[undecided(), open(), off("a"), off("b")]), "off: a");
}
