"""A real Asterisk to try things on, and a second one as the world that calls it.

2026-11: Asterisk runs straight out of the bootstrapped tree, by the tree's own loader and libraries, as
whoever starts the lab. A chroot lost: it needs root and mounts, and the spool would have two paths. A
container lost: it needs a daemon that a bare Debian does not have.

2026-11: the phones are channels of a second Asterisk driven over ARI. sipp lost: a scenario file per caller,
and no ear. Softphones lost: one process per call.

2026-11: the phones' line to their Asterisk is the lab's own (`ari`). The product's client lost: an instrument
must not share the faults of what it measures, and the product has no use for half of these events.

2026-11: the oldest Asterisk that the product works with runs as the PBX beside a world of the newest, chosen
by a variable, so that the same tests run on either. Tests of its own for the old one lost: they would soon
be fewer. A world as old as the PBX lost: a difference would then be the instrument's as well.
"""

from callguard.lab.lab import Lab

__all__ = ["Lab"]
