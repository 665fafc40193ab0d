"""`make prove TOPIC=...`: measure, print a table, write build/prove/TOPIC.json."""

import argparse
import asyncio
import importlib
import inspect
import json
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

#: Topic -> what it shows.
TOPICS = {
    "call": "outcomes, faults, hostile callers, and a million events through the core",
    "capture": "200 pauses, lies, cards, 50 kills, 200 calls at once, the disk, other recorders, tones",
    "ledger": "forgeries, power cuts, PostgreSQL, two controllers, a CRM that misbehaves",
    "speech": "held-out voices, words and noise, and a real voice that never says yes",
    "parties": "everybody who comes to a call, thirty transfers, controllers that die, chaos, both Asterisks",
    "law": "every area code, every pair of jurisdictions, every rule, what a resolve costs, a lawyer's walk",
}

BUILD = Path("build/prove")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make prove", description=__doc__)
    parser.add_argument("topic", nargs="?", help="one of the topics below; without it they are listed")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    wanted = parser.parse_args()
    console = Console(stderr=wanted.json)
    if wanted.topic is None:
        console.print("make prove TOPIC=...")
        for topic, what in TOPICS.items():
            console.print(f"  [b]{topic}[/b]: {what}")
        return 0
    if wanted.topic not in TOPICS:
        console.print(f"There is no topic {wanted.topic!r}; there are: {', '.join(TOPICS)}")
        return 2
    BUILD.mkdir(parents=True, exist_ok=True)
    module = importlib.import_module(f"tests.prove.{wanted.topic}")
    began = time.monotonic()
    with console.status("Preparing") as status:

        def tell(what: str) -> None:
            console.print(f"[dim]{time.monotonic() - began:6.0f} s[/dim]  {what}")
            status.update(what)

        measured = module.figures(tell)
        figures = list(asyncio.run(measured) if inspect.isawaitable(measured) else measured)
    result = {"topic": wanted.topic, "ok": all(each["ok"] for each in figures), "figures": figures}
    path = BUILD / f"{wanted.topic}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if wanted.json:
        print(json.dumps(result))
    else:
        console.print(table(result["figures"]))
        console.print(f"{len(figures)} figures in {time.monotonic() - began:.0f} s, also in {path}")
    return 0 if result["ok"] else 1


def table(figures) -> Table:
    shown = Table("figure", "value", "unit", "target", "")
    for each in figures:
        mark = "[green]met[/green]" if each["ok"] else "[red]missed[/red]"
        shown.add_row(each["name"], str(each["value"]), each["unit"], str(each["target"]), mark)
    return shown


if __name__ == "__main__":
    sys.exit(main())
