"""A benchmark, not a giveaway: what audits of real data look for tells nothing here."""

import pytest

from jaxforensics.data import audit
from jaxforensics.experiments import embedded

LIMIT = 0.6  # AUC of what says nothing of forgery


@pytest.mark.slow
@pytest.mark.parametrize("view", ("pairs", "generators"))
def test_no_shortcuts(view, tmp_path):
    report = embedded.synthfaces(tmp_path, view=view, faces=600)
    found = audit.audit(report.root, progress=False).report
    leaks = [row for row in found["leaks"] if row["fakes"] == "all fakes"]
    assert {row["family"] for row in leaks} >= {"file size", "contrast", "border"}
    alone = [row for row in leaks if row["family"] != "all together"]
    assert not [row for row in alone if row["auc"] > LIMIT]
