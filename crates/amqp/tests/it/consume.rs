//! Fetching meldinger.

use app::konto::KontoSti;
use app::{Caller, Grense, Grenser};
use broker_embedded::Fault;
use domain::melding::Retur;
use futures::StreamExt;
use knutepunkt_amqp::Config;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions,
    BasicRejectOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, Consumer};

use crate::world::{World, within};

pub(crate) async fn consume(
    connection: &Connection,
    queue: &str,
    tag: &str,
    prefetch: u16,
) -> (Channel, Consumer) {
    let channel = connection.create_channel().await.unwrap();
    channel.basic_qos(prefetch, BasicQosOptions::default()).await.unwrap();
    let consumer = channel
        .basic_consume(queue.into(), tag.into(), BasicConsumeOptions::default(), FieldTable::default())
        .await
        .unwrap();
    (channel, consumer)
}

pub(crate) async fn next(consumer: &mut Consumer) -> Delivery {
    within(consumer.next()).await.expect("the consumer goes on").expect("a delivery")
}

fn header(delivery: &Delivery, name: &str) -> Option<String> {
    match delivery.properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongString(text) => Some(text.to_string()),
        other => panic!("{name} is {other:?}"),
    }
}

#[tokio::test]
async fn melding_is_received_and_acked() {
    let world = World::new().await;
    let connection = world.connect(&world.storevik).await.unwrap();
    let queue = world.storevik.queue();
    let (_channel, mut consumer) = consume(&connection, &queue, "", 10).await;
    assert!(consumer.tag().as_str().starts_with("amq.ctag-"));
    let id = world.send_one(b"ASiC-E".to_vec()).await;

    let delivery = next(&mut consumer).await;
    assert_eq!(delivery.data, b"ASiC-E");
    assert_eq!((delivery.routing_key.as_str(), delivery.redelivered), (queue.as_str(), false));
    assert_eq!(header(&delivery, "melding-id"), Some(id.to_string()));
    assert_eq!(header(&delivery, "avsender-id"), Some(world.lillefjord.konto.to_string()));
    assert_eq!(header(&delivery, "egendefinert-header.klientKorrelasjonsId").as_deref(), Some("sak 1"));
    assert_eq!(delivery.properties.expiration().as_ref().unwrap().as_str(), "604800000");
    world.until_queue(|queue| (queue.ready, queue.unacked, queue.consumers) == (0, 1, 1)).await;
    delivery.ack(BasicAckOptions::default()).await.unwrap();
    world.until_queue(|queue| (queue.ready, queue.unacked) == (0, 0)).await;
    connection.close(200, "OK".into()).await.unwrap();
    world.until_queue(|queue| queue.consumers == 0).await;
    world.end().await;
}

#[tokio::test]
async fn thousands_come_in_order_and_can_be_acked_many_at_a_time() {
    let world = World::new().await;
    world.send(2000).await;
    let connection = world.connect(&world.storevik).await.unwrap();
    let (channel, mut consumer) = consume(&connection, &world.storevik.queue(), "", 100).await;
    for number in 0..2000_u64 {
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.data, number.to_string().into_bytes());
        assert_eq!(delivery.delivery_tag, number + 1);
        if number % 50 == 49 {
            channel.basic_ack(delivery.delivery_tag, BasicAckOptions { multiple: true }).await.unwrap();
        }
    }
    world.until_queue(|queue| (queue.ready, queue.unacked) == (0, 0)).await;
    world.end().await;
}

#[tokio::test]
async fn large_payload_arrives_whole() {
    let world = World::new().await;
    let payload: Vec<u8> = (0..4_900_000_u32).map(|number| u8::try_from(number % 251).unwrap()).collect();
    for _ in 0..3 {
        world.send_one(payload.clone()).await;
    }
    let connection = world.connect(&world.storevik).await.unwrap();
    let (_channel, mut consumer) = consume(&connection, &world.storevik.queue(), "", 10).await;
    for _ in 0..3 {
        let delivery = next(&mut consumer).await;
        assert!(delivery.data == payload);
        delivery.ack(BasicAckOptions::default()).await.unwrap();
    }
    world.end().await;
}

#[tokio::test]
async fn what_was_not_acked_comes_again_on_the_next_connection_under_the_same_tag() {
    let world = World::new().await;
    world.send(3).await;
    let queue = world.storevik.queue();
    let connection = world.connect(&world.storevik).await.unwrap();
    let (_channel, mut consumer) = consume(&connection, &queue, "", 10).await;
    let tag = consumer.tag();
    for _ in 0..3 {
        assert!(!next(&mut consumer).await.redelivered);
    }
    connection.close(200, "OK".into()).await.unwrap();

    // As the official clients do it: the old tag, given explicitly.
    let connection = world.connect(&world.storevik).await.unwrap();
    let (_channel, mut consumer) = consume(&connection, &queue, tag.as_str(), 10).await;
    assert_eq!(consumer.tag(), tag);
    for number in 0..3 {
        let delivery = next(&mut consumer).await;
        assert!(delivery.redelivered);
        assert_eq!(delivery.data, number.to_string().into_bytes());
        let count = delivery.properties.headers().as_ref().unwrap().inner().get("x-delivery-count").cloned();
        assert_eq!(count, Some(AMQPValue::LongLongInt(1)));
        delivery.ack(BasicAckOptions::default()).await.unwrap();
    }
    world.end().await;
}

#[tokio::test]
async fn third_requeue_sends_a_serverfeil_to_the_sender() {
    let world = World::new().await;
    let id = world.send_one(b"x".to_vec()).await;
    let connection = world.connect(&world.storevik).await.unwrap();
    let (_channel, mut consumer) = consume(&connection, &world.storevik.queue(), "", 10).await;
    for attempt in 0..3 {
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.redelivered, attempt > 0);
        delivery.nack(BasicNackOptions { requeue: true, ..BasicNackOptions::default() }).await.unwrap();
    }
    let connection = world.connect(&world.lillefjord).await.unwrap();
    let (_channel, mut consumer) = consume(&connection, &world.lillefjord.queue(), "", 10).await;
    let delivery = next(&mut consumer).await;
    assert_eq!(header(&delivery, "type").as_deref(), Some("no.ks.fiks.kvittering.serverfeil.v1"));
    assert_eq!(header(&delivery, "svar-til"), Some(id.to_string()));
    assert!(header(&delivery, "svar-til-type").is_some() && delivery.data.is_empty());
    delivery.ack(BasicAckOptions::default()).await.unwrap();
    world.end().await;
}

#[tokio::test]
async fn reject_without_requeue_drops_the_melding() {
    let world = World::new().await;
    world.send(1).await;
    let connection = world.connect(&world.storevik).await.unwrap();
    let (_channel, mut consumer) = consume(&connection, &world.storevik.queue(), "", 10).await;
    next(&mut consumer).await.reject(BasicRejectOptions { requeue: false }).await.unwrap();
    world.until_queue(|queue| (queue.ready, queue.unacked, queue.dead) == (0, 0, 0)).await;
    assert_eq!(world.broker().queue_status(world.lillefjord.konto).await.unwrap().ready, 0);
    world.end().await;
}

#[tokio::test]
async fn prefetch_is_never_exceeded() {
    let world = World::new().await;
    world.send(20).await;
    let connection = world.connect(&world.storevik).await.unwrap();
    let (_channel, mut consumer) = consume(&connection, &world.storevik.queue(), "", 3).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(next(&mut consumer).await);
    }
    world.until_queue(|queue| (queue.ready, queue.unacked) == (17, 3)).await;
    held.remove(0).ack(BasicAckOptions::default()).await.unwrap();
    next(&mut consumer).await;
    world.until_queue(|queue| (queue.ready, queue.unacked) == (16, 3)).await;
    world.end().await;
}

#[tokio::test]
async fn cancelled_consumer_gets_no_more_and_may_settle_what_it_has() {
    let world = World::new().await;
    world.send(1).await;
    let connection = world.connect(&world.storevik).await.unwrap();
    let (channel, mut consumer) = consume(&connection, &world.storevik.queue(), "mine", 10).await;
    let delivery = next(&mut consumer).await;
    channel.basic_cancel("mine".into(), BasicCancelOptions::default()).await.unwrap();
    world.send(1).await;
    world.until_queue(|queue| (queue.ready, queue.unacked, queue.consumers) == (1, 1, 0)).await;
    channel.basic_ack(delivery.delivery_tag, BasicAckOptions::default()).await.unwrap();
    world.until_queue(|queue| (queue.ready, queue.unacked) == (1, 0)).await;
    world.end().await;
}

/// Or a client would hold without end by starting and cancelling one consumer after the other.
#[tokio::test]
async fn what_a_consumer_holds_after_its_cancel_counts_until_it_is_settled() {
    let grenser = Grenser::default()
        .with(Grense::UbekreftedePerOrganisasjon, 8)
        .with(Grense::KonsumenterPerOrganisasjon, 4);
    let world = World::limited(Config::default(), grenser).await;
    world.send(20).await;
    let connection = world.connect(&world.storevik).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let queue = world.storevik.queue();
    let start = |tag: &'static str| {
        channel.basic_consume(
            queue.as_str().into(),
            tag.into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
    };
    let mut held = Vec::new();
    // A quarter of what is left to the organisasjon each, and never none.
    for (tag, most) in [("1", 2), ("2", 1), ("3", 1), ("4", 1)] {
        let mut consumer = start(tag).await.unwrap();
        for _ in 0..most {
            held.push(next(&mut consumer).await);
        }
        channel.basic_cancel(tag.into(), BasicCancelOptions::default()).await.unwrap();
        let unacked = u64::try_from(held.len()).unwrap();
        world.until_queue(|queue| (queue.unacked, queue.consumers) == (unacked, 0)).await;
    }
    // What all of them hold is settled, so that the fifth finds room.
    let another = world.connect(&world.storevik).await.unwrap();
    channel.basic_ack(0, BasicAckOptions { multiple: true }).await.unwrap();
    world.until_queue(|queue| (queue.ready, queue.unacked) == (15, 0)).await;
    let (_channel, mut consumer) = consume(&another, &queue, "again", 100).await;
    held.clear();
    held.extend([next(&mut consumer).await, next(&mut consumer).await]);
    another.close(200, "OK".into()).await.unwrap();

    for tag in ["5", "6", "7", "8"] {
        held.push(next(&mut start(tag).await.unwrap()).await);
        channel.basic_cancel(tag.into(), BasicCancelOptions::default()).await.unwrap();
    }
    let refused = within(start("9")).await.expect_err("as many as the organisasjon may have hold something");
    assert!(refused.to_string().contains("530") || refused.to_string().contains("NOT_ALLOWED"), "{refused}");
    world.end().await;
}

#[tokio::test]
async fn removed_konto_cancels_its_consumers() {
    let world = World::new().await;
    let party = &world.storevik;
    let connection = world.connect(party).await.unwrap();
    let (channel, mut consumer) = consume(&connection, &party.queue(), "", 10).await;
    let sti = KontoSti { fiks_org_id: party.org, system_id: party.system, konto_id: party.konto };
    world.app.remove_konto(&Caller::Operator, sti).await.unwrap();
    assert!(within(consumer.next()).await.is_none_or(|end| end.is_err()));
    assert!(channel.status().connected());
    world.end().await;
}

#[tokio::test]
async fn shutdown_tells_the_client_and_gives_everything_back() {
    let world = World::new().await;
    let sent = [world.send_one(b"0".to_vec()).await, world.send_one(b"1".to_vec()).await];
    let connection = world.connect(&world.storevik).await.unwrap();
    let (_channel, mut consumer) = consume(&connection, &world.storevik.queue(), "", 10).await;
    next(&mut consumer).await;
    next(&mut consumer).await;
    let mut events = Box::pin(connection.events_listener());
    world.shutdown.cancel();
    let error = within(async {
        loop {
            if let lapin::Event::Error(error) = events.next().await.expect("an event") {
                break error;
            }
        }
    })
    .await;
    assert!(error.to_string().contains("CONNECTION_FORCED - the server is shutting down"), "{error}");
    world.until_queue(|queue| (queue.ready, queue.unacked, queue.consumers) == (2, 0, 0)).await;
    for id in sent {
        world.until_returned(id, Retur::Avbrutt).await;
    }
    world.end().await;
}

/// The queue log fails under a consumer, and comes back: the connection ends in the way that brings clients back.
#[tokio::test]
async fn failed_queue_log_sends_the_client_away_to_come_back() {
    let world = World::new().await;
    let sent = world.send_one(b"0".to_vec()).await;
    let connection = world.connect(&world.storevik).await.unwrap();
    let (_channel, mut consumer) = consume(&connection, &world.storevik.queue(), "", 10).await;
    next(&mut consumer).await;
    let mut events = Box::pin(connection.events_listener());
    world.faults.set(Fault::Write);
    let error = within(async {
        loop {
            if let lapin::Event::Error(error) = events.next().await.expect("an event") {
                break error;
            }
        }
    })
    .await;
    assert!(error.to_string().contains("CONNECTION_FORCED - the queues are not available"), "{error}");
    world.faults.set(Fault::None);
    within(async {
        while !world.broker().availability().available {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    world.until_returned(sent, Retur::Avbrutt).await;
    let connection = world.connect(&world.storevik).await.unwrap();
    let (_channel, mut consumer) = consume(&connection, &world.storevik.queue(), "", 10).await;
    let again = next(&mut consumer).await;
    assert!(again.redelivered);
    again.ack(BasicAckOptions::default()).await.unwrap();
    world.end().await;
}

#[tokio::test]
async fn channel_is_closed_once_all_that_it_held_has_gone_back() {
    const MANY: u16 = 2_000;
    let world = World::new().await;
    world.send(MANY.into()).await;
    let connection = world.connect(&world.storevik).await.unwrap();
    for closes_connection in [false, true] {
        let opened = if closes_connection { world.connect(&world.storevik).await.ok() } else { None };
        let (channel, mut consumer) =
            consume(opened.as_ref().unwrap_or(&connection), &world.storevik.queue(), "", MANY).await;
        for _ in 0..MANY {
            next(&mut consumer).await;
        }
        match opened {
            Some(opened) => opened.close(200, "OK".into()).await.unwrap(),
            None => channel.close(200, "OK".into()).await.unwrap(),
        }
        let status = world.broker().queue_status(world.storevik.konto).await.unwrap();
        assert_eq!((status.ready, status.unacked), (MANY.into(), 0), "connection: {closes_connection}");
    }
    connection.close(200, "OK".into()).await.unwrap();
    world.end().await;
}

/// Three consumers share a limit of one melding: the two others wait in the server, and no client ever sees them.
#[tokio::test]
async fn what_waits_for_the_limit_of_its_channel_does_not_count_when_the_client_goes_away() {
    let world = World::new().await;
    for crash in 0..4 {
        let mut sent = Vec::new();
        for number in 0..3 {
            sent.push(world.send_one(vec![number]).await);
        }
        let connection = world.connect(&world.storevik).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.basic_qos(1, BasicQosOptions { global: true }).await.unwrap();
        let mut consumers = Vec::new();
        for tag in ["x", "y", "z"] {
            let queue = world.storevik.queue();
            let (options, table) = (BasicConsumeOptions::default(), FieldTable::default());
            consumers.push(
                channel.basic_consume(queue.as_str().into(), tag.into(), options, table).await.unwrap(),
            );
        }
        next(&mut consumers[0]).await;
        world.until_queue(|queue| (queue.ready, queue.unacked) == (0, 3)).await;
        if crash % 2 == 0 {
            connection.close(200, "OK".into()).await.unwrap();
        } else {
            drop(channel.basic_ack(99, BasicAckOptions::default()).await);
        }
        world.until_returned(sent[0], Retur::Frakoblet).await;
        world.until_returned(sent[1], Retur::Avbrutt).await;
        world.until_returned(sent[2], Retur::Avbrutt).await;
        let connection = world.connect(&world.storevik).await.unwrap();
        let (_channel, mut consumer) = consume(&connection, &world.storevik.queue(), "", 10).await;
        for _ in 0..3 {
            next(&mut consumer).await.ack(BasicAckOptions::default()).await.unwrap();
        }
        connection.close(200, "OK".into()).await.unwrap();
        world.until_queue(|queue| (queue.ready, queue.unacked) == (0, 0)).await;
    }
    world.end().await;
}

/// Whoever goes away while the server stands, with a word, without one, or thrown out for what it sent, answers for it.
#[tokio::test]
async fn client_that_goes_away_answers_for_what_it_holds() {
    let world = World::new().await;
    for leave in 0..4 {
        let sent = world.send_one(b"0".to_vec()).await;
        let connection = world.connect(&world.storevik).await.unwrap();
        let (channel, mut consumer) = consume(&connection, &world.storevik.queue(), "", 10).await;
        next(&mut consumer).await;
        match leave {
            0 => channel.close(200, "OK".into()).await.unwrap(),
            1 => connection.close(200, "OK".into()).await.unwrap(),
            // A channel error: an unknown delivery tag.
            2 => drop(channel.basic_ack(99, BasicAckOptions::default()).await),
            // A connection error: the same consumer tag again.
            _ => {
                let tag = consumer.tag();
                let again = channel.basic_consume(
                    world.storevik.queue().as_str().into(),
                    tag,
                    BasicConsumeOptions::default(),
                    FieldTable::default(),
                );
                assert!(within(again).await.is_err());
            }
        }
        world.until_returned(sent, Retur::Frakoblet).await;
        drop(connection);
        let connection = world.connect(&world.storevik).await.unwrap();
        let (_channel, mut consumer) = consume(&connection, &world.storevik.queue(), "", 10).await;
        next(&mut consumer).await.ack(BasicAckOptions::default()).await.unwrap();
        connection.close(200, "OK".into()).await.unwrap();
        world.until_queue(|queue| (queue.ready, queue.unacked) == (0, 0)).await;
    }
    world.end().await;
}
