//! What the types let through between threads, and what they do not.
//!
//! That a socket cannot be shared is checked by the compiler, in the `compile_fail` examples of `ringway::socket`.

#![forbid(unsafe_code)]

use ringway::{
    Context, Frame, Message, Pair, Pull, Push,
    socket::{Builder, Loan, Permit, SendError},
};

fn moves<T: Send>() {}
fn is_shared<T: Send + Sync>() {}

#[test]
fn sockets_move_and_messages_are_shared() {
    moves::<Pair>();
    moves::<Push>();
    moves::<Pull>();
    moves::<Permit<'_, Push>>();
    moves::<Loan<'_, Push>>();
    is_shared::<Context>();
    is_shared::<Frame>();
    is_shared::<Message>();
    is_shared::<SendError>();
    is_shared::<Builder<Push>>();
}

/// Ambiguous, and so an error, for a type that is `Sync`.
trait NotSync<Proof> {
    fn holds() {}
}

impl<T: ?Sized> NotSync<()> for T {}
impl<T: ?Sized + Sync> NotSync<u8> for T {}

#[test]
fn sockets_are_not_shared() {
    <Pair as NotSync<_>>::holds();
    <Push as NotSync<_>>::holds();
    <Pull as NotSync<_>>::holds();
    <Permit<'_, Push> as NotSync<_>>::holds();
    <Loan<'_, Push> as NotSync<_>>::holds();
}
