"""MixMonitor as callguard needs it: where it writes, whether it does, and what else records; and the sealer.

Asterisk writes raw samples, one file for each direction, into a spool that lies in memory. The sealer takes
them out of it, into a vault that it knows only by what it needs of one (`callguard.recording.safe`).

Decided 2026-11: separate files for the two directions and no mixed one, because a third plaintext
file is a third place to leak from, and `.sln` because a crash cannot leave a wrong header in it.
"""

from callguard.recording.evidence import Evidence, evidence, spoken
from callguard.recording.measures import Listener, Measures, Recovered
from callguard.recording.pending import Silence
from callguard.recording.safe import Certificate, Finished, Safe, Writing
from callguard.recording.sealer import CARD, PAUSE, Sealer, remove_orphans
from callguard.recording.spool import Spool
from callguard.recording.strand import Strand

__all__ = [
    "CARD",
    "PAUSE",
    "Certificate",
    "Evidence",
    "Finished",
    "Listener",
    "Measures",
    "Recovered",
    "Safe",
    "Sealer",
    "Silence",
    "Spool",
    "Strand",
    "Writing",
    "evidence",
    "remove_orphans",
    "spoken",
]
