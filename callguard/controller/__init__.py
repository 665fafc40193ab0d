"""The conductor: turns what Asterisk says into events of the core, and carries out what the core orders."""

from callguard.controller.conductor import Conductor
from callguard.controller.keeping import spool_of
from callguard.controller.planning import Planner, Request, needed
from callguard.controller.rulebook import Rulebook, planner_of, table_of
from callguard.controller.service import Service, service

__all__ = [
    "Conductor",
    "Planner",
    "Request",
    "Rulebook",
    "Service",
    "needed",
    "planner_of",
    "service",
    "spool_of",
    "table_of",
]
