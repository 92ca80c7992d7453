#![expect(clippy::print_stdout, reason = "a test that is left out says so")]

use std::{
    env,
    fs::{self, File},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::support::LONG;

/// A folder of a test, removed at the end. Every user may write to it, as some servers change theirs.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let path = env::temp_dir().join(format!("trubrics-{}", trubrics::anonymous_id()));
        fs::create_dir(&path).expect("a new folder");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).expect("our folder");
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("our folder");
        path
    }

    /// The text of a file, empty if there is none.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

pub(crate) fn is_listening(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Waits until this holds.
#[track_caller]
pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < LONG, "waited for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Finds an installed program. Says so if it is not there.
pub(crate) fn installed(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into()]);
    let found = folders
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    if found.is_none() {
        println!("left out: {name} is not installed");
    }
    found
}

/// A program that serves a port, ended with this value.
pub(crate) struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts it, and waits until it serves its port.
    #[track_caller]
    pub(crate) fn start(command: &mut Command, folder: &Folder, port: u16) -> Self {
        let log = folder.path("output.log");
        let output = File::options().create(true).append(true).open(&log);
        let output = output.expect("our folder");
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a descriptor"))
            .stderr(output)
            .spawn()
            .expect("an installed program");
        let mut program = Self { child, log };
        let start = Instant::now();
        while !is_listening(port) {
            let ended = program.child.try_wait().expect("a child");
            let is_late = start.elapsed() > LONG;
            assert!(ended.is_none() && !is_late, "{ended:?}: {}", program.log());
            thread::sleep(Duration::from_millis(5));
        }
        program
    }

    fn log(&self) -> String {
        log_of(&self.log)
    }

    #[track_caller]
    pub(crate) fn signal(&self, signal: &str) {
        let process = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &process]).status();
        assert!(sent.expect("the program kill").success(), "{signal}");
    }

    /// Ends it with this signal, and waits for its end.
    #[track_caller]
    pub(crate) fn end(mut self, signal: &str) {
        self.signal(signal);
        self.child.wait().expect("an end");
    }
}

fn log_of(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

impl Drop for Program {
    fn drop(&mut self) {
        let is_over = |child: &mut Child| !matches!(child.try_wait(), Ok(None));
        if is_over(&mut self.child) {
            return;
        }
        // Its workers end with it.
        let process = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &process]).status();
        let start = Instant::now();
        while !is_over(&mut self.child) && start.elapsed() < LONG {
            thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            println!("it said: {}", self.log());
        }
    }
}
