"""Requirements of a channel (channel.md 4 and 5): which can be read, and as what. Cedar is not read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any, Callable

from base import Fault, millis
from keys import is_did
from names import NAME, is_document, is_name, is_role_name, is_sentence

Json = dict[str, Any]
BAD, NONE = "GP-REQUIREMENT-MALFORMED", "GP-CHANNEL-MALFORMED"
TOKEN = re.compile(r"""\s*(?:(?P<op>==|!=|<=|>=|<|>)|(?P<text>'[^'"\\\x00-\x1f\x7f-\x9f]*'|"[^'"\\\x00-\x1f\x7f-\x9f]*")|(?P<duration>[0-9]+[smhd])(?![A-Za-z0-9_])"""
                   r"|(?P<integer>-?[0-9]+)(?![A-Za-z0-9_])|(?P<mark>[\[\],+-])|(?P<word>[A-Za-z][A-Za-z0-9_.-]*))")
QUOTED = re.compile(rf"'[^'\"\\]*'|\"[^'\"\\]*\"|message\.{NAME}")  # in a consent
ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b,
    "in": lambda a, b: a in b, "contains": lambda a, b: b in a, "within": lambda a, b: a <= b}
SETS = {"in": ("text", "texts"), "contains": ("texts", "text"), "within": ("texts", "texts")}
UNITS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
KNOWN = {"issuer": "text", "sender": "text", "recipient": "text", "recipients": "texts", "time": "time", "issued": "time", "expires": "time",
         "arrived": "time"}


@dataclass
class Side:
    source: str  # `literal`, or the first word of the operand
    name: str = ""
    value: Any = None
    kind: str | None = None
    offset: int = 0


@dataclass
class Comparison:
    left: Side
    op: str
    right: Side


@dataclass
class Types:
    """What types attributes have, and what claims turned out to have: those of a role's visas, and those of who authorised its issuer."""

    attributes: dict[str, str]
    claims: dict[tuple[str, str, str], str] = field(default_factory=dict)
    role: str = ""


def _tokens(text: str) -> list[tuple[str, str]]:
    if len(text.encode()) > 2048:
        raise Fault(BAD, "too long")
    found, at = [], 0
    while at < len(text.rstrip()):
        match = TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise Fault(BAD, text[at:])
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


def _text(token: str) -> str:
    if len(token.encode()) > 1026:
        raise Fault(BAD, "text")
    return token[1:-1]


def _operand(kind: str, token: str, rest: list[tuple[str, str]], types: Types, where: bool) -> Side:
    if kind == "text":
        return Side("literal", value=_text(token), kind="text")
    if kind == "integer" and abs(int(token)) < 2**53:
        return Side("literal", value=int(token), kind="integer")
    if kind == "word" and token in ("true", "false"):
        return Side("literal", value=token == "true", kind="boolean")
    if (kind, token) == ("mark", "["):
        texts = []
        while True:
            if len(rest) < 2 or rest[0][0] != "text" or rest[1][1] not in (",", "]"):
                raise Fault(BAD, "a list")
            texts.append(_text(rest.pop(0)[1]))
            if rest.pop(0)[1] == "]":
                return Side("literal", value=frozenset(texts), kind="texts")
    first, dot, name = token.partition(".") if kind == "word" else ("", "", "")
    if dot and re.fullmatch(NAME, name):
        if first in ("visa", "authority") and where:
            return Side(first, name)
        if first == "message" and name in types.attributes:
            return Side(first, name, kind=types.attributes[name])
    elif not dot and first in KNOWN and (where or first != "issuer"):
        return Side(first, kind=KNOWN[first])
    raise Fault(BAD, token)


def _side(tokens: list[tuple[str, str]], types: Types, where: bool) -> Side:
    if not tokens:
        raise Fault(BAD, "a side")
    side = _operand(*tokens.pop(0), tokens, types, where)
    if tokens and tokens[0][0] == "integer" and tokens[0][1].startswith("-"):
        raise Fault(BAD, "a duration without unit")
    if tokens and tokens[0] in (("mark", "+"), ("mark", "-")):
        sign = 1 if tokens.pop(0)[1] == "+" else -1
        kind, token = tokens.pop(0) if tokens else ("", "")
        moved = int(token[:-1]) * UNITS[token[-1]] if kind == "duration" else -1
        if not 0 <= moved <= 10 * 366 * UNITS["d"] or side.kind not in (None, "time", "text") or side.kind == "text" and side.source != "literal":
            raise Fault(BAD, "a duration")
        side.offset, side.kind = sign * moved, side.kind or "time"
    return side


def _read_comparison(text: Any, types: Types, where: bool) -> Comparison:
    if not isinstance(text, str):
        raise Fault(NONE, "a comparison")
    tokens = _tokens(text)
    left = _side(tokens, types, where)
    op = tokens.pop(0)[1] if tokens else ""
    if op not in ORDER:
        raise Fault(BAD, op)
    right = _side(tokens, types, where)
    if tokens or left.source == right.source == "literal":
        raise Fault(BAD, text)
    sides = (left, right)
    if op in SETS:
        for side, kind in zip(sides, SETS[op]):
            side.kind = side.kind or kind
        good = (left.kind, right.kind) == SETS[op]
    else:
        fallback = "text" if op in ("==", "!=") else "integer"
        for side, other in ((left, right), (right, left)):
            side.kind = side.kind or other.kind or fallback
        for side, other in ((left, right), (right, left)):
            if side.source == "literal" and side.kind == "text" and other.kind == "time":
                side.kind, side.value = "time", millis(side.value, BAD)
        good = left.kind == right.kind and (op in ("==", "!=") or left.kind in ("time", "integer"))
    for side in sides:
        if side.source in ("visa", "authority") and types.claims.setdefault((types.role, side.source, side.name), side.kind or "") != side.kind:
            good = False
    if not good or any(side.offset and side.kind != "time" for side in sides):
        raise Fault(BAD, text)
    return Comparison(left, op, right)


FORMS: dict[str, tuple[set[str], set[str]]] = {
    "role": ({"role"}, {"where"}), "consent": ({"consent"}, set()), "all": ({"all"}, set()), "any": ({"any"}, set()),
    "of": ({"atLeast", "of"}, set()), "not": ({"not"}, set()), "when": ({"when"}, set()), "between": ({"between"}, set()),
    "hours": ({"hours"}, set()), "did": ({"did"}, set())}


def _role(value: Any) -> str:
    if not is_role_name(value) and not is_document(value):
        raise Fault(BAD, "a role")
    return str(value)


def _minute(text: Any, last: int) -> int:
    if not isinstance(text, str) or not re.fullmatch(r"[0-9]{2}:[0-5][0-9]", text) or int(text[:2]) * 60 + int(text[3:]) > last:
        raise Fault(BAD, "hours")
    return int(text[:2]) * 60 + int(text[3:])


def read_condition(value: Any, types: Types, left: list[int], depth: int = 1) -> tuple[Any, ...]:
    """A condition as a tuple that begins with its form."""
    left[0] -= 1
    if not isinstance(value, dict):
        raise Fault(NONE, "a condition")
    form = next((f for f, (need, may) in FORMS.items() if need <= value.keys() <= need | may), None)
    if form is None:
        raise Fault(NONE, "no form, or several")
    if depth > 8 or left[0] < 0:
        raise Fault(BAD, "deep or many")
    if form == "role":
        texts = value.get("where", [])
        if not isinstance(texts, list) or len(texts) > 16:
            raise Fault(BAD, "where")
        return "role", _role(value["role"]), [_read_comparison(text, replace(types, role=value["role"]), True) for text in texts]
    if form == "consent":
        asked = value["consent"]
        if not is_name(asked["about"]) or not all(QUOTED.fullmatch(asked[one]) for one in ("purpose", "data")):
            raise Fault(BAD, "consent")
        wheres = [f"{asked['purpose']} in visa.purposes", f"{asked['data']} in visa.data", f"visa.meteringPoint == message.{asked['about']}",
                  "visa.meteringPoint == authority.meteringPoint", "recipients within visa.parties", "time >= visa.from", "time < visa.until"]
        return "role", _role(asked["role"]), [_read_comparison(text, replace(types, role=asked["role"]), True) for text in wheres]
    if form == "when":
        return "when", _read_comparison(value["when"], types, False)
    if form == "not":
        return "not", read_condition(value["not"], types, left, depth + 1)
    if form in ("all", "any", "of"):
        parts = value[form]
        if not isinstance(parts, list) or not parts:
            raise Fault(BAD, "no parts")
        wanted = {"all": len(parts), "any": 1}.get(form, value.get("atLeast"))
        if not isinstance(wanted, int) or not 1 <= wanted <= len(parts):
            raise Fault(BAD, "atLeast")
        return "of", wanted, [read_condition(part, types, left, depth + 1) for part in parts]
    if form == "did":
        dids = value["did"]
        if not isinstance(dids, list) or not 1 <= len(dids) <= 256:
            raise Fault(BAD, "did")
        if not all(is_did(did) for did in dids):
            raise Fault(NONE, "did")
        return "did", dids
    window = value[form]
    if form == "between":
        start, end = (millis(window[n], NONE) if n in window else None for n in ("from", "until"))
        if not window or start is not None and end is not None and start >= end:
            raise Fault(BAD, "between")
        return "between", start, end
    start, end = _minute(window["from"], 1439), _minute(window["until"], 1440)
    offset = window.get("offset", "+00:00")
    sign = {"+": 1, "-": -1}.get(offset[:1])
    if sign is None or start == end or _minute(offset[1:], 840) > 840:
        raise Fault(BAD, "hours")
    days = window.get("days", ["mon", "tue", "wed", "thu", "fri", "sat", "sun"])
    return "hours", start, end, sign * _minute(offset[1:], 840), [("mon", "tue", "wed", "thu", "fri", "sat", "sun").index(day) for day in days]


@dataclass
class Requirement:
    id: str
    condition: tuple[Any, ...] | None  # None: Cedar


@dataclass
class Policy:
    publish: list[Requirement]
    subscribe: list[Requirement]
    keep: list[Requirement]
    topics: dict[str, list[Requirement]]


def weight(condition: tuple[Any, ...]) -> int:
    """Its parts, comparisons and DIDs; a comparison by itself is one part."""
    form = condition[0]
    if form == "of":
        return 1 + sum(map(weight, condition[2]))
    if form == "not":
        return 1 + weight(condition[1])
    return 1 + (len(condition[-1]) if form in ("role", "did") else 0)


def read_policy(channel: Json) -> Policy:
    claims: dict[tuple[str, str, str], str] = {}

    def read(listed: Any, known: dict[str, str], beside: list[Requirement] | None = None) -> list[Requirement]:
        found: list[Requirement] = []
        if len(listed) + len(beside or []) > 32:
            raise Fault(BAD, "how many")
        for one in listed:
            if any(other.id == one["id"] for other in found + (beside or [])):
                raise Fault(BAD, "one id twice")
            if not is_name(one["id"]) or not is_sentence(one["says"], 400):
                raise Fault(BAD, "id or says")
            if "cedar" in one:
                read_cedar(one, claims)
            found.append(Requirement(one["id"], read_condition(one["needs"], Types(known, claims), [64]) if "needs" in one else None))
        return found

    if channel.get("keep") and channel["sealing"] == "none" or not channel["publish"] or not channel["subscribe"]:
        raise Fault(BAD, "keepers, or nothing is asked")
    attributes = {name: one["type"] for topic in channel["topics"] for name, one in topic.get("attributes", {}).items()}
    publish = read(channel["publish"], attributes)
    topics = {topic["name"]: read(topic.get("publish", []), attributes, publish) for topic in channel["topics"]}
    policy = Policy(publish, read(channel["subscribe"], {}), read(channel.get("keep", []), {}), topics)
    asked = policy.subscribe + policy.keep + [one for topic in topics.values() for one in publish + topic]
    if sum(1 + weight(one.condition) for one in asked if one.condition is not None) > 4096:
        raise Fault(BAD, "too much is asked")
    return policy


def read_cedar(one: Json, claims: dict[tuple[str, str, str], str]) -> None:
    """Its length, and what it says that it reads: the text itself is not read here."""
    if len(one["cedar"].encode()) > 8192:
        raise Fault(BAD, "cedar")
    for role, read in one.get("reads", {}).items():
        _role(role)
        if not all(is_name(claim) and claims.setdefault((role, "visa", claim), kind) == kind for claim, kind in read.items()):
            raise Fault(BAD, "a claim")
