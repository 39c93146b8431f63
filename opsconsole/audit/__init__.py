"""The audit history: recorded with the change it tells of, chained afterwards, and able to prove itself."""

from opsconsole.audit import event_types as _event_types  # fills the catalogue
from opsconsole.audit.actors import Actor, acting_as, actor_for, current
from opsconsole.audit.checkpoints import checkpoint
from opsconsole.audit.record import record
from opsconsole.audit.sealing import seal, seal_all
from opsconsole.audit.sentences import describe

__all__ = ["Actor", "acting_as", "actor_for", "checkpoint", "current", "describe", "record", "seal", "seal_all"]
