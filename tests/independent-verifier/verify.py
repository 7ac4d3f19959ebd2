"""A second verifier of Gridpass evidence bundles, written from spec/ alone.

    verify.py BUNDLE TRUST-PACK TIME

Prints one JSON object. Exit code: 0 passed, 10 failed, 11 indeterminate, 2 no verdict (usage, unreadable trust pack).
"""

from __future__ import annotations

import json
import mmap
import sys
from typing import Any

import told
from base import FAILED, Check, Fault, millis, worst
from bundle import open_bundle, read_parts
from judge import Auditor
from trust import open_pack

EXIT = {"passed": 0, "failed": 10, "indeterminate": 11}
NOT_CHECKED = ["the text of requirements in Cedar", "data-use terms of a channel", "keywords of JSON Schema beside the plain ones",
               "payloads in XML, CSV and CIM against their schemas", "Data Integrity proofs of eddsa-rdfc-2022",
               "ages, counts, missing receipts, and what was revoked unheard: the report does not tell them"]


def said(check: Check) -> dict[str, Any]:
    found = {"check": check.name, "outcome": check.outcome, "code": check.code}
    return found | {"says": check.says} if check.says and check.outcome != "passed" else found


def verdict(checks: list[Check]) -> dict[str, Any]:
    whole = worst(checks, "")
    codes = [check.code for check in checks if check.outcome != "passed"]
    return {"outcome": whole.outcome, "reasons": list(dict.fromkeys(codes)), "checks": [said(check) for check in checks]}


def verify(bundle_data: mmap.mmap | bytes, pack: bytes, at: int) -> dict[str, Any]:
    """The whole report. Raises Fault where the trust pack is none."""
    trust = open_pack(pack, at)
    report: dict[str, Any] = {"trustPack": trust.pack, "notChecked": NOT_CHECKED}
    try:
        bundle = open_bundle(bundle_data)
    except (Fault, KeyError, TypeError) as error:
        code = error.code if isinstance(error, Fault) else "GP-BUNDLE-MALFORMED"
        return report | {"outcome": FAILED, "bundle": verdict([Check("container", FAILED, code, str(error))]), "messages": []}
    read_parts(bundle, trust)
    auditor = Auditor(bundle, trust, at)
    checks, messages = auditor.of_bundle(), []
    everything = list(checks)
    for message in auditor.messages:
        found = auditor.of_message(message)
        everything += found
        beside = {"times": told.times(auditor, message, message.envelope), "notes": told.notes(auditor, message, message.envelope)} if message.envelope else {}
        messages.append({"number": message.entry["number"], "id": message.entry["envelope"].text} | verdict(found) | beside)
    return report | {"outcome": worst(everything, "").outcome, "bundle": verdict(checks), "gaps": told.gaps(auditor), "messages": messages}


def main(arguments: list[str]) -> int:
    if len(arguments) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        at = millis(arguments[2])
        with open(arguments[1], "rb") as file:
            pack = file.read((16 << 20) + 2)
        with open(arguments[0], "rb") as file:
            file.seek(0, 2)
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if file.tell() else b""
            report = verify(data, pack, at)
    except (OSError, Fault) as error:
        print(f"verify: {error}", file=sys.stderr)
        return 2
    print(json.dumps(report, indent=1, ensure_ascii=False))
    return EXIT[report["outcome"]]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
