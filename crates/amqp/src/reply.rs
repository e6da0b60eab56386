//! Every reply code and text that the endpoint closes a channel or a connection with. `docs/errors.md` lists them.
//!
//! Clients and people match on some of the texts, so they are those of RabbitMQ where it has one.

use std::fmt;

use app::Nadd;
use app::ports::EndedBy;

/// Why a channel or a connection is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    /// The reply code.
    pub(crate) code: u16,
    /// The name of the code and an explanation, at most 255 bytes.
    pub(crate) text: String,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $function:ident = $code:literal $name:literal;)+) => {$(
        $(#[$doc])*
        pub(crate) fn $function(explanation: impl fmt::Display) -> Reply {
            Reply::new($code, $name, explanation)
        }
    )+

        #[cfg(test)]
        const ALL: &[(u16, &str)] = &[$(($code, $name)),+];
    };
}

codes! {
    /// Connection: the server ends it; the client should come back.
    connection_forced = 320 "CONNECTION_FORCED";
    /// Channel, or connection at log-in: not allowed.
    access_refused = 403 "ACCESS_REFUSED";
    /// Channel: no such queue.
    not_found = 404 "NOT_FOUND";
    /// Channel: it does not fit what was done before.
    precondition_failed = 406 "PRECONDITION_FAILED";
    /// Connection: the stream of frames is broken.
    frame_error = 501 "FRAME_ERROR";
    /// Connection: a frame cannot be decoded.
    syntax_error = 502 "SYNTAX_ERROR";
    /// Connection: a method that cannot come now.
    command_invalid = 503 "COMMAND_INVALID";
    /// Connection: a channel is not open, or is already.
    channel_error = 504 "CHANNEL_ERROR";
    /// Connection: content without a method.
    unexpected_frame = 505 "UNEXPECTED_FRAME";
    /// Connection: too much of something.
    resource_error = 506 "RESOURCE_ERROR";
    /// Connection: against what was agreed.
    not_allowed = 530 "NOT_ALLOWED";
    /// Connection: not offered here.
    not_implemented = 540 "NOT_IMPLEMENTED";
}

impl Reply {
    fn new(code: u16, name: &str, explanation: impl fmt::Display) -> Self {
        let mut text = format!("{name} - {explanation}");
        text.truncate(text.floor_char_boundary(255));
        Self { code, text }
    }

    /// Who answers for a connection that is closed with this: the client for an error of its own, the server when it sends
    /// the client away (320) or has reached a limit of its own (506).
    pub(crate) fn ended_by(&self) -> EndedBy {
        if matches!(self.code, 320 | 506) { EndedBy::Server } else { EndedBy::Consumer }
    }
}

/// A log-in that was refused. The same for every reason, so that it helps nobody to guess.
pub(crate) fn login_refused() -> Reply {
    access_refused(
        "Login was refused using authentication mechanism PLAIN. For details see the broker logfile.",
    )
}

/// A limit of the integrasjon or its organisasjon.
pub(crate) fn over_the_limit(user: &str, nadd: Nadd) -> Reply {
    let Nadd { grense, limit } = nadd;
    not_allowed(format_args!(
        "limit {grense} = {limit} reached for user '{user}': close what is not used, or ask the operator to raise it"
    ))
}

/// A queue that is another's.
pub(crate) fn queue_refused(queue: &str, user: &str) -> Reply {
    access_refused(format_args!("access to queue '{queue}' in vhost '/' refused for user '{user}'"))
}

/// An exchange; nobody may do anything with one.
pub(crate) fn exchange_refused(exchange: &str, user: &str) -> Reply {
    let exchange = if exchange.is_empty() { "amq.default" } else { exchange };
    access_refused(format_args!("access to exchange '{exchange}' in vhost '/' refused for user '{user}'"))
}

/// A queue that is not there.
pub(crate) fn no_queue(queue: &str) -> Reply {
    not_found(format_args!("no queue '{queue}' in vhost '/'"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reply_code_is_documented() {
        let documented: BTreeSet<(u16, &str)> = include_str!("../../../docs/errors.md")
            .lines()
            .filter_map(|line| {
                let (code, rest) = line.strip_prefix("| ")?.split_once(" `")?;
                Some((code.parse().ok()?, rest.split_once('`')?.0))
            })
            .collect();
        assert_eq!(documented, ALL.iter().copied().collect());
    }

    #[test]
    fn text_is_cut_to_what_a_shortstr_holds() {
        let reply = no_queue(&"ø".repeat(200));
        assert!(reply.text.len() <= 255 && reply.text.starts_with("NOT_FOUND - no queue 'øø"));
        assert_eq!(
            queue_refused("q", "u"),
            Reply {
                code: 403,
                text: "ACCESS_REFUSED - access to queue 'q' in vhost '/' refused for user 'u'".to_owned()
            }
        );
    }
}
