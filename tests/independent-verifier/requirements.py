"""What requirements decide (channel.md 6), of those that are not in Cedar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterator

from base import OPEN, PASSED
from facts import typed
from language import ORDER, Comparison, Json, Policy, Requirement, Side, read_policy


class NotChecked(Exception):
    """A requirement that this verifier does not decide."""


@dataclass
class Seen:
    """A visa with, where `authority` is read, one of those that authorised its issuer."""

    visa: Json
    authority: Json
    outcome: str
    code: str
    held: bool


@dataclass
class View:
    admission: Json
    channel: Json
    message: Json
    at: int

    def visas(self, role: str, with_authority: bool) -> Iterator[Seen]:
        for visa in self.admission.get("visas", []):
            if role not in (visa["role"], visa["definition"]):
                continue
            outcome, code = visa["standing"]["outcome"], visa["standing"]["code"]
            held = outcome == PASSED or outcome == OPEN and visa.get("onlyStatusOpen", False) and self.channel["indeterminate"] == "allow"
            for authority in (visa.get("authorities") or [{}]) if with_authority else [{}]:
                yield Seen(visa, authority, outcome, code, held)

    def slots(self, role: str, with_authority: bool) -> list[Seen]:
        """Those that stand where a policy looks at them."""
        return [one for one in self.visas(role, with_authority) if one.outcome in (PASSED, OPEN)]

    def value(self, side: Side, seen: Seen | None) -> Any:
        found: Any = side.value
        recipients = self.message.get("recipients", [])
        if side.source == "literal":
            return found + side.offset if side.offset else found
        if side.source in ("visa", "authority"):
            claims = (seen.visa["claims"] if side.source == "visa" else seen.authority) if seen else {}
            found = claims.get(side.name)
        elif side.source == "message":
            found = self.message.get("attributes", {}).get(side.name)
        else:
            found = {"issuer": seen.visa["issuer"] if seen else None, "sender": self.admission["sender"],
                     "recipient": recipients[0] if len(recipients) == 1 else None, "recipients": recipients or None, "time": self.at,
                     "issued": self.message.get("issued"), "expires": self.message.get("expires"), "arrived": self.message.get("arrived")}[side.source]
        value = ("time", found) if side.source == "time" else typed(found, side.kind or "text")
        return None if value is None else value[1] + side.offset if side.kind == "time" else value[1]

    def compare(self, comparison: Comparison, seen: Seen | None) -> bool | None:
        left, right = self.value(comparison.left, seen), self.value(comparison.right, seen)
        return None if left is None or right is None else ORDER[comparison.op](left, right)

    def looked_at(self, condition: tuple[Any, ...]) -> list[Seen]:
        with_authority = any(side.source == "authority" for c in condition[2] for side in (c.left, c.right))
        return list(self.visas(condition[1], with_authority))

    def shown(self, condition: tuple[Any, ...], fails: bool = False, hopeful: bool = False) -> bool:
        """Whether it is shown to hold, or (`fails`) to fail; `hopeful`: as if what is undecided came out well."""
        form = condition[0]
        if form == "not":
            return self.shown(condition[1], not fails, hopeful)
        if form == "of":
            count = sum(self.shown(part, fails, hopeful) for part in condition[2])
            return count > len(condition[2]) - condition[1] if fails else count >= condition[1]
        if form == "role":
            seen = self.looked_at(condition)
            if fails:
                possible = [one for one in seen if one.outcome == PASSED or one.outcome == OPEN and not hopeful]
                return all(any(self.compare(c, one) is False for c in condition[2]) for one in possible)
            return any(all(self.compare(c, one) for c in condition[2]) for one in seen if one.held or hopeful and one.outcome == OPEN)
        truth = self.truth(condition)
        return truth is (not fails)

    def truth(self, condition: tuple[Any, ...]) -> bool | None:
        form = condition[0]
        if form == "when":
            return self.compare(condition[1], None)
        if form == "did":
            return self.admission["sender"] in condition[1]
        if form == "between":
            return (condition[1] is None or condition[1] <= self.at) and (condition[2] is None or self.at < condition[2])
        _, start, end, offset, days = condition
        minute = self.at // 60_000 + offset
        day, now = (minute // 1440 + 3) % 7, minute % 1440
        if start < end:
            return day in days and start <= now < end
        return day in days and now >= start or (day - 1) % 7 in days and now < end

    def causes(self, condition: tuple[Any, ...]) -> Iterator[str]:
        if self.shown(condition):
            return
        form = condition[0]
        if form == "not":
            yield "GP-POLICY-EXCLUDED"
        elif form == "of":
            for part in condition[2]:
                yield from self.causes(part)
        elif form == "role":
            found = [code for one in self.looked_at(condition) if one.held for c in condition[2] for code in self.differs(c, one)]
            found += [one.code for one in self.visas(condition[1], False) if one.outcome != PASSED]
            yield from found or ["GP-ROLE-NOT-HELD"]
        elif form == "when":
            yield from self.differs(condition[1], None)
        else:
            yield "GP-SENDER-NOT-LISTED" if form == "did" else "GP-OUTSIDE-WINDOW"

    def differs(self, comparison: Comparison, seen: Seen | None) -> Iterator[str]:
        found = self.compare(comparison, seen)
        if not found:
            yield "GP-VALUE-MISSING" if found is None else "GP-VALUE-DIFFERS"


def reasons(view: View, requirements: list[Requirement]) -> list[Json]:
    """Those that are not satisfied, each with the codes of its causes. None of them may be in Cedar."""
    found: list[Json] = []
    conditions = [(one.id, one.condition) for one in requirements if one.condition is not None]
    if any(len(view.slots(role, several)) > 8 for _, condition in conditions for role, several in roles_of(condition)):
        return [{"code": "GP-TOO-MANY-VISAS", "requirement": None, "causes": []}]
    for name, condition in conditions:
        if not view.shown(condition):
            code = "GP-POLICY-UNDECIDED" if view.shown(condition, hopeful=True) else "GP-POLICY-UNMET"
            found.append({"code": code, "requirement": name, "causes": list(view.causes(condition))[:32]})
    return found


def roles_of(condition: tuple[Any, ...]) -> Iterator[tuple[str, bool]]:
    """The roles that a condition reads, and whether it reads who authorised the issuer."""
    if condition[0] == "role":
        yield condition[1], any(side.source == "authority" for c in condition[2] for side in (c.left, c.right))
    for part in condition[2] if condition[0] == "of" else [condition[1]] if condition[0] == "not" else []:
        yield from roles_of(part)


def asked_of(policy: Policy, question: Any) -> list[Requirement]:
    """The requirements that answer a question; of an unknown topic there are none."""
    if isinstance(question, str):
        return {"subscribe": policy.subscribe, "keep": policy.keep}[question]
    topic = question["publish"]["topic"]
    return policy.publish + policy.topics[topic] if topic in policy.topics else []


def ruled(channel: Json, question: Any, admission: Json, at: int) -> list[Json]:
    """The reasons that requirements give against it."""
    asked = asked_of(read_policy(channel), question)
    if any(one.condition is None for one in asked):
        raise NotChecked("cedar")
    if question == "keep" and not asked:
        return [{"code": "GP-NO-KEEPERS", "requirement": None, "causes": []}]
    message = {} if isinstance(question, str) else question["publish"]
    return reasons(View(admission, channel, message, at), asked)
