//! `cargo run --example cli_tool -- greet`: a command-line tool that says how it is used, at no cost to its user.
//!
//! A run writes its event to disk and ends; it never touches the network. A process that it leaves behind delivers the
//! events of this run and of all runs in the next ten seconds, so that no run starts another one in that time. The user
//! waits for no server, and a run without a network loses nothing: the next one delivers it. The process in the
//! background outlives the terminal, has nothing in its arguments, prints nothing, keeps no folder busy, and ends after
//! twenty seconds at most.
//!
//! `--print-telemetry` prints what would be sent, and sends nothing. So does a missing `TRUBRICS_API_KEY`, which a real
//! tool has compiled in. `DO_NOT_TRACK=1` or `CLI_TOOL_NO_TELEMETRY=1` turns telemetry off: the run deletes the events
//! on disk, and a process in the background notices that and ends, even in the middle of a request.
#![expect(clippy::print_stdout, reason = "a tool talks to its user")]
#![expect(clippy::print_stderr, reason = "and says how it is used")]

use std::{
    env,
    error::Error,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{self, Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant, SystemTime},
};

use trubrics::{
    AnonymousId, ConfigError, DebugTransport, Event, TransportError, Trubrics, TrubricsBuilder,
    transport_fn,
};

const USAGE: &str = "usage: cli_tool greet [--print-telemetry]";

/// The hidden command of the process that delivers.
const DELIVER: &str = "deliver-telemetry";
/// How often there is one, and how long it looks for the events of later runs.
const DELIVER_EVERY: Duration = Duration::from_secs(10);
/// The time of its last attempt.
const LAST_ATTEMPT: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let is_given = |word: &str| env::args_os().any(|argument| argument == word);
    if is_given("--help") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let Some(command) = ["greet", DELIVER].into_iter().find(|word| is_given(word)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    if command == "greet" {
        println!("Hello!");
    }
    // With an error too, the tool prints and returns what it would without telemetry.
    let _ = telemetry(command, is_given("--print-telemetry"));
    ExitCode::SUCCESS
}

/// The event of a run holds the tool's own command, but no names of files and no values.
fn telemetry(command: &str, is_printing: bool) -> Result<(), Box<dyn Error>> {
    let folder = state_folder().ok_or("no home")?.join("telemetry");
    let spool = folder.join("spool");
    if is_opted_out() {
        return Ok(fs::remove_dir_all(spool)?);
    }
    if command == DELIVER {
        return Ok(deliver(&spool)?);
    }
    let event = Event::new(AnonymousId::in_file(folder.join("user-id"))?, "Run")
        .property("command", command)
        .property("version", env!("CARGO_PKG_VERSION"));
    let has_key = env::var_os("TRUBRICS_API_KEY").is_some_and(|key| !key.is_empty());
    if is_printing || !has_key {
        let print = DebugTransport::new(io::stdout());
        let client = Trubrics::builder("none").transport(print).build()?;
        client.track(event);
        return Ok(client.close(Duration::from_secs(1))?);
    }
    // This run ends in a moment, so it must not begin to send: an unfinished request would be sent twice.
    let leave = transport_fn(|_| Err(TransportError::new("another process delivers")));
    let builder = TrubricsBuilder::from_env()?;
    let client = builder.spool(spool).transport(leave).build()?;
    client.track(event);
    client.close(Duration::ZERO)?; // returns as soon as the event is on disk
    Ok(start_delivery(&folder)?)
}

/// Delivers the events on disk until a run would start the next process.
fn deliver(spool: &Path) -> Result<(), ConfigError> {
    end_without(spool.to_owned());
    let end = Instant::now() + DELIVER_EVERY;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let client = TrubricsBuilder::from_env()?.spool(spool).build()?;
        // A close that has time delivers the events of earlier runs. The others stay on disk.
        let _ = client.close(left.max(LAST_ATTEMPT));
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(Duration::from_secs(1));
    }
}

/// Ends this process when another run deletes the events on disk, because its user opted out.
fn end_without(spool: PathBuf) {
    thread::spawn(move || {
        while spool.exists() {
            thread::sleep(Duration::from_millis(100));
        }
        process::exit(0)
    });
}

fn start_delivery(folder: &Path) -> io::Result<()> {
    let stamp = folder.join("last-delivery");
    let last = fs::metadata(&stamp).and_then(|stamp| stamp.modified());
    if last.is_ok_and(|last| last.elapsed().is_ok_and(|since| since < DELIVER_EVERY)) {
        return Ok(());
    }
    File::create(&stamp)?.set_modified(SystemTime::now())?;
    let mut command = Command::new(env::current_exe()?);
    command.arg(DELIVER).current_dir(env::temp_dir());
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(Stdio::null());
    #[cfg(unix)] // Ctrl-C is not for it
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    #[cfg(windows)] // DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP
    std::os::windows::process::CommandExt::creation_flags(&mut command, 0x208);
    command.spawn().map(drop)
}

fn is_opted_out() -> bool {
    let values = ["DO_NOT_TRACK", "CLI_TOOL_NO_TELEMETRY"].map(env::var_os);
    values.into_iter().flatten().any(|value| {
        let value = value.to_string_lossy().trim().to_lowercase();
        !matches!(value.as_str(), "" | "0" | "false")
    })
}

fn state_folder() -> Option<PathBuf> {
    let folder = if cfg!(windows) {
        env::var_os("LOCALAPPDATA").map(PathBuf::from)
    } else if cfg!(target_os = "macos") {
        env::home_dir().map(|home| home.join("Library/Application Support"))
    } else {
        let state = env::var_os("XDG_STATE_HOME").map(PathBuf::from);
        let state = state.filter(|path| path.is_absolute());
        state.or_else(|| env::home_dir().map(|home| home.join(".local/state")))
    };
    folder.map(|folder| folder.join("cli_tool"))
}
