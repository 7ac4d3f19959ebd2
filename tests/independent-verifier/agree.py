"""Holds this verifier against `gridpass audit verify`.

    agree.py GRIDPASS                          every bundle that test_bundles.py makes
    agree.py GRIDPASS FOLDER                   each NAME.car in it, with NAME.pack and, in NAME.at, a time
    agree.py GRIDPASS FOLDER TRUST-PACK SEED   each NAME.car in it, and what tamper.py makes of them

Both must say the same of each bundle: the outcome of the whole, of each check of the bundle and of each check of each message, and
its code, as far as the specification names the codes: why a part cannot be read it leaves to each. No tampered copy may pass, unless it is one of which nobody can tell, and none may fail that only lacks something. One line for each difference, and JSON with the counts at
the end. Exit code: 0 where there is no difference, 1 where there is one, 2 where nothing was compared.
"""

from __future__ import annotations

import json
import mmap
import os
import re
import subprocess
import sys
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tamper
import test_bundles
import told
import verify
from base import FAILED, OPEN, PASSED, Fault, millis, rfc3339
from pieces import Pieces, Whole
from scene import DAY, NOW, Scene, busy

SPEC = Path(__file__).resolve().parents[2] / "spec"
NAMED = {code for path in SPEC.glob("*.md") for code in re.findall(r"GP-[A-Z0-9]+(?:-[A-Z0-9]+)*", path.read_text())}
RANK = {PASSED: 0, OPEN: 1, FAILED: 2}
Found = tuple[str, str]


@dataclass
class Case:
    name: str
    data: bytes
    pack: bytes
    at: str
    may_pass: bool = True
    lacks: bool = False


def made() -> list[Case]:
    """What the tests make, by the names of the tests."""
    found: list[Case] = []
    real, current = verify.verify, [""]

    def record(data: mmap.mmap | bytes, pack: bytes, at: int) -> dict[str, Any]:
        found.append(Case(current[0], bytes(data), pack, rfc3339(at)))
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
    return [Case(path.stem, path.read_bytes(), path.with_suffix(".pack").read_bytes(), path.with_suffix(".at").read_text().strip())
            for path in sorted(folder.glob("*.car"))]


def tampered(folder: Path, pack: Path, seed: str) -> list[Case]:
    """What is in the folder, an hour after the last of them was made; and two of scene.py, with parts that those may lack."""
    files = {path.stem: path.read_bytes() for path in sorted(folder.glob("*.car"))}
    at = rfc3339(max(millis(Pieces(data).manifest["made"]) for data in files.values()) + 3_600_000)
    bundles = {name: Whole(data, pack.read_bytes(), at) for name, data in files.items()}
    for name, scene in (("made", Scene()), ("busy", busy())):
        bundles[name] = Whole(scene.bundle(), scene.pack, rfc3339(NOW + DAY))
    copies = tamper.tampered(bundles, None if seed == "every" else int(seed))
    return [Case(copy.name, copy.data, copy.of.pack, copy.of.at, copy.harmless, copy.lacks) for copy in copies if copy.of]


def theirs(program: str, case: Case) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        bundle, trust = Path(folder, "bundle.car"), Path(folder, "pack.json")
        bundle.write_bytes(case.data)
        trust.write_bytes(case.pack)
        command = [program, "audit", "verify", str(bundle), "--trust", str(trust), "--at", case.at, "--json"]
        ran = subprocess.run(command, capture_output=True, timeout=120, check=False)
    try:
        report: dict[str, Any] = json.loads(ran.stdout)
        return report
    except ValueError:
        pass
    try:
        # A file that is no bundle, or an altered one, is refused before there is a report.
        code = json.loads(ran.stderr)["code"]
        return {"outcome": FAILED, "code": code, "checks": [{"name": "container", "outcome": FAILED, "code": code}], "messages": []}
    except (ValueError, KeyError):
        return {"outcome": f"exit code {ran.returncode}", "code": ran.stderr.decode(errors="replace")[:200], "checks": [], "messages": []}


def ours(case: Case) -> dict[str, Any]:
    try:
        return verify.verify(case.data, case.pack, millis(case.at))
    except Fault as fault:
        # A trust pack that cannot be believed: there is no report either.
        checks = [{"check": "container", "outcome": FAILED, "code": fault.code}]
        return {"outcome": FAILED, "bundle": {"checks": checks}, "messages": []}


def by_name(checks: list[dict[str, Any]], name: str) -> dict[str, Found]:
    """Of each name the first of the worst."""
    found: dict[str, Found] = {}
    for check in checks:
        one = (check["outcome"], check["code"])
        if check[name] not in found or RANK.get(one[0], 3) > RANK[found[check[name]][0]]:
            found[check[name]] = one
    return found


def differences(mine: dict[str, Any], other: dict[str, Any]) -> list[str]:
    found: list[str] = []

    def hold(what: str, ours: dict[str, Found], others: dict[str, Found]) -> None:
        # Where there is nothing of a kind, the one says that it passed, and the other nothing.
        for name in dict.fromkeys((*ours, *others)):
            one, two = ours.get(name, (PASSED, "")), others.get(name, (PASSED, ""))
            unnamed = name == "parts" and one[0] == FAILED or not {one[1], two[1]} <= NAMED
            if one[0] != two[0] or one[1] != two[1] and not unnamed:
                found.append(f"{what}, {name}: {' '.join(one)}; theirs {' '.join(two)}")

    if mine["outcome"] != other["outcome"]:
        found.append(f"the whole: {mine['outcome']}; theirs {other['outcome']} {other['code']}")
    def beside(what: str, ours: Any, others: Any) -> None:
        if ours != others:
            found.append(f"{what}: {ours}; theirs {others}")

    hold("the bundle", by_name(mine["bundle"]["checks"], "check"), by_name(other["checks"], "name"))
    beside("gaps", *(sorted(map(json.dumps, report.get("gaps", []))) for report in (mine, other)))
    numbers = [message["number"] for message in mine["messages"]]
    if numbers != [message["number"] for message in other["messages"]]:
        found.append(f"messages {numbers}; theirs {[message['number'] for message in other['messages']]}")
        return found
    for message, there in zip(mine["messages"], other["messages"]):
        if message["id"] != there["id"] or len(message["checks"]) != len(there["checks"]):
            found.append(f"message {message['number']}: {message['id']} {len(message['checks'])}; theirs {there['id']} {len(there['checks'])}")
        hold(f"message {message['number']}", by_name(message["checks"], "check"), by_name(there["checks"], "name"))
        beside(f"message {message['number']}, times", message.get("times"), there.get("times"))
        beside(f"message {message['number']}, notes", sorted(message.get("notes", [])), sorted(note["code"] for note in there.get("notes", []) if note["code"] in told.NOTES))
    return found


def main(arguments: list[str]) -> int:
    if len(arguments) not in (1, 2, 4):
        print(__doc__, file=sys.stderr)
        return 2
    program, folders = arguments[0], [Path(name) for name in arguments[1:3]]
    cases = tampered(folders[0], folders[1], arguments[3]) if len(arguments) == 4 else given(folders[0]) if folders else made()
    counts = {"bundles": len(cases), "tampered": sum(not case.may_pass for case in cases), "apart": 0, "passedWrongly": 0, "failedWrongly": 0}
    outcomes = dict.fromkeys(RANK, 0)
    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        reports = threads.map(lambda case: theirs(program, case), cases)
        for case, other in zip(cases, reports):
            mine = ours(case)
            found = differences(mine, other)
            counts["apart"] += bool(found)
            outcomes[mine["outcome"]] += 1
            if not case.may_pass and PASSED in (mine["outcome"], other["outcome"]):
                counts["passedWrongly"] += 1
                found.append(f"it was tampered with: {mine['outcome']}; theirs {other['outcome']}")
            if case.lacks and FAILED in (mine["outcome"], other["outcome"]):
                counts["failedWrongly"] += 1
                found.append(f"it only lacks something: {mine['outcome']}; theirs {other['outcome']}")
            for line in found:
                print(f"{case.name}: {line}")
    print(json.dumps(counts | outcomes))
    return 2 if not cases else 1 if counts["apart"] or counts["passedWrongly"] or counts["failedWrongly"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
