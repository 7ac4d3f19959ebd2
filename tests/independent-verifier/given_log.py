"""Logs (log.md): a file with each kind of record, ends that are torn, places that are damaged."""

from __future__ import annotations

import json
from typing import Any

from base import DAG_CBOR, cbor, cid, read_cbor, rfc3339
from given import FOLDER, Case, found, write
from logs import LINE, beginning, frame, read_log
from scene import NOW, Signer

SALT, OTHER = bytes(range(16)), bytes(range(100, 116))
NAME = "{:020}.gplog".format


def wires() -> list[str]:
    """An envelope and its block, of the vectors of envelopes."""
    cases = json.loads((FOLDER / "envelope.json").read_text())["cases"]
    return [cases[0]["input"]["wire_hex"], cases[1]["input"]["block_hex"]]


def bodies() -> list[dict[str, Any]]:
    whole, block = map(bytes.fromhex, wires())
    sender, channel, message = Signer(2), cid(b"a channel"), cid(block, DAG_CBOR)
    fits = {"outcome": "passed", "code": "GP-PAYLOAD-FITS", "sentence": "it fits"}
    kept = {"envelope": whole, "whole": True, "allowed": True, "deliver": True, "caughtUp": False, "at": rfc3339(NOW), "admission": cid(b"an admission")}
    return [
        {"document": b'{"a":1}'},
        {"envelope": kept | {"payload": fits, "sentLastMinute": 3}},
        {"envelope": kept | {"envelope": block, "whole": False, "allowed": False, "deliver": False, "caughtUp": True, "reasons": ["GP-POLICY-UNMET"]}},
        {"envelope": kept | {"sealing": fits | {"code": "GP-SEALING-MEMBERS"}}},
        {"fork": {"first": message, "second": block}},
        {"opened": {"envelope": message, "deliver": True, "payload": fits, "at": rfc3339(NOW + 1500)}},
        {"epoch": b'{"type":"gridpass-epoch"}'},
        {"grant": {"channel": channel, "sender": sender.did, "key": sender.kid, "epochs": [cid(b"an epoch")], "statement": b"a.b.c"}},
        {"forgotten": cid(b"an epoch")},
        {"receipt": {"own": False, "receipt": b"a.b.c"}},
        {"sent": {"channel": channel, "ref": "bid 17", "envelope": message, "sequence": 1}},
        {"cursor": {"reader": "dispatch", "number": 2}},
        {"document": b'{"a":1}'},
    ]


def body(value: dict[str, Any]) -> bytes:
    return b"\x01" + cbor(value)


def cursor(number: int) -> bytes:
    return body({"cursor": {"reader": "dispatch", "number": number}})


def frames(*numbers: int, salt: bytes = SALT) -> bytes:
    return b"".join(frame(salt, number, NOW + number, cursor(number)) for number in numbers)


def told(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, dict):
        return {name: told(member) for name, member in value.items()}
    return [told(one) for one in value] if isinstance(value, list) else value


def log(name: str, files: dict[str, bytes], told_codes: list[str] | None = None, refused: str | None = None) -> Case:
    made = found(name, {"files": {n: data.hex() for n, data in files.items()}}, refused, lambda: read_log(files))
    assert refused or made["expected"]["told"] == (told_codes or []), made
    for record in made["expected"].get("records", []):
        raw = bytes.fromhex(record["body_hex"])
        assert raw[0] == 1
        record["entry"] = told(read_cbor(raw[1:], "GP-LOG-DAMAGED"))
    return made


def logs() -> list[Case]:
    damaged, torn = "GP-LOG-DAMAGED", "GP-LOG-TORN"
    start, all_of = beginning(SALT), bodies()
    every = start + b"".join(frame(SALT, n, NOW + n, body(value)) for n, value in enumerate(all_of, 1))
    one = len(frames(1))
    five = start + frames(1, 2, 3, 4, 5)

    def bent(data: bytes, at: int) -> bytes:
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]
    # The second record holds whole frames in its body: of another log, and with this log's salt, but of numbers that had no room.
    holds = body({"document": frames(3, 4, salt=OTHER) + frames(900)})
    nested = start + frames(1) + frame(SALT, 2, NOW + 2, holds) + frames(3)
    end = frames(6)[:-5]
    return [
        log("each kind of record", {NAME(1): every}),
        log("nothing", {}),
        log("a file without records", {NAME(1): start}),
        log("a last record that lacks five bytes", {NAME(1): five + end}, [torn]),
        log("an end of one byte", {NAME(1): five + b"\0"}, [torn]),
        log("an end of zeros with room for three", {NAME(1): five + bytes(72)}, [torn]),
        log("a last record whose body was changed", {NAME(1): bent(five, len(five) - 1)}, [torn]),
        log("a record in the middle whose body was changed", {NAME(1): bent(five, 48 + 2 * one - 1)}, [damaged]),
        log("a length in the middle that was changed", {NAME(1): bent(five, 48 + one)}, [damaged]),
        log("two records beside each other that were changed", {NAME(1): bent(bent(five, 48 + 2 * one - 1), 48 + 3 * one - 1)}, [damaged]),
        log("a damaged record whose body has frames in it", {NAME(1): bent(nested, 48 + one + 4)}, [damaged]),
        log("the same, whole", {NAME(1): nested}),
        log("a frame of another salt", {NAME(1): start + frames(1) + frames(2, salt=OTHER) + frames(3)}, [damaged]),
        log("a number that comes twice", {NAME(1): start + frames(1, 2, 2, 3)}, [damaged]),
        log("a number that is left out", {NAME(1): start + frames(1, 2, 4)}, [damaged]),
        log("one of the two salts was changed", {NAME(1): bent(five, 20)}, [damaged]),
        log("the line was changed", {NAME(1): bent(five, 2)}, [damaged]),
        log("another version", {NAME(1): LINE.replace(b"1", b"2") + five[16:]}, refused="GP-LOG-VERSION"),
        log("two files", {NAME(1): five, NAME(6): start + frames(6, 7)}),
        log("two files, and the first ends in a damaged place", {NAME(1): five + bytes(30), NAME(6): start + frames(6)}, [damaged]),
        log("a file between is gone", {NAME(1): five, NAME(9): start + frames(9)}, [damaged]),
        log("the first file is gone", {NAME(6): start + frames(6)}, [damaged]),
        log("an end that was cut off earlier", {NAME(1): five, NAME(9): start + frames(9), f"{1:020}.cut-at-{len(five)}-0": bytes(60)}),
        log("an end that was cut off earlier, with less room", {NAME(1): five, NAME(9): start + frames(9), f"{1:020}.cut-at-{len(five)}-0": bytes(47)}, [damaged]),
        log("an end that was cut off of another file", {NAME(1): five, NAME(9): start + frames(9), f"{2:020}.cut-at-{len(five)}-0": bytes(60)}, [damaged]),
        log("a last file that is shorter than its beginning", {NAME(1): five, NAME(6): start[:20]}),
        log("a file that was being written anew", {NAME(1): five, f"{1:020}.new": b"half"}),
    ]


def main() -> None:
    write("log", logs())


if __name__ == "__main__":
    main()
