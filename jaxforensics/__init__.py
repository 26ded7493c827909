"""Deepfake forensics in JAX: detectors, attacks on them, and honest measurement."""

__version__ = "0.1.0"
