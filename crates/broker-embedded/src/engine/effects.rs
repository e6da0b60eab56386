//! What follows from a command to a queue, for the consumers, the log of each melding, and other queues.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use app::ports::{DeliveryId, Eiere};
use bytes::Bytes;
use domain::melding::{Counts, Hendelse, KORRELASJON_ALWAYS_BYTES, Kvittering, Melding, Retur};
use wire::id::{KontoId, MeldingId};

use super::Engine;
use crate::cache::{Loaded, SMALL};
use crate::queue::{Command, ConsumerKey, Effect, Entry, Millis, Number, Share};
use crate::request::Handle;
use crate::store::{Line, Remains, StoreError, guarded};

/// How many bytes may be under way to one channel in memory; the rest it reads from disk as it goes.
const UNDER_WAY: usize = 2 * 1024 * 1024;

/// How often it is noted that a melding came back without that counting for anything, and was handed out again.
const UNCOUNTED_NOTED: u32 = 6;

impl Engine {
    /// Gives `command` to the queue of `konto`, and what follows from it to whom it concerns, other queues included.
    pub(super) fn run(&mut self, konto: KontoId, command: Command) -> Result<(), StoreError> {
        let mut work = VecDeque::from([(konto, command)]);
        let mut effects = std::mem::take(&mut self.effects);
        while let Some((konto, command)) = work.pop_front() {
            let Some(slot) = self.queues.get_mut(&konto) else { continue };
            // In a queue that is set aside no time passes.
            let aside = self.aside.contains(konto);
            let now = if aside { Millis::MIN } else { self.now_ms };
            let before = slot.queue.next_deadline();
            slot.queue.apply(now, command, &mut effects);
            let after = slot.queue.next_deadline();
            if slot.queue.is_behind() && !std::mem::replace(&mut slot.is_behind, true) {
                self.behind.push_back(konto);
            }
            if before != after && !aside {
                if let Some(deadline) = before {
                    self.deadlines.remove(&(deadline, konto));
                }
                if let Some(deadline) = after {
                    self.deadlines.insert((deadline, konto));
                }
            }
            for effect in effects.drain(..) {
                self.take_effect(konto, effect, &mut work)?;
            }
        }
        self.effects = effects;
        Ok(())
    }

    fn take_effect(
        &mut self,
        konto: KontoId,
        effect: Effect,
        work: &mut VecDeque<(KontoId, Command)>,
    ) -> Result<(), StoreError> {
        match effect {
            Effect::Deliver { consumer, number, deadline, tries, share } => {
                let entry = Entry { number, deadline, tries, held: true, share };
                if !self.deliver(konto, consumer, entry) {
                    // Nobody would ever give it back.
                    let arsak = if self.stopping { Retur::Omstart } else { Retur::Avbrutt };
                    work.push_back((konto, Command::Cancel { consumer }));
                    work.push_back((konto, Command::Return { numbers: vec![number], arsak }));
                }
            }
            Effect::SetAside { number, share } => work.extend(self.set_aside(konto, number, share)),
            Effect::Acked { number, share } => self.leave(number, share, &Hendelse::Bekreftet),
            Effect::Dropped { number, share } => self.leave(number, share, &Hendelse::Avvist),
            Effect::Returned { number, deadline, arsak, tries, share } => {
                let entry = Entry { number, deadline, tries, held: false, share };
                self.step.entries.insert(number, Some((konto, entry)));
                if arsak.counts_as() != Counts::Nothing || self.notes_uncounted(tries.uncounted()) {
                    self.line(number, &Hendelse::Returnert { arsak });
                }
            }
            Effect::GivenUp { number, share } => {
                self.step.entries.insert(number, None);
                self.line(number, &Hendelse::Dodko);
                self.step.dead.insert(number, (konto, share));
                if let Some(slot) = self.queues.get_mut(&konto) {
                    slot.dead += 1;
                }
                let eiere = self.ledger.cost(share).eiere;
                work.extend(self.kvittering(konto, number, eiere, Kvittering::Serverfeil)?);
            }
            Effect::Expired { number, share } => {
                let eiere = self.ledger.cost(share).eiere;
                self.leave(number, share, &Hendelse::Utlopt);
                work.extend(self.kvittering(konto, number, eiere, Kvittering::Tidsavbrudd)?);
            }
            // Of a removed queue; seen to in `delete_queue`.
            Effect::Removed { .. } | Effect::Ended { .. } => {}
        }
        Ok(())
    }

    /// Whether there is such a consumer.
    fn deliver(&mut self, konto: KontoId, consumer: ConsumerKey, entry: Entry) -> bool {
        let id = DeliveryId(self.number());
        let Some(&(channel, name)) = self.consumers.get(&consumer) else { return false };
        let Some(open) = self.channels.get_mut(&channel) else { return false };
        let Entry { number, tries, .. } = entry;
        open.held.insert(id, (konto, number));
        let adresse = open.adresse;
        let loaded = match self.step.fresh.get(&number) {
            Some(fresh) => Some((fresh.melding.clone(), fresh.payload.clone())),
            None => self.cache.take(number),
        };
        let shared = &open.link.shared;
        let loaded = loaded.filter(|(_, payload)| {
            payload.len() <= SMALL && shared.bytes.load(Ordering::Relaxed) <= UNDER_WAY
        });
        // Without memory for it the channel reads it later, when there is some.
        let mut memory = None;
        let loaded = loaded.filter(|(melding, payload)| {
            let Some(share) = &shared.memory else { return true };
            memory = share.try_take(melding.memory_bytes(payload.len()));
            memory.is_some()
        });
        let size = |(melding, payload): &Loaded| melding.memory_bytes(payload.len());
        let counted = loaded.as_ref().map_or(0, |loaded| usize::try_from(size(loaded)).unwrap_or(usize::MAX));
        shared.bytes.fetch_add(counted, Ordering::Relaxed);
        let attempts = u32::from(tries.returned);
        let handle = Handle { id, consumer: name, konto, number, attempts, loaded, counted, memory };
        self.step.handles.push((channel, handle));
        self.step.entries.insert(number, Some((konto, entry)));
        if self.notes_uncounted(tries.uncounted()) {
            self.line(number, &Hendelse::Levert { forsok: attempts + 1, adresse });
        }
        self.step.sync = true;
        true
    }

    /// Whether it is noted in sporing what becomes of a melding that came back so often without that counting. Nothing bounds how often
    /// that may be, and what is noted stays for weeks; nor is there room kept for it on a full disk.
    fn notes_uncounted(&mut self, times: u32) -> bool {
        times == 0 || times <= UNCOUNTED_NOTED && self.has_room()
    }

    /// Notes that a melding has left its queue for good, with the line that says how.
    pub(super) fn leave(&mut self, number: Number, share: Share, hendelse: &Hendelse) {
        self.ledger.give_back(share);
        self.step.entries.insert(number, None);
        self.line(number, hendelse);
        self.cache.take(number);
    }

    pub(super) fn line(&mut self, number: Number, hendelse: &Hendelse) {
        let line = Line::new(self.now, hendelse);
        match self.step.fresh.get_mut(&number) {
            Some(fresh) => fresh.lines.push(line),
            None => self.step.lines.push((number, line)),
        }
    }

    pub(super) fn notify_sender(
        &mut self,
        mottaker: KontoId,
        number: Number,
        eiere: Eiere,
        kind: Kvittering,
    ) -> Result<(), StoreError> {
        if let Some((konto, command)) = self.kvittering(mottaker, number, eiere, kind)? {
            self.run(konto, command)?;
        }
        Ok(())
    }

    /// Makes the kvittering for the sender of `number`, if there is to be one and he has a queue.
    fn kvittering(
        &mut self,
        konto: KontoId,
        number: Number,
        eiere: Eiere,
        kind: Kvittering,
    ) -> Result<Option<(KontoId, Command)>, StoreError> {
        let original = match self.step.fresh.get(&number) {
            Some(fresh) => fresh.melding.clone(),
            None => match guarded(|| self.store.melding(number)) {
                Ok(Some(melding)) => Arc::new(melding),
                // One damaged melding must not stop all others.
                Ok(None) => return Ok(self.kvittering_of_remains((konto, number), eiere, kind, None)),
                Err(error) if error.is_damage() => {
                    return Ok(self.kvittering_of_remains((konto, number), eiere, kind, Some(&error)));
                }
                Err(error) => return Err(error),
            },
        };
        Ok(self.kvittering_of(number, eiere, &original, kind))
    }

    /// The kvittering for a melding that left its queue and cannot be read; from now on what is left of it stands for it.
    fn kvittering_of_remains(
        &mut self,
        (mottaker, number): (KontoId, Number),
        eiere: Eiere,
        kind: Kvittering,
        error: Option<&StoreError>,
    ) -> Option<(KontoId, Command)> {
        let missing = StoreError::Damaged("a melding that is not there");
        let remains = self.store.remains(mottaker, number, error.unwrap_or(&missing));
        let original = self.put_in_place(mottaker, number, &remains);
        self.line(number, &Hendelse::Skadet);
        (remains.id.is_some() && remains.avsender.is_some())
            .then(|| self.kvittering_of(number, eiere, &original, kind))
            .flatten()
    }

    /// Sets a melding aside that cannot be read: as a dead letter, with a serverfeil to its sender where that is known.
    fn set_aside(&mut self, konto: KontoId, number: Number, share: Share) -> Option<(KontoId, Command)> {
        let remains = self.remains.remove(&number)?;
        self.step.sync = true;
        self.step.entries.insert(number, None);
        self.step.dead.insert(number, (konto, share));
        if let Some(slot) = self.queues.get_mut(&konto) {
            slot.dead += 1;
        }
        let (original, known) = if let Some(melding) = remains.melding {
            (Arc::new(melding), true)
        } else {
            let known = remains.id.is_some() && remains.avsender.is_some();
            (self.put_in_place(konto, number, &remains), known)
        };
        self.line(number, &Hendelse::Skadet);
        tracing::error!(
            melding.id = %original.id,
            melding.number = number,
            konto.id = %konto,
            avsender.konto.id = remains.avsender.map(tracing::field::display),
            error = remains.what,
            "a melding is damaged and was set aside as a dead letter"
        );
        let eiere = self.ledger.cost(share).eiere;
        known.then(|| self.kvittering_of(number, eiere, &original, Kvittering::Serverfeil)).flatten()
    }

    /// Writes what is left of a melding where it stood, so that whoever looks for it finds that.
    fn put_in_place(&mut self, konto: KontoId, number: Number, remains: &Remains) -> Arc<Melding> {
        let fresh = MeldingId::from_uuid(self.ids.uuid());
        let stand_in = Arc::new(remains.stand_in(konto, fresh, self.now));
        self.step.replaced.push((number, stand_in.clone()));
        stand_in
    }

    fn kvittering_of(
        &mut self,
        number: Number,
        eiere: Eiere,
        original: &Melding,
        kind: Kvittering,
    ) -> Option<(KontoId, Command)> {
        self.step.sync = true;
        let id = MeldingId::from_uuid(self.ids.uuid());
        let mut kvittering = original.kvittering(kind, id, self.now)?;
        if !self.has_room() {
            // There is room kept for no more than this.
            kvittering.headere.retain(|_, value| value.len() <= KORRELASJON_ALWAYS_BYTES);
        }
        let konto = kvittering.mottaker;
        if !self.queues.contains_key(&konto) {
            tracing::debug!(melding.id = %original.id, konto.id = %konto, "no queue for the kvittering, dropped");
            return None;
        }
        // It came of what the sender sent: whoever lets kvitteringer pile up must not be able to send on for ever.
        let eiere = Eiere { mottaker: eiere.avsender, ..eiere };
        let command = self.take_in(Arc::new(kvittering), Bytes::new(), eiere);
        self.line(number, &Hendelse::KvitteringSendt { kvittering: id });
        Some((konto, command))
    }
}
