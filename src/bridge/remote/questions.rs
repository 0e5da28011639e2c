//! A courier's questions: each is answered once, with the answer or with why there is none, and forgotten then.

#![forbid(unsafe_code)]

use std::time::Instant;

use super::{
    courier::{Courier, Out},
    error::RemoteError,
    joining::Phase,
};
use crate::{
    Frame,
    actor::{Asker, Ctx, Handle},
};

/// One that waits for its answer.
pub(super) struct Question {
    asker: Asker<Result<Frame, RemoteError>>,
    pub(super) name: &'static str,
    pub(super) version: u32,
    pub(super) is_sent: bool,
}

/// A question, as bytes.
pub(super) struct Asked {
    pub(super) name: &'static str,
    pub(super) version: u32,
    pub(super) body: Frame,
}

impl Handle<Asked> for Courier {
    type Reply = Result<Frame, RemoteError>;

    fn on(&mut self, question: Asked, ctx: &mut Ctx<'_, Self>) -> Self::Reply {
        let Asked { name, version, body } = question;
        self.numbers().asked.add(1);
        if let Phase::Away(why) = &self.phase {
            self.numbers().failed.add(1);
            return Err(why.clone());
        }
        if let Some(asker) = ctx.asker::<Asked>() {
            let number = self.next_number();
            self.questions.insert(number, Question { asker, name, version, is_sent: false });
            self.deadlines.push_back((ctx.now() + self.answer_limit, number));
            if self.deadlines.len() > 2 * self.questions.len() + 64 {
                // At least as many were answered as there are, so this costs each of them a look or two.
                let questions = &self.questions;
                self.deadlines.retain(|(_, number)| questions.contains_key(number));
            }
            self.queue.push_back(Out { number, is_question: true, name, version, body });
            self.pump(ctx);
        }
        Err(RemoteError::NoAnswer)
    }
}

impl Courier {
    /// Those that have waited for too long, sent or not.
    pub(super) fn give_up_questions(&mut self, now: Instant, ctx: &mut Ctx<'_, Self>) {
        let before = self.questions.len();
        while let Some(&(deadline, number)) = self.deadlines.front() {
            if deadline > now {
                break;
            }
            self.deadlines.pop_front();
            self.answer(number, Err(RemoteError::NoAnswer), ctx);
        }
        if self.questions.len() < before {
            // Nobody wants what they say any more, and it may be long.
            let questions = &self.questions;
            self.queue.retain(|out| !out.is_question || questions.contains_key(&out.number));
        }
    }

    pub(super) fn answer(&mut self, number: u64, answer: Result<Frame, RemoteError>, ctx: &mut Ctx<'_, Self>) {
        let Some(Question { asker, .. }) = self.questions.remove(&number) else { return };
        if answer.is_ok() {
            self.numbers().answered.add(1)
        } else {
            self.numbers().failed.add(1)
        }
        ctx.answer(asker, answer);
    }
}
