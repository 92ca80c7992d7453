//! Serves the web page and, by server-sent events, what it shows.

use std::{
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    thread,
    time::Duration,
};

use tiny_http::{Header, Request, Response, Server};

use crate::feed::{Feed, Reader};

const PAGE: &str = include_str!("page/page.html");
const SCRIPT: &str = concat!(
    include_str!("page/figures.js"),
    include_str!("page/rows.js"),
    include_str!("page/page.js"),
);

// Only bounds how long a page that is gone holds a thread.
const PATIENCE: Duration = Duration::from_secs(15);

/// Serves until the program ends; says where.
pub(crate) fn serve(port: u16, feed: Arc<Feed>) -> Result<SocketAddr, String> {
    let server = Server::http((Ipv4Addr::LOCALHOST, port))
        .map_err(|error| format!("cannot serve the page on port {port}: {error}"))?;
    let address = server
        .server_addr()
        .to_ip()
        .ok_or("the page has no address")?;
    thread::Builder::new()
        .name("watch-page".to_owned())
        .spawn(move || {
            for request in server.incoming_requests() {
                answer(request, &feed);
            }
        })
        .map_err(|error| format!("cannot serve the page: {error}"))?;
    Ok(address)
}

fn answer(request: Request, feed: &Arc<Feed>) {
    // A browser that goes away costs its own request only.
    let (path, query) = match request.url().split_once('?') {
        Some((path, query)) => (path, query),
        None => (request.url(), ""),
    };
    let _ = match path {
        // With another host name that leads here, a foreign page could read the records.
        _ if !is_for_loopback(&request) => request.respond(Response::empty(421)),
        "/" => respond_with_page(request),
        "/feed" => {
            let feed = Arc::clone(feed);
            let reader = feed.reader(query.strip_prefix("after="));
            thread::Builder::new()
                .name("watch-feed".to_owned())
                .spawn(move || {
                    let _ = stream(request, &feed, reader);
                })
                .map(drop)
        }
        _ => request.respond(Response::empty(404)),
    };
}

fn is_for_loopback(request: &Request) -> bool {
    let host = request
        .headers()
        .iter()
        .find(|header| header.field.equiv("host"))
        .map_or("", |header| header.value.as_str());
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "127.0.0.1" || name.eq_ignore_ascii_case("localhost")
}

/// The page is one document. It may run its own script, ask this server for the feed, and load nothing else; texts
/// cannot become HTML, scripts or addresses in it.
fn respond_with_page(request: Request) -> io::Result<()> {
    let nonce = trubrics::anonymous_id();
    let page = PAGE.replace("{nonce}", &nonce).replace("{script}", SCRIPT);
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'"
    );
    let mut response = Response::from_string(page);
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", policy.as_str()),
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
    ] {
        if let Ok(header) = Header::from_bytes(name, value) {
            response.add_header(header);
        }
    }
    request.respond(response)
}

/// Writes messages until the page is gone.
fn stream(request: Request, feed: &Feed, mut reader: Reader) -> io::Result<()> {
    let mut page = request.into_writer();
    page.write_all(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-store\r\nconnection: close\r\n\r\n",
    )?;
    loop {
        page.write_all(feed.next_message(&mut reader, PATIENCE).as_bytes())?;
        page.flush()?;
    }
}
