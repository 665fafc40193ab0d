"""The documents that a site owes to its callers and its staff, made from its live configuration.

Decided 2026-11: a document is a list of plain blocks, set by one template for each format. A template for
each document and format lost: four texts that say the same drift apart.
"""

from callguard.cli.documents.blocks import Document, rendered
from callguard.cli.documents.facts import SiteFacts, site_facts
from callguard.cli.documents.policy import policy
from callguard.cli.documents.sheet import sheet

__all__ = ["Document", "SiteFacts", "policy", "rendered", "sheet", "site_facts"]
