//! What the server does when it is asked.

use app::App;
use app::ports::Del;

use super::{Request, Status};

/// What requests are answered from.
#[derive(Clone)]
pub(crate) struct Context {
    /// The use cases.
    pub(crate) app: App,
}

impl Context {
    /// Does what is asked for. `progress` takes lines for the person who waits.
    ///
    /// # Errors
    /// What is wrong and what to do; it is sent to whoever asked.
    #[expect(clippy::unused_async, reason = "what is asked for may take long, Status alone does not")]
    pub(super) async fn handle(
        &self,
        request: Request,
        _progress: &(dyn Fn(String) + Send + Sync),
    ) -> anyhow::Result<serde_json::Value> {
        match request {
            Request::Status => Ok(serde_json::to_value(self.status())?),
        }
    }

    fn status(&self) -> Status {
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            down: self.app.helse().nede().map(Del::navn).map(str::to_owned).collect(),
        }
    }
}
