# Thin names for commands; `just` lists them.

[private]
default:
    @{{just_executable()}} --list --unsorted

# The whole path on a labelled synthetic tape: import, export, features, train, evaluate
demo *ARGS:
    cargo run --release -- demo {{ARGS}}

# Record live order books until Ctrl-C; `just collect --env sim` needs no credentials
collect *ARGS:
    cargo run --release -- collect {{ARGS}}

# Show what runs, or what was recorded; ? shows the keys
dash *ARGS:
    cargo run --release -- dash {{ARGS}}

# The picture of the README: half a minute of paper trading on the built-in exchange, seen again
screenshot *ARGS:
    cargo run --release -- trade --env sim --discover --policy hardcoded --for 30s --data datasets/screenshot
    cargo run --release -- dash --data datasets/screenshot --screen replay --at 35% --market SIM-S7E00003-T75 \
        --size 120x36 --screenshot datasets/screenshot/dash.txt {{ARGS}}

# Import recorded frames into the log
import *ARGS:
    cargo run --release -- import {{ARGS}}

# Write the log as Parquet with manifest and data card
export *ARGS:
    cargo run --release -- export {{ARGS}}

# Build feature files and profile them
features *ARGS:
    cargo run --release -- features build {{ARGS}}
    cargo run --release -- features report {{ARGS}}

# Train a policy on the recorded markets
train *ARGS:
    cargo run --release -- train {{ARGS}}

# Judge a trained policy on markets that it has not seen
eval *ARGS:
    cargo run --release -- eval {{ARGS}}

# Try many settings, and judge the best one as the best of so many
search *ARGS:
    cargo run --release -- search {{ARGS}}

# Formatting, lints and tests, as CI runs them
check:
    .ci/run

# All tests
test *ARGS:
    cargo test --release {{ARGS}}

# All tests, and those that learn for minutes
test-long *ARGS:
    KFLOW_LONG=1 cargo test --release {{ARGS}}

# Tests without polars and burn: quick to build
t *ARGS:
    cargo test --release --no-default-features {{ARGS}}

# All benchmarks
bench *ARGS:
    cargo bench {{ARGS}}

# hftbacktest beside ours on the same recorded events, in a crate outside the default build
peer-hft TAPE *ARGS:
    cargo run --release --locked --manifest-path benches/peers/hft/Cargo.toml -- {{TAPE}} {{ARGS}}

# Format the code
fmt:
    cargo fmt

# Licences and advisories of the dependencies (needs cargo-deny)
deny:
    cargo deny check
