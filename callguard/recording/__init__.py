"""MixMonitor as callguard needs it: where it writes, whether it does, and what else records.

Asterisk writes raw samples, one file for each direction, into a spool that lies in memory.

Decided 2026-11: separate files for the two directions and no mixed one, because a third plaintext
file is a third place to leak from, and `.sln` because a crash cannot leave a wrong header in it.
"""

from callguard.recording.spool import Spool

__all__ = ["Spool"]
