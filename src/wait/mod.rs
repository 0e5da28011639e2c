//! How a thread idles and how it is woken.
//!
//! A [`Waiter`] is the private half: it belongs to the thread that waits and decides, by its [`WaitPolicy`] and by
//! what it learnt, how long to spin before it parks. A [`Signal`] is the shared half: peers look at it after each
//! publication and wake whatever [`Target`] is installed in it. The protocol between them is an eventcount and loses
//! no wake-up; it is written down in [`signal`](Signal) and explored by the models in this folder.
//!
//! | file | job |
//! |---|---|
//! | `policy` | the choice a user makes |
//! | `signal` | the sleep word and its protocol |
//! | `target` | what a wake reaches: a thread, a descriptor, a loop |
//! | `waiter` | look, spin, yield, park: the waiting thread's side |
//! | `epoch` | the sleep protocol between processes |
//! | `descriptors` | a sleep on descriptors |
//! | `pace` | what a waiter learnt about its waits: pure arithmetic |
//! | `cost` | what waking a parked thread costs on this machine |
//! | `spinners` | how many threads of the process may spin for long at once |
//! | `crowd` | several waiters for one thing, one wake each |
//! | `clock` | nanoseconds and the core we are on |

#[cfg(not(any(loom, shuttle)))]
mod clock;
#[cfg(not(any(loom, shuttle)))]
mod cost;
mod crowd;
#[cfg(all(target_os = "linux", not(any(loom, shuttle))))]
mod descriptors;
mod epoch;
#[cfg(not(any(loom, shuttle)))]
mod pace;
mod policy;
mod signal;
#[cfg(not(any(loom, shuttle)))]
mod spinners;
mod target;
mod waiter;

#[cfg(all(test, loom))]
mod loom;
#[cfg(all(test, any(loom, shuttle)))]
mod models;
#[cfg(all(test, shuttle))]
mod shuttle;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

pub(crate) use crowd::Crowd;
pub(crate) use epoch::{Announcer, Summons};
pub use policy::WaitPolicy;
pub use signal::Signal;
#[cfg(target_os = "linux")]
pub use target::EventTarget;
pub use target::{Sleep, Target, ThreadTarget};
pub use waiter::{Awaited, GaveUp, Rest, WaitCounters, Waiter, Watched};
