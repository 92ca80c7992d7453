use std::{fs, path::PathBuf, sync::Barrier, thread};

use super::*;

/// A folder that is not there yet, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("trubrics-id-{}", crate::anonymous_id())))
    }

    fn file(&self) -> PathBuf {
        self.0.join("state").join("user-id")
    }

    fn with(content: &[u8]) -> Self {
        let folder = Self::new();
        make_folder(&folder.file()).expect("a folder");
        fs::write(folder.file(), content).expect("written");
        folder
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_id_is_made_once_and_read_from_then_on() {
    let folder = Folder::new();
    let id = AnonymousId::in_file(folder.file()).expect("made");
    assert_eq!(
        fs::read_to_string(folder.file()).expect("a file"),
        format!("{id}\n")
    );
    assert_eq!(AnonymousId::in_file(folder.file()).expect("read"), id);
    assert_eq!(String::from(&id).len(), 36);
    assert_eq!(String::from(id.clone()), id.to_string());
    assert_ne!(
        AnonymousId::in_file(Folder::new().file()).expect("made"),
        id
    );
}

#[test]
fn an_id_is_a_text_and_comes_back_from_it() {
    let id = AnonymousId::random();
    assert_eq!(id.as_str(), id.to_string());
    assert_eq!(id.as_str().parse(), Ok(id.clone()));
    assert_eq!(id.as_str().to_uppercase().parse(), Ok(id));
    let nil = "00000000-0000-0000-0000-000000000000";
    for text in ["", "x", nil, " 1b4e28ba-2fa1-41d2-883f-0016d3cca427"] {
        let error = AnonymousId::from_str(text).expect_err(text);
        assert_eq!(
            error.to_string(),
            "not an id: a UUID that is not nil is needed"
        );
    }
}

#[test]
fn an_id_that_a_person_or_a_tool_wrote_is_kept() {
    let id = "1b4e28ba-2fa1-41d2-883f-0016d3cca427";
    for content in [id.to_owned(), format!("{id}\r\n"), id.to_uppercase()] {
        let folder = Folder::with(content.as_bytes());
        let read = AnonymousId::in_file(folder.file()).expect("read");
        assert_eq!(read.to_string(), id);
        let kept = fs::read_to_string(folder.file()).expect("a file");
        assert_eq!(kept, content);
    }
}

#[test]
fn what_is_no_id_is_replaced() {
    let nil = "00000000-0000-0000-0000-000000000000";
    let long = "x".repeat(100_000);
    let torn = &nil[..20];
    let contents = ["", "\n", torn, nil, &long, "\0\0\0\0"].map(str::as_bytes);
    for content in contents.into_iter().chain([&b"\xff\xfe"[..]]) {
        let folder = Folder::with(content);
        let id = AnonymousId::in_file(folder.file()).expect("made anew");
        let text = fs::read_to_string(folder.file()).expect("a file");
        assert_eq!(text, format!("{id}\n"));
        assert_eq!(AnonymousId::in_file(folder.file()).expect("read"), id);
    }
}

#[test]
fn fifty_first_users_at_once_agree() {
    for content in [None, Some("damaged")] {
        let folder = content.map_or_else(Folder::new, |content| Folder::with(content.as_bytes()));
        let barrier = Barrier::new(50);
        let first = || {
            barrier.wait();
            AnonymousId::in_file(folder.file()).expect("made or read")
        };
        let ids: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..50).map(|_| scope.spawn(first)).collect();
            let joined = threads.into_iter().map(|thread| thread.join());
            joined.map(|id| id.expect("no panic")).collect()
        });
        let kept = AnonymousId::in_file(folder.file()).expect("read");
        assert!(ids.iter().all(|id| *id == kept), "{ids:?}");
    }
}

#[test]
fn a_file_that_cannot_be_made_is_an_error() {
    let folder = Folder::with(b"");
    let error = AnonymousId::in_file(folder.file().join("below a file"));
    assert!(error.is_err());
    let error = AnonymousId::in_file(&folder.0);
    assert!(error.is_err(), "a folder");
    assert!(AnonymousId::in_file("").is_err());
}

#[cfg(unix)]
#[test]
fn the_file_and_its_folder_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new();
    AnonymousId::in_file(folder.file()).expect("made");
    let mode = |path: PathBuf| path.metadata().expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(folder.file()), 0o600);
    assert_eq!(mode(folder.0.join("state")), 0o700);
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_an_error_and_nobody_waits_for_it() {
    use std::{process::Command, sync::mpsc, time::Duration};

    let folder = Folder::with(b"");
    let pipe = folder.0.join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo").success());
    for path in [pipe, folder.0.clone(), "/dev/null".into()] {
        let (answer, answered) = mpsc::channel();
        let asked = path.clone();
        thread::spawn(move || answer.send(AnonymousId::in_file(asked)));
        let answer = answered.recv_timeout(Duration::from_secs(20));
        let error = answer.expect("an answer").expect_err("no file");
        assert_eq!(
            error.to_string(),
            format!("{} is no regular file", path.display())
        );
    }
}
