//! Feeds the machine anything at all, for property tests and for the fuzz target under `fuzz/`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use app::contract::CountingIds;
use app::ports::{Consumer, Delivery, DeliveryId, QueueStatus};
use bytes::Bytes;
use domain::melding::{DEFAULT_TTL, Melding};

use crate::Config;
use crate::machine::{Answer, Machine, Request};

/// Feeds `bytes` in pieces of `piece` bytes to a connection whose every wish is granted.
///
/// # Panics
/// When the connection keeps more than its limits allow; that is what is looked for.
pub fn feed(bytes: &[u8], piece: usize) {
    drop(run(bytes, piece));
}

/// As [`feed`], and gives the machine as it stands then.
pub(crate) fn run(bytes: &[u8], piece: usize) -> Machine {
    let config = Config::default();
    let (input_max, output_max) = (config.input_frame_max as usize + piece, 2 * config.write_buffer_max);
    let mut now = Instant::now();
    let mut machine = Machine::new(Arc::new(config), Arc::new(CountingIds::new(7)), now);
    let mut deliveries = 0;
    for piece in bytes.chunks(piece.max(1)) {
        if !machine.wants_input() {
            break;
        }
        machine.receive(now, piece);
        while let Some(request) = machine.take_request() {
            machine.answer(
                now,
                match request {
                    Request::QueueStatus { .. } => Answer::Status(QueueStatus::default()),
                    _ => Answer::Done,
                },
            );
            if let Request::Consume { channel, consumer, .. } = request {
                for _ in 0..3 {
                    deliveries += 1;
                    machine.deliver(channel, &delivery(consumer, deliveries));
                }
            }
        }
        drop(machine.take_commands());
        assert!(machine.input_len() <= input_max, "the input grows");
        assert!(machine.output().len() <= output_max, "the output grows");
        now += Duration::from_millis(1);
        machine.tick(now);
    }
    machine
}

fn delivery(consumer: Consumer, id: u64) -> Delivery {
    let uuid = wire::id::Uuid::nil();
    let melding = Melding {
        id: wire::id::MeldingId::from_uuid(uuid),
        avsender: wire::id::KontoId::from_uuid(uuid),
        mottaker: wire::id::KontoId::from_uuid(uuid),
        meldingstype: "no.ks.fiks.test".to_owned(),
        svar_pa_melding: None,
        svar_til_type: None,
        dokumentlager_id: None,
        headere: BTreeMap::new(),
        ttl: DEFAULT_TTL,
        mottatt: jiff::Timestamp::UNIX_EPOCH,
    };
    let payload = Bytes::from_static(b"ASiC");
    Delivery { id: DeliveryId(id), consumer, melding: Arc::new(melding), payload, attempts: 0, memory: None }
}
