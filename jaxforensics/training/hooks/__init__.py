"""What happens between steps: guard, log, evaluate, save, profile, stop.

A hook is a function of a `loop.Moment`, called after every step.
"""

from jaxforensics.training.hooks.evaluate import Evaluate, Evaluation
from jaxforensics.training.hooks.every import Every
from jaxforensics.training.hooks.guard import Guard, NotFinite
from jaxforensics.training.hooks.log import Log
from jaxforensics.training.hooks.profile import Profile
from jaxforensics.training.hooks.save import Save, leave

__all__ = [
    "Evaluate",
    "Evaluation",
    "Every",
    "Guard",
    "Log",
    "NotFinite",
    "Profile",
    "Save",
    "leave",
]
