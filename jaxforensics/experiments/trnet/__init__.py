"""TR-Net's experiments: six victims, five attacks, three levels of defence.

Liu et al., "Making DeepFakes more spurious: evading deep face forgery detection via
trace removal attack" (2022): how far detectors can be trusted, and what hardens them.
"""

from jaxforensics.experiments.trnet.measure import measure
from jaxforensics.experiments.trnet.plan import jobs
from jaxforensics.experiments.trnet.report import TITLE, report
from jaxforensics.experiments.trnet.settings import Settings

__all__ = ["TITLE", "Settings", "jobs", "measure", "report"]
