"""The spool is moved away or unmounted, and comes back: nothing is lost, and nothing stays there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from callguard.errors import RecordingError
from callguard.recording import Spool
from fakes.sealing import CALL, EVERY, FLUSH, NAME, Asterisk, a_sealer, a_vault, heard, speech, until


def left(spool: Spool) -> list[Path]:
    return [path for path in spool.directory.rglob("*") if path.is_file()]


@pytest.mark.parametrize("instead", [False, True], ids=["nothing", "a file"])
@pytest.mark.parametrize("shred", [False, True], ids=["sealed", "destroyed"])
async def test_what_ends_while_the_spool_is_away_leaves_nothing_there(
    tmp_path, spool, shred, instead
) -> None:
    vault, asterisk = a_vault(tmp_path), Asterisk(spool)
    sealer = a_sealer(vault, spool)
    await sealer.start()
    await sealer.begin(NAME, asterisk.paths, {})
    said = speech(EVERY)
    asterisk.append(said)
    await until(lambda: vault.is_begun(NAME))
    away = spool.directory.rename(spool.directory.with_name("away"))
    if instead:
        spool.directory.touch()
    asterisk.close()
    if shred:
        await sealer.discard(NAME, by="caller", reason="withdrawn")
    else:
        await sealer.finish(NAME)
        assert heard(vault).shape == said.shape and vault.open(NAME).verify().complete
    # Emptied at once, wherever they are; removed as soon as they are found again.
    files = sorted(away.glob("*.sln"))
    assert len(files) == 2 and not any(np.fromfile(path, "<i2").any() for path in files)
    spool.directory.unlink(missing_ok=True)
    away.rename(spool.directory)
    await until(lambda: left(spool) == [])
    await sealer.close()


async def test_an_end_whose_files_are_away_is_sealed_when_they_are_back(tmp_path, spool) -> None:
    vault, said = a_vault(tmp_path), speech(FLUSH)
    sealer = a_sealer(vault, spool)
    await sealer.begin(NAME, spool.paths(CALL), {})
    asterisk = Asterisk(spool)
    asterisk.append(said)
    asterisk.close()
    away = spool.directory.rename(spool.directory.with_name("away"))
    with pytest.raises(RecordingError, match="the spool is away"):
        await sealer.finish(NAME)
    away.rename(spool.directory)
    await sealer.start()
    await until(lambda: left(spool) == [])
    assert np.array_equal(heard(vault), said) and not vault.open(NAME).verify().missing
    await sealer.close()
