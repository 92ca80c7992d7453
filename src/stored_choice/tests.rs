use std::{fs, sync::Barrier, thread};

use super::*;

const TEXT: &str = "choice: on\nmade: 2026-03-01T09:30:00Z\nby: 1.4.2\nnotice: shown\n";

/// A folder that is not there yet, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let name = format!("trubrics-choice-{}", crate::anonymous_id());
        Self(std::env::temp_dir().join(name))
    }

    fn file(&self) -> PathBuf {
        self.0.join("state").join("telemetry")
    }

    fn stored(&self) -> StoredChoice {
        StoredChoice::in_file(self.file())
    }

    fn with(content: &[u8]) -> Self {
        let folder = Self::new();
        make_folder(&folder.file()).expect("a folder");
        fs::write(folder.file(), content).expect("written");
        folder
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).expect("a file")
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.join("state")).expect("a folder");
        let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("Unicode");
        let mut names: Vec<_> = entries
            .map(|entry| name(entry.expect("an entry")))
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// The time of [`TEXT`].
const MADE: u64 = 1_772_357_400;

#[test]
fn a_choice_is_kept_with_its_time_and_version() {
    let folder = Folder::new();
    let stored = folder.stored();
    assert_eq!(stored.get().expect("no file"), None);
    assert!(!stored.notice_was_shown().expect("no file"));
    assert!(!folder.0.exists(), "reading makes nothing");

    stored.note_shown().expect("stored");
    assert_eq!(folder.text(), "notice: shown\n");
    let now = at(MADE) + Duration::from_millis(999);
    stored.set_at(now, Choice::On, "1.4.2").expect("stored");
    assert_eq!(folder.text(), TEXT);
    let expected = MadeChoice {
        choice: Choice::On,
        at: at(MADE),
        by: "1.4.2".into(),
    };
    assert_eq!(stored.made().expect("read"), Some(expected.clone()));
    assert_eq!(
        expected.to_string(),
        "on, since 2026-03-01T09:30:00Z, by version 1.4.2"
    );

    for choice in [Choice::Off, Choice::Undecided, Choice::On] {
        stored.set(choice, "2.0.0-rc.1").expect("stored");
        assert_eq!(stored.get().expect("read"), Some(choice));
        assert!(stored.notice_was_shown().expect("read"));
    }
    assert_eq!(folder.names(), ["telemetry", "telemetry.lock"]);
}

#[test]
fn a_text_of_an_editor_is_read() {
    for text in [
        TEXT.replace('\n', "\r\n"),
        format!("{TEXT}\n \n"),
        TEXT.trim().into(),
    ] {
        let folder = Folder::with(text.as_bytes());
        assert_eq!(folder.stored().get().expect("read"), Some(Choice::On));
    }
    for text in ["", "\n", " \r\n"] {
        let folder = Folder::with(text.as_bytes());
        assert_eq!(folder.stored().get().expect("read"), None);
        folder.stored().set(Choice::Off, "1").expect("stored");
    }
}

#[test]
fn a_file_that_holds_something_else_is_left_as_it_is() {
    let line = |from: &str, to: &str| TEXT.replace(from, to).into_bytes();
    let contents = [
        b"port = 80\n".to_vec(),
        b"\xff\xfe".to_vec(),
        vec![0; 40],
        line("choice: on", "choice: yes"),
        line("choice: on", "choice:on"),
        line("choice: on\n", ""),
        line("made: 2026", "made: 2026-"),
        line("-03-", "-13-"),
        line("-03-01", "-02-30"),
        line("09:30", "24:30"),
        line("2026-03-01T", "2026-03-01 "),
        line("2026", "1969"),
        line("2026", "+026"),
        line("1.4.2", ""),
        line("1.4.2", " 1"),
        line("1.4.2", &"1".repeat(65)),
        line("shown", "hidden"),
        line("notice: shown\n", "notice: shown\nnotice: shown\n"),
        line("notice: shown", "note: shown"),
        line("by: 1.4.2\n", "by: 1.4.2\nby: 1.4.2\n"),
        format!("{TEXT}{}", "\n".repeat(512)).into_bytes(),
        TEXT.as_bytes()[..30].to_vec(),
    ];
    for content in contents {
        let folder = Folder::with(&content);
        let stored = folder.stored();
        let expected = format!(
            "{} cannot keep a choice: it holds something else, which is left as it is",
            folder.file().display()
        );
        let shown = String::from_utf8_lossy(&content).into_owned();
        let errors = [
            stored.get().expect_err(&shown),
            stored.notice_was_shown().expect_err(&shown),
            stored.set(Choice::Off, "1").expect_err(&shown),
            stored.note_shown().expect_err(&shown),
        ];
        for error in errors {
            assert_eq!(error.to_string(), expected);
            assert_eq!(error.kind(), ErrorKind::InvalidData);
        }
        assert_eq!(fs::read(folder.file()).expect("a file"), content);
        assert_eq!(folder.names(), ["telemetry"], "nothing is left beside it");
    }
}

#[test]
fn a_version_that_the_file_cannot_hold_is_refused() {
    let folder = Folder::with(TEXT.as_bytes());
    let long = "1".repeat(65);
    for by in ["", " 1", "1\n", "1\nnotice: shown", "1\u{85}", &long] {
        let error = folder.stored().set(Choice::Off, by).expect_err(by);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{by:?}");
    }
    assert_eq!(folder.text(), TEXT);
    assert_eq!(folder.names(), ["telemetry", "telemetry.lock"]);
    folder
        .stored()
        .set(Choice::Off, &long[1..])
        .expect("the longest");
    folder
        .stored()
        .set(Choice::Off, "1.0 «née»")
        .expect("any text");
}

#[test]
fn a_clock_beyond_the_calendar_gives_its_nearest_end() {
    let folder = Folder::new();
    let before = SystemTime::UNIX_EPOCH - Duration::from_secs(5);
    let beyond = at(300_000_000_000);
    for (now, text) in [
        (before, "1970-01-01T00:00:00Z"),
        (beyond, "9999-12-31T23:59:59Z"),
    ] {
        folder
            .stored()
            .set_at(now, Choice::On, "1")
            .expect("stored");
        assert!(folder.text().contains(text), "{}", folder.text());
        assert_eq!(folder.stored().get().expect("read"), Some(Choice::On));
    }
}

#[test]
fn no_change_of_fifty_at_once_is_lost() {
    let folder = Folder::new();
    let barrier = Barrier::new(50);
    thread::scope(|scope| {
        for number in 0..50 {
            let (folder, barrier) = (&folder, &barrier);
            scope.spawn(move || {
                let stored = folder.stored();
                barrier.wait();
                match number % 2 {
                    0 => stored.set(Choice::Off, "1").expect("stored"),
                    _ => stored.note_shown().expect("stored"),
                }
                // A reader beside writers finds a whole text.
                stored.get().expect("read");
            });
        }
    });
    assert_eq!(folder.stored().get().expect("read"), Some(Choice::Off));
    assert!(folder.stored().notice_was_shown().expect("read"));
    assert_eq!(folder.names(), ["telemetry", "telemetry.lock"]);
}

#[test]
fn a_lock_of_another_process_is_not_waited_for_forever() {
    let folder = Folder::with(TEXT.as_bytes());
    let holder = open(&folder.0.join("state/telemetry.lock")).expect("a file");
    holder.lock().expect("locked");
    let change = |content: &mut Content| content.made = None;
    let error = folder
        .stored()
        .change(Duration::ZERO, change)
        .expect_err("locked");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(folder.text(), TEXT);
    assert_eq!(
        folder.stored().get().expect("a reader waits for no lock"),
        Some(Choice::On)
    );
}

#[test]
fn a_file_that_cannot_be_made_is_an_error() {
    let folder = Folder::with(b"");
    let below = StoredChoice::in_file(folder.file().join("below a file"));
    assert!(below.set(Choice::On, "1").is_err());
    assert!(StoredChoice::in_file("").set(Choice::On, "1").is_err());
    let error = StoredChoice::in_file(&folder.0)
        .get()
        .expect_err("a folder");
    assert!(
        error.to_string().ends_with("it is not a regular file"),
        "{error}"
    );
}

#[cfg(unix)]
#[test]
fn the_files_and_their_folder_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new();
    folder.stored().set(Choice::On, "1").expect("stored");
    let mode = |path: PathBuf| path.metadata().expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(folder.file()), 0o600);
    assert_eq!(mode(folder.0.join("state/telemetry.lock")), 0o600);
    assert_eq!(mode(folder.0.join("state")), 0o700);
}

#[cfg(unix)]
#[test]
fn a_link_to_the_file_stays_one() {
    let folder = Folder::with(TEXT.as_bytes());
    let link = folder.0.join("link");
    std::os::unix::fs::symlink(folder.file(), &link).expect("a link");
    StoredChoice::in_file(&link)
        .set(Choice::Off, "1")
        .expect("stored");
    assert!(link.is_symlink());
    assert_eq!(folder.stored().get().expect("read"), Some(Choice::Off));
}

#[cfg(unix)]
#[test]
fn a_link_to_a_file_that_is_not_there_yet_stays_one() {
    use std::os::unix::fs::symlink;

    let folder = Folder::with(b"");
    let (link, other) = (folder.0.join("link"), folder.0.join("other link"));
    symlink("other link", &link).expect("a link");
    symlink("new/telemetry", &other).expect("a link");
    let stored = StoredChoice::in_file(&link);
    stored.set(Choice::Off, "1").expect("stored");
    assert!(link.is_symlink() && other.is_symlink());
    let target = StoredChoice::in_file(folder.0.join("new/telemetry"));
    assert_eq!(target.get().expect("read"), Some(Choice::Off));
    assert_eq!(stored.get().expect("read"), Some(Choice::Off));
}

proptest::proptest! {
    #[test]
    fn no_text_panics_and_each_that_is_read_is_written_alike(
        lines in proptest::collection::vec(".{0,30}", 0..5),
        at in 0_usize..TEXT.len(),
        put in ".{0,2}",
    ) {
        let changed = format!("{}{put}{}", &TEXT[..at], &TEXT[at..]);
        let replaced = format!("{}{put}{}", &TEXT[..at], &TEXT[at + 1..]);
        for text in [lines.join("\n"), changed, replaced] {
            if let Some(content) = Content::parse(&text) {
                let same = Content::parse(&content.to_text());
                proptest::prop_assert_eq!(same, Some(content), "{:?}", text);
            }
        }
    }
}

#[test]
fn a_file_that_cannot_be_opened_holds_no_choice_and_is_an_error() {
    let folder = Folder::with(TEXT.as_bytes());
    let below_a_file = StoredChoice::in_file(folder.file().join("telemetry"));
    assert!(below_a_file.content().is_err());
}
