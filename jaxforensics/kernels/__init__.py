"""Formulations tuned per backend; the only room that asks which backend computes.

Every kernel stands beside the plain formula that it equals, `plain_…`, from which only
its speed differs: tests hold both together, values and gradients.  Times are those of
docs/performance.md.
"""
