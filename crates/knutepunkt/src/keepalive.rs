//! Connections of clients that are gone without a word: their machine was switched off, or the network between went away.
//!
//! A client that wanted no heartbeats may be silent for days, so silence says nothing. The operating system asks the other end.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpListener;

/// A connection at rest is asked for its other end after so long at the latest.
const LONGEST_REST: Duration = Duration::from_mins(1);
/// Questions in vain until the other end is taken for gone.
const QUESTIONS: u32 = 4;

/// Has all connections that `listener` accepts end with an error once nothing is heard of the other end for `gone_after`, be it
/// that they are at rest or that it confirms nothing of what was sent: they take that over from their listener.
pub(crate) fn on(listener: &TcpListener, gone_after: Duration) {
    if let Err(error) = set(&SockRef::from(listener), gone_after) {
        tracing::warn!(
            error = &error as &dyn StdError,
            "the operating system is not to be asked for clients that are gone; theirs may stay open for long"
        );
    }
}

fn set(socket: &SockRef<'_>, gone_after: Duration) -> io::Result<()> {
    // The operating system counts in whole seconds.
    let second = Duration::from_secs(1);
    let rest = (gone_after / 2).min(LONGEST_REST).max(second);
    let pause = (gone_after.saturating_sub(rest) / QUESTIONS).max(second);
    let keepalive = TcpKeepalive::new().with_time(rest).with_interval(pause).with_retries(QUESTIONS);
    socket.set_tcp_keepalive(&keepalive)?;
    // What was sent and not confirmed: the system would try for a quarter of an hour, and asks nothing meanwhile.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(gone_after))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn what_is_accepted_is_asked_for_its_other_end() {
        for (gone_after, rest, pause) in [(300, 60, 60), (60, 30, 7), (2, 1, 1), (1, 1, 1)] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            on(&listener, Duration::from_secs(gone_after));
            let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (accepted, _) = listener.accept().await.unwrap();
            let socket = SockRef::from(&accepted);
            assert!(socket.keepalive().unwrap());
            let asked = (socket.tcp_keepalive_time().unwrap(), socket.tcp_keepalive_interval().unwrap());
            assert_eq!(asked, (Duration::from_secs(rest), Duration::from_secs(pause)));
            #[cfg(target_os = "linux")]
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(gone_after)));
        }
    }
}
