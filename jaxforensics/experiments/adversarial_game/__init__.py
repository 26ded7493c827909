"""The adversarial game's experiments: detectors trained against blurring adversaries.

Tables I to XVI of the paper on blurring adversarial training (BAT): unseen
manipulations, other qualities, traditional augmentation, four families of detectors,
and blur as an attack.
"""

from jaxforensics.experiments.adversarial_game.measure import measure
from jaxforensics.experiments.adversarial_game.plan import jobs
from jaxforensics.experiments.adversarial_game.report import TITLE, report
from jaxforensics.experiments.adversarial_game.settings import Settings

__all__ = ["TITLE", "Settings", "jobs", "measure", "report"]
