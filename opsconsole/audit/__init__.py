"""The audit history: recorded with the change it tells of, chained afterwards, and able to prove itself."""

from opsconsole.audit.actors import Actor, acting_as, actor_for, current
from opsconsole.audit.record import record

__all__ = ["Actor", "acting_as", "actor_for", "current", "record"]
