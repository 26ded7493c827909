"""FakeLocator's experiments: where a face was changed, and whether it was.

Huang et al., "FakeLocator: robust localization of GAN-based face manipulations", TIFS
2022.
"""

from jaxforensics.experiments.fakelocator.measure import measure
from jaxforensics.experiments.fakelocator.plan import jobs
from jaxforensics.experiments.fakelocator.report import TITLE, report
from jaxforensics.experiments.fakelocator.settings import Settings

__all__ = ["TITLE", "Settings", "jobs", "measure", "report"]
