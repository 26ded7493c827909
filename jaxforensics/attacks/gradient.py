"""Steps along the sign of the detector's gradient, within epsilon of every value."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax, random
from jax.tree_util import Partial

from jaxforensics.ops.color import widened


def fgsm(predict, *, epsilon=8 / 255):
    """Fast gradient sign method (Goodfellow et al., 2015): one step of `epsilon`."""
    return pgd(predict, epsilon=epsilon, step=epsilon, steps=1)


def pgd(predict, *, epsilon=8 / 255, step=None, steps=10, random_start=False):
    """Projected gradient descent (Madry et al., 2018) in the maximum norm, untargeted.

    Each of `steps` moves every value by `step`, a quarter of `epsilon` unless given, up
    the cross-entropy of the true label, then back into `epsilon` around the image and
    into [0, 1].  With `random_start` it begins anywhere within `epsilon`.  Whoever
    trains on the attacked image sees it as a constant.
    """
    if predict is None:
        raise ValueError("it needs 'follows': the victim whose gradients it follows")
    # 8 where 8 / 255 was meant would be an attack of no bounds, in silence.
    if not 0 <= epsilon <= 1:
        raise ValueError(f"epsilon is on the scale of images, [0, 1], not {epsilon}")
    if steps < 1:
        raise ValueError(f"there is no attack in {steps} steps")
    if step is None:
        step = epsilon / 4
    # A pytree of its weights, so that the compiled step serves detectors of one
    # architecture.
    detector = predict
    if not isinstance(predict, Partial):
        detector = Partial(predict)
    return partial(_ascend, detector, epsilon, step, steps, random_start)


def _ascend(predict, epsilon, step, steps, random_start, key, image, label):
    """A loop over a compiled step, which all numbers of steps share.

    XLA:CPU leaves the convolutions in a `fori_loop` as they come, which made ten steps
    on Meso-4 take 2.8 times as long.
    """
    reach = 0.0
    if random_start:
        reach = epsilon
    attacked = _start(reach, key, image)
    for _ in range(steps):
        attacked = _step(predict, epsilon, step, image, label, attacked)
    return attacked.astype(image.dtype)


@jax.jit
def _start(reach, key, image):
    wide = widened(image)
    noise = reach * random.uniform(key, image.shape, wide.dtype, -1, 1)
    return jnp.clip(wide + noise, 0, 1)


@jax.jit
def _step(predict, epsilon, step, image, label, attacked):
    predict, image, attacked = lax.stop_gradient((predict, image, attacked))

    def margins(x):
        return jnp.sum(margin(predict(x), label))

    slope = jax.grad(margins)(attacked)
    # The nearest value that is in the picture's range and within epsilon of it.
    image = image.astype(attacked.dtype)
    low, high = (jnp.clip(image + bound, 0, 1) for bound in (-epsilon, epsilon))
    return jnp.clip(attacked + step * jnp.sign(slope), low, high)


def cross_entropy(logits, label):
    """Sigmoid's of one logit, softmax's of several: (b, classes), (b,) -> (b,)."""
    return jax.nn.softplus(margin(logits, label))


def margin(logits, label):
    """By how much the other classes win: (b, classes), (b,) -> (b,).

    Cross-entropy, sigmoid or softmax, is softplus of it, so both gradients have the
    same sign; this one does not vanish where the detector is certain.
    """
    logits = logits.astype(jnp.float32)
    if logits.shape[-1] == 1:
        return (1 - 2 * label) * logits[..., 0]
    # By how much the others together weigh more than the true class.
    true = jax.nn.one_hot(label, logits.shape[-1], dtype=bool)
    others = jax.nn.logsumexp(logits, axis=-1, where=~true)
    return others - jnp.sum(logits, axis=-1, where=true)
