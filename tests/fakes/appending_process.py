"""Asterisk in a process of its own: ``python -m fakes.appending_process SPOOL SECONDS SAMPLES``."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from callguard.recording import Spool
from fakes.sealing import FLUSH, Asterisk, speech

spool, seconds = Spool(directory=Path(sys.argv[1])), float(sys.argv[2])
said = speech(int(sys.argv[3]))
asterisk = Asterisk(spool)
pause = seconds * FLUSH / len(said)
for at in range(0, len(said), FLUSH):
    asterisk.append(said[at : at + FLUSH])
    time.sleep(pause)
asterisk.close()
