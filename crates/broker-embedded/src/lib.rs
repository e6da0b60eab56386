//! The embedded Broker: queues as state machines on a durable log.
