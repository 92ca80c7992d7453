use std::{
    fs::{self, OpenOptions},
    io::Cursor,
    path::PathBuf,
    sync::Barrier,
    thread,
};

use super::*;

const ID: &str = "1b4e28ba-2fa1-41d2-883f-0016d3cca427";

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
    for content in [ID.to_owned(), format!("{ID}\r\n"), ID.to_uppercase()] {
        let folder = Folder::with(content.as_bytes());
        let read = AnonymousId::in_file(folder.file()).expect("read");
        assert_eq!(read.as_str(), ID);
        let kept = fs::read_to_string(folder.file()).expect("a file");
        assert_eq!(kept, content);
    }
}

#[test]
fn a_file_without_an_id_or_with_a_torn_one_is_written() {
    let torn = &ID[..20];
    let zeros = format!("{torn}\0\0\0");
    for content in ["", "\n", "1", torn, &ID[..35], &zeros, "\0\0\0\0"] {
        let folder = Folder::with(content.as_bytes());
        let id = AnonymousId::in_file(folder.file()).expect("made anew");
        let text = fs::read_to_string(folder.file()).expect("a file");
        assert_eq!(text, format!("{id}\n"));
        assert_eq!(AnonymousId::in_file(folder.file()).expect("read"), id);
    }
}

#[test]
fn a_file_that_holds_something_else_is_left_as_it_is() {
    let nil = b"00000000-0000-0000-0000-000000000000\n";
    let two_ids = format!("{ID}\n{ID}\n");
    let blanks = format!("{}key = 1", "\n".repeat(100));
    let contents: [&[u8]; 7] = [
        b"[server]\nport = 80\n",
        b"\xff\xfe",
        b"1b4e28ba2",
        nil,
        two_ids.as_bytes(),
        blanks.as_bytes(),
        &[0; 100],
    ];
    for content in contents {
        let folder = Folder::with(content);
        let error = AnonymousId::in_file(folder.file()).expect_err("not an id");
        let expected = format!(
            "{} cannot keep an id: it holds something else, which is left as it is",
            folder.file().display()
        );
        assert_eq!(error.to_string(), expected);
        assert_eq!(fs::read(folder.file()).expect("a file"), content);
    }
}

#[cfg(unix)]
#[test]
fn a_config_file_behind_a_link_is_left_as_it_is() {
    let folder = Folder::with(b"port = 80");
    let link = folder.0.join("link");
    std::os::unix::fs::symlink(folder.file(), &link).expect("a link");
    let error = AnonymousId::in_file(&link).expect_err("not an id");
    assert!(error.to_string().starts_with(&link.display().to_string()));
    assert_eq!(fs::read(folder.file()).expect("a file"), b"port = 80");
}

#[test]
fn a_lock_of_another_process_is_not_waited_for_forever() {
    let folder = Folder::with(b"");
    let mut holder = OpenOptions::new()
        .write(true)
        .open(folder.file())
        .expect("a file");
    holder.lock().expect("locked");
    let error = AnonymousId::in_file_within(&folder.file(), Duration::ZERO).expect_err("locked");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let expected = format!(
        "{} cannot keep an id: another process has locked it",
        folder.file().display()
    );
    assert_eq!(error.to_string(), expected);

    holder.write_all(ID.as_bytes()).expect("written");
    if cfg!(unix) {
        let id = AnonymousId::in_file_within(&folder.file(), Duration::ZERO);
        assert_eq!(id.expect("read in spite of the lock").as_str(), ID);
    }
}

/// A file into which another process writes an id after the first read.
struct Written {
    content: Cursor<Vec<u8>>,
    next: Option<Vec<u8>>,
}

impl Read for Written {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.content.read(buffer)?;
        if let Some(next) = self.next.take() {
            *self.content.get_mut() = next;
        }
        Ok(count)
    }
}

impl Seek for Written {
    fn seek(&mut self, position: io::SeekFrom) -> io::Result<u64> {
        self.content.seek(position)
    }
}

#[test]
fn an_id_that_is_written_while_it_is_read_is_not_mixed_with_what_was_there() {
    for before in [&ID.as_bytes()[..10], b"1b4e28ba-2\0\0\0\0\0\0"] {
        let id = AnonymousId::random();
        let mut file = Written {
            content: Cursor::new(before.to_vec()),
            next: Some(id.as_str().into()),
        };
        let during = read_unlocked(&mut file).expect("its first bytes are of an id");
        assert_eq!(during, None);
        let after = read_unlocked(&mut file).expect("it is whole");
        assert_eq!(after, Some(id));
    }
}

#[test]
fn fifty_first_users_at_once_agree() {
    for content in [None, Some(&ID[..10])] {
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
fn a_path_that_is_not_a_regular_file_is_an_error_at_once() {
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
            format!(
                "{} cannot keep an id: it is not a regular file",
                path.display()
            )
        );
    }
}
