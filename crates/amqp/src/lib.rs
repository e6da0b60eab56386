//! The AMQP 0-9-1 endpoint: connection and channel machine, and a thin listener.
