//! `kflow`: parse, run, print the error and its hint, exit with its code; nothing else.

use kalshiflow::cli;

fn main() -> std::process::ExitCode {
    match cli::run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(failure) => {
            cli::printer::say(failure.render().trim_end());
            std::process::ExitCode::from(failure.code as u8)
        }
    }
}
