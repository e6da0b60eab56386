//! A log that was put back to an earlier state together with its witness, so that only somebody else knows that it has been further.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use app::ports::{Clock as _, Settlement};
use knutepunkt_broker_embedded::{
    EmbeddedBroker, Emptied, OpenError, Options, SeenPosition, accept_loss, find_earlier, find_loss,
    hold_log, hold_log_copy, load_log, salvage,
};
use wire::id::KontoId;

use crate::harness::{Harness, copy};
use crate::lifecycle::{consume, konto, publish};
use crate::witness::text;

/// A log of which an earlier state lies beside it as `early`, and how far it has come since.
async fn put_back() -> (Harness, KontoId, SeenPosition) {
    let h = Harness::start().await;
    let (a, b) = (konto(&h).await, konto(&h).await);
    for _ in 0..5 {
        publish(&h, a, b).await;
    }
    copy(&h.path(), &h.path().with_file_name("early"));
    let mut channel = consume(&h, b).await;
    let first = channel.deliveries.recv().await.unwrap();
    channel.control.settle(first.id, Settlement::Ack);
    publish(&h, a, b).await;
    h.embedded().close().await.unwrap();
    let position = h.embedded().position().unwrap();
    let seen = SeenPosition { position, at: h.clock.now() };
    (h, b, seen)
}

async fn open(h: &Harness, log: &Path, seen: SeenPosition) -> Result<Arc<EmbeddedBroker>, OpenError> {
    let options = Options { seen: Some(seen), ..h.options.clone() };
    EmbeddedBroker::open(log, Arc::new(h.clock.clone()), h.ids.clone(), options).await
}

#[tokio::test]
async fn log_that_has_been_further_is_refused_until_it_is_taken_as_it_is() {
    let (mut h, b, seen) = put_back().await;
    open(&h, &h.path(), seen).await.unwrap().close().await.unwrap();

    let log = h.path().with_file_name("early");
    assert_eq!(find_loss(&log, None).unwrap(), None, "it agrees with itself");
    let scratch = tempfile::tempdir().unwrap();
    let place = scratch.path().join("copy");
    std::fs::create_dir(&place).unwrap();
    let refusals = [
        text(&open(&h, &log, seen).await.err().unwrap()),
        text(&hold_log(&log, Some(seen)).err().unwrap()),
        text(&hold_log_copy(&log, &place, Some(seen)).err().unwrap()),
    ];
    for refused in refusals {
        let step = format!("the registry has seen it at step {}", seen.position.step);
        assert!(refused.contains(&step) && refused.contains("--godta-tap"), "{refused}");
    }
    let behind = find_loss(&log, Some(seen)).unwrap().unwrap().only_behind().unwrap();
    assert!(behind.found < behind.seen.position && behind.last_taken.is_some(), "{behind:?}");

    let done = accept_loss(&log, h.clock.now(), Some(seen)).unwrap().unwrap();
    assert!(done.reports.is_empty() && done.old_witness.is_none(), "nobody can list what is lost: {done:?}");
    assert_eq!(find_loss(&log, Some(seen)).unwrap(), None);
    h.options.seen = Some(seen);
    h.go_on_with("early").await;
    assert!(h.embedded().position().unwrap() > seen.position);
    let mut channel = consume(&h, b).await;
    for _ in 0..5 {
        assert!(channel.deliveries.recv().await.unwrap().attempts > 0, "who had it, nobody knows");
    }
}

/// What is saved, restored or accepted counts its steps anew, and is no earlier state for that, whatever the clock says.
#[tokio::test]
async fn log_that_was_saved_or_restored_is_not_taken_for_an_earlier_one() {
    let (h, _, seen) = put_back().await;
    let early = h.path().with_file_name("early");
    let mut dump = Vec::new();
    hold_log(&h.path(), None).unwrap().dump(&mut dump, || true).unwrap();
    let loaded = h.path().with_file_name("loaded");
    let now = h.clock.now();
    load_log(&dump[..], &loaded, now, || true).unwrap();
    let restored = open(&h, &loaded, seen).await.unwrap();
    let further = SeenPosition { position: restored.position().unwrap(), at: now };
    restored.close().await.unwrap();

    salvage(&early, now, Emptied::Refuse, &BTreeMap::new()).unwrap();
    open(&h, &early, seen).await.unwrap().close().await.unwrap();
    // A copy from before a restore, with more steps than there were since.
    let refused = text(&open(&h, &h.path(), further).await.err().unwrap());
    assert!(refused.contains("from before it was last repaired or restored"), "{refused}");
    accept_loss(&h.path(), jiff::Timestamp::UNIX_EPOCH, Some(further)).unwrap().unwrap();
    open(&h, &h.path(), further).await.unwrap().close().await.unwrap();
}

/// One that is damaged besides: what came after it stands in no list, so nobody may take the lists for all that is lost.
#[tokio::test]
async fn earlier_log_that_is_damaged_too_is_recognised() {
    let (h, _, seen) = put_back().await;
    let log = h.path().with_file_name("early");
    let damaged = |name: &str, damage: &dyn Fn(&Path)| {
        let place = h.path().with_file_name(name);
        copy(&log, &place);
        damage(&place);
        place
    };
    let cut = damaged("cut", &|log| {
        let journal = log.join("0.jnl");
        let bytes = std::fs::read(&journal).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        std::fs::write(&journal, &bytes[..end - 40]).unwrap();
    });
    let flipped = damaged("flipped", &|log| {
        let journal = log.join("0.jnl");
        let mut bytes = std::fs::read(&journal).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        bytes[end / 2] ^= 1;
        std::fs::write(&journal, bytes).unwrap();
    });
    let beyond = damaged("beyond", &|log| std::fs::remove_file(log.join("version")).unwrap());
    for log in [&log, &cut, &flipped, &beyond] {
        let found = find_earlier(log, Some(seen)).unwrap().unwrap();
        assert_eq!(found.behind.unwrap().seen, seen, "{}: {found}", log.display());
        assert!(found.to_string().contains("put back to an earlier state"), "{found}");
    }
    let done = accept_loss(&cut, h.clock.now(), Some(seen)).unwrap().unwrap();
    assert!(done.loss.behind.is_some() && !done.loss.meldinger.is_empty(), "{:?}", done.loss);

    // The newest one, damaged in the same way, is none.
    let newest = h.path();
    let bytes = std::fs::read(newest.join("0.jnl")).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    std::fs::write(newest.join("0.jnl"), &bytes[..end - 40]).unwrap();
    assert_eq!(find_earlier(&newest, Some(seen)).unwrap(), None);
    let refused = text(&open(&h, &newest, seen).await.err().unwrap());
    assert!(!refused.contains("earlier state") && refused.contains("were promised"), "{refused}");
}
