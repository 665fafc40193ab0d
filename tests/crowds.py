"""Many recorded calls at once: callers and agents of sipp, which takes a tenth of what the world would take.

Callers come over the laboratory's trunk, are told, and wait in a queue of their own, whose agent is sipp too.
"""

import asyncio
import contextlib
import tempfile
from pathlib import Path

from callguard.errors import LabError
from callguard.lab import audio
from callguard.lab.pbx import NUMBERS, TRUNKS
from tests.capturing import SETTINGS

#: The number that is dialled, and the queue that it leads to.
NUMBER, QUEUE = "109", "crowd"
DIALPLAN = f"""
exten => {NUMBER},1,Answer()
 same => n,Gosub(callguard,consent,1({QUEUE},{QUEUE}))
 same => n,Queue({QUEUE})
 same => n,Hangup()
"""
#: Where the agents are: an address and a port that nobody else's laboratory uses.
AGENTS = ("127.0.0.9", 5070)
CONF = {
    "pjsip.conf": f"""
[crowd](line)
context = from-agents
aors = crowd

[crowd]
type = aor
contact = sip:crowd@{AGENTS[0]}:{AGENTS[1]}
""",
    "queues.conf": f"\n[{QUEUE}](lab)\nmember => PJSIP/crowd\n",
}
CALLER_HZ, AGENT_HZ = 440.0, 1250.0
#: A laboratory with such a queue: what `tests.capturing.house` is given.
HOUSE = {
    "settings": SETTINGS | {"queues": dict.fromkeys(("sales", QUEUE), SETTINGS["queues"]["sales"])},
    "numbers": NUMBERS + DIALPLAN,
    "conf": CONF,
}
#: New calls in a second; the PBX has a prompt to play to each.
RATE = 8
#: The first port of either side's sound: above all blocks of the laboratory.
MEDIA = 33000
#: Seconds that all of them may take to be recorded.
PATIENCE = 90.0

SDP = """v=0
o=sipp 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [rtpstream_audio_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000"""

CALLER = """<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="caller">
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

SDP
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
  <nop><action><exec rtp_stream="FILE,-1,0"/></action></nop>
  <recv request="BYE" timeout="600000"/>
  <send><![CDATA[
OK
]]></send>
</scenario>
"""

AGENT = """<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="agent">
  <recv request="INVITE" rrs="true"/>
  <send retrans="500"><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=[pid]-[call_number]
[last_Call-ID:]
[last_CSeq:]
[last_Record-Route:]
Contact: <sip:agent@[local_ip]:[local_port]>
Content-Type: application/sdp
Content-Length: [len]

SDP
]]></send>
  <recv request="ACK"/>
  <nop><action><exec rtp_stream="FILE,-1,0"/></action></nop>
  <recv request="BYE" timeout="600000"/>
  <send><![CDATA[
OK
]]></send>
</scenario>
"""

OK = """SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0
"""


@contextlib.asynccontextmanager
async def crowd(house, size, tell):
    """So many calls, all being recorded; they end with the context. Yields their ids in the ledger."""
    tell(f"{size} other calls are recorded")
    callers = [f"+1512888{number:04d}" for number in range(size)]
    with tempfile.TemporaryDirectory(prefix="callguard-crowd-") as name:
        directory = Path(name)
        (directory / "callers.csv").write_text("SEQUENTIAL\n" + "".join(f"{each}\n" for each in callers))
        trunk = TRUNKS[0].address
        agents = await sipp(
            directory, "agent", AGENT, AGENT_HZ, "-i", AGENTS[0], "-p", str(AGENTS[1]), "-mi", AGENTS[0]
        )
        try:
            placed = await sipp(
                directory,
                "caller",
                CALLER,
                CALLER_HZ,
                *(f"127.0.0.1:{house.lab.pbx.ports.sip}", "-s", NUMBER),
                *(
                    "-inf",
                    str(directory / "callers.csv"),
                    "-i",
                    trunk,
                    "-mi",
                    trunk,
                    "-r",
                    str(RATE),
                    "-m",
                    str(size),
                    "-l",
                    str(size),
                ),
            )
            try:
                yield await recorded(house, callers, directory)
            finally:
                # The PBX hangs up, as at the end of any call; sipp's own end would leave the calls up.
                await house.lab.pbx.cli("channel request hangup all")
                await ended(placed)
        finally:
            await ended(agents)


async def recorded(house, callers, directory):
    """Wait until all of them are being recorded."""
    wanted = set(callers)
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                arrived, started = {}, set()
                for entry in house.site.entries():
                    if entry["kind"] == "call.arrived" and entry["body"]["caller"] in wanted:
                        arrived[entry["call"]] = entry["body"]["caller"]
                    elif entry["kind"] == "capture.started":
                        started.add(entry["call"])
                if len(found := started & arrived.keys()) == len(wanted):
                    return sorted(found)
                await asyncio.sleep(1)
    except TimeoutError:
        said = "".join(path.read_text(errors="replace")[-500:] for path in directory.glob("*.errors"))
        raise LabError(f"only {len(found)} of {len(wanted)} calls are recorded. {said}") from None


async def sipp(directory, name, scenario, hz, *arguments):
    """One sipp, with its scenario and its voice."""
    voice = directory / f"{name}.ulaw"
    voice.write_bytes(audio.to_ulaw(audio.tone(hz, 10)))
    text = scenario.replace("SDP", SDP).replace("OK\n]]>", f"{OK}\n]]>").replace("FILE", str(voice))
    (directory / f"{name}.xml").write_text(text)
    try:
        return await asyncio.create_subprocess_exec(
            *("sipp", "-sf", str(directory / f"{name}.xml"), *arguments, "-bind_local", "-nostdin"),
            *("-mp", str(MEDIA), "-trace_err", "-error_file", str(directory / f"{name}.errors")),
            cwd=directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except FileNotFoundError:
        raise LabError("sipp is not installed: run `make prove`, which installs sip-tester") from None


async def ended(process):
    """Let it see the end of its calls, then end it."""
    try:
        async with asyncio.timeout(2):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
