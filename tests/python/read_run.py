"""Reads a run's event file with TensorBoard, and its progress as SB3's users do, with pandas.

usage: read_run.py RUN_DIR EXPECTED_JSON
exit:  0 all is well, 77 tensorboard or pandas is missing, 1 otherwise
"""

import json
import sys

try:
    import pandas
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError as missing:
    print(f"SKIPPED: {missing}")
    sys.exit(77)


def read_events(run, expected):
    events = EventAccumulator(run).Reload()
    tags = events.Tags()["scalars"]
    for tag in ("train/loss", "train/approx_kl", "time/fps", "action_share/left"):
        assert tag in tags, (tag, tags)
    last = events.Scalars("train/loss")[-1]
    assert last.step == expected["steps"] and abs(last.value - expected["loss"]) < 1e-6, (last, expected)
    print(f"TensorBoard read {len(tags)} scalars")


def read_progress(run, expected):
    """The two calls are those of `stable_baselines3.common.logger.read_csv` and `read_json`."""
    for table in (
        pandas.read_csv(f"{run}/progress.csv", index_col=None, comment="#"),
        pandas.DataFrame([json.loads(line) for line in open(f"{run}/progress.jsonl", encoding="utf-8")]),
    ):
        last = table.iloc[-1]
        assert last["time/total_timesteps"] == expected["steps"], (last, expected)
        assert abs(last["train/loss"] - expected["loss"]) < 1e-6, (last, expected)
        assert last[["rollout/ep_rew_mean", "train/explained_variance"]].notna().all(), last
    print(f"pandas read {len(table)} rows of {len(table.columns)} columns")


read_events(sys.argv[1], json.loads(sys.argv[2]))
read_progress(sys.argv[1], json.loads(sys.argv[2]))
