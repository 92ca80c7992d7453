//! Promise: dead addresses of a host do not keep a connection from one that works.
//!
//! The connector of `ureq` gives the first address half of the time or more, each time anew. This one tries the address
//! that worked last, and each other one shortly, before it waits for any of them longer: see [`Attempts`].

use std::{
    io,
    net::{SocketAddr, TcpStream},
    time::Instant,
};

use ureq::{
    Error, Timeout,
    unversioned::transport::{ConnectionDetails, Connector, Either, LazyBuffers, Transport, time},
};

use super::{
    addresses::Attempts,
    dns_cache::DnsCache,
    failure,
    keep_reading::KeepReading,
    socket::{Deadline, Socket},
};

/// Opens a TCP connection where the connectors before it have not made one through a proxy.
#[derive(Debug)]
pub(super) struct TcpConnector {
    pub(super) dns: DnsCache,
}

impl<In: Transport> Connector<In> for TcpConnector {
    type Out = Either<In, KeepReading<Socket>>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        if let Some(chained) = chained {
            return Ok(Some(Either::A(chained)));
        }
        let start = match details.now {
            time::Instant::Exact(start) => start,
            _ => Instant::now(),
        };
        let deadline = Deadline::since(start, details.timeout);
        let addresses = details.addrs.iter().copied();
        let (stream, address) = self.connect_to_any(addresses, &deadline)?;
        self.dns.prefer(address);
        stream.set_nodelay(true)?;

        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        let socket = Socket::new(stream, buffers);
        (details.register_shutdown)(socket.shutdown_handle())?;
        Ok(Some(Either::B(KeepReading::new(socket))))
    }
}

impl TcpConnector {
    fn connect_to_any(
        &self,
        addresses: impl Iterator<Item = SocketAddr>,
        deadline: &Deadline,
    ) -> Result<(TcpStream, SocketAddr), Error> {
        let mut attempts = Attempts::new(addresses, deadline.left()?);
        let mut refusal = None;
        while let Some((address, time)) = attempts.next(deadline.left()?) {
            if self.dns.is_interrupted() {
                return Err(failure::interrupted());
            }
            match TcpStream::connect_timeout(&address, time) {
                Ok(stream) => return Ok((stream, address)),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
                Err(error) => {
                    refusal = Some(error);
                    attempts.drop_last();
                }
            }
        }
        match refusal {
            Some(error) => Err(error.into()),
            None => Err(Error::Timeout(Timeout::Connect)),
        }
    }
}
