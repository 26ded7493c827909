"""AMTEN's experiments: who made a picture, and what later operations do to the answer.

Guo, Yang, Chen and Sun, "Fake face detection via adaptive manipulation traces
extraction network", CVIU 2021.  Classes are the sources of a data set, reals included.
"""

from jaxforensics.experiments.amten.measure import measure
from jaxforensics.experiments.amten.plan import jobs
from jaxforensics.experiments.amten.report import TITLE, report
from jaxforensics.experiments.amten.settings import Settings

__all__ = ["TITLE", "Settings", "jobs", "measure", "report"]
