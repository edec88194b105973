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

# The pictures of the README: paper trading on the built-in exchange, live and seen again
screenshot *ARGS:
    cargo build --release
    cargo run --release -- trade --env sim --discover --policy hardcoded --sizes 1 --quotes join --for 60s --data datasets/screenshot & \
        sleep 42; cargo run --release -- dash --data datasets/screenshot --screen live --size 160x45 \
        --screenshot tests/golden/dash/readme.svg {{ARGS}}; wait
    cargo run --release -- dash --data datasets/screenshot --screen replay --at 60% --market SIM-S7E00010-T50 \
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

# Training on a GPU, or on Mesa's software Vulkan (Debian: mesa-vulkan-drivers), beside the CPU
test-wgpu *ARGS:
    cargo test --release --features wgpu --test it wgpu {{ARGS}}

# All benchmarks
bench *ARGS:
    cargo bench {{ARGS}}

# hftbacktest beside ours on the same recorded events, in a crate outside the default build
peer-hft TAPE *ARGS:
    cargo run --release --locked --manifest-path benches/peers/hft/Cargo.toml -- {{TAPE}} {{ARGS}}

# Stable-Baselines3 beside ours with the same parameters, one thread; PYTHON has torch and stable-baselines3
peer-sb3 PYTHON *ARGS:
    cargo build --release --locked
    {{PYTHON}} benches/peers/beside_sb3.py {{ARGS}}

# Format the code
fmt:
    cargo fmt

# Licences and advisories of the dependencies (needs cargo-deny)
deny:
    cargo deny check
