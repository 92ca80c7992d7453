//! The command line.

use lexopt::{Arg, Parser, ValueExt as _};

use crate::entry::Filter;

pub(crate) const HELP: &str = "\
Shows what a program sends to Trubrics, as it comes: an ingestion server on this machine, for which no account is needed.

Usage: watch [OPTIONS], or cargo run --example watch -- [OPTIONS]

  --port PORT       where the server listens; 0 for a free port [8790]
  --page-port PORT  where the web page is; 0 for a free port [8791]
  --user TEXT       print only records of users whose id contains this, in any case
  --event TEXT      print only records whose name contains this, in any case
  --key KEY         refuse any other API key; otherwise every key will do
  --demo            send a few records to itself, print them, and end
  --help            print this, and end

The page shows every record, and has filters of its own.
";

pub(crate) struct Options {
    pub(crate) port: u16,
    pub(crate) page_port: u16,
    pub(crate) filter: Filter,
    pub(crate) key: Option<String>,
    pub(crate) demo: bool,
}

pub(crate) enum Wish {
    Help,
    Watch(Options),
}

pub(crate) fn parse() -> Result<Wish, lexopt::Error> {
    let mut parser = Parser::from_env();
    let mut options = Options {
        port: 8790,
        page_port: 8791,
        filter: Filter::default(),
        key: None,
        demo: false,
    };
    while let Some(option) = parser.next()? {
        match option {
            Arg::Long("port") => options.port = parser.value()?.parse()?,
            Arg::Long("page-port") => options.page_port = parser.value()?.parse()?,
            Arg::Long("user") => options.filter.user = parser.value()?.string()?.to_lowercase(),
            Arg::Long("event") => options.filter.event = parser.value()?.string()?.to_lowercase(),
            Arg::Long("key") => options.key = Some(parser.value()?.string()?),
            Arg::Long("demo") => options.demo = true,
            Arg::Long("help") | Arg::Short('h') => return Ok(Wish::Help),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Wish::Watch(options))
}
