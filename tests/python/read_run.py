"""Reads a run's event file with TensorBoard, and its weights with PyTorch through SB3's policy class."""
import json
import sys

import numpy as np
import torch
from gymnasium import spaces
from safetensors.torch import load_file
from stable_baselines3.common.policies import ActorCriticPolicy
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

run, expected = sys.argv[1], json.loads(sys.argv[2])

events = EventAccumulator(run).Reload()
tags = events.Tags()["scalars"]
for tag in ("train/loss", "train/approx_kl", "time/fps", "action_share/left"):
    assert tag in tags, (tag, tags)
last = events.Scalars("train/loss")[-1]
assert last.step == expected["steps"] and abs(last.value - expected["loss"]) < 1e-6, (last, expected)

policy = ActorCriticPolicy(spaces.Box(-10, 10, (4,), np.float32), spaces.Discrete(2), lambda _: 0.0)
policy.load_state_dict(load_file(f"{run}/last/model.safetensors"))
with torch.no_grad():
    hidden_policy, hidden_value = policy.mlp_extractor(torch.tensor([[0.1, -0.2, 0.3, -0.4]]))
    logits, value = policy.action_net(hidden_policy)[0].tolist(), policy.value_net(hidden_value)[0].tolist()
assert np.allclose(logits, expected["logits"], atol=1e-5), (logits, expected)
assert np.allclose(value, expected["value"], atol=1e-5), (value, expected)
print(f"read {len(tags)} scalars and {sum(p.numel() for p in policy.parameters())} parameters")
