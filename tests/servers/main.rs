//! The crate against real servers on loopback: nginx, haproxy, gunicorn with Flask, uvicorn with FastAPI, the server of
//! Python's own library, and squid.
//!
//! `.ci/servers` installs them and runs these tests, which are ignored otherwise. Each test starts its own program with
//! a folder and a port of its own, ends it, and is left out with a message where the program is not installed.
//!
//! Unless a test says otherwise, each record arrives exactly once. Where a connection may end after the server has
//! read a request and before it has answered, each record arrives at least once, and the test says so.
#![cfg(all(unix, feature = "http"))]

/// Flask behind gunicorn: limits, recycled workers, reloads, chunked answers.
mod gunicorn;
/// Early answers, reloads, short keep-alive, a backend that is away.
mod haproxy;
/// Limits, early answers, reloads, keep-alive, a backend that is away, statuses.
mod nginx;
/// Answers in HTTP/1.0.
mod python;
/// Tunnels through a proxy, with and without a password.
mod squid;
/// TLS with an authority of the test's own, through nginx.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod tls;
/// FastAPI behind uvicorn: refused records, limits of concurrency, keep-alive, chunked answers.
mod uvicorn;

/// Programs that a test starts and ends.
mod program;
/// Records, clients and what both come to.
mod support;
