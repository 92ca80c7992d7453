//! `cargo run --example cli_tool -- greet --print-telemetry`: a tool that counts its runs, at no cost to its user.
//!
//! A run with `TRUBRICS_API_KEY` stores its event and ends. A process in the background delivers it. The first run in a
//! terminal shows a notice and sends nothing. `telemetry off` and the variables delete the stored events.
#![expect(clippy::print_stdout, reason = "a tool talks to its user")]
#![expect(clippy::print_stderr, reason = "and says how it is used")]

use std::{env, error::Error, io, io::IsTerminal, process::ExitCode};

use etcetera::BaseStrategy;
use trubrics::{
    AnonymousId, Choice, DebugTransport, Event, Gate, State, StoredChoice, Trubrics,
    TrubricsBuilder, anonymous_id,
};

const USAGE: &str = "usage: cli_tool greet [--print-telemetry] | telemetry on|off|status";
const NOTICE: &str = "cli_tool counts its commands. `cli_tool telemetry off` ends that.";
const VERSION: &str = env!("CARGO_PKG_VERSION");
const PRINT: &str = "--print-telemetry";
const DELIVER: &str = "deliver-telemetry"; // the hidden command of the process that delivers

fn main() -> ExitCode {
    let words: Vec<_> = env::args_os().skip(1).collect();
    let words = words.iter().map(|word| word.to_str().unwrap_or_default());
    let words: Vec<_> = words.collect();
    match words[..] {
        ["greet"] | ["greet", PRINT] => println!("Hello!"),
        ["telemetry", "on" | "off" | "status"] | [DELIVER] => {}
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    }
    // A run ends the same, whatever happens to its event.
    if let (false, Err(error)) = (words == ["greet"], telemetry(&words)) {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn telemetry(words: &[&str]) -> Result<(), Box<dyn Error>> {
    let base = etcetera::choose_base_strategy()?;
    let state = base.state_dir().unwrap_or_else(|| base.data_dir());
    let folder = state.join("cli_tool");
    let choice = StoredChoice::in_file(folder.join("choice"));
    let settings = match words {
        [_, PRINT] => Trubrics::builder("none").transport(DebugTransport::new(io::stdout())),
        _ => TrubricsBuilder::from_env()? // a real tool has its key compiled in
            .spool(folder.join("telemetry"))
            .hand_off([DELIVER])
            .respect_opt_out(true)
            .off_if(Gate::variable("CLI_TOOL_NO_TELEMETRY"))
            .off_if(Gate::ci())
            .off_if(Gate::choice_or_notice(&choice)),
    };
    match words {
        [DELIVER] => return Ok(settings.deliver_handed_off().map(drop)?),
        ["telemetry", "on"] => choice.set(Choice::On, VERSION)?,
        ["telemetry", "off"] => choice.set(Choice::Off, VERSION)?,
        _ => {}
    }
    let client = settings.build()?; // it deletes the stored events if the choice is off
    match client.state() {
        state if words[0] == "telemetry" => println!("telemetry is {state}"),
        State::On => {
            let user = match words {
                [_, PRINT] => anonymous_id(), // it makes no file
                _ => AnonymousId::in_file(folder.join("user-id"))?.into(),
            };
            // The tool's own command, but no names of files and no values.
            let run = Event::new(user, "Run").property("command", words[0]);
            client.track(run.property("version", VERSION));
        }
        State::Undecided if io::stderr().is_terminal() => {
            eprintln!("{NOTICE}");
            choice.note_shown()?;
        }
        _ => {}
    }
    Ok(())
}
