"""The evidence of one call as a zip file that somebody can check who does not trust us. Pure."""

from __future__ import annotations

import io
import json
import zipfile
from hashlib import sha256
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from callguard.ledger.case import Case
from callguard.ledger.story import decisions, sentence

_TEMPLATES = Environment(
    loader=PackageLoader("callguard.ledger"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def bundle(case: Case) -> bytes:
    """Pack the case: page, entries, proofs, keys, prompts, recordings, and the hash of each."""
    files = {
        "page.html": page(case).encode(),
        "entries.jsonl": "".join(f"{entry.text}\n" for entry in case.entries).encode(),
        "keys.pub": "".join(f"{key}\n" for key in case.keys).encode(),
    }
    for proof in case.proofs:
        files[f"proofs/{proof['position']:09}.json"] = _json(proof)
    for heard in case.heard():
        files.update({f"prompts/{part.name}": part.audio for part in heard.parts})
    files.update({f"audio/{recorded.name}": recorded.audio for recorded in case.recorded})
    files["manifest.json"] = _json(
        {
            "call": case.call,
            "made": case.made.isoformat(timespec="seconds"),
            "files": {name: sha256(content).hexdigest() for name, content in sorted(files.items())},
        }
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            # One time for all, so that the same case makes the same bytes.
            entry = zipfile.ZipInfo(name, case.made.timetuple()[:6])
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[name], zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def page(case: Case) -> str:
    """The page in plain language."""
    return _TEMPLATES.get_template("evidence.html.j2").render(
        case=case,
        decisions=decisions(list(case.entries)),
        heard=list(case.heard()),
        sentence=sentence,
    )


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode() + b"\n"
