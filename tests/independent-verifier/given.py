"""Writes vectors whose bytes and verdicts are made from the specification, by this verifier alone: `python3 given.py`.

The Rust implementation is held against them (tests/tests/vectors.rs). Each case says what must come out; where this verifier
reads such bytes too, what it finds is what is written, and that code must come out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable

from base import Fault

FOLDER = Path(__file__).resolve().parents[2] / "spec" / "vectors"
Case = dict[str, Any]


def case(name: str, given: dict[str, Any], expected: dict[str, Any]) -> Case:
    return {"name": name, "input": given, "expected": expected}


def found(name: str, given: dict[str, Any], code: str | None, read: Callable[[], dict[str, Any]]) -> Case:
    """What a reader finds, which must have this code."""
    try:
        out = read()
    except Fault as fault:
        out = {"refused": fault.code}
    assert out.get("refused", out.get("code")) == code, (name, code, out)
    return case(name, given, out)


def write(kind: str, cases: list[Case], name: str = "") -> None:
    assert len({one["name"] for one in cases}) == len(cases), "one name twice"
    whole = {"source": "Gridpass, made from the specification", "kind": kind, "cases": cases}
    text = json.dumps(whole, indent=2, ensure_ascii=False, sort_keys=False)
    (FOLDER / f"{name or kind}.json").write_text(text + "\n")


def main() -> None:
    import given_conversation
    import given_forms
    import given_frames
    import given_limits
    import given_lists
    import given_log
    import given_payloads
    import given_questions
    import given_requests
    import given_revokers
    import given_wallet

    for module in (given_requests, given_log, given_payloads, given_lists, given_wallet, given_frames, given_questions, given_forms, given_limits,
                   given_conversation, given_revokers):
        module.main()


if __name__ == "__main__":
    main()
