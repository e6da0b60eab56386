//! `knutepunkt bench`: how fast and how large, beside a reference in the same run on the same machine.
//!
//! Absolute numbers say more of the machine than of the program, so what is quoted is the ratio. The server runs in a process
//! of its own, as `knutepunkt dev` in a temporary folder; the reference is whatever broker `--reference` names. Both are
//! loaded by the same code with the same AMQP client, in the same closed loop.

mod rows;
mod server;
mod stats;
mod target;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use crate::commands::bench::rows::Row;
use crate::commands::bench::server::Server;
use crate::commands::bench::target::Reference;

/// What to measure.
#[derive(Debug, Clone, Args)]
pub struct BenchArgs {
    /// Broker to compare with, such as `amqp://guest:guest@127.0.0.1:5672`: a durable quorum queue, persistent meldinger,
    /// publisher confirms.
    #[arg(long)]
    reference: Option<String>,
    /// Process id of the reference, for its memory.
    #[arg(long, requires = "reference")]
    reference_pid: Option<u32>,
    /// Rows to measure; all if none is named.
    #[arg(long, value_enum, value_delimiter = ',')]
    rows: Vec<Row>,
    /// Seconds that a row of throughput or latency is measured, after a warm-up.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Rounds of each row; the median is told.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How many meldinger the rows on a long queue put there.
    #[arg(long, default_value_t = 500_000)]
    queued: u32,
    /// Folder for the data of the server; a temporary one if none is named. It says which disk is measured.
    #[arg(long)]
    data: Option<PathBuf>,
}

/// Runs the bench and prints a table.
///
/// # Errors
/// When the server or the reference does not do as it should.
pub async fn run(args: BenchArgs) -> anyhow::Result<()> {
    let folder = match &args.data {
        Some(data) => tempfile::tempdir_in(data),
        None => tempfile::tempdir(),
    }
    .context("cannot make a temporary folder")?;
    let mut server = Server::start(folder.path()).await?;
    let mut reference = match &args.reference {
        Some(uri) => Some(Reference::new(uri, args.reference_pid).await?),
        None => None,
    };
    let rows = if args.rows.is_empty() { Row::all() } else { args.rows.clone() };
    let shape = rows::Shape {
        time: Duration::from_secs(args.seconds),
        rounds: args.rounds,
        queued: args.queued,
        folder: folder.path().to_owned(),
    };
    println!("| Work | Knutepunkt | Reference | Ratio |");
    println!("|---|---|---|---|");
    for row in rows {
        rows::measure(row, &shape, &mut server, reference.as_mut()).await?;
    }
    if let Some(reference) = reference {
        reference.clean_up().await?;
    }
    server.stop().await
}
