//! The context that sockets of one road live in, and how they are bound and connected.

#![forbid(unsafe_code)]

use std::{
    process,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use ringway::{
    Context, Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, Sub,
    socket::{Builder, SharedMemory, Socket},
};

use super::ends::{End, broken};
use crate::{
    cli::{Drive, Pattern, Transport},
    end::{Bound, Terms},
    failure::Failure,
    report::value_name,
};

/// A context and the endpoints made in it.
pub(crate) struct Sockets {
    transport: Transport,
    drive: Drive,
    context: Context,
    next_endpoint: AtomicU64,
    /// Peers connected to each receiver beside those that send.
    silent: u16,
    /// Whether they share memory with the other process.
    shared_memory: SharedMemory,
    /// Whether messages are written in room that is lent.
    lends: bool,
}

/// What sockets that are measured have in common, for want of a trait of the library's.
pub(crate) trait Kind: Socket + Send + Sized + 'static {
    /// As it takes part in a measurement: nothing is dropped, so much is held.
    fn prepared(high_water_mark: u32) -> Builder<Self>;

    /// Binds, and says where.
    fn bind_to(&mut self, endpoint: &str) -> Result<String, Failure>;

    fn connect_to(&mut self, endpoint: &str) -> Result<(), Failure>;

    /// Peers it has now.
    fn connected(&self) -> usize;
}

macro_rules! kinds {
    ($($kind:ident: $high_water_mark:ident => $builder:expr;)+) => {
        $(impl Kind for $kind {
            fn prepared($high_water_mark: u32) -> Builder<Self> {
                $builder
            }

            fn bind_to(&mut self, endpoint: &str) -> Result<String, Failure> {
                self.bind(endpoint).map_err(broken)?;
                Ok(self.last_endpoint().map_or_else(|| endpoint.to_owned(), |endpoint| endpoint.to_string()))
            }

            fn connect_to(&mut self, endpoint: &str) -> Result<(), Failure> {
                self.connect(endpoint).map_err(broken)
            }

            fn connected(&self) -> usize {
                self.peers()
            }
        })+
    };
}

kinds! {
    Pair: hwm => Pair::builder().send_hwm(hwm).recv_hwm(hwm);
    Push: hwm => Push::builder().send_hwm(hwm);
    Pull: hwm => Pull::builder().recv_hwm(hwm);
    Pub: hwm => Pub::builder().no_drop().send_hwm(hwm);
    Sub: hwm => Sub::builder().recv_hwm(hwm);
    Req: hwm => Req::builder().send_hwm(hwm).recv_hwm(hwm);
    Rep: hwm => Rep::builder().send_hwm(hwm).recv_hwm(hwm);
    Dealer: hwm => Dealer::builder().send_hwm(hwm).recv_hwm(hwm);
    // Mandatory: what cannot be sent back is an error, not a message less.
    Router: hwm => Router::builder().mandatory().send_hwm(hwm).recv_hwm(hwm);
}

impl Sockets {
    pub(crate) fn new(transport: Transport, drive: Drive, silent: u16) -> Self {
        let (context, next_endpoint) = (context(drive), AtomicU64::new(0));
        Self { transport, drive, context, next_endpoint, silent, shared_memory: SharedMemory::Allow, lends: false }
    }

    /// Sharing memory in this way.
    pub(crate) fn sharing(mut self, shared_memory: SharedMemory) -> Self {
        self.shared_memory = shared_memory;
        self
    }

    /// With messages that are written in room that is lent, if `lends`.
    pub(crate) fn lending(mut self, lends: bool) -> Self {
        self.lends = lends;
        self
    }

    /// What a name begins with.
    pub(super) fn plainly(&self) -> &'static str {
        if self.shared_memory == SharedMemory::Forbid { "plain " } else { "" }
    }

    /// One that nobody has bound yet.
    fn endpoint(&self) -> String {
        let number = self.next_endpoint.fetch_add(1, Ordering::Relaxed);
        match self.transport {
            Transport::Inproc => format!("inproc://perf-{number}"),
            Transport::Tcp => "tcp://127.0.0.1:*".to_owned(),
            // Abstract: nothing stays behind, whatever becomes of this process.
            Transport::Ipc => format!("ipc://@ringway-perf-{}-{number}", process::id()),
        }
    }

    pub(super) fn name(&self, pattern: Pattern) -> String {
        format!("Ringway {}{} {}", self.plainly(), value_name(self.transport), value_name(pattern))
    }

    pub(super) fn bind<S: Kind>(&self, terms: &Terms) -> Result<Bound<End<S>>, Failure> {
        let mut end = self.end::<S>(terms)?;
        let endpoint = end.socket.bind_to(&self.endpoint())?;
        Ok(Bound { end, endpoints: vec![endpoint] })
    }

    /// As [`bind`](Self::bind), an end that is to have silent peers as well.
    pub(super) fn bind_for_company<S: Kind>(&self, terms: &Terms) -> Result<Bound<End<S>>, Failure> {
        let mut bound = self.bind::<S>(terms)?;
        bound.end.company = usize::from(self.silent);
        Ok(bound)
    }

    pub(super) fn connect<S: Kind>(&self, terms: &Terms, endpoint: &str) -> Result<End<S>, Failure> {
        let mut end = self.end::<S>(terms)?;
        end.socket.connect_to(endpoint)?;
        Ok(end)
    }

    /// As [`connect`](Self::connect), with silent peers beside it.
    pub(super) fn connect_in_company<S: Kind>(&self, terms: &Terms, endpoint: &str) -> Result<End<S>, Failure> {
        let mut end = self.connect::<S>(terms, endpoint)?;
        for _ in 0..self.silent {
            let builder = S::prepared(1).shared_memory(self.shared_memory);
            let mut silent = builder.build(&self.context).map_err(broken)?;
            silent.connect_to(endpoint)?;
            end.silent.push(Box::new(silent));
        }
        Ok(end)
    }

    /// See [`Halves::drive`](crate::end::Halves::drive).
    pub(super) fn drive(&self) -> bool {
        if self.drive == Drive::CallerDriven {
            self.context.drive(A_MOMENT);
        }
        self.drive == Drive::CallerDriven
    }

    fn end<S: Kind>(&self, terms: &Terms) -> Result<End<S>, Failure> {
        let builder = S::prepared(terms.high_water_mark as u32).shared_memory(self.shared_memory);
        Ok(End::new(builder, &self.context, terms)?.lending(self.lends))
    }
}

/// A context whose connections are worked for in this way.
fn context(drive: Drive) -> Context {
    match drive {
        Drive::Default => Context::new(),
        Drive::CallerDriven => Context::builder().caller_driven().build(),
    }
}

/// Between two looks at whether the other process is done.
const A_MOMENT: Duration = Duration::from_millis(1);
