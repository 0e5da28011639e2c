//! Messages between threads at about the cost of a cache-line transfer.

mod context;
pub mod endpoint;
pub mod message;
mod pipe;
mod ring;
mod route;
pub mod socket;
mod socket_type;
mod sync;
mod transport;
pub mod wait;

pub use context::{Context, ContextClosed, ShutdownReport};
pub use endpoint::{Endpoint, EndpointError};
pub use message::{Frame, Message};
pub use socket::{Pair, Pull, Push};
pub use socket_type::SocketType;
pub use wait::WaitPolicy;
