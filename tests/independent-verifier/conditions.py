"""Requirements of a channel, decided from an admission and a message (channel.md 4 to 6). Cedar's own text is not read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Callable

from base import OPEN, PASSED, Fault, millis

Value = tuple[str, Any]  # its type, and what it is
TOKEN = re.compile(r"\s*('[^']*'|\"[^\"]*\"|-?\d+[smhd]?(?![\w.])|[A-Za-z][\w.-]*|==|!=|<=|>=|[<>+\[\],-])")
ORDER = {"<", "<=", ">", ">="}
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
MOST_SLOTS = 8
WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class NotChecked(Exception):
    """A requirement that this verifier does not decide."""


@dataclass
class Side:
    operand: str
    literal: Value | None
    offset: int | None


@dataclass
class Visa:
    issuer: str
    claims: dict[str, Any]
    authority: dict[str, Any]


@dataclass
class World:
    """What is asked about: `granted` and `possible` visas by role and definition."""

    admission: dict[str, Any]
    gp: dict[str, Any]
    at: int
    types: dict[str, str]
    open_too: bool  # as if each undecided visa came out well
    status_too: bool  # the channel's `indeterminate` is `allow`

    def visas(self, role: str, possible: bool, authority: bool) -> list[Visa]:
        found = []
        for visa in self.admission["visas"]:
            if role not in (visa["role"], visa["definition"]):
                continue
            outcome = visa["standing"]["outcome"]
            held = outcome == PASSED or outcome == OPEN and (self.open_too or self.status_too and visa.get("onlyStatusOpen", False))
            perhaps = outcome == PASSED or outcome == OPEN and not self.open_too
            if perhaps if possible else held:
                above = visa.get("authorities", []) if authority else []
                found += [Visa(visa["issuer"], visa["claims"], one) for one in above or [{}]]
        return found


def typed(value: Any, kind: str) -> Value | None:
    """A claim or attribute as a value of a type; None where it is none of it."""
    if kind == "text" and isinstance(value, str) and len(value.encode()) <= 1024:
        return kind, value
    if kind == "integer" and isinstance(value, (int, float)) and not isinstance(value, bool) and float(value).is_integer() and abs(value) < 2**53:
        return kind, int(value)
    if kind == "boolean" and isinstance(value, bool):
        return kind, value
    if kind == "texts" and isinstance(value, list) and len(value) <= 256 and all(isinstance(v, str) and len(v.encode()) <= 1024 for v in value):
        return kind, frozenset(value)
    if kind == "time" and isinstance(value, str):
        try:
            return kind, millis(value)
        except Fault:
            return None
    return None


def sides(text: str) -> tuple[Side, str, Side]:
    tokens, at = [], 0
    while at < len(text.rstrip()):
        found = TOKEN.match(text, at)
        if not found:
            raise NotChecked(text)
        tokens.append(found[1])
        at = found.end()
    left = _side(tokens)
    operator = tokens.pop(0) if tokens else ""
    right = _side(tokens)
    if tokens or operator not in {"==", "!=", "in", "contains", "within"} | ORDER:
        raise NotChecked(text)
    return left, operator, right


def _side(tokens: list[str]) -> Side:
    if not tokens:
        raise NotChecked("a side is missing")
    literal: Value | None = None
    word = tokens.pop(0)
    if word[0] in "'\"":
        literal = ("text", word[1:-1])
    elif re.fullmatch(r"-?\d+", word):
        literal = ("integer", int(word))
    elif word in ("true", "false"):
        literal = ("boolean", word == "true")
    elif word == "[":
        end = tokens.index("]")
        literal = ("texts", frozenset(token[1:-1] for token in tokens[:end] if token != ","))
        del tokens[:end + 1]
    offset = None
    if len(tokens) > 1 and tokens[0] in "+-" and tokens[1][-1:] in SECONDS:
        offset = int(tokens[1][:-1]) * SECONDS[tokens[1][-1]] * (-1000 if tokens[0] == "-" else 1000)
        del tokens[:2]
    return Side(word, literal, offset)


def known_type(side: Side, world: World) -> str | None:
    if side.offset is not None:
        return "time"
    if side.literal:
        return side.literal[0]
    fixed = {"issuer": "text", "sender": "text", "recipient": "text", "recipients": "texts", "time": "time", "issued": "time", "expires": "time"}
    return world.types.get(side.operand.removeprefix("message.")) if side.operand.startswith("message.") else fixed.get(side.operand)


def kinds(left: Side, operator: str, right: Side, world: World) -> tuple[str, str]:
    if operator in ("in", "contains", "within"):
        return {"in": ("text", "texts"), "contains": ("texts", "text"), "within": ("texts", "texts")}[operator]
    one, two = known_type(left, world), known_type(right, world)
    if "time" in (one, two):
        return "time", "time"
    both = one or two or ("integer" if operator in ORDER else "text")
    return both, both


def value_of(side: Side, kind: str, world: World, visa: Visa | None) -> Value | None:
    word, gp = side.operand, world.gp
    if side.literal:
        return side.literal if side.literal[0] == kind else typed(side.literal[1], kind)
    scope, _, name = word.partition(".")
    if name and scope in ("visa", "authority", "message"):
        given = gp.get("attributes", {}) if scope == "message" else {} if visa is None else visa.claims if scope == "visa" else visa.authority
        return typed(given[name], kind) if name in given else None
    recipients = gp.get("recipients", [])
    plain: dict[str, Value | None] = {
        "issuer": ("text", visa.issuer) if visa else None, "sender": ("text", gp["sender"]), "time": ("time", world.at),
        "recipient": ("text", recipients[0]) if len(recipients) == 1 else None, "recipients": ("texts", frozenset(recipients)) if recipients else None,
        "issued": ("time", millis(gp["issued"])), "expires": ("time", millis(gp["expires"]))}
    if word not in plain:
        raise NotChecked(word)
    return plain[word]


def compared(text: str, world: World, visa: Visa | None) -> bool | None:
    """True, false, or neither, since a value was not given."""
    left, operator, right = sides(text)
    kind = kinds(left, operator, right, world)
    one, two = value_of(left, kind[0], world, visa), value_of(right, kind[1], world, visa)
    if one is None or two is None:
        return None
    a, b = one[1], two[1]
    if kind[0] == "time" and kind[1] == "time":
        a, b = a + (left.offset or 0), b + (right.offset or 0)
    holds: dict[str, Callable[[], bool]] = {
        "==": lambda: a == b, "!=": lambda: a != b, "<": lambda: a < b, "<=": lambda: a <= b, ">": lambda: a > b, ">=": lambda: a >= b,
        "in": lambda: a in b, "contains": lambda: b in a, "within": lambda: a <= b}
    return holds[operator]()


def consent(need: dict[str, Any]) -> dict[str, Any]:
    """consent.md: the role with these comparisons."""
    about = need["about"]
    return {"role": need["role"], "where": [
        f"{need['purpose']} in visa.purposes", f"{need['data']} in visa.data", f"visa.meteringPoint == message.{about}",
        "visa.meteringPoint == authority.meteringPoint", "recipients within visa.parties", "time >= visa.from", "time < visa.until"]}


def within_hours(hours: dict[str, Any], at: int) -> bool:
    """Daily or weekly hours at a fixed offset; what ends before it begins goes on into the next day."""
    def minute(text: str) -> int:
        return int(text[:2]) * 60 + int(text[3:])

    offset = hours.get("offset", "+00:00")
    moved = at // 60_000 + minute(offset[1:]) * (-1 if offset[0] == "-" else 1)
    day, now = divmod(moved, 1440)
    began, ends = minute(hours["from"]), minute(hours["until"])
    days = hours.get("days") or WEEK

    def on(number: int) -> bool:
        return WEEK[(number + 3) % 7] in days  # 1970 began on a Thursday

    if began < ends:
        return on(day) and began <= now < ends
    return on(day) and now >= began or on(day - 1) and now < ends


def _plain(need: dict[str, Any], world: World) -> bool:
    if "did" in need:
        return world.gp["sender"] in need["did"]
    if "between" in need:
        window = need["between"]
        return ("from" not in window or world.at >= millis(window["from"])) and ("until" not in window or world.at < millis(window["until"]))
    if "hours" in need:
        return within_hours(need["hours"], world.at)
    raise NotChecked(", ".join(need))


def shown(need: dict[str, Any], world: World, to_hold: bool) -> bool:
    """Whether it is shown to hold, or shown to fail."""
    if "consent" in need:
        need = consent(need["consent"])
    if "role" in need:
        where = need.get("where", [])
        visas = world.visas(need["role"], not to_hold, any("authority." in text for text in where))
        if to_hold:
            return any(all(compared(text, world, visa) is True for text in where) for visa in visas)
        return all(any(compared(text, world, visa) is False for text in where) for visa in visas)
    if "not" in need:
        return shown(need["not"], world, not to_hold)
    if "when" in need:
        return compared(need["when"], world, None) is to_hold
    for word in ("all", "any", "of"):
        if word in need:
            parts = need[word]
            least = len(parts) if word == "all" else 1 if word == "any" else need["atLeast"]
            count = sum(shown(part, world, to_hold) for part in parts)
            return count >= least if to_hold else count > len(parts) - least
    return _plain(need, world) is to_hold


def roles_of(need: dict[str, Any]) -> set[tuple[str, bool]]:
    """The roles that are read, and whether their authorities are."""
    if "consent" in need:
        need = consent(need["consent"])
    if "role" in need:
        return {(need["role"], any("authority." in text for text in need.get("where", [])))}
    parts = [part for word in ("all", "any", "of") for part in need.get(word, [])] + ([need["not"]] if "not" in need else [])
    return {role for part in parts for role in roles_of(part)}


def ruled(descriptor: dict[str, Any], gp: dict[str, Any], admission: dict[str, Any], at: int) -> list[str]:
    """The codes of the requirements that are not satisfied, in their order."""
    topic: dict[str, Any] = next((one for one in descriptor["topics"] if one["name"] == gp["topic"]), {})
    types = {name: one["type"] for other in descriptor["topics"] for name, one in other.get("attributes", {}).items()}
    asked = descriptor["publish"] + topic.get("publish", [])
    if any("cedar" in one for one in asked):
        raise NotChecked("cedar")
    status_too = descriptor["indeterminate"] == "allow"
    worlds = [World(admission, gp, at, types, open_too, status_too) for open_too in (False, True)]
    roles: dict[str, bool] = {}
    for role, authority in {role for one in asked for role in roles_of(one["needs"])}:
        roles[role] = roles.get(role, False) or authority
    if any(len(worlds[0].visas(role, possible, authority)) > MOST_SLOTS for role, authority in roles.items() for possible in (False, True)):
        return ["GP-TOO-MANY-VISAS"]
    found = []
    for one in asked:
        if not shown(one["needs"], worlds[0], True):
            found.append("GP-POLICY-UNDECIDED" if shown(one["needs"], worlds[1], True) else "GP-POLICY-UNMET")
    return found
