//! Sockets for actors elsewhere: an actor that owns one, and tells another what it receives.

#![forbid(unsafe_code)]

use std::fmt;

use super::{
    port::{Port, own_for, receive},
    reader::Received,
};
use crate::{
    actor::{Actor, Ctx, Ended, Failure, Handle, Recipient, Spec},
    socket::Receives,
};

/// An actor to be started, on whichever worker, that tells `to` what `make` makes of all that `socket` receives: by a
/// [client](crate::actor::Client::spawn_on), or by an [actor](Ctx::spawn_on), which supervises it then.
///
/// What `to` has no room for stays in the socket, as with [`own`](super::own): by the credit that this worker has with it. The actor stops
/// when `to` has ended, and when the socket's context was shut down, which `to` is told first; so whoever
/// [watches](Ctx::watch) it knows. It fails, and stops, if `make` panics. When it is stopped the socket is dropped;
/// [`Release`] has it given back.
///
/// ```
/// use std::time::Duration;
/// use ringway::{Context, Pull, Push, actor::{Actor, Ctx, Failure, Handle, Runtime, Spec}, bridge};
/// # use ringway::WaitPolicy;
///
/// struct Sum(u64);
/// # impl Actor for Sum {
/// #     type Args = ();
/// #     fn start((): (), _: &mut Ctx<'_, Self>) -> Result<Self, Failure> { Ok(Self(0)) }
/// # }
///
/// impl Handle<u64> for Sum {
///     type Reply = u64;
///
///     fn on(&mut self, number: u64, _: &mut Ctx<'_, Self>) -> u64 {
///         self.0 += number;
///         self.0
///     }
/// }
///
/// let context = Context::new();
/// let (mut pull, mut push) = (Pull::new(&context)?, Push::new(&context)?);
/// pull.bind("inproc://numbers")?;
/// push.connect("inproc://numbers")?;
/// let runtime = Runtime::builder().worker(WaitPolicy::Park).worker(WaitPolicy::Park).start()?;
/// let mut client = runtime.client()?;
/// let sum = client.spawn_on(0, Spec::<Sum>::new(()))?;
/// let number = |received: bridge::Received| received.map_or(0, |incoming| incoming.message[0][0].into());
/// client.spawn_on(1, bridge::forward(pull, sum.recipient(), number))?;
/// push.send([40_u8])?;
/// push.send([2_u8])?;
/// while client.ask(sum, 0_u64, Duration::from_secs(5))? < 42 {}
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn forward<S, M>(
    socket: S,
    to: Recipient<M>,
    make: impl FnMut(Received) -> M + Send + 'static,
) -> Spec<Forwarder<S, M>>
where
    S: Receives + 'static,
    M: Send + 'static,
{
    Spec::new(Forwarding { socket, to, make: Box::new(make) })
}

/// See [`forward`].
#[derive(Debug)]
pub struct Forwarder<S: Receives, M> {
    /// `None` once it was given back.
    port: Option<Port<S>>,
    to: Recipient<M>,
}

/// What a [`Forwarder`] starts from.
pub struct Forwarding<S, M> {
    socket: S,
    to: Recipient<M>,
    make: Box<dyn FnMut(Received) -> M + Send>,
}

impl<S, M> fmt::Debug for Forwarding<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forwarding").field("to", &self.to).finish_non_exhaustive()
    }
}

/// Asks a [`Forwarder`] for its socket, with all that was not taken from it: it stops then. `None`: another has had it.
#[derive(Clone, Copy, Debug)]
pub struct Release;

/// There is nothing more to forward, or nobody to forward it to.
#[derive(Clone, Copy, Debug)]
#[allow(unnameable_types, reason = "a forwarder's own, to itself")]
pub struct Over;

impl<S: Receives + 'static, M: Send + 'static> Actor for Forwarder<S, M> {
    type Args = Forwarding<S, M>;

    fn start(args: Self::Args, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        let Forwarding { socket, to, make } = args;
        let over = ctx.note(|| Over);
        let port = own_for(ctx, socket, receive, make, to, Some(over))?;
        ctx.watch(to.id(), |_: Ended| Over);
        Ok(Self { port: Some(port), to })
    }

    fn stopping(&mut self, ctx: &mut Ctx<'_, Self>) {
        ctx.unwatch(self.to.id());
    }
}

impl<S: Receives + 'static, M: Send + 'static> Handle<Over> for Forwarder<S, M> {
    type Reply = ();

    fn on(&mut self, _: Over, ctx: &mut Ctx<'_, Self>) {
        ctx.stop();
    }
}

impl<S: Receives + 'static, M: Send + 'static> Handle<Release> for Forwarder<S, M> {
    type Reply = Option<S>;

    fn on(&mut self, _: Release, ctx: &mut Ctx<'_, Self>) -> Option<S> {
        ctx.stop();
        self.port.take().map(Port::into_socket)
    }
}
