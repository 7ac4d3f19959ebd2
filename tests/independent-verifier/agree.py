"""Holds this verifier against `gridpass audit verify`.

    agree.py GRIDPASS [FOLDER]

Without FOLDER: on every bundle that test_bundles.py makes. With one: on each NAME.car in it, with NAME.pack and, in NAME.at, a time.
Exit code: 0 where both say the same of each bundle, outcome by outcome and code by code, 1 where they do not.
"""

from __future__ import annotations

import json
import mmap
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

import test_bundles
import verify
from base import millis, rfc3339

# What this verifier leaves out (its `notChecked`), where it says that it passed: the requirements of a channel, payloads against schemas.
LEFT_OUT = {("decision", "GP-DECISION-DIFFERS"), ("payload", "GP-FACTS-DIFFER"), ("payload", "GP-FACTS-OPEN")}
Case = tuple[str, bytes, bytes, str]


def made() -> list[Case]:
    """What the tests make, by the names of the tests."""
    found: list[Case] = []
    real, current = verify.verify, [""]

    def record(data: mmap.mmap | bytes, pack: bytes, at: int) -> dict[str, Any]:
        found.append((current[0], bytes(data), pack, rfc3339(at)))
        return real(data, pack, at)

    class Named(unittest.TestResult):
        def startTest(self, test: unittest.TestCase) -> None:
            current[0] = test.id().split(".")[-1]
            super().startTest(test)

    setattr(test_bundles, "verify", record)
    for kind in (test_bundles.Container, test_bundles.Exporter):
        unittest.defaultTestLoader.loadTestsFromTestCase(kind).run(Named())
    return found


def given(folder: Path) -> list[Case]:
    return [(path.stem, path.read_bytes(), path.with_suffix(".pack").read_bytes(), path.with_suffix(".at").read_text().strip())
            for path in sorted(folder.glob("*.car"))]


def theirs(program: str, data: bytes, pack: bytes, at: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        bundle, trust = Path(folder, "bundle.car"), Path(folder, "pack.json")
        bundle.write_bytes(data)
        trust.write_bytes(pack)
        command = [program, "audit", "verify", str(bundle), "--trust", str(trust), "--at", at, "--json"]
        ran = subprocess.run(command, capture_output=True, timeout=120, check=False)
    try:
        report: dict[str, Any] = json.loads(ran.stdout)
        inner: dict[str, Any] = report.get("report", report)
        return inner
    except ValueError:
        pass
    try:
        # A file that is no bundle, or an altered one, is refused before there is a report.
        return {"outcome": "failed", "code": json.loads(ran.stderr)["code"], "messages": []}
    except (ValueError, KeyError):
        return {"outcome": f"exit code {ran.returncode}", "code": ran.stderr.decode(errors="replace")[:200]}


def differences(mine: dict[str, Any], other: dict[str, Any]) -> list[str]:
    found, left_out = [], False
    whole = []
    if mine["outcome"] != other.get("outcome"):
        whole.append(f"the whole: {mine['outcome']} {mine['bundle']['reasons']}, theirs {other.get('outcome')} {other.get('code')}")
    def outcomes(checks: Any, name: str) -> list[tuple[str, str, str]]:
        return sorted((check[name], check["outcome"], check["code"]) for check in checks)

    if "checks" in other and (here := outcomes(mine["bundle"]["checks"], "check")) != (there := outcomes(other["checks"], "name")):
        found.append(f"the bundle: {sorted(set(here) - set(there))}, theirs {sorted(set(there) - set(here))}")
    messages = {message.get("id"): message for message in other.get("messages", [])}
    for message in mine["messages"]:
        checks = {check["name"]: check for check in messages.get(message["id"], {}).get("checks", [])}
        for check in message["checks"]:
            there = checks.get(check["check"])
            if there is None:
                found.append(f"message {message['number']}, {check['check']}: theirs says nothing")
            elif check["outcome"] == "passed" and (check["check"], there["code"]) in LEFT_OUT:
                left_out = True
            elif (there["outcome"], there["code"]) != (check["outcome"], check["code"]):
                found.append(f"message {message['number']}, {check['check']}: {check['outcome']} {check['code']}, "
                             f"theirs {there['outcome']} {there['code']}")
    # What was left out may have decided the whole.
    return found if left_out else whole + found


def main(arguments: list[str]) -> int:
    if len(arguments) not in (1, 2):
        print(__doc__, file=sys.stderr)
        return 2
    cases = given(Path(arguments[1])) if len(arguments) == 2 else made()
    apart = 0
    for number, (name, data, pack, at) in enumerate(cases, 1):
        found = differences(verify.verify(data, pack, millis(at)), theirs(arguments[0], data, pack, at))
        apart += bool(found)
        for line in found:
            print(f"{number} {name}: {line}")
    print(f"{len(cases) - apart} of {len(cases)} bundles: the same verdicts")
    return 1 if apart or not cases else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
