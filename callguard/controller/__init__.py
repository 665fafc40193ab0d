"""The conductor: turns what Asterisk says into events of the core, and carries out what the core orders."""

from callguard.controller.conductor import Conductor
from callguard.controller.planning import Planner, Request, needed
from callguard.controller.service import service, spool_of

__all__ = ["Conductor", "Planner", "Request", "needed", "service", "spool_of"]
