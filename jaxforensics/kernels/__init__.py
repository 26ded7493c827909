"""Formulations tuned per backend; the only room that asks which backend computes."""
