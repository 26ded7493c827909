"""The smallest method that has everything: dropout, statistics, two nets and stages."""

import os
import signal
import sys
import time

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxforensics.training.nets import (
    Method,
    Stage,
    State,
    descend,
    forward,
    new_net,
    new_state,
)
from jaxforensics.training.watch import Watch


class Small(nn.Module):
    """Convolution, BatchNorm, dropout, one logit."""

    @nn.compact
    def __call__(self, image, *, train=False):
        hidden = nn.Conv(4, (3, 3))(image)
        hidden = nn.BatchNorm(use_running_average=not train, momentum=0.9)(hidden)
        hidden = jax.nn.relu(hidden).mean((1, 2))
        return nn.Dense(1)(nn.Dropout(0.2, deterministic=not train)(hidden))


class Stream:
    """Pictures whose brightness tells the label; a batch is a function of its step."""

    batch_size = 8
    digest = "stream"

    def __init__(self, *, part=slice(None), poison=None):
        self.part, self.poison = part, poison

    def batches(self, start=0):
        while True:
            yield self.batch(start)
            start += 1

    def validation(self):
        for step in range(1000, 1003):
            batch = self.batch(step, padding=2 * (step == 1002))
            group = np.asarray([f"g{i}" for i in batch["index"]])
            yield batch | {"group": group}

    def batch(self, step, *, padding=0):
        draw = np.random.default_rng([5, step])
        label = draw.integers(0, 2, 8).astype(np.int32)
        image = draw.integers(0, 256, (8, 8, 8, 3)) // (1 + label[:, None, None, None])
        valid = (np.arange(8) < 8 - padding).astype(np.float32)
        if step == self.poison:
            valid[3] = np.nan
        columns = {
            "image": image.astype(np.uint8),
            "label": label,
            "valid": valid,
            "index": np.arange(8) + 8 * step,
        }
        return {k: v[self.part] for k, v in columns.items()}


def method(*, first=6, second=6, rate=1e-2):
    """Net `a` learns first, then net `b`, which reads a's logits."""
    net, tx = Small(), optax.adam(rate)

    def init(key, batch):
        keys = jax.random.split(key)
        return new_state(
            a=new_net(keys[0], net, tx, batch["image"]),
            b=new_net(keys[1], net, tx, batch["image"]),
        )

    def learn(name, key, state, batch):
        def objective(params):
            logits, stats = forward(
                net,
                params[name],
                state.nets[name].stats,
                batch["image"],
                train=True,
                key=key,
            )
            loss = optax.sigmoid_binary_cross_entropy(logits[:, 0], batch["label"])
            loss = (loss * batch["valid"]).mean()
            return loss, ({name: stats}, {f"{name}/loss": loss})

        nets, metrics = descend({name: tx}, state.nets, objective, name)
        return State(state.step + 1, nets), metrics

    def predict(state, batch):
        net_b = state.nets["b"]
        logits, _ = forward(net, net_b.params, net_b.stats, batch["image"])
        return {"logits": logits, "score": jax.nn.sigmoid(logits[:, 0])}

    stages = (
        Stage("first", first, "train", lambda *args: learn("a", *args)),
        Stage("second", second, "train", lambda *args: learn("b", *args)),
    )
    return Method(init, stages, predict, {"first": first, "second": second})


def spoilt(step):
    """`method()`, whose net `a` is NaN after this step; metrics say so a step later."""
    sound = method()

    def spoil(key, state, batch):
        after, metrics = sound.stages[0].step(key, state, batch)
        factor = jnp.where(after.step == step, jnp.nan, 1.0)
        params = jax.tree.map(lambda x: x * factor, after.nets["a"].params)
        nets = after.nets | {"a": after.nets["a"].replace(params=params)}
        return after.replace(nets=nets), metrics

    stages = (sound.stages[0]._replace(step=spoil), sound.stages[1])
    return sound._replace(stages=stages)


def accuracy(columns):
    """Validation accuracy of gathered columns."""
    return {"accuracy": np.mean((columns["score"] > 0.5) == columns["label"])}


WATCH = Watch(summary=accuracy, select="accuracy")


class Untouchable(Stream):
    """A stream that can show its first batch and nothing more."""

    def batches(self, start=0):
        yield self.batch(start)
        raise AssertionError("trained again")

    def validation(self):
        raise AssertionError("predicted again")


class Ending(Stream):
    """A stream that fails before its batch `stop`."""

    def __init__(self, stop):
        super().__init__()
        self.stop = stop

    def batches(self, start=0):
        for number, batch in enumerate(super().batches(start), start):
            assert number < self.stop, "stopped"
            yield batch


class Stopped(Stream):
    """A slow stream in whose batch `stop` the process is told to end."""

    def __init__(self, stop, **settings):
        super().__init__(**settings)
        self.stop = stop

    def batches(self, start=0):
        for i, batch in enumerate(super().batches(start)):
            if i == self.stop:
                os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.2)
            yield batch


def main(directory, *, processes, identity, port, stop=0):
    """One of `processes` processes that train together; prints its metrics.

    With `stop`, training is long and slow, and the first gets SIGTERM at that batch.
    """
    jax.config.update("jax_num_cpu_devices", 4 // processes)
    if processes > 1:
        jax.distributed.initialize(f"localhost:{port}", processes, identity)
    from jaxforensics.training.fit import Intervals, fit

    size = 8 // processes
    part = slice(identity * size, (identity + 1) * size)
    stream = Stream(part=part)
    if stop:
        stream = Stopped(stop if identity == 0 else None, part=part)
    fit(
        directory,
        method(first=80 if stop else 6),
        {"train": stream},
        seed=3,
        watch=WATCH,
        intervals=Intervals(log_every=1, evaluate_every=4, save_every=4),
    )


if __name__ == "__main__":
    main(
        sys.argv[1],
        processes=int(sys.argv[2]),
        identity=int(sys.argv[3]),
        port=sys.argv[4],
        stop=int(sys.argv[5]),
    )
