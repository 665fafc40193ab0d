"""Whoever comes to a recorded call is told and asked, and the recording goes on, or not, as they say."""

import pytest

from tests import gatherings


@pytest.mark.timeout(300)
async def test_whoever_comes_to_a_call_is_told_and_asked(capsys):
    rows = await gatherings.play_all(gatherings.plan())
    with capsys.disabled():
        print("\n" + gatherings.table(rows))
    assert [row for row in rows if not row.ok] == []
