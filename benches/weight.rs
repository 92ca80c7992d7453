//! What the crate adds to a program: crates in the tree, seconds of a clean release build, and bytes of the stripped
//! program.
//!
//! `cargo bench --bench weight` builds each program anew, one after the other, in `target/weight`; the dependencies are
//! those of this repository's `Cargo.lock`. `-- crates` only counts the crates.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Instant,
};

struct Program {
    name: &'static str,
    dependencies: &'static str,
    main: &'static str,
}

const PROGRAMS: [Program; 3] = [
    Program {
        name: "one-event",
        dependencies: r#"trubrics = { path = "ROOT" }"#,
        main: r#"
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = trubrics::Trubrics::from_env()?;
    client.track(trubrics::Event::new("user", "event"));
    Ok(())
}
"#,
    },
    Program {
        name: "one-post",
        dependencies: r#"
ureq = { version = "~3.5.2", default-features = false, features = ["rustls", "platform-verifier"] }"#,
        main: r#"
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("HOST")?;
    ureq::post(&url).header("x-api-key", "key").send("[]")?;
    Ok(())
}
"#,
    },
    // Uses a bit of each, so that none is left out of the program.
    Program {
        name: "seven-packages",
        dependencies: r#"
ureq = { version = "~3.5.2", default-features = false, features = ["rustls", "platform-verifier"] }
crossbeam-channel = "0.5.17"
serde = { version = "1.0.229", features = ["derive"] }
serde_json = "1.0.154"
uuid = { version = "1.29.3", features = ["v4"] }
time = { version = "0.3.55", features = ["formatting", "parsing", "serde"] }
log = "0.4.35""#,
        main: r#"
#[derive(serde::Serialize)]
struct Event {
    user_id: String,
    #[serde(with = "time::serde::rfc3339")]
    timestamp: time::OffsetDateTime,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("HOST")?;
    let (sender, receiver) = crossbeam_channel::unbounded::<Event>();
    let worker = std::thread::spawn(move || {
        for event in receiver {
            let body = serde_json::to_vec(&[event]).unwrap_or_default();
            if let Err(error) = ureq::post(&url).header("x-api-key", "key").send(&body) {
                log::warn!("{error}");
            }
        }
    });
    let user_id = uuid::Uuid::new_v4().to_string();
    sender.send(Event { user_id, timestamp: time::OffsetDateTime::now_utc() })?;
    drop(sender);
    let _ = worker.join();
    Ok(())
}
"#,
    },
];

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    // `cargo test --all-targets` runs this too, without the flag: it is built then, and that is all.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let builds = !arguments.iter().any(|argument| argument == "crates");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    println!(
        "{:<16} {:>7} {:>9} {:>14}",
        "program", "crates", "build, s", "stripped, B"
    );
    for program in PROGRAMS {
        let folder = write(root, &program);
        let crates = count_crates(&folder);
        let (seconds, bytes) = if builds {
            build(&folder, program.name)
        } else {
            (f64::NAN, 0)
        };
        println!(
            "{:<16} {crates:>7} {seconds:>9.1} {bytes:>14}",
            program.name
        );
    }
}

fn write(root: &Path, program: &Program) -> PathBuf {
    let folder = root.join("target/weight").join(program.name);
    let manifest = format!(
        "[package]\nname = \"{}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
         [profile.release]\nstrip = true\n\n[dependencies]\n{}\n",
        program.name,
        program
            .dependencies
            .replace("ROOT", &root.display().to_string())
    );
    fs::create_dir_all(folder.join("src")).expect("a folder in target");
    fs::write(folder.join("Cargo.toml"), manifest).expect("a file in target");
    fs::write(folder.join("src/main.rs"), program.main).expect("a file in target");
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).expect("a lock file");
    folder
}

/// The crates that are built into the program, itself among them.
fn count_crates(folder: &Path) -> usize {
    let tree = cargo(
        folder,
        &[
            "tree",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--no-dedupe",
        ],
    );
    let text = String::from_utf8(tree.stdout).expect("text");
    let name_and_version = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().take(2).collect();
        words.join(" ")
    };
    let crates: BTreeSet<String> = text
        .lines()
        .filter(|line| !line.is_empty())
        .map(name_and_version)
        .collect();
    crates.len()
}

/// Seconds and bytes.
fn build(folder: &Path, name: &str) -> (f64, u64) {
    cargo(folder, &["fetch"]);
    let _ = fs::remove_dir_all(folder.join("target"));
    let start = Instant::now();
    cargo(folder, &["build", "--release"]);
    let seconds = start.elapsed().as_secs_f64();
    let program = folder.join("target/release").join(name);
    let bytes = fs::metadata(program).expect("a program").len();
    (seconds, bytes)
}

fn cargo(folder: &Path, arguments: &[&str]) -> Output {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(arguments)
        .current_dir(folder)
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .expect("cargo");
    assert!(
        output.status.success(),
        "cargo {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
