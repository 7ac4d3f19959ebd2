"""The log of a node (log.md sections 1 to 3): its frames, what is damaged, and the next number."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from base import Fault, rfc3339

LINE, BEGINNING, HEAD, MOST = b"gridpass-log 1\n\0", 48, 24, 4 << 20


def frame(salt: bytes, number: int, at: int, body: bytes) -> bytes:
    rest = struct.pack("<QQ", number, at) + body
    return struct.pack("<II", len(rest), crc32(salt + rest)) + rest


def beginning(salt: bytes) -> bytes:
    return LINE + salt + salt


def _read(data: bytes, at: int, salt: bytes) -> tuple[int, int, bytes] | None:
    """The number, the time and the body of the frame that stands there."""
    if len(data) - at < HEAD:
        return None
    length, summed = struct.unpack_from("<II", data, at)
    rest = data[at + 8:at + 8 + length]
    if not 16 <= length <= MOST + 16 or len(rest) < length or crc32(salt + rest) != summed:
        return None
    number, time = struct.unpack_from("<QQ", rest)
    return number, time, rest[16:]


@dataclass
class File:
    first: int
    name: str
    data: bytes


def read_log(given: dict[str, bytes]) -> dict[str, Any]:
    """What is in a log, before anything is appended."""
    files = sorted((File(int(name[:20]), name, data) for name, data in given.items() if name.endswith(".gplog")), key=lambda f: f.first)
    ends = {name: data for name, data in given.items() if ".cut-at-" in name}
    salts = [file.data[i:i + 16] for file in files if len(file.data) >= BEGINNING for i in (16, 32)]
    salt = salts[0] if salts else bytes(16)
    records: list[dict[str, Any]] = []
    damaged: list[dict[str, Any]] = []
    gone: list[list[int]] = []
    cut, last, before = None, 0, None
    for file in files:
        is_last, data = file is files[-1], file.data
        if len(data) >= 16 and data[:16] != LINE and data[:13] == LINE[:13] and data[13:14].isdigit() and data[14:16] == LINE[14:]:
            raise Fault("GP-LOG-VERSION")
        salt = next((s for s in salts if _read(data, BEGINNING, s)), salt)
        if is_last and len(data) < BEGINNING:
            last = max(last, file.first)
            continue
        if file.first > last + 1:
            missing = file.first - 1 - last
            explained = any(before and name.startswith(f"{before.first:020}.cut-at-") and int(name.split("-")[2]) >= len(before.data)
                            and missing - 1 <= len(end) // HEAD for name, end in ends.items())
            gone += [] if explained else [[last + 1, file.first - 1]]
            last = file.first - 1
        whole = data[:BEGINNING] == beginning(salt)
        if not whole:
            damaged.append({"file": file.name, "from": 0, "until": min(BEGINNING, len(data)), "after": file.first, "next": None})
        good = at = min(BEGINNING, len(data))
        while at < len(data):
            found = _read(data, at, salt)
            most = 2**64 if at == good else last + 1 + (at - good) // HEAD
            if not found or not last < found[0] <= most:
                at += 1
                continue
            if at > good:
                damaged.append({"file": file.name, "from": good, "until": at, "after": last + 1, "next": found[0]})
            elif found[0] > last + 1:
                gone.append([last + 1, found[0] - 1])
            last, good = found[0], at + HEAD + len(found[2])
            at = good
            records.append({"number": found[0], "at": rfc3339(found[1]), "body_hex": found[2].hex()})
        if good < len(data):
            if is_last and whole:
                cut = {"file": f"{file.first:020}.cut-at-{good}-0", "hex": data[good:].hex()}
                last += (len(data) - good) // HEAD + 1
            else:
                damaged.append({"file": file.name, "from": good, "until": len(data), "after": last + 1, "next": None})
                if is_last:
                    last = max(last, file.first) + (len(data) - good) // HEAD + 1
        if is_last and not whole:
            last = max(last, file.first)
        before = file
    told = ["GP-LOG-DAMAGED"] * (len(damaged) + len(gone)) + ["GP-LOG-TORN"] * bool(cut)
    return {"records": records, "damaged": damaged, "gone": gone, "cut": cut, "told": told, "next": last + 1}
