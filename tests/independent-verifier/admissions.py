"""Admissions made again from their evidence, and held against what was recorded (bundle.md 6, 1 and 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from base import FAILED, OPEN, PASSED, Check, Fault, jcs_text, millis, parse_cid, worst
from bundle import Bundle
from credentials import StatusList
from trust import Trust
from visas import Judge, Standing

PARTS = ("node", "presentation", "visas", "status")
STATUS = {"GP-VISA-REVOKED", "GP-VISA-SUSPENDED", "GP-ISSUER-REVOKED", "GP-ISSUER-REVOKED-ENDS", "GP-ISSUER-REVOKED-SINCE", "GP-ISSUER-REVOKED-WHEN",
          "GP-STATUS-CLEAR", "GP-STATUS-REINSTATED", "GP-STATUS-UNKNOWN", "GP-STATUS-STALE", "GP-STATUS-SIGNER", "GP-STATUS-PURPOSE",
          "GP-STATUS-ROLLBACK", "GP-STATUS-FORK", "GP-STATUS-RANGE", "GP-STATUS-REVOKER-LAPSED"}


def all_of(outcome: str, code: str, says: str = "") -> list[Check]:
    return [Check(name, outcome, code, says) for name in PARTS]


def differs(name: str, says: str) -> Check:
    return Check(name, FAILED, "GP-FACTS-DIFFER", says)


def found_again(name: str, mine: Check, recorded: dict[str, Any]) -> Check:
    """The recorded outcome and code, against those that the evidence gives."""
    outcome, code = recorded["outcome"], recorded["code"]
    if mine.outcome == outcome and (mine.code == code or outcome == PASSED):
        return Check(name, PASSED, "GP-FACTS-CONFIRMED", mine.code)
    if outcome == PASSED and mine.outcome == FAILED:
        return differs(name, f"{mine.code}: {mine.says}")
    return Check(name, OPEN, "GP-FACTS-OPEN", f"{mine.code}, recorded {code}")


@dataclass
class Again:
    """Checks 3 to 6, and when the admission ends by its evidence."""

    checks: list[Check]
    end: int | None = None
    not_before: int | None = None  # when somebody else than the sender signed the latest of its visas
    older: bool = False  # whether by the charter that was in force a visa failed that holds by the one that was gone by


class Senders:
    """Every admission that messages name, made again once."""

    def __init__(self, bundle: Bundle, trust: Trust, channel: str, descriptor: dict[str, Any] | None, channel_check: Check) -> None:
        self.bundle, self.trust, self.channel = bundle, trust, channel
        self.descriptor, self.channel_check = descriptor, channel_check
        self.known: dict[str, Again] = {}
        self.clocks: dict[str, list[int | None]] = {}
        for entry in bundle.entries("messages"):
            self.clocks.setdefault(entry["admission"], []).append(entry["logged"] if entry["caughtUp"] else None)

    def again(self, name: str) -> Again:
        if name not in self.known:
            try:
                self.known[name] = self._again(name)
            except (Fault, KeyError, TypeError, AttributeError) as error:
                self.known[name] = Again(all_of(FAILED, "GP-DECISION-MALFORMED", f"an admission that cannot be read: {error}"))
        return self.known[name]

    def _again(self, name: str) -> Again:
        recorded = self.bundle.admissions.get(name)
        if recorded is None:
            if self.bundle.block(parse_cid(name)) is not None:
                return Again(all_of(FAILED, "GP-DECISION-MALFORMED"))
            return Again(all_of(OPEN, "GP-BUNDLE-PART-MISSING", "admission"))
        if self.descriptor is None:
            return Again(all_of(self.channel_check.outcome, self.channel_check.code, "channel"))
        if recorded["trust"]["framework"] != self.trust.framework:
            return Again(all_of(FAILED, "GP-BUNDLE-FRAMEWORK"))
        if recorded["channel"] != self.channel:
            return Again(all_of(FAILED, "GP-FACTS-DIFFER", "of another channel"))
        node = recorded.get("node")
        if "presentation" not in recorded:
            return Again([Check(part, FAILED if part == "presentation" else OPEN, "GP-FACTS-DIFFER") for part in PARTS])
        if self.bundle.block(parse_cid(recorded["presentation"])) is None or \
                node and "evidence" in node and self.bundle.block(parse_cid(node["evidence"])) is None:
            return Again(all_of(OPEN, "GP-BUNDLE-PART-MISSING", "presentation or authorisation"))
        judged = millis(recorded["judged"])
        clocks = self.clocks.get(name, [None])
        clock = judged if None in clocks else max(judged, min(one for one in clocks if one is not None))
        return self.made(recorded, node, judged, clock)

    def made(self, recorded: dict[str, Any], node: dict[str, Any] | None, at: int, clock: int) -> Again:
        descriptor = self.descriptor or {}
        age = descriptor["maxStatusAgeSeconds"]
        then = self.trust.up_to(recorded["trust"]["charter"])
        named = [one["evidence"] for one in recorded["lists"]]
        lists = [self.bundle.lists[one] for one in named if one in self.bundle.lists]
        missing = [one for one in named if one not in self.bundle.lists]
        judge = Judge(then or self.trust, self.trust.resolver, lists, at, clock, age)
        first = self.node(recorded, node, judge)
        shown = self.bundle.presentations.get(recorded["presentation"])
        standings: list[Standing] = []
        others: list[int] = []
        if shown is None or isinstance(shown, Fault):
            own = Check("presentation", FAILED, shown.code if shown else "GP-SECURED-MALFORMED")
        else:
            checks, all_standings = judge.presentation(shown, self.channel, recorded["sender"])
            own = worst(checks, "presentation")
            standings = [one for one in all_standings if one.presented and one.visa]
            others = [one.visa.secured.signed for one in all_standings if one.visa and one.visa.issuer != recorded["sender"]
                      and all(check.outcome == PASSED or check.name in ("revocation", "suspension") for check in one.checks)]
        presentation = found_again("presentation", own, recorded["standing"])
        visas: list[Check] = []
        status: list[Check] = [Check("status", OPEN, "GP-STATUS-UNKNOWN", one) for one in missing]
        if then is None:
            visas.append(Check("visas", OPEN, "GP-CHARTER-AHEAD"))
            status.append(Check("status", OPEN, "GP-CHARTER-AHEAD"))
        else:
            self.hold(recorded, judge, standings, visas, status, not missing)
            if not missing:
                status += self.lists_differ(recorded, judge, [first, presentation, *visas, *status])
        ends = [end for end in [*judge.ends, at + age * 1000] if end > at]
        found = [first, presentation, worst(visas, "visas", "GP-FACTS-CONFIRMED" if visas else "GP-NOTHING-ASKED"), worst(status, "status", "GP-FACTS-CONFIRMED" if status or recorded["lists"] else "GP-NOTHING-ASKED")]
        older = then is not None and self.older(recorded, then, lists, judge, standings)
        return Again(found, min(ends, default=at), max(others, default=None), older)

    def older(self, recorded: dict[str, Any], then: Trust, lists: list[StatusList], before: Judge, standings: list[Standing]) -> bool:
        """Whether a charter was in force that is newer than the one that was gone by, and by which a visa that held fails."""
        in_force = self.trust.in_force(before.at)
        newer = self.trust.up_to(in_force.cid) if in_force else None
        shown = self.bundle.presentations.get(recorded["presentation"])
        if newer is None or len(newer.charters) <= len(then.charters) or shown is None or isinstance(shown, Fault):
            return False
        held = set()
        for one in standings:
            dated = before.reliance(one).dated
            if one.result.outcome == PASSED and (dated is None or before.clock - dated <= (before.max_age or 0) * 1000):
                held.add(one.evidence)
        judge = Judge(newer, self.trust.resolver, lists, before.at, before.clock, before.max_age)
        return any(one.presented and one.result.outcome == FAILED and one.evidence in held
                   for one in judge.presentation(shown, self.channel, recorded["sender"])[1])

    def shown(self) -> set[str]:
        """Participants of whom the bundle shows that they held a visa when they sent something."""
        return {one["sender"] for name, one in self.bundle.admissions.items()
                if name in self.clocks and one["standing"]["outcome"] == PASSED and any(visa["standing"]["outcome"] == PASSED for visa in one["visas"])
                and all(check.outcome == PASSED for check in self.again(name).checks[1:])}

    def node(self, recorded: dict[str, Any], node: dict[str, Any] | None, judge: Judge) -> Check:
        if node is None:
            return Check("node", PASSED, "GP-NOTHING-ASKED")
        if "evidence" not in node:
            return differs("node", "no authorisation is named")
        found = self.bundle.authorisations.get(node["evidence"])
        if found is None or isinstance(found, Fault):
            mine, until = Check("node", FAILED, found.code if found else "GP-SECURED-MALFORMED"), None
        else:
            mine, until = judge.authorisation(found, recorded["sender"], node["node"], self.channel, "messages"), found.until
        check = found_again("node", mine, node["standing"])
        end = millis(node["validUntil"]) if "validUntil" in node else None
        return worst([check, differs("node", "its end")] if end != until else [check], "node")

    def hold(self, recorded: dict[str, Any], judge: Judge, standings: list[Standing], visas: list[Check], status: list[Check],
             complete: bool) -> None:
        by_evidence = {one.evidence: one for one in standings}
        reliances = {one.evidence: judge.reliance(one) for one in standings}
        if [one["evidence"] for one in recorded["visas"]] != sorted(by_evidence):
            visas.append(differs("visas", "other visas are presented"))
        for then in recorded["visas"]:
            mine = by_evidence.get(then["evidence"])
            if mine is None or mine.visa is None:
                continue
            visa, result, open_alone = mine.visa, mine.result, mine.only_status_open
            reliance = reliances[mine.evidence]
            if result.outcome == PASSED and reliance.dated is not None and judge.clock - reliance.dated > (judge.max_age or 0) * 1000:
                # The channel may ask for a fresher status than the definition.
                result, open_alone = Check("visa", OPEN, "GP-STATUS-STALE"), True
            if (visa.role, visa.definition, visa.issuer, jcs_text(visa.claims), visa.until) != \
                    (then["role"], then["definition"], then["issuer"], jcs_text(then["claims"]), millis(then["validUntil"])):
                visas.append(differs("visas", then["evidence"]))
            check = found_again("visas", result, then["standing"])
            if check.outcome != PASSED and (result.code in STATUS or then["standing"]["code"] in STATUS):
                status.append(check.named("status"))
                continue
            visas.append(check)
            if check.outcome != PASSED:
                continue
            dated = millis(then["statusDated"]) if "statusDated" in then else None
            if complete and (dated, then.get("onlyStatusOpen", False)) != (reliance.dated, open_alone):
                status.append(differs("status", "statusDated"))
            above: list[str] = []
            for one in mine.authorities:
                if jcs_text(one.claims) not in above[-1:]:
                    above.append(jcs_text(one.claims))
            path = [{"evidence": evidence, "issuer": issuer} for evidence, issuer in mine.path]
            if above != [jcs_text(claims) for claims in then.get("authorities", [])] or path != then["path"]:
                visas.append(differs("visas", "authorities or path"))

    def lists_differ(self, recorded: dict[str, Any], judge: Judge, found: list[Check]) -> list[Check]:
        mine = sorted((one.id, one.signer, one.dated, one.evidence) for one in judge.relied.values())
        then = [(one["list"], one["signer"], millis(one["dated"]), one["evidence"]) for one in recorded["lists"]]
        if mine == then:
            return []
        if set(mine) <= set(then) and any(check.outcome == OPEN for check in found):
            return [Check("status", OPEN, "GP-FACTS-OPEN", "not all lists are read again")]
        return [differs("status", "other lists were read")]
