"""Load shedding: what a service that has more to do than it can turns away, the least important first."""

from .criticality import Criticality
from .load_shedder import LoadShedder

__all__ = ["Criticality", "LoadShedder"]
