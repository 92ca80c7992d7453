//! `cargo run --example watch`: shows what a program sends, as it comes, in the terminal and in a web page.
//!
//! It is an ingestion server on this machine. No account is needed: point a program at it by the two environment
//! variables that it names. `--help` lists the options; `--demo` sends a few records to itself and ends.
#![expect(clippy::print_stderr, reason = "a program says what went wrong")]

mod demo;
mod entry;
mod facts;
mod feed;
mod lines;
mod options;
mod page;
mod terminal;

use std::{
    error::Error,
    io::{self, ErrorKind},
    process::ExitCode,
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};

use trubrics::testing::{API_KEY, Server};

use entry::Entry;
use feed::{Feed, Hello};
use options::{Options, Wish};
use terminal::Terminal;

// Only how often an idle server looks around.
const LONG: Duration = Duration::from_secs(3600);

/// What was answered right before the end may still be on its way to the terminal.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// What the threads tell the one that prints.
enum News {
    Entries(Vec<Arc<Entry>>),
    Stop,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of the output has ended, as in `watch | head`.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("watch: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let options = match options::parse()? {
        Wish::Help => return Ok(terminal::write(options::HELP)?),
        Wish::Watch(options) => options,
    };
    let mut terminal = Terminal::new(options.filter.clone());
    if options.demo {
        for entry in demo::entries()? {
            terminal.show(&[Arc::new(entry)])?;
        }
        return Ok(terminal.sum_up()?);
    }

    let server = listen(&options)?;
    let feed = Arc::new(Feed::new(Hello {
        host: server.url().to_owned(),
        api_key: server.api_key().to_owned(),
    }));
    let page = page::serve(options.page_port, Arc::clone(&feed))?;
    terminal.greet(&server, page, options.key.is_some())?;

    let (tell, news) = mpsc::channel();
    let stop = tell.clone();
    ctrlc::set_handler(move || {
        let _ = stop.send(News::Stop);
    })?;
    thread::Builder::new()
        .name("watch-requests".to_owned())
        .spawn(move || pass_on(&server, &feed, &tell))?;
    Ok(show(&mut terminal, &news)?)
}

fn listen(options: &Options) -> Result<Server, String> {
    let key = options.key.as_deref().unwrap_or(API_KEY);
    let server = Server::start_on_port(options.port, key)
        .map_err(|error| format!("cannot listen on port {}: {error}", options.port))?;
    server.set_any_api_key(options.key.is_none());
    Ok(server)
}

/// Takes requests off the server for the page and the terminal, until the terminal is done.
fn pass_on(server: &Server, feed: &Feed, tell: &Sender<News>) {
    loop {
        let requests = server.take_requests(LONG);
        let entries: Vec<_> = requests.iter().flat_map(Entry::of).map(Arc::new).collect();
        // First the page: a terminal may be stopped.
        feed.add(&entries);
        if tell.send(News::Entries(entries)).is_err() {
            return;
        }
    }
}

fn show(terminal: &mut Terminal, news: &Receiver<News>) -> io::Result<()> {
    while let Ok(News::Entries(entries)) = news.recv() {
        terminal.show(&entries)?;
    }
    while let Ok(News::Entries(entries)) = news.recv_timeout(LAST_WORDS) {
        terminal.show(&entries)?;
    }
    terminal.sum_up()
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
