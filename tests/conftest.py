"""Puts this directory on the import path, so that tests find ``fakes``."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@pytest.fixture(scope="session", autouse=True)
def hypothesis_has_read_the_code() -> None:
    """At its first draw it reads all the code for constants: a second that is no strategy's slowness."""

    @settings(max_examples=1, database=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.text())
    def draw(_: str) -> None:
        pass

    draw()
