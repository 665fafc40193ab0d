"""Callers by the hundred: sipp, its scenario, and what it says afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from pathlib import Path

from .ear import ADDRESS, EVENT_TYPE, FIRST_PORT
from .figures import BenchError, Tally, invitations, tally_of

#: The loopback address by which the laboratory's PBX knows its trunk.
TRUNK = "127.0.0.2"
#: Seconds that a call may last; a caller who waits longer was forgotten.
PATIENCE = 20

SCENARIO = """<?xml version="1.0" encoding="ISO-8859-1" ?>
<!DOCTYPE scenario SYSTEM "sipp.dtd">
<scenario name="bench">
  <nop><action><log message="invite [call_number] [timestamp]"/></action></nop>
  <send retrans="500"><![CDATA[
INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:[field0]@[local_ip]:[local_port]>;tag=[pid]-[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:caller@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=caller 1 1 IN IP4 ADDRESS
s=-
c=IN IP4 ADDRESS
t=0 0
m=audio [auto_media_port] RTP/AVP 0 EVENT
a=rtpmap:0 PCMU/8000
a=rtpmap:EVENT telephone-event/8000
a=fmtp:EVENT 0-15
]]></send>
  <recv response="100" optional="true"/>
  <recv response="180" optional="true"/>
  <recv response="183" optional="true"/>
  <recv response="200" rrs="true"/>
  <send><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:[field0]@[local_ip]:[local_port]>;tag=[pid]-[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv request="BYE" timeout="PATIENCE"/>
  <send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
</scenario>
"""

#: Area codes of Texas: who calls decides what the law asks for, and no two callers are the same.
AREAS = (210, 214, 254, 281, 361, 409, 432, 469, 512, 713, 806, 817, 830, 832, 903, 915, 936, 940, 956, 972)


def scenario_for(patience: int) -> str:
    """What every caller does: call, and wait to be hung up on."""
    values = {"ADDRESS": ADDRESS, "EVENT": str(EVENT_TYPE), "PATIENCE": str(1000 * patience)}
    text = SCENARIO
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def caller(call: int) -> str:
    """Who makes sipp's n-th call."""
    return f"+1{AREAS[call % len(AREAS)]}555{call % 10000:04d}"


async def call(
    *, sip: int, number: str, rate: int, calls: int, patience: int = PATIENCE
) -> tuple[Tally, dict[int, float]]:
    """Place calls at a rate and wait for the end of the last one.

    Args:
        sip: the PBX's SIP port.
        number: what is dialled.
        rate: calls per second.
        calls: how many.
        patience: seconds after which callers who are not hung up on do so themselves, and count as failed.

    Returns:
        How they ended, and when each was begun, by the port of its ear.

    Raises:
        BenchError: sipp could not run.
    """
    with contextlib.ExitStack() as stack:
        directory = Path(tempfile.mkdtemp(prefix="callguard-sipp-"))
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        scenario, figures, log = (directory / name for name in ("scenario.xml", "figures.csv", "log"))
        scenario.write_text(scenario_for(patience))
        callers = directory / "callers.csv"
        callers.write_text("SEQUENTIAL\n" + "".join(f"{caller(n)}\n" for n in range(1, calls + 1)))
        command = [
            *("sipp", f"127.0.0.1:{sip}", "-sf", str(scenario), "-s", number, "-inf", str(callers)),
            *("-i", TRUNK, "-bind_local", "-r", str(rate), "-m", str(calls), "-l", str(calls)),
            *("-mp", str(FIRST_PORT), "-mi", TRUNK, "-nostdin", "-timer_resol", "1"),
            *("-timeout", f"{calls // rate + 2 * PATIENCE}s"),
            *("-trace_stat", "-stf", str(figures), "-fd", "1", "-trace_logs", "-log_file", str(log)),
            *("-trace_err", "-error_file", str(directory / "errors")),
        ]
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=directory,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
        except FileNotFoundError:
            raise BenchError("sipp is not installed: run `make bench`, which installs sip-tester") from None
        stack.callback(_end, process)
        output, _ = await process.communicate()
        # 0: every call was good; 1: some were not, which the figures tell; more: it never got to work.
        if process.returncode not in (0, 1) or not figures.exists():
            complaint = directory / "errors"
            said = complaint.read_text(errors="replace") if complaint.exists() else output.decode()[-1500:]
            raise BenchError(f"sipp ended with status {process.returncode}: {said}")
        return tally_of(figures.read_text()), invitations(log.read_text(errors="replace"))


def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
