"""What can record on a PBX is found in its files, each thing with its line, and nothing else is named."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from callguard.cli.inventory import MODULES, inventory
from callguard.controller import recorders
from callguard.controller.recorders import FILES, Kind, Recorder
from fakes.asterisk_http import Answer, FakeAsterisk

CONFIG = """
site: {{name: Acme, country: US}}
asterisk: {{ari: {{password: s3cret-of-ari, url: '{url}/ari'}}, ami: {{password: two}}}}
queues:
  sales: {{purposes: [quality, training], unrecorded: open-sales}}
"""


def found(etc: Path, name: str, text: str, *, more: dict[str, str] | None = None) -> list[Recorder]:
    for file, content in ({name: text} | (more or {})).items():
        (etc / file).write_text(text if file == name else content)
    return [one for look in FILES.values() for one in look(etc)]


@pytest.mark.parametrize(
    ("name", "text", "kind", "by"),
    [
        ("queues.conf", "[sales]\nmonitor-format = wav\n", Kind.QUEUE, "monitor-format"),
        ("features.conf", "[featuremap]\nautomixmon => *3\n", Kind.KEY, "automixmon"),
        ("features.conf", "[featuremap]\nautomon => *1\n", Kind.KEY, "automon"),
        ("features.conf", "[applicationmap]\nkeep => *9,self,MixMonitor,/tmp/x.wav\n", Kind.KEY, "keep"),
        ("res_parking.conf", "[lot]\nparkedcallrecording = both\n", Kind.KEY, "parkedcallrecording"),
        ("pjsip.conf", "[101]\none_touch_recording = yes\n", Kind.BUTTON, "one_touch_recording"),
        ("pjsip_wizard.conf", "[1]\nendpoint/one_touch_recording=yes\n", Kind.BUTTON, "one_touch_recording"),
        ("extensions.conf", "[in]\nexten => 1,1,MixMonitor(/tmp/x.wav)\n", Kind.DIALPLAN, "MixMonitor"),
        ("extensions.conf", "[in]\nsame => n,Monitor(wav,x)\n", Kind.DIALPLAN, "Monitor"),
        ("extensions.conf", "[in]\nsame => n,Record(x:wav)\n", Kind.DIALPLAN, "Record"),
        ("extensions.conf", "[in]\nsame => n,ChanSpy(PJSIP/1,qr(spy))\n", Kind.LISTENING, "ChanSpy"),
        ("extensions.conf", "[in]\nsame => n,Queue(sales,X)\n", Kind.KEY, "Queue"),
        ("extensions.conf", "[in]\nsame => n,AudioSocket(uuid,host:1)\n", Kind.STREAM, "AudioSocket"),
        ("extensions.conf", "[in]\nsame => n,Dial(PJSIP/1&AudioSocket/h:1/id)\n", Kind.STREAM, "AudioSocket"),
        ("extensions.conf", "[in]\nsame => n,Set(JACK_HOOK(manipulate)=on)\n", Kind.STREAM, "JACK_HOOK"),
        ("extensions.conf", "[in]\nsame => n,VoiceMail(100@default,u)\n", Kind.VOICEMAIL, "VoiceMail"),
        (
            "extensions.conf",
            "[in]\nsame => n,Set(CONFBRIDGE(bridge,record_conference)=yes)\n",
            Kind.CONFERENCE,
            "ConfBridge",
        ),
        ("extensions.ael", "context in {\n 1 => MixMonitor(x.wav);\n}\n", Kind.DIALPLAN, "MixMonitor"),
        ("extensions.lua", "function a()\n app.mixmonitor('x.wav')\nend\n", Kind.DIALPLAN, "mixmonitor"),
        ("confbridge.conf", "[a]\nrecord_conference = yes\n", Kind.CONFERENCE, "record_conference"),
        ("voicemail.conf", "[general]\nmaxmsg = 1\n[a]\n100 => 1,A\n101 => 1,B\n", Kind.VOICEMAIL, "mailbox"),
        ("manager.conf", "[general]\nenabled=yes\n[crm]\nwrite = call,system\n", Kind.MANAGER, "system"),
        ("manager.conf", "[crm]\nwrite = all\n", Kind.MANAGER, "all"),
        ("ari.conf", "[crm]\ntype = user\npassword = x\n", Kind.REST, "read_only = no"),
        ("ari.conf", "[crm]\ntype = user\nread_only = no\n", Kind.REST, "read_only = no"),
    ],
)  # fmt: skip
def test_whatever_can_record_is_found_once(tmp_path: Path, name: str, text: str, kind: Kind, by: str) -> None:
    (one,) = found(tmp_path, name, text)
    assert (one.kind, one.by) == (kind, by)
    assert one.where.startswith(f"{tmp_path}/{name}:")
    assert text.splitlines()[int(one.where.rpartition(":")[2]) - 1]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("queues.conf", "[sales]\nmonitor-format =\n"),
        ("features.conf", "[featuremap]\nblindxfer => #1\n[applicationmap]\nhi => *8,self,Playback,hi\n"),
        ("res_parking.conf", "[lot]\nparkedcallrecording = no\n"),
        ("pjsip.conf", "[101]\none_touch_recording = no\n"),
        ("extensions.conf", "[in]\nsame => n,ChanSpy(PJSIP/1,qw)\nsame => n,ChanSpy(PJSIP/1,g(r))\n"),
        ("extensions.conf", "[in]\nsame => n,StopMixMonitor()\nsame => n,VoiceMailMain(100)\n"),
        ("extensions.conf", "[in]\nsame => n,ConfBridge(room)\nsame => n,Set(record_conference=no)\n"),
        ("extensions.conf", "[callguard]\nsame => n,MixMonitor(x.wav)\n"),
        ("extensions.ael", "context in {\n // MixMonitor(x.wav);\n}\n"),
        ("extensions.lua", "-- app.mixmonitor('x.wav')\n"),
        ("confbridge.conf", "[room]\ntype = bridge\nrecord_conference = no\n"),
        ("voicemail.conf", "[general]\nformat = wav\n[zonemessages]\neastern = America/New_York|'vm'\n"),
        ("manager.conf", "[general]\nwrite = all\n[crm]\nread = all\nwrite = call,user\n"),
        ("ari.conf", "[general]\nenabled = yes\n[crm]\ntype = user\nread_only = yes\n"),
    ],
)
def test_what_cannot_record_is_not_named(tmp_path: Path, name: str, text: str) -> None:
    assert found(tmp_path, name, text) == []


def test_mailboxes_are_counted_not_listed(tmp_path: Path) -> None:
    boxes = "[default]\n" + "".join(f"{number} => 1,Name\n" for number in range(100, 400))
    (one,) = found(tmp_path, "voicemail.conf", boxes)
    assert one.what == "300 mailboxes in [default] keep what callers say"


def test_where_calls_are_handed_to_callguard_is_told(tmp_path: Path) -> None:
    (tmp_path / "extensions.conf").write_text(
        "[in]\nexten => 1,1,Gosub(callguard,consent,1(sales))\nsame => n,Gosub(other,consent,1(x))\n"
        "same => n,Gosub(callguard,consent,1(help,open-help))\n"
    )
    assert list(recorders.gates(tmp_path)) == [
        ("sales", f"{tmp_path}/extensions.conf:2"),
        ("help", f"{tmp_path}/extensions.conf:4"),
    ]


# ---------------------------------------------------------------------- the command


def run(tmp_path: Path, *words: str, url: str = "http://127.0.0.1:9") -> Result:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(url=url))
    etc = tmp_path / "etc"
    etc.mkdir(exist_ok=True)
    return CliRunner().invoke(inventory, ["-c", str(path), "--asterisk-etc", str(etc), *words])


def whole(tmp_path: Path, **files: str) -> None:
    (tmp_path / "etc").mkdir()
    for name in FILES:
        (tmp_path / "etc" / name).write_text(files.get(name.removesuffix(".conf"), ""))


def test_gates_and_recorders_of_others_stand_apart(tmp_path: Path) -> None:
    users = "[{}]\ntype = user\nwrite = system\n"
    whole(
        tmp_path,
        extensions="[in]\nexten => 1,1,Gosub(callguard,consent,1(sales))\n",
        queues="[sales]\nmonitor-format = wav\n",
        ari=users.format("callguard") + users.format("crm"),
        manager=users.format("crm"),
    )
    answer: dict[str, Any] = json.loads(run(tmp_path, "--json").output)
    (gate,) = answer["gates"]
    assert (gate["queue"], gate["unrecorded"], gate["purposes"]) == (
        "sales", "open-sales", ["quality", "training"]
    )  # fmt: skip
    assert gate["where"] == [f"{tmp_path}/etc/extensions.conf:2"]
    assert [(one["kind"], one["name"]) for one in answer["recorders"]] == [
        ("queue", "sales"), ("manager", "crm"), ("rest", "crm")
    ]  # fmt: skip
    assert (answer["unread"], answer["modules"], answer["problem"]) == ([], {}, "")
    shown = run(tmp_path).output
    assert "callguard sales: records for quality, training after consent" in shown
    assert "the manager's user crm may order recordings" in shown


def test_nothing_else_is_told_in_words(tmp_path: Path) -> None:
    whole(tmp_path)
    assert "nothing else records, by queues.conf" in run(tmp_path).output


async def test_a_pbx_whose_files_are_out_of_reach_is_asked_what_it_can_do(tmp_path: Path) -> None:
    async with FakeAsterisk() as asterisk:
        modules = [
            {"name": "app_mixmonitor.so", "status": "Running"},
            {"name": "app_record.so", "status": "Not Running"},
            {"name": "app_dial.so", "status": "Running"},
        ]
        asterisk.script("GET", "asterisk/modules", Answer(value=modules))
        result = await asyncio.to_thread(run, tmp_path, "--json", url=asterisk.url)
    answer = json.loads(result.output)
    assert answer["read"] == []
    assert answer["modules"] == {"app_mixmonitor": MODULES["app_mixmonitor"]}
    assert answer["problem"] == ""


def test_a_pbx_that_cannot_be_asked_either_is_told(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert result.exit_code == 0
    assert "could not be read: queues.conf" in result.output
    assert "and the PBX could not be asked" in result.output
