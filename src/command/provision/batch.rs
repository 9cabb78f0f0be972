//! Who waits for which orders: all of one authority share a thread where they can, and each of the
//! others has its own.

use std::ptr;
use std::sync::Arc;
use std::time::Instant;

use super::super::Context;
use super::super::parallel;
use super::Stop;
use super::approach::Approach;
use super::order::{self, Ordered};
use crate::authority::Concurrent;
use crate::net::interleaved::interleaved;
use crate::net::runtime;

/// Where its identity stands in the plan, and what there is of an order.
type Place<'a> = (usize, Approach<'a>);
type Came = (usize, Result<Ordered, Stop>);

/// Orders every identity at once; what came of each, in their order.
pub fn order_all(
    approaches: Vec<Approach<'_>>,
    context: &Context<'_>,
) -> Vec<Result<Ordered, Stop>> {
    let came = parallel::map(batches(approaches), |batch| order(batch, context));
    let mut came: Vec<_> = came.into_iter().flatten().collect();
    came.sort_by_key(|(at, _)| *at);
    came.into_iter().map(|(_, answer)| answer).collect()
}

fn batches(approaches: Vec<Approach<'_>>) -> Vec<Vec<Place<'_>>> {
    let mut batches: Vec<Vec<Place<'_>>> = Vec::new();
    for place in approaches.into_iter().enumerate() {
        match batches
            .iter_mut()
            .find(|batch| share(&batch[0].1, &place.1))
        {
            Some(batch) => batch.push(place),
            None => batches.push(vec![place]),
        }
    }
    batches
}

/// Whether one thread may wait for both, for as long.
fn share(one: &Approach<'_>, other: &Approach<'_>) -> bool {
    if one.patience() != other.patience() {
        return false;
    }
    let [one, other] = [one, other].map(|approach| &approach.candidate().opened.authority);
    one.concurrent().is_some() && ptr::addr_eq(Arc::as_ptr(one), Arc::as_ptr(other))
}

fn order(batch: Vec<Place<'_>>, context: &Context<'_>) -> Vec<Came> {
    let authority = &batch[0].1.candidate().opened.authority;
    let (mut came, left) = match authority.concurrent() {
        Some(authority) => order_concurrently(batch, authority, context),
        None => (Vec::new(), batch),
    };
    came.extend(parallel::map(left, |(at, approach)| {
        (at, order::one(approach, context))
    }));
    came
}

/// What was answered, and the orders that were not taken.
fn order_concurrently<'a>(
    mut batch: Vec<Place<'a>>,
    authority: &dyn Concurrent,
    context: &Context<'_>,
) -> (Vec<Came>, Vec<Place<'a>>) {
    batch[0].1.asks(context);
    let begun = Instant::now();
    let share = batch.iter().map(|(_, approach)| approach.share()).min();
    let opened = authority.open(begun + share.unwrap_or_default());
    for (_, approach) in &mut batch {
        approach.spend(begun);
    }
    let open = match opened {
        Ok(open) => open,
        Err(error) => {
            let refused = |(at, approach): Place<'a>| (at, approach.not_taken(error.clone()));
            return (Vec::new(), batch.into_iter().map(refused).collect());
        }
    };
    let asked = interleaved(batch, async |(at, approach)| {
        (at, order::among(approach, &*open, context).await)
    });
    let (mut came, mut left) = (Vec::new(), Vec::new());
    for (at, answer) in runtime::block_on(asked).expect("what is open has started it") {
        match answer {
            Ok(answer) => came.push((at, answer)),
            Err(approach) => left.push((at, approach)),
        }
    }
    (came, left)
}
