//! The three files of an import: the events, the resume point, and the dead letters.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use serde_json::json;
use trubrics::defaults;

pub(crate) struct Files {
    pub(crate) input: PathBuf,
    pub(crate) resume_point: ResumePoint,
    pub(crate) dead_letters: DeadLetters,
}

impl Files {
    /// Those of an import to this host, the last two in this folder.
    pub(crate) fn new(input: PathBuf, host: String, folder: &Path) -> Self {
        let name = input.file_name().unwrap_or_default().to_owned();
        let with = |suffix: &str| {
            let mut name = name.clone();
            name.push(suffix);
            folder.join(name)
        };
        let path = with(".resume-point");
        Self {
            input,
            resume_point: ResumePoint { path, host },
            dead_letters: DeadLetters(with(".dead-letters")),
        }
    }
}

/// How far the import has come: each line before it is delivered, or a dead letter.
#[derive(Clone, Copy, Default)]
pub(crate) struct Point {
    pub(crate) lines: u64,
    pub(crate) bytes: u64,
}

/// The file that holds the point, and the host that has the lines before it: another host does not have them.
pub(crate) struct ResumePoint {
    pub(crate) path: PathBuf,
    host: String,
}

impl ResumePoint {
    /// The beginning, if the file does not exist.
    pub(crate) fn load(&self) -> io::Result<Point> {
        let text = match fs::read_to_string(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Point::default()),
            text => text?,
        };
        let parse = || {
            let (lines, rest) = text.trim_end().split_once(' ')?;
            let (bytes, host) = rest.split_once(' ')?;
            let (lines, bytes) = (lines.parse().ok()?, bytes.parse().ok()?);
            Some((Point { lines, bytes }, host))
        };
        let problem = match parse() {
            Some((point, host)) if host == self.host => return Ok(point),
            Some((_, host)) => format!("is for {host}, this import for {}", self.host),
            None => "holds something else".to_owned(),
        };
        let path = self.path.display();
        let remedy = "without that file an import begins at the first line";
        Err(io::Error::other(format!("{path} {problem}; {remedy}")))
    }

    /// Writes it beside the old one and swaps the two: a kill leaves the one or the other.
    pub(crate) fn save(&self, point: Point) -> io::Result<()> {
        let beside = self.path.with_extension("resume-point.new");
        let (lines, bytes) = (point.lines, point.bytes);
        fs::write(&beside, format!("{lines} {bytes} {}\n", self.host))?;
        fs::rename(&beside, &self.path)
    }
}

pub(crate) struct Line {
    pub(crate) number: u64,
    pub(crate) text: Vec<u8>,
}

/// The lines that one thread delivers at a time, and where they end.
pub(crate) struct Chunk {
    pub(crate) lines: Vec<Line>,
    pub(crate) end: Point,
}

pub(crate) struct Input {
    file: BufReader<File>,
    point: Point,
}

impl Input {
    /// Keeps the file locked: two imports at once would both send everything.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        file.try_lock()?;
        Ok(Self {
            file: BufReader::new(file),
            point: Point::default(),
        })
    }

    pub(crate) fn length(&self) -> io::Result<u64> {
        Ok(self.file.get_ref().metadata()?.len())
    }

    pub(crate) fn skip_to(&mut self, point: Point) -> io::Result<()> {
        if self.length()? < point.bytes {
            let problem = "the resume point is past the end: it is of another file";
            return Err(io::Error::other(problem));
        }
        self.file.seek(SeekFrom::Start(point.bytes))?;
        self.point = point;
        Ok(())
    }

    /// The next lines, as many as a request carries, without blank ones; none at the end.
    pub(crate) fn next_chunk(&mut self) -> io::Result<Option<Chunk>> {
        let (start, mut lines) = (self.point.bytes, Vec::new());
        while lines.len() < defaults::MAX_BATCH_SIZE {
            let mut text = Vec::new();
            let length = self.file.read_until(b'\n', &mut text)?;
            if length == 0 {
                break;
            }
            self.point.bytes += length as u64;
            self.point.lines += 1;
            if !text.trim_ascii().is_empty() {
                let number = self.point.lines;
                lines.push(Line { number, text });
            }
        }
        let end = self.point;
        Ok((end.bytes > start).then_some(Chunk { lines, end }))
    }
}

/// Lines that are not delivered, with the reason: each a line of JSON.
pub(crate) struct DeadLetters(pub(crate) PathBuf);

/// A line with the reason why it is not delivered.
pub(crate) struct DeadLetter {
    pub(crate) line: Line,
    pub(crate) reason: String,
}

impl DeadLetters {
    /// In one piece, so that a kill leaves no half of a line.
    pub(crate) fn write(&self, letters: &[DeadLetter]) -> io::Result<()> {
        if letters.is_empty() {
            return Ok(());
        }
        let mut text = String::new();
        for DeadLetter { line, reason } in letters {
            let content = String::from_utf8_lossy(&line.text);
            let letter = json!({"line": line.number, "reason": reason, "text": content.trim_end()});
            text += &format!("{letter}\n");
        }
        let mut options = File::options();
        let mut file = options.create(true).read(true).append(true).open(&self.0)?;
        // A full disk may have left half of a line.
        if file.metadata()?.len() > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                text.insert(0, '\n');
            }
        }
        file.write_all(text.as_bytes())
    }
}
