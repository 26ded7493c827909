"""Soft-edged shapes: signed distances, their coverage of a pixel, layers of paint.

Planes are (size, size).  A shape is given by the signed distance of each pixel from
its border, negative inside; `cover` makes a coverage of it.  Two shapes have their
intersection in the maximum of their distances, their union in the minimum.  Polynomials
stand in for exponentials and sines, which would cost more than all the rest of a
picture.
"""

import jax.numpy as jnp


def cover(distance, width):
    """How much of a pixel lies inside a shape: 1/2 at distance 0, over `width`."""
    return jnp.clip(0.5 - distance / width, 0, 1)


def smooth(t):
    """0 below 0, 1 above 1, a cubic between."""
    t = jnp.clip(t, 0, 1)
    return t * t * (3 - 2 * t)


def bell(t):
    """A hill of height 1 at 0 that ends at ±1."""
    t = jnp.maximum(1 - t * t, 0)
    return t * t


def ellipse(x, y, width, height):
    """Signed distance, to first order, from an ellipse around 0 with these half axes.

    f = u² + v² - 1 over the length of its gradient, 2 √slope.  The constant keeps the
    middle, where the gradient is zero, finite.
    """
    u = x / width
    v = y / height
    slope = (u / width) ** 2 + (v / height) ** 2
    return (u * u + v * v - 1) * 0.5 * jnp.sqrt(1 / (slope + 1e-3))


def wave(t):
    """A sine of period 1, within 6 %, from two parabolas."""
    t = t - jnp.round(t)
    return 8 * t - 16 * t * jnp.abs(t)


def mix(a, b, t):
    """`a` where t = 0, `b` where t = 1."""
    return a + (b - a) * t
