"""Models of Stable-Baselines3 for `kflow models import-sb3`, and what SB3 says of ours.

usage: sb3.py write DIR                 writes a folder of models that must be read, and one of those that must not
       sb3.py write-fixture DIR         the two small models that lie in tests/fixtures/sb3
       sb3.py check FILE...             loads each safetensors file of ours into SB3's policy and compares its answers
                                        with those in the JSON file beside it
exit:  0 all is well, 77 torch or stable-baselines3 is missing, 1 otherwise
"""

import io
import json
import os
import sys
import zipfile

try:
    import numpy as np
    import torch
    from gymnasium import Env, spaces
    from safetensors.torch import load_file
    from stable_baselines3 import A2C, DQN, PPO
    from stable_baselines3.common.policies import ActorCriticPolicy
except ImportError as missing:
    print(f"SKIPPED: {missing}")
    sys.exit(77)

ACTIVATIONS = {"tanh": torch.nn.Tanh, "relu": torch.nn.ReLU}


class Still(Env):
    """Nothing happens in it."""

    def __init__(self, observations, actions):
        self.observation_space, self.action_space = observations, actions

    def reset(self, *, seed=None, options=None):
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), float(np.sum(action)), False, False, {}


def box(n):
    return spaces.Box(-10, 10, (n,), np.float32)


def model(algo, obs_len, n_actions, seed, steps=0, **policy):
    """A model whose weights are far from the start, where all actions are about as likely."""
    env = Still(box(obs_len), spaces.Discrete(n_actions))
    extra = {"n_steps": 64} if algo is PPO else {}
    made = algo("MlpPolicy", env, seed=seed, device="cpu", policy_kwargs=policy, **extra)
    if steps:
        made.learn(steps)
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in made.policy.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return made


def answers(policy, obs):
    """Probabilities and values for each row."""
    with torch.no_grad():
        at = torch.as_tensor(np.asarray(obs, np.float32))
        probabilities = policy.get_distribution(at).distribution.probs
        return probabilities.tolist(), policy.predict_values(at).squeeze(1).tolist()


def expected(made, rows):
    obs = np.random.default_rng(8).normal(size=(rows, made.observation_space.shape[0]))
    obs = obs.astype(np.float32).round(2)
    probabilities, values = answers(made.policy, obs)
    return {
        "algo": type(made).__name__.lower(),
        "steps": made.num_timesteps,
        "seed": made.seed,
        "activation": next(k for k, v in ACTIVATIONS.items() if v is made.policy.activation_fn),
        "obs": obs.tolist(),
        "probabilities": probabilities,
        "values": values,
    }


def write(folder):
    good, bad = f"{folder}/good", f"{folder}/bad"
    os.makedirs(good)
    os.makedirs(bad)
    for name, made in {
        "default": model(PPO, 52, 5, 1, steps=64),
        "default-a2c": model(A2C, 52, 5, 2, steps=40),
        "wide": model(PPO, 52, 21, 3, net_arch=[256, 128, 32]),
        "relu": model(PPO, 52, 5, 4, activation_fn=torch.nn.ReLU),
        "linear": model(A2C, 7, 3, 5, net_arch=[]),
        "apart": model(PPO, 52, 5, 6, net_arch=dict(pi=[64], vf=[32, 16]), activation_fn=torch.nn.ReLU),
        "two-extractors": model(PPO, 52, 5, 7, share_features_extractor=False),
    }.items():
        made.save(f"{good}/{name}.zip")
        with open(f"{good}/{name}.json", "w", encoding="utf-8") as file:
            json.dump(expected(made, 64), file)

    discrete, image = spaces.Discrete(5), spaces.Box(0, 255, (3, 36, 36), np.uint8)
    for name, made in {
        "DQN": DQN("MlpPolicy", Still(box(52), discrete), buffer_size=10),
        "ActorCriticCnnPolicy": A2C("CnnPolicy", Still(image, discrete)),
        "Box": PPO("MlpPolicy", Still(box(52), spaces.Box(-1, 1, (2,)))),
        "MultiDiscrete": PPO("MlpPolicy", Still(box(52), spaces.MultiDiscrete([3, 2]))),
        "observations are Discrete": A2C("MlpPolicy", Still(spaces.Discrete(52), discrete)),
        "ELU": PPO("MlpPolicy", Still(box(52), discrete), policy_kwargs={"activation_fn": torch.nn.ELU}),
    }.items():
        made.save(f"{bad}/{name}.zip")
    print(f"wrote {len(os.listdir(good)) // 2} models to read and {len(os.listdir(bad))} to refuse")


def write_fixture(folder):
    """Without what depends on the machine, and deflated; the state dictionary is as PyTorch wrote it."""
    keep = ("policy_class", "observation_space", "action_space", "policy_kwargs", "num_timesteps", "seed",
            "clip_range", "batch_size", "n_steps", "gamma")
    for name, made in {
        "ppo": model(PPO, 52, 5, 1, steps=64, net_arch=dict(pi=[8, 4], vf=[8])),
        "a2c-relu": model(A2C, 6, 5, 2, net_arch=[8], activation_fn=torch.nn.ReLU),
    }.items():
        whole = io.BytesIO()
        made.save(whole)
        with zipfile.ZipFile(whole) as source, zipfile.ZipFile(
            f"{folder}/{name}.zip", "w", zipfile.ZIP_DEFLATED
        ) as out:
            data = json.loads(source.read("data"))
            data = {key: value for key, value in data.items() if key in keep}
            for key in [key for key, value in data.items() if isinstance(value, dict)]:
                bare = (":type:", ":serialized:", "activation_fn", "net_arch")
                data[key] = {k: v for k, v in data[key].items() if k in bare}
            entries = {"data": json.dumps(data, indent=1)}
            for entry in ("policy.pth", "_stable_baselines3_version"):
                entries[entry] = source.read(entry)
            for entry, content in entries.items():
                out.writestr(zipfile.ZipInfo(entry), content, zipfile.ZIP_DEFLATED)
        with open(f"{folder}/{name}.json", "w", encoding="utf-8") as file:
            json.dump(expected(made, 6), file)
            file.write("\n")


def check(*files):
    for weights in files:
        check_one(weights)


def check_one(weights):
    with open(f"{weights}.json", encoding="utf-8") as file:
        want = json.load(file)
    obs, hidden = np.asarray(want["obs"], np.float32), want["hidden"]
    policy = ActorCriticPolicy(
        box(obs.shape[1]),
        spaces.Discrete(len(want["probabilities"][0])),
        lambda _: 0.0,
        net_arch=dict(pi=hidden, vf=want.get("value_hidden", hidden)),
        activation_fn=ACTIVATIONS[want["activation"]],
    )
    policy.load_state_dict(load_file(weights))
    probabilities, values = answers(policy, obs)
    assert np.allclose(probabilities, want["probabilities"], atol=1e-5, rtol=0), "probabilities"
    assert np.allclose(values, want["values"], atol=1e-4, rtol=1e-5), "values"
    print(f"PyTorch read {os.path.basename(weights)}: {sum(p.numel() for p in policy.parameters())} parameters")


{"write": write, "write-fixture": write_fixture, "check": check}[sys.argv[1]](*sys.argv[2:])
