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

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

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
    let _ = match request.url().split('?').next() {
        // A name of somebody else's that leads here would let their page read the records.
        _ if !is_for_loopback(&request) => request.respond(Response::empty(421)),
        Some("/") => respond(request, "text/html", PAGE),
        Some("/page.css") => respond(request, "text/css", STYLE),
        Some("/page.js") => respond(request, "text/javascript", SCRIPT),
        Some("/feed") => {
            let feed = Arc::clone(feed);
            thread::Builder::new()
                .name("watch-feed".to_owned())
                .spawn(move || {
                    let _ = stream(request, &feed);
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

fn respond(request: Request, kind: &str, body: &str) -> io::Result<()> {
    let mut response = Response::from_string(body);
    let kind = format!("{kind}; charset=utf-8");
    for (name, value) in [
        ("content-type", kind.as_str()),
        (
            "content-security-policy",
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:",
        ),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
    ] {
        if let Ok(header) = Header::from_bytes(name, value) {
            response.add_header(header);
        }
    }
    request.respond(response)
}

/// Writes messages until the page is gone.
fn stream(request: Request, feed: &Feed) -> io::Result<()> {
    let mut page = request.into_writer();
    page.write_all(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-store\r\nconnection: close\r\n\r\n",
    )?;
    let mut reader = Reader::default();
    loop {
        page.write_all(feed.next_message(&mut reader, PATIENCE).as_bytes())?;
        page.flush()?;
    }
}
