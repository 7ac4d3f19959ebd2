"""Bytes and names: strict JSON, JCS, DAG-CBOR, base encodings, CIDs, times, and three-valued checks."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Iterable

PASSED, FAILED, OPEN = "passed", "failed", "indeterminate"
FIVE_MINUTES = 300_000


class Fault(Exception):
    """What refuses something from outside, by its code."""

    def __init__(self, code: str, why: str = "") -> None:
        super().__init__(f"{code}: {why}")
        self.code, self.why = code, why


@dataclass(frozen=True)
class Check:
    """One check: its name, its outcome, a code and a few words."""

    name: str
    outcome: str
    code: str
    says: str = ""

    def named(self, name: str) -> "Check":
        return Check(name, self.outcome, self.code, self.says)


def worst(checks: Iterable[Check], name: str, passed_code: str = "") -> Check:
    """The first that failed, else the first that is indeterminate, else passed."""
    listed = list(checks)
    for outcome in (FAILED, OPEN):
        for check in listed:
            if check.outcome == outcome:
                return check.named(name)
    return Check(name, PASSED, passed_code or (listed[0].code if listed else ""))


# ---- JSON (identity.md 1) and JCS (RFC 8785)

RESERVED = "serde_json::private"


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Fault("GP-JSON-MALFORMED", "a member twice")
    return found


def _bounded(value: Any, levels: int, left: list[int]) -> None:
    left[0] -= 1
    if (isinstance(value, (dict, list)) and levels < 1) or left[0] < 0:
        raise Fault("GP-JSON-MALFORMED", "too deep or too many values")
    if isinstance(value, dict):
        for name, member in value.items():
            name.encode("utf-8")
            if RESERVED in name:
                raise Fault("GP-JSON-MALFORMED", "a reserved name")
            _bounded(member, levels - 1, left)
    elif isinstance(value, list):
        for member in value:
            _bounded(member, levels - 1, left)
    elif isinstance(value, str):
        value.encode("utf-8")
    elif isinstance(value, float) and value in (float("inf"), float("-inf")):
        raise Fault("GP-JSON-MALFORMED", "a number that no double holds")


def _refuse_constant(name: str) -> Any:
    raise Fault("GP-JSON-MALFORMED", name)


def _integer(text: str) -> Any:
    """An integer is itself where a double holds it, else the nearest double."""
    if len(text) > 400:
        raise Fault("GP-JSON-MALFORMED", "a number that no double holds")
    value = int(text)
    return value if abs(value) < 2**53 else float(text)


def read_json(data: bytes | str, most: int = 1 << 20, levels: int = 32) -> Any:
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else bytes(data)
    if len(raw) > most:
        raise Fault("GP-JSON-MALFORMED", "too long")
    try:
        text = raw.decode("utf-8")
        if text.startswith("\ufeff") or RESERVED in text:
            raise Fault("GP-JSON-MALFORMED", "a byte order mark, or what is reserved")
        value = json.loads(text, object_pairs_hook=_pairs, parse_constant=_refuse_constant, parse_int=_integer)
        _bounded(value, levels, [100_001])  # the value itself, and its members
    except (ValueError, RecursionError) as error:
        raise Fault("GP-JSON-MALFORMED", str(error)) from None
    return value


def read_object(data: bytes | str, most: int = 1 << 20, levels: int = 32) -> dict[str, Any]:
    value = read_json(data, most, levels)
    if not isinstance(value, dict):
        raise Fault("GP-JSON-MALFORMED", "not an object")
    return value


def _number(value: int | float) -> str:
    """ECMAScript's Number::toString."""
    number = float(value)
    if number == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(number)).as_tuple()
    text = "".join(map(str, digits)).rstrip("0")
    point = len(digits) + int(exponent)
    if 0 < point <= 21:
        body = text.ljust(point, "0") if len(text) <= point else f"{text[:point]}.{text[point:]}"
    elif -6 < point <= 0:
        body = "0." + "0" * -point + text
    else:
        body = text[0] + (f".{text[1:]}" if len(text) > 1 else "") + f"e{point - 1:+d}"
    return ("-" if sign else "") + body


def jcs_text(value: Any) -> str:
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(f"{json.dumps(n, ensure_ascii=False)}:{jcs_text(value[n])}" for n in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(jcs_text, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return _number(value)


def jcs(value: Any) -> bytes:
    return jcs_text(value).encode("utf-8")


def canonical(data: bytes, most: int = 1 << 20, levels: int = 32) -> dict[str, Any]:
    """An object whose bytes are its JCS."""
    value = read_object(data, most, levels)
    if jcs(value) != bytes(data):
        raise Fault("GP-DOCUMENT-NOT-CANONICAL")
    return value


def members(value: Any, required: str, optional: str = "", code: str = "GP-JSON-MALFORMED") -> dict[str, Any]:
    """An object with the required members, perhaps the optional ones, and no others."""
    need, may = set(required.split()), set(optional.split())
    if not isinstance(value, dict) or not need <= value.keys() or not value.keys() <= need | may:
        raise Fault(code, f"members, of which {required} are needed")
    return value


# ---- base encodings, hashes, CIDs

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def b64u(text: str, code: str = "GP-JWS-MALFORMED") -> bytes:
    """base64url without padding, in its one spelling."""
    if not re.fullmatch(r"[A-Za-z0-9_-]*", text) or len(text) % 4 == 1:
        raise Fault(code, "base64url")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if to_b64u(data) != text:
        raise Fault(code, "base64url with bits left over")
    return data


def to_b64u(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def b64(text: Any, code: str = "GP-JSON-MALFORMED") -> bytes:
    """base64 with padding, in its one spelling."""
    try:
        data = base64.b64decode(text, validate=True) if isinstance(text, str) else None
    except ValueError:
        data = None
    if data is None or base64.b64encode(data).decode() != text:
        raise Fault(code, "base64")
    return data


def b58(text: str, code: str = "GP-KEY-MALFORMED") -> bytes:
    if not 0 < len(text) <= 256 or any(c not in ALPHABET for c in text):
        raise Fault(code, "base58btc")
    number = 0
    for character in text:
        number = number * 58 + ALPHABET.index(character)
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def to_b58(data: bytes) -> str:
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = ALPHABET[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


RAW, DAG_CBOR = 0x55, 0x71


def cid_bytes(data: bytes, codec: int = RAW) -> bytes:
    return bytes((1, codec, 0x12, 0x20)) + sha256(data)


def cid_text(raw: bytes) -> str:
    return "b" + base64.b32encode(raw).decode().lower().rstrip("=")


def cid(data: bytes, codec: int = RAW) -> str:
    return cid_text(cid_bytes(data, codec))


def parse_cid(text: Any) -> bytes:
    if not isinstance(text, str) or not re.fullmatch(r"baf[a-z2-7]{56}", text):
        raise Fault("GP-CID-MALFORMED")
    raw = base64.b32decode(text[1:].upper() + "=" * (-len(text[1:]) % 8))
    if raw[:4] not in (bytes((1, RAW, 0x12, 0x20)), bytes((1, DAG_CBOR, 0x12, 0x20))) or cid_text(raw) != text:
        raise Fault("GP-CID-MALFORMED")
    return raw


# ---- DAG-CBOR

@dataclass(frozen=True, order=True)
class Link:
    """A CID in binary."""

    raw: bytes

    @property
    def text(self) -> str:
        return cid_text(self.raw)


def _head(major: int, value: int) -> bytes:
    if value < 24:
        return bytes((major << 5 | value,))
    for extra, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if value < 1 << (8 * size):
            return bytes((major << 5 | extra,)) + value.to_bytes(size, "big")
    raise Fault("GP-CBOR", "too large")


def cbor(value: Any) -> bytes:
    """The one encoding of DAG-CBOR."""
    if isinstance(value, bool) or value is None:
        return {None: b"\xf6", True: b"\xf5", False: b"\xf4"}[value]
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, float):
        return b"\xfb" + struct.pack(">d", value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    if isinstance(value, Link):
        return b"\xd8\x2a" + cbor(b"\0" + value.raw)
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(map(cbor, value))
    names = sorted(value, key=lambda name: (len(name.encode()), name.encode()))
    return _head(5, len(value)) + b"".join(cbor(name) + cbor(value[name]) for name in names)


def _item(data: bytes, at: int, levels: int, code: str) -> tuple[Any, int]:
    if levels < 0 or at >= len(data):
        raise Fault(code, "DAG-CBOR cut off or too deep")
    major, value, at = data[at] >> 5, data[at] & 31, at + 1
    if major == 7:
        if value == 27 and at + 8 <= len(data):
            number = struct.unpack(">d", data[at:at + 8])[0]
            if number != number or number in (float("inf"), float("-inf")):
                raise Fault(code, "NaN or infinity")
            return number, at + 8
        if value not in (20, 21, 22):
            raise Fault(code, "DAG-CBOR")
        return {20: False, 21: True, 22: None}[value], at
    if value >= 24:
        size = {24: 1, 25: 2, 26: 4, 27: 8}.get(value, 0)
        if not size or at + size > len(data):
            raise Fault(code, "DAG-CBOR")
        value, at = int.from_bytes(data[at:at + size], "big"), at + size
    if major < 2:
        return (value if major == 0 else -1 - value), at
    if major != 6 and value > len(data) - at:
        raise Fault(code, "a length that is not there")
    if major in (2, 3):
        raw = bytes(data[at:at + value])
        try:
            return (raw if major == 2 else raw.decode("utf-8")), at + value
        except ValueError:
            raise Fault(code, "UTF-8") from None
    if major == 6:
        inner, at = _item(data, at, levels - 1, code)
        if value != 42 or not isinstance(inner, bytes) or len(inner) != 37 or inner[0]:
            raise Fault(code, "a link")
        return Link(inner[1:]), at
    if major == 4:
        found = []
        for _ in range(value):
            inner, at = _item(data, at, levels - 1, code)
            found.append(inner)
        return found, at
    mapped: dict[str, Any] = {}
    for _ in range(value):
        name, at = _item(data, at, levels - 1, code)
        if not isinstance(name, str) or name in mapped:
            raise Fault(code, "a map's name")
        mapped[name], at = _item(data, at, levels - 1, code)
    return mapped, at


def read_cbor(data: bytes, code: str, levels: int = 16) -> Any:
    value, end = _item(data, 0, levels, code)
    if end != len(data) or cbor(value) != bytes(data):
        raise Fault(code, "not the one encoding")
    return value


# ---- times

TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d{1,15})?(Z|[+-]\d\d:\d\d)", re.ASCII)


def millis(text: Any, code: str = "GP-TIME-MALFORMED") -> int:
    """RFC 3339 in milliseconds since 1970."""
    found = TIME.fullmatch(text) if isinstance(text, str) else None
    try:
        if not found:
            raise ValueError
        day = datetime.fromisoformat(f"{found[1]}T{found[2]}").replace(tzinfo=timezone.utc)
        zone = found[4]
        if zone != "Z":
            shift = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:]))
            day = day - shift if zone[0] == "+" else day + shift
    except (ValueError, OverflowError):
        raise Fault(code, f"a time: {text!r:.60}") from None
    if day.year < 1970:
        raise Fault(code, "before 1970")
    return round(day.timestamp()) * 1000 + int(((found[3] or ".0")[1:] + "00")[:3])


def rfc3339(at: int) -> str:
    text = (datetime(1970, 1, 1) + timedelta(milliseconds=at)).isoformat(timespec="milliseconds")
    return text.rstrip("0").removesuffix(".") + "Z"
