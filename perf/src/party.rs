//! Whose road is measured: the library, its transport and pattern, and how its contexts work.
//!
//! The one place that knows the type behind each: everything else gets it as a [`Visit`], or as an object.

#![forbid(unsafe_code)]

use clap::{Args, ValueEnum};
use ringway::socket::SharedMemory;

#[cfg(all(feature = "peers", target_os = "linux"))]
use crate::peers;
use crate::{
    apart::Apart,
    cli::{Drive, Pattern, Transport},
    end::{FanHalves, Halves, Together},
    failure::Failure,
    floor::{self, Raw},
    road,
    subject::{Fanned, Subject},
    zmq::{self, Calls},
};

/// What both processes have to know to make their halves of one road.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Party {
    #[arg(long, value_enum)]
    pub(crate) library: Library,

    #[arg(long, value_enum)]
    pub(crate) transport: Transport,

    /// What suits the work if absent; ours always have one.
    #[arg(long, value_enum)]
    pub(crate) pattern: Option<Pattern>,

    #[arg(long = "context", value_enum)]
    pub(crate) drive: Drive,

    /// Shares no memory with the other process.
    #[arg(long)]
    pub(crate) plain: bool,

    /// Writes messages in room that its sockets lend.
    #[arg(long)]
    pub(crate) loan: bool,

    /// There is no connection without shared memory, so that nothing is taken for what it is not. One side is enough.
    #[arg(skip)]
    pub(crate) shares: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Library {
    Ringway,
    /// Bare sockets of the operating system.
    Raw,
    /// A bare slot each way in memory that two processes share.
    #[cfg(target_os = "linux")]
    Slots,
    /// A bare ring of slots in such memory.
    #[cfg(target_os = "linux")]
    SlotRing,
    /// The same with messages copied into it and out of it.
    #[cfg(target_os = "linux")]
    CopyingRing,
    #[cfg(all(feature = "peers", target_os = "linux"))]
    Iceoryx2,
    #[cfg(all(feature = "peers", target_os = "linux"))]
    ShmemIpc,
    /// A library with libzmq's functions, by `zmq_msg_send` and `zmq_msg_recv`.
    Libzmq,
    /// By `zmq_send` and `zmq_recv`.
    LibzmqBuffers,
    /// As that, with `zmq_poll` before each receive.
    LibzmqPolled,
}

/// What is done with halves, whatever their type.
pub(crate) trait Visit {
    type Out;

    fn visit(self, halves: impl Halves) -> Result<Self::Out, Failure>;
}

/// As [`Visit`], with the halves of a fan.
pub(crate) trait VisitFan {
    type Out;

    fn visit(self, halves: impl FanHalves) -> Result<Self::Out, Failure>;
}

impl Party {
    pub(crate) fn ours(transport: Transport, pattern: Pattern, drive: Drive) -> Self {
        Self {
            library: Library::Ringway,
            transport,
            pattern: Some(pattern),
            drive,
            plain: false,
            shares: false,
            loan: false,
        }
    }

    pub(crate) fn raw(transport: Transport) -> Self {
        Self {
            library: Library::Raw,
            transport,
            pattern: None,
            drive: Drive::Default,
            plain: false,
            shares: false,
            loan: false,
        }
    }

    /// What has nothing but memory that two processes share.
    #[cfg(target_os = "linux")]
    pub(crate) fn shared(library: Library) -> Self {
        Self { library, ..Self::raw(Transport::Ipc) }
    }

    #[cfg(feature = "peers")]
    pub(crate) fn libzmq(transport: Transport, pattern: Option<Pattern>) -> Self {
        Self {
            library: Library::Libzmq,
            transport,
            pattern,
            drive: Drive::Default,
            plain: false,
            shares: false,
            loan: false,
        }
    }

    /// With nothing but shared memory between processes, where its messages can go that way.
    pub(crate) fn sharing(self) -> Self {
        let can = cfg!(target_os = "linux") && self.transport == Transport::Ipc && !self.plain;
        Self { shares: can && self.library == Library::Ringway, ..self }
    }

    fn shared_memory(self) -> SharedMemory {
        match (self.plain, self.shares) {
            (true, _) => SharedMemory::Forbid,
            (false, true) => SharedMemory::Require,
            (false, false) => SharedMemory::Allow,
        }
    }

    /// Its road as an object, with so many silent peers at the receiver: both ends in this process, or the other in
    /// one of its own.
    pub(crate) fn subject(self, silent: u16) -> Result<Box<dyn Subject>, Failure> {
        match self.transport {
            Transport::Inproc => self.accept(silent, Boxed),
            Transport::Tcp | Transport::Ipc => Ok(Box::new(Apart { party: self, silent })),
        }
    }

    /// Its fan as an object.
    pub(crate) fn fan(self) -> Result<Box<dyn Fanned>, Failure> {
        match self.transport {
            Transport::Inproc => self.accept_fan(Boxed),
            Transport::Tcp | Transport::Ipc => Ok(Box::new(Apart { party: self, silent: 0 })),
        }
    }

    /// Makes the halves, on this thread: what threads the library starts for them run where this one may.
    pub(crate) fn accept<V: Visit>(self, silent: u16, visitor: V) -> Result<V::Out, Failure> {
        match self.library {
            Library::Ringway => {
                let sockets = road::Sockets::new(self.transport, self.drive, silent);
                let sockets = sockets.sharing(self.shared_memory()).lending(self.loan);
                match self.pattern.unwrap_or(Pattern::Pair) {
                    Pattern::Pair => visitor.visit(road::Pairs(sockets)),
                    Pattern::PushPull => visitor.visit(road::Pipelines(sockets)),
                    Pattern::PubSub => visitor.visit(road::Broadcasts(sockets)),
                    Pattern::ReqRep => visitor.visit(road::Requests(sockets)),
                    Pattern::DealerRouter => visitor.visit(road::Switches(sockets)),
                }
            }
            Library::Raw => visitor.visit(Raw::new(self.transport)?),
            #[cfg(target_os = "linux")]
            Library::Slots => visitor.visit(floor::SharedSlots),
            #[cfg(target_os = "linux")]
            Library::SlotRing => visitor.visit(floor::SharedRing(floor::Copies::No)),
            #[cfg(target_os = "linux")]
            Library::CopyingRing => visitor.visit(floor::SharedRing(floor::Copies::InAndOut)),
            #[cfg(all(feature = "peers", target_os = "linux"))]
            Library::Iceoryx2 => visitor.visit(peers::Services),
            #[cfg(all(feature = "peers", target_os = "linux"))]
            Library::ShmemIpc => visitor.visit(peers::Rings),
            Library::Libzmq => visitor.visit(zmq::Sockets::new(self.transport, self.pattern, Calls::Messages)?),
            Library::LibzmqBuffers => visitor.visit(zmq::Sockets::new(self.transport, self.pattern, Calls::Buffers)?),
            Library::LibzmqPolled => visitor.visit(zmq::Sockets::new(self.transport, self.pattern, Calls::Polled)?),
        }
    }

    /// As [`accept`](Self::accept), the halves of its fan.
    pub(crate) fn accept_fan<V: VisitFan>(self, visitor: V) -> Result<V::Out, Failure> {
        match self.library {
            Library::Ringway => visitor
                .visit(road::Fans(road::Sockets::new(self.transport, self.drive, 0).sharing(self.shared_memory()))),
            Library::Raw => Err(Failure::Asked("a bare socket has one peer, not many".to_owned())),
            #[cfg(target_os = "linux")]
            Library::Slots | Library::SlotRing | Library::CopyingRing => {
                Err(Failure::Asked("bare slots have one peer, not many".to_owned()))
            }
            #[cfg(all(feature = "peers", target_os = "linux"))]
            Library::Iceoryx2 => visitor.visit(peers::Services),
            #[cfg(all(feature = "peers", target_os = "linux"))]
            Library::ShmemIpc => Err(Failure::Asked("a ring of shmem-ipc has one reader, not many".to_owned())),
            Library::Libzmq | Library::LibzmqBuffers | Library::LibzmqPolled => {
                visitor.visit(zmq::Sockets::new(self.transport, self.pattern, Calls::Messages)?)
            }
        }
    }

    /// Its name, without making anything but a context.
    pub(crate) fn name(self) -> Result<String, Failure> {
        self.accept(0, Named)
    }

    pub(crate) fn fan_name(self) -> Result<String, Failure> {
        self.accept_fan(Named)
    }
}

/// Both halves in this process.
struct Boxed;

impl Visit for Boxed {
    type Out = Box<dyn Subject>;

    fn visit(self, halves: impl Halves) -> Result<Self::Out, Failure> {
        Ok(Box::new(Together(halves)))
    }
}

impl VisitFan for Boxed {
    type Out = Box<dyn Fanned>;

    fn visit(self, halves: impl FanHalves) -> Result<Self::Out, Failure> {
        Ok(Box::new(Together(halves)))
    }
}

/// Tells the name.
struct Named;

impl Visit for Named {
    type Out = String;

    fn visit(self, halves: impl Halves) -> Result<String, Failure> {
        Ok(halves.name())
    }
}

impl VisitFan for Named {
    type Out = String;

    fn visit(self, halves: impl FanHalves) -> Result<String, Failure> {
        Ok(halves.name())
    }
}
