"""What systemd is told, and the unit that it runs."""

import asyncio
import configparser
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from callguard.config import loads
from callguard.config.snippets import render_unit
from callguard.controller.notify import keep_alive, notify, watchdog_seconds

SITE = """
site: {name: Example, country: US}
asterisk:
  ari: {password: one}
  ami: {password: two}
queues: {sales: {}}
"""


@pytest.fixture
def systemd(tmp_path, monkeypatch):
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(path))
        line.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        yield line


def test_systemd_is_told(systemd):
    assert notify("READY=1", "STATUS=well")
    assert systemd.recv(4096) == b"READY=1\nSTATUS=well"


def test_nobody_is_told_where_nobody_listens(monkeypatch, tmp_path):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    assert not notify("READY=1")


def test_a_name_in_the_abstract_namespace(monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(f"\0callguard-{os.getpid()}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@callguard-{os.getpid()}")
        assert notify("READY=1")
        assert line.recv(100) == b"READY=1"


def test_the_watchdog_hears_twice_as_often_as_it_needs(monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "5000000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    assert watchdog_seconds() == 2.5
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert watchdog_seconds() is None
    monkeypatch.delenv("WATCHDOG_USEC")
    assert watchdog_seconds() is None


async def test_a_loop_that_runs_is_alive_and_one_that_hangs_is_not(systemd, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    systemd.setblocking(False)
    task = asyncio.create_task(keep_alive())
    loop = asyncio.get_running_loop()
    for _ in range(3):
        assert await loop.sock_recv(systemd, 100) == b"WATCHDOG=1"
    task.cancel()


def test_the_unit_may_write_where_the_site_keeps_things_and_nowhere_else():
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str
    unit.read_string(
        render_unit(loads(SITE, "test"), Path("/etc/callguard/config.yaml"), "/usr/bin/callguard")
    )
    service = unit["Service"]
    assert service["ExecStart"] == "/usr/bin/callguard run -c /etc/callguard/config.yaml"
    assert service["Type"] == "notify"
    written = service["ReadWritePaths"].split()
    assert "/dev/shm/callguard" in written
    assert "/var/lib/callguard" in written  # the ledger
    assert "/etc/callguard" not in written
    assert service["LimitCORE"] == "0"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
def test_systemd_understands_the_unit(tmp_path):
    path = tmp_path / "callguard.service"
    path.write_text(
        render_unit(loads(SITE, "test"), Path("/etc/callguard/config.yaml"), shutil.which("true") or "")
    )
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(path)], capture_output=True, text=True, check=False
    )
    assert "callguard.service" not in checked.stderr, checked.stderr
