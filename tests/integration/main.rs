//! The crate as its users see it, against servers on loopback. One binary: each module holds the promises of one kind.
#![cfg(feature = "http")]

/// Which file of `src` imports which.
mod architecture;
/// How records travel: batches, order, endpoints, headers.
mod batches;
/// What a failure is blamed on.
mod blame;
/// What the README and the pages of the documentation say, beside the code.
mod book;
/// Flush and close by several callers, from hooks, after a close, and while callers wait for room.
mod callers;
/// What each call of the client does and returns, and what it never does.
mod calls;
/// The example that shows how a command-line tool tells of its runs.
mod cli_tool;
/// What is sent of what was said: everything, redacted, cut or only its length.
mod content;
/// Flush, close and drop return in time, whatever state the network is in.
mod deadlines;
/// Many records on the calling thread, with the outcome of each.
mod deliver;
/// A spool on a disk that is full, read-only, without locks, or out of descriptors.
#[cfg(target_os = "linux")]
mod disks;
/// Answers before the request was read.
mod early_answers;
/// Failures that pass, and records that are refused.
mod faults;
/// Why a client is off, and the facts of the process.
mod gates;
/// The client of the process.
mod global;
/// Limits of event names, and samples of users.
mod guard;
/// A process that stores its records, and the one that it starts to deliver them.
mod hand_off;
/// What a client says of its health.
mod health;
/// `before_send` and `on_drop`.
mod hooks;
/// How often the worker wakes.
#[cfg(target_os = "linux")]
mod idle;
/// The example that imports past events: what it delivers, writes down, and does after a kill.
mod import;
/// Processes with a spool that are killed at any moment, and many at work in one folder.
#[cfg(unix)]
mod kills;
/// What earlier runs left in a spool: who delivers it, and who need not wait for it.
mod leftovers;
/// Calls to a model, on a real clock.
mod llm_calls;
/// A client with a spool for a long time, with restarts of the server and kills.
#[cfg(target_os = "linux")]
mod long_run;
/// What the page on measuring an AI feature promises.
mod measuring_ai;
/// Images and files in texts.
mod media;
/// What a client that cannot deliver costs.
#[cfg(target_os = "linux")]
mod memory;
/// A client used in destructors, inside tokio, in its own hooks, on its own worker.
mod odd_places;
/// The server goes away for a while, and comes back.
mod outage;
/// A panic in the program's own code never leaves ours.
mod panics;
/// The queue's bounds, and what happens when they are reached.
mod pressure;
/// Many threads that track at full speed, with a spool.
#[cfg(target_os = "linux")]
mod producers;
/// Threads that go on tracking while the client is closed.
mod racing_close;
/// The recipes of the documentation, each a program of its own.
mod recipes;
/// What a client hides in properties and in texts.
mod redaction;
/// Without threads or descriptors a client waits; and it leaves none of its own behind.
#[cfg(target_os = "linux")]
mod scarcity;
/// What else is in the folder of a spool, and who else uses it.
mod shared_folders;
/// Records on disk: what a close, another process or a bad disk does to them.
mod spool;
/// The program of the page `start`.
mod start;
/// Random faults and many threads; at the end every record is accounted for.
mod storm;
/// The tokens in the answers of each provider.
mod usage;
/// Many records, and how they are put into requests.
mod volume;
/// The example `watch`: what it prints, and its page in a browser.
mod watch;
/// Every field and option of a record, as a server gets to see it.
mod wire;
/// Consent: granted, undecided, withdrawn, by this process or another one.
mod withdrawal;

/// Chance that a seed decides.
mod chance;
/// Runs a test in a process of its own.
mod child;
mod support;
