//! `cargo run --example web_handler`: a web server that tracks one event per request; it visits itself and ends.
//!
//! With `-- --serve` it serves at <http://127.0.0.1:8000> until Ctrl-C. With `TRUBRICS_API_KEY` set the events go to
//! Trubrics, or to `TRUBRICS_HOST`; without it, to another server on this machine.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]
#![expect(clippy::print_stderr, reason = "and says what went wrong")]

use std::{
    env,
    error::Error,
    iter,
    process::ExitCode,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use tiny_http::{Header, Request, Response, Server};
use trubrics::{Event, Trubrics, anonymous_id, testing};

const THREADS: usize = 4;

fn main() -> ExitCode {
    let Err(error) = run() else {
        return ExitCode::SUCCESS;
    };
    eprint!("web_handler: {error}");
    for cause in iter::successors(error.source(), |&cause| cause.source()) {
        eprint!(": {cause}");
    }
    eprintln!();
    ExitCode::FAILURE
}

fn run() -> Result<(), Box<dyn Error>> {
    let local = testing::Server::start()?;
    let client = match env::var("TRUBRICS_API_KEY") {
        Ok(key) if !key.is_empty() => Trubrics::from_env()?,
        _ => Trubrics::builder(local.api_key())
            .host(local.url())
            .build()?,
    };
    let serves_on = env::args().any(|argument| argument == "--serve");
    let address = if serves_on {
        "127.0.0.1:8000"
    } else {
        "127.0.0.1:0"
    };
    let server = Server::http(address).map_err(|error| format!("{address}: {error}"))?;

    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for request in server.incoming_requests() {
                    handle(request, &client);
                }
            });
        }
        let done = match serves_on {
            true => wait_for_ctrl_c(),
            false => visit(&server),
        };
        for _ in 0..THREADS {
            server.unblock(); // Each ends one thread.
        }
        done
    })?;

    // Every request was answered: now there is time to deliver what is still queued.
    client.close(Duration::from_secs(5))?;
    for event in local.events() {
        println!("tracked: {event}");
    }
    Ok(())
}

fn handle(request: Request, client: &Trubrics) {
    let started = Instant::now();
    let method = request.method().to_string();
    // A query may hold anything: only the path is tracked.
    let path = request.url().split('?').next().unwrap_or("/").to_owned();
    let (status, body) = match path.as_str() {
        "/" => (200, "Hello\n"),
        "/chart" => (200, "A chart\n"),
        _ => (404, "There is nothing here\n"),
    };
    let mut response = Response::from_string(body).with_status_code(status);
    // Who is signed in, as the proxy in front of us says, or was here before; a new user gets a cookie.
    let known = header(&request, "X-User").or_else(|| {
        let cookies = header(&request, "Cookie")?;
        let visitor = cookies
            .split("; ")
            .find_map(|cookie| cookie.strip_prefix("visitor="))?;
        Some(visitor.to_owned())
    });
    let user_id = known.filter(|id| !id.is_empty()).unwrap_or_else(|| {
        let id = anonymous_id();
        let cookie = format!("Set-Cookie: visitor={id}; Path=/; HttpOnly; SameSite=Lax");
        response.add_header(cookie.parse::<Header>().expect("a header"));
        id
    });
    let _ = request.respond(response);

    // The visitor has the answer; and this neither waits nor fails, whatever the network does.
    let latency = started.elapsed().as_micros() as f64 / 1e3;
    let event = Event::new(user_id, "Request").property("method", method);
    let event = event.property("path", path).property("status", status);
    client.track(event.property("latency_ms", latency));
}

fn header(request: &Request, name: &'static str) -> Option<String> {
    let mut headers = request.headers().iter();
    let header = headers.find(|header| header.field.equiv(name))?;
    Some(header.value.to_string())
}

fn visit(server: &Server) -> Result<(), Box<dyn Error>> {
    for (path, name, value) in [
        ("/", "X-User", "user_123"),
        ("/chart?token=secret", "Cookie", "theme=dark; visitor=c1f4"),
        ("/chart", "Accept", "*/*"),
    ] {
        let url = format!("http://{}{path}", server.server_addr());
        let answer = ureq::get(url).header(name, value).call()?;
        println!("GET {path}: {}", answer.status());
    }
    Ok(())
}

fn wait_for_ctrl_c() -> Result<(), Box<dyn Error>> {
    let (stop, stopped) = mpsc::channel();
    ctrlc::set_handler(move || stop.send(()).unwrap_or_default())?;
    println!("http://127.0.0.1:8000");
    Ok(stopped.recv()?)
}
