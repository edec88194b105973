//! `kflow bench load`: an exchange that only talks, for measuring collectors against.

use crate::cli::exit::{Code, Failure, OrFail};
use crate::cli::printer;
use crate::sim::blast::{self, BlastSpec};
use tokio::net::TcpListener;

/// Options of `kflow bench load`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Where to listen; port 0 picks a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    bind: String,
    /// Markets offered; the deltas start when a client has subscribed to all of them.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    markets: u64,
    /// How long deltas are sent to each client.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Frames per second; without it as fast as the client reads.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    rate: Option<u64>,
}

/// Serves until killed. First line on stdout: the URLs; then one report per client.
///
/// # Errors
/// When the address cannot be used.
pub(super) fn run(args: Args) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(&args.bind)
            .await
            .or_hint(Code::Config, "choose another address with --bind; port 0 picks a free one")?;
        let at = listener.local_addr()?;
        printer::line(&format!("http://{at} ws://{at}/trade-api/ws/v2"))?;
        let spec = BlastSpec { markets: args.markets, seconds: args.seconds, rate: args.rate };
        let (reports, mut received) = blast::reports();
        let server = tokio::spawn(blast::run(listener, spec, reports));
        while let Some(report) = received.recv().await {
            printer::json("bench load", &report)?;
        }
        server.await??;
        Ok(())
    })
}
