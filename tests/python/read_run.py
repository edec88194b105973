"""Reads a run's event file with TensorBoard, and its weights with PyTorch through SB3's policy class.

usage: read_run.py RUN_DIR EXPECTED_JSON
Without torch and stable-baselines3 the weights' part says that it was skipped; exit 77 without tensorboard.
"""

import json
import sys

try:
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


def read_weights(run, expected):
    try:
        import numpy as np
        import torch
        from gymnasium import spaces
        from safetensors.torch import load_file
        from stable_baselines3.common.policies import ActorCriticPolicy
    except ImportError as missing:
        print(f"SKIPPED the weights: {missing}")
        return
    space = spaces.Box(-10, 10, (4,), np.float32)
    policy = ActorCriticPolicy(space, spaces.Discrete(2), lambda _: 0.0)
    policy.load_state_dict(load_file(f"{run}/last/model.safetensors"))
    with torch.no_grad():
        actor, critic = policy.mlp_extractor(torch.tensor([[0.1, -0.2, 0.3, -0.4]]))
        logits, value = policy.action_net(actor)[0].tolist(), policy.value_net(critic)[0].tolist()
    assert np.allclose(logits, expected["logits"], atol=1e-5), (logits, expected)
    assert np.allclose(value, expected["value"], atol=1e-5), (value, expected)
    print(f"PyTorch read {sum(p.numel() for p in policy.parameters())} parameters")


read_events(sys.argv[1], json.loads(sys.argv[2]))
read_weights(sys.argv[1], json.loads(sys.argv[2]))
