//! What a running server looks after by itself: what is over is removed, what was set aside is counted or emptied.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use app::App;
use app::konto::{Emptied, Reconciled};
use app::ports::HealthCheck;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::health::Samsvar;
use crate::installasjon::mark::Mark;
use crate::uferdige::Uferdige;

/// How often payloads and sessions whose time is over are removed.
const SWEEP: Duration = Duration::from_hours(1);
/// How often to look whether a queue shall go: one that is set aside, as ordered, or that of a removed Konto.
const ORDERS: Duration = Duration::from_secs(2);
/// One line for what the start did to the queues, and one for what it left alone.
pub(super) fn report(reconciled: &Reconciled) {
    let Reconciled { made, removed, set_aside } = reconciled;
    if made + removed > 0 {
        tracing::info!(made, removed, "brought the queues in line with the registry");
    }
    if !set_aside.is_empty() {
        tracing::warn!(
            kontoer = set_aside.len(),
            meldinger = set_aside.iter().map(|aside| aside.meldinger).sum::<u64>(),
            dead_letters = set_aside.iter().map(|aside| aside.uleverte).sum::<u64>(),
            "the registry does not know these kontoer; their queues are set aside and nothing in them ends: start with the \
             registry that knows them, or empty them with knutepunkt admin ko"
        );
    }
}

/// Looks at each part once more whenever `changed` says that there is something new.
pub(super) async fn check_once(app: App, checks: Arc<Vec<Box<dyn HealthCheck>>>, changed: Arc<Notify>) {
    loop {
        changed.notified().await;
        app.check_health(&checks).await;
    }
}

/// Empties queues that are set aside when an operator has ordered it, and finishes removals of kontoer that were not finished.
pub(super) async fn empty_ordered(app: App, shutdown: CancellationToken) {
    let mut interval = tokio::time::interval(ORDERS);
    let mut noted = BTreeSet::new();
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = interval.tick() => {}
        }
        match app.empty_ordered(&mut noted).await {
            Ok(Emptied { koer: 0, .. }) => {}
            Ok(Emptied { koer, meldinger }) => {
                tracing::info!(queues = koer, meldinger, "emptied queues that were to go");
            }
            // The parts that this needs are looked after by others, who say so.
            Err(error) => {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "cannot look for queues to empty now"
                );
            }
        }
    }
}

/// Says that the registry is older than the queue log, before anything else goes on: an operator must see it.
pub(super) fn report_older(reconciled: &Reconciled, mark: &Mark) {
    let unknown_meldinger: u64 =
        reconciled.set_aside.iter().map(|aside| aside.meldinger + aside.uleverte).sum();
    tracing::warn!(
        reached = mark.reached.map(|reached| reached.generation),
        kontoer_then = mark.reached.map(|reached| reached.kontoer),
        unknown_kontoer = reconciled.set_aside.len(),
        unknown_meldinger,
        "the registry is older than the queue log: changes made to it are gone. Nothing was removed; stop, and start with the \
         registry as it was last, or go on with this one"
    );
}

/// Looks whether the registry is that of the queue log: at once, now and then, and as soon as `older` says that it was put back
/// to an earlier state.
pub(super) async fn watch_samsvar(app: App, samsvar: Arc<Samsvar>, older: Arc<Notify>) {
    loop {
        count_unknown(&app, &samsvar).await;
        tokio::select! {
            () = older.notified() => {
                if samsvar.eldre.swap(true, Ordering::Relaxed) {
                    // Known already, and it stays so until the next start.
                    app.clock().sleep(SWEEP).await;
                } else {
                    tracing::warn!(
                        "the registry was put back to an earlier state while this server runs: changes made to it since are \
                         gone. Nothing was removed; start with the registry as it was last, or start again to go on with this one"
                    );
                }
            }
            () = app.clock().sleep(SWEEP) => {}
        }
    }
}

/// Counts the dokumenter that meldinger name and the registry does not know. That lists all payloads and may read the whole
/// log, so nobody waits for it.
async fn count_unknown(app: &App, samsvar: &Samsvar) {
    match app.count_unknown_payloads().await {
        Ok(unknown_dokumenter) => {
            let before = samsvar.dokumenter.swap(unknown_dokumenter, Ordering::Relaxed);
            if unknown_dokumenter > before {
                tracing::warn!(
                    unknown_dokumenter,
                    "meldinger name dokumenter that the registry does not know: whoever fetches one gets none. They stay; start \
                     with the registry as it was last"
                );
            }
        }
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "failed to count the dokumenter that the registry does not know"
            );
        }
    }
}

/// Removes payloads, sessions and lines of the audit log whose time is over, and gives their room back.
pub(super) async fn sweep(app: App, uferdige: Uferdige, database: storage::Database) {
    loop {
        let (now, of_uploads) = (app.clock().now(), uferdige.clone());
        match tokio::task::spawn_blocking(move || of_uploads.sweep(now)).await {
            Ok(Ok((0, _))) | Err(_) => {}
            Ok(Ok((count, bytes))) => {
                tracing::info!(count, bytes, "removed what unfinished uploads had left");
            }
            Ok(Err(error)) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "failed to remove what unfinished uploads have left"
                );
            }
        }
        for swept in [app.remove_expired_dokumenter().await, app.remove_orphaned_payloads().await] {
            match swept {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "removed payloads whose time is over"),
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "failed to remove old payloads");
                }
            }
        }
        match app.remove_expired_sesjoner().await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "removed sessions whose time is over"),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "failed to remove old sessions");
            }
        }
        match app.remove_old_hendelser().await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "removed lines of the audit log whose time is over"),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "failed to remove old audit lines");
            }
        }
        match database.give_back_room().await {
            Ok(0) => {}
            Ok(bytes) => tracing::info!(bytes, "gave the room of removed rows of the registry back"),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "failed to give the room of removed rows back"
                );
            }
        }
        app.clock().sleep(SWEEP).await;
    }
}
