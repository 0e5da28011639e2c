// cargo run --release --example actor_router -- --count 1000
//! An actor that serves a ROUTER: customers ask it over the socket, and the program asks it as an actor.
//!
//! ```text
//!  customer REQ ─┐
//!  customer REQ ─┼─► ROUTER ── till, an actor on a worker ◄── the program
//!  customer REQ ─┘
//! ```
//!
//! With `--endpoint tcp://127.0.0.1:*` or `ipc://*` it is the same over a stream.

mod flags;

use std::{error::Error, thread, time::Duration};

use ringway::{
    Context, Req, Router,
    actor::{Actor, Ctx, Failure, Handle, Runtime, Spec},
    bridge::{self, Port, Received},
};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Adds up what customers pay, each in a message, and tells them what they have paid in all. Its state is its own: no locks.
struct Till {
    router: Port<Router>,
    paid: u64,
    payments: u64,
}

impl Actor for Till {
    type Args = Router;

    fn start(router: Router, ctx: &mut Ctx<'_, Self>) -> Result<Self, Failure> {
        // From here on the socket is served on this worker, and what it receives is a message as any other.
        Ok(Self { router: bridge::own(ctx, router, Came)?, paid: 0, payments: 0 })
    }
}

/// From the socket.
struct Came(Received);

impl Handle<Came> for Till {
    type Reply = ();

    fn on(&mut self, Came(received): Came, ctx: &mut Ctx<'_, Self>) {
        // The context was shut down: nobody comes any more.
        let Ok(incoming) = received else { return ctx.stop() };
        // The customer's id, the empty frame of a REQ, the payment; who sends anything else is not served.
        let [id, empty, payment] = incoming.message.frames() else { return };
        let Ok(payment) = payment.as_ref().try_into().map(u64::from_le_bytes) else { return };
        self.paid += payment;
        self.payments += 1;
        let receipt =
            [id.clone(), empty.clone(), payment.to_le_bytes().into()].into_iter().collect::<ringway::Message>();
        // A router drops what a customer has no room for: it has asked once and is answered once, so it has.
        self.router.try_send(receipt).expect("the context is not shut down");
    }
}

/// From the program.
struct Balance;

impl Handle<Balance> for Till {
    type Reply = (u64, u64);

    fn on(&mut self, _: Balance, _: &mut Ctx<'_, Self>) -> (u64, u64) {
        (self.payments, self.paid)
    }
}

const CUSTOMERS: u64 = 3;
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> Outcome<()> {
    let flags = flags::Flags::parse(&[("--count", "1000"), ("--endpoint", "inproc://till")])?;
    let count = u64::from(flags.number("--count")?);
    let context = Context::new();
    let mut router = Router::new(&context)?;
    router.bind(flags.text("--endpoint"))?;
    let endpoint = router.last_endpoint().ok_or("it is bound")?.to_string();

    let runtime = Runtime::builder().worker(ringway::WaitPolicy::Adaptive).start()?;
    let mut program = runtime.client()?;
    let till = program.spawn(Spec::<Till>::new(router))?;

    let customers: Vec<_> = (0..CUSTOMERS)
        .map(|_| {
            let (context, endpoint) = (context.clone(), endpoint.clone());
            thread::spawn(move || pay(&context, &endpoint, count))
        })
        .collect();
    for customer in customers {
        customer.join().expect("a customer does not panic")?;
    }
    let (payments, paid) = program.ask(till, Balance, PATIENCE)?;
    assert_eq!((payments, paid), (CUSTOMERS * count, CUSTOMERS * count * (count + 1) / 2));
    println!("till: {payments} payments of {CUSTOMERS} customers, {paid} in all");

    let report = runtime.shutdown(PATIENCE);
    assert_eq!((report.counts.failures, report.killed), (0, 0));
    Ok(())
}

/// Pays 1, 2, 3 and so on up to `count`, and waits for the receipt each time.
fn pay(context: &Context, endpoint: &str, count: u64) -> Outcome<()> {
    let mut till = Req::new(context)?;
    till.connect(endpoint)?;
    for payment in 1..=count {
        till.send(payment.to_le_bytes())?;
        let receipt = till.recv_timeout(PATIENCE)?;
        if receipt[0] != payment.to_le_bytes() {
            return Err(format!("a wrong receipt for {payment}: {receipt:?}").into());
        }
    }
    Ok(())
}
