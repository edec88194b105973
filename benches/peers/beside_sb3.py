#!/usr/bin/env python3
"""Stable-Baselines3 and `kflow bench train` with the same parameters, one after the other on one thread.

  python beside_sb3.py [--rounds 3] [--kflow target/release/kflow]

Prints a table of medians and their ratio, and below it every figure as one JSON object. Compares seconds of CPU
time, so that another program's turn on the processor is not counted; its share of the caches and of the clock
still is, and flatters us, because SB3 suffers more: run it on a quiet machine. Needs torch and stable-baselines3.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# What is compared: our preset and key, the peer's arguments and key, and whether more is better.
ROWS = {
    "PPO, SB3's defaults (steps per CPU second)": (
        "sb3-ppo", "steps_per_cpu_s", ["ppo", "--envs", "8", "--steps", "32768"], "steps_per_cpu_s", True),
    "A2C, SB3's defaults (steps per CPU second)": (
        "sb3-a2c", "steps_per_cpu_s", ["a2c", "--envs", "8", "--steps", "40000"], "steps_per_cpu_s", True),
    "PPO, 1024 x 64, minibatch 8192 (steps per CPU second)": (
        "puffer", "steps_per_cpu_s",
        ["ppo", "--vec", "native", "--envs", "1024", "--n-steps", "64", "--batch", "8192", "--epochs", "1",
         "--steps", "524288"], "steps_per_cpu_s", True),
    "CartPole, rl-zoo's parameters, 100 000 steps (CPU seconds)": (
        "cartpole", "cpu_s", ["cartpole", "--steps", "100000"], "cpu_s", False),
    "CartPole, greedy return after it (500 is the most)": (
        "cartpole", "eval_mean", None, "eval_mean", None),
    "One PPO update on 64 rows, ours beside plain torch (us)": (
        None, "update_us", ["update", "--batch", "64"], "p50_us", False),
    "One decision, ours beside SB3's predict (us)": (
        None, "decision_us", ["latency", "--steps", "5000"], "p50_us", False),
}


def run(command):
    env = dict(os.environ, OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def round_of(kflow):
    """Every row's two figures, ours first."""
    ours = run([*kflow, "bench", "train", "--json"])["data"]
    presets = {r["preset"]: r for r in ours["runs"]}
    figures, peer = {}, {}
    for row, (preset, our_key, arguments, peer_key, _) in ROWS.items():
        if arguments:
            peer = run([sys.executable, f"{HERE}/sb3.py", "--algo", *arguments])
        figures[row] = (presets[preset] if preset else ours)[our_key], peer[peer_key]
    return figures, {key: ours[key] for key in ("engine", "isa", "gemm_gflops")} | {
        key: peer[key] for key in ("sb3", "torch", "python") if key in peer}


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--kflow", help="the program [default: cargo run --release]")
    options = options.parse_args()
    kflow = [options.kflow] if options.kflow else ["cargo", "run", "--release", "--quiet", "--"]
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"note: the load of this machine is {load:.1f}; contention flatters us", file=sys.stderr)
    rounds = []
    for _ in range(options.rounds):
        figures, versions = round_of(kflow)
        rounds.append(figures)
    result = []
    print(f"{'':58}{'kflow':>12}{'peer':>12}{'ratio':>8}")
    for row, (*_, more_is_better) in ROWS.items():
        ours, peer = (statistics.median(r[row][side] for r in rounds) for side in (0, 1))
        ratio = None if more_is_better is None else ours / peer if more_is_better else peer / ours
        print(f"{row:58}{ours:12.2f}{peer:12.2f}" + (f"{ratio:7.1f}x" if ratio else ""))
        every = [[r[row][side] for r in rounds] for side in (0, 1)]
        result.append({"what": row, "kflow": ours, "peer": peer, "ratio": ratio, "kflow_all": every[0],
                       "peer_all": every[1]})
    print(json.dumps({"load1": round(load, 2), "rounds": options.rounds, **versions, "rows": result}))


main()
