//! Orders that somebody has to approve.

use std::time::{Duration, Instant};

use crate::fake::{Est, sign};
use crate::support::Reply;
use crate::support::contract::{PATIENCE, Run};

#[test]
fn a_pending_order_is_sent_again_unchanged_until_it_is_decided() {
    let run = Run::new(&Est, PATIENCE, |lab, request, orders| match orders {
        1 => Reply::status(202).header("retry-after", "0"),
        2 => Reply::status(202)
            .header("date", "Sun, 06 Nov 1994 08:49:37 GMT")
            .header("retry-after", "Sun, 06 Nov 1994 08:49:38 GMT"),
        _ => sign(lab, request),
    });
    assert!(run.outcome.is_ok(), "{:?}", run.outcome);
    let orders = run.orders(&Est);
    assert_eq!(orders.len(), 3);
    for order in &orders {
        assert_eq!(order.body, orders[0].body);
        assert_eq!(
            order.header("authorization"),
            orders[0].header("authorization")
        );
    }
}

#[test]
fn an_order_that_stays_pending_ends_with_its_deadline() {
    let started = Instant::now();
    let run = Run::new(&Est, Duration::from_secs(2), |_, _, _| {
        Reply::status(202).header("retry-after", "3600")
    });
    assert!(started.elapsed() < Duration::from_secs(10));
    let finding = run.unreachable();
    assert_eq!(finding.code.as_str(), "ca-pending");
    assert_eq!(finding.facts["retry_after_seconds"], 3600.0);
}
