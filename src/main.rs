//! `kflow`: parse, run, print the error and its hint, exit with its code; nothing else.

use kalshiflow::{cli, feed};

fn main() -> std::process::ExitCode {
    feed::tls::install_provider();
    match cli::run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(failure) => {
            cli::printer::say(failure.render().trim_end());
            std::process::ExitCode::from(failure.code as u8)
        }
    }
}
