"""Claims: verdicts from one number per seed."""

import numpy as np
import pytest
from scipy import stats

from jaxforensics.experiments.common import claims


def test_claims_hold_fail_or_stay_open():
    assert claims.decided("x", [0.1, 0.11, 0.12])["verdict"] == "holds"
    assert claims.decided("x", [-0.1, -0.11, -0.12])["verdict"] == "does not hold"
    assert claims.decided("x", [0.1, 0.3, -0.1])["verdict"] == "open"
    row = claims.decided("x", [0.1])
    assert row["verdict"] == "open" and row["95 % interval"] is None


def test_chance_is_rarely_decided():
    """5 % of seeds without any effect get a verdict."""
    values = stats.norm.rvs(size=(2000, 3), random_state=0)
    verdicts = [claims.decided("", row)["verdict"] for row in values]
    assert np.mean([v != "open" for v in verdicts]) == pytest.approx(0.05, abs=0.015)
