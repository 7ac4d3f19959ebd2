"""From a presentation to standings: chains, validity, status (verification.md, status-list.md 2 and 3)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Callable

from base import FAILED, FIVE_MINUTES, OPEN, PASSED, Check, Fault, millis, worst
from credentials import DAY, NOT_CHECKED, Authorisation, Entry, Presentation, StatusList, Visa, read_visa
from keys import did_of
from schema import schema_fits
from trust import Definition, Resolver, Trust

RANK = {PASSED: 0, OPEN: 1, FAILED: 2}
WHOLE, UNDECIDED, LAPSED, REFUTED = range(4)  # what is left of a right to revoke


@dataclass
class Standing:
    """What came out of one visa."""

    visa: Visa | None
    evidence: str
    presented: bool
    checks: list[Check]
    path: list[tuple[str, str]] = field(default_factory=list)
    authorities: list[Visa] = field(default_factory=list)

    @property
    def result(self) -> Check:
        return worst(self.checks, "visa", "GP-VISA-IN-FORCE") if self.checks else Check("visa", OPEN, "GP-VISA-COUNT")

    @property
    def only_status_open(self) -> bool:
        """Nothing is open but a status that is unknown or old."""
        open_ = [check for check in self.checks if check.outcome != PASSED]
        return bool(open_) and all(check.outcome == OPEN and check.name in ("revocation", "suspension")
                                   and check.code in ("GP-STATUS-STALE", "GP-STATUS-UNKNOWN") for check in open_)


def whole(own: list[Check], standings: list[Standing], at: int) -> Check:
    """Of a presentation. A presented visa with which nothing is wrong but that its own time is over is passed over beside a good one."""
    shown = [one for one in standings if one.presented]

    def is_replaced(old: Standing) -> bool:
        wrong = [(check.name, check.code) for check in old.checks if check.outcome != PASSED]
        return old.visa is not None and wrong == [("validity", "GP-VISA-EXPIRED")] and at >= old.visa.until and any(
            new.result.outcome == PASSED and new.visa and (new.visa.subject, new.visa.definition) == (old.visa.subject, old.visa.definition)
            for new in shown)
    return worst(own + [one.result for one in shown if not is_replaced(one)], "presentation", "GP-VISA-IN-FORCE")


@dataclass
class Reliance:
    dates: list[int] = field(default_factory=list)

    @property
    def dated(self) -> int | None:
        return min(self.dates, default=None)


def order_of(found: StatusList) -> tuple[int, int]:
    return -1 if found.version is None else found.version, found.dated


def right(check: Check) -> int:
    """What a check leaves of a right to revoke (status-list.md 4, 3)."""
    if check.outcome == PASSED:
        return WHOLE
    if check.outcome == OPEN:
        return REFUTED if (check.name, check.code) == ("signature", "GP-DID-NOT-YET") else UNDECIDED
    if check.name in ("revocation", "suspension"):
        return LAPSED if check.code == "GP-VISA-SUSPENDED" else \
            REFUTED if check.code in ("GP-VISA-REVOKED", "GP-ISSUER-REVOKED", "GP-ISSUER-REVOKED-ENDS") else UNDECIDED
    if check.name == "key" and check.code in ("GP-WEBVH-LOG-INVALID", "GP-DID-DOCUMENT-MALFORMED", "GP-DID-DOCUMENT-OTHER-ID"):
        return UNDECIDED
    return LAPSED if (check.name, check.code) in (
        ("validity", "GP-VISA-EXPIRED"), ("retirement", "GP-ROLE-RETIRED"), ("preconditions", "GP-PRECONDITIONS-UNMET"),
        ("definition", "GP-ROLE-NOT-LISTED"), ("issuer", "GP-CHAIN-ROOT-REMOVED")) else REFUTED


def right_of_issuer(check: Check) -> int:
    """The same of how an issuer's visa stood when it issued: who had ended by then issued nothing."""
    found = right(check)
    return REFUTED if found == LAPSED and check.name != "preconditions" else found


def required(need: Any) -> set[str]:
    """The definitions that a requirement names."""
    if not isinstance(need, dict):
        return set()
    parts = [part for word in ("all", "any", "of") for part in need.get(word, [])]
    return ({need["role"]} if "role" in need else set()) | {name for part in parts for name in required(part)}


class Judge:
    """Judges the visas of one presentation `at` a time, by a `clock` that is not earlier."""

    def __init__(self, trust: Trust, resolver: Resolver, lists: list[StatusList], at: int, clock: int, max_age: int | None):
        self.trust, self.resolver, self.at, self.clock, self.max_age = trust, resolver, at, clock, max_age
        self.visas: list[Visa] = []
        self.own_checks: dict[str, list[Check]] = {}
        self.proofs: list[Visa] = []  # of others, which prove who may revoke, and nothing else
        self.holders: dict[str, set[str]] = {}
        self.perhaps: dict[str, set[str]] = {}  # of whom that is open
        self.lapsed: dict[str, set[str]] = {}  # who did, and whose right to it lapsed since
        self.ends: list[int] = []  # at which the same evidence may be judged otherwise
        self.relied: dict[str, StatusList] = {}  # lists that were believed and read
        self.lists: list[tuple[StatusList, Check]] = []
        self.foreign: list[tuple[StatusList, Check]] = []  # of somebody else, in their signer's name
        self.fitting: set[str] = set()  # lists whose signature fits
        for found in lists:
            checks = found.secured.checks(found.signer, "assertionMethod", found.secured.signed, clock, resolver)
            if found.dated > clock + FIVE_MINUTES:
                checks.append(Check("time", FAILED, "GP-SIGNED-IN-FUTURE"))
            if self.fits(found, checks):
                self.fitting.add(found.evidence)
            (self.foreign if self.is_foreign(found, checks) else self.lists).append((found, worst(checks, "list")))

    # -- status

    def is_foreign(self, found: StatusList, checks: list[Check]) -> bool:
        """Another signed it, by no key of its signer's, or the signature does not fit: anybody can make such a list."""
        signed = found.secured.signed
        if found.secured.untimed:
            signed = self.clock
            timed = replace(found.secured, untimed=False, signed=signed)
            checks = timed.checks(found.signer, "assertionMethod", self.clock, self.clock, self.resolver)
        fits = any((check.name, check.outcome) == ("signature", PASSED) for check in checks)
        # A key that was taken after the document was obtained is not in it, or another is under its name.
        obtained = self.resolver.when_obtained(found.signer)
        denied = ("signer",) if obtained is not None and obtained < min(signed, self.clock) else ("signer", "signature", "key")
        return not fits and any(check.outcome == FAILED and check.name in denied
                                and (check.name != "key" or check.code == "GP-KEY-NOT-LISTED") for check in checks)

    def fits(self, found: StatusList, checks: list[Check]) -> bool:
        """Whether its signature fits a key of its signer's, whatever else is wrong with it."""
        if found.secured.untimed:
            timed = replace(found.secured, untimed=False, signed=self.clock)
            checks = timed.checks(found.signer, "assertionMethod", self.clock, self.clock, self.resolver)
        return any((check.name, check.outcome) == ("signature", PASSED) for check in checks)

    def unheard(self, entry: Entry, signer: str) -> list[tuple[StatusList, Check]]:
        """Lists that are not to be believed and leave open what their signer says: nothing of it is believed, or only
        what is older than one that it signed, and not of after the mark of the key of that one."""
        mine = [(found, check) for found, check in self.lists if (found.id, found.signer) == (entry.list, signer)]
        refused = [(found, check) for found, check in mine if check.outcome != PASSED]
        newest = max((found for found, check in mine if check.outcome == PASSED), key=order_of, default=None)
        return [(found, check) for found, check in refused if newest is None or self.hides(found, check, newest)]

    def hides(self, found: StatusList, check: Check, newest: StatusList) -> bool:
        """Whether a list that is not to be believed may have taken the place of the newest one that is."""
        if found.evidence not in self.fitting or check.code == "GP-SIGNED-IN-FUTURE":  # which is not known yet
            return False
        since = self.resolver.marked(found.secured.kid or "", "assertionMethod")
        return order_of(found) > order_of(newest) and (since is None or newest.dated < since)

    def newest(self, entry: Entry, signer: str) -> tuple[StatusList | None, Check | None]:
        """The newest believed list of a signer under an entry's id, or why there is none."""
        mine = [(found, check) for found, check in self.lists if (found.id, found.signer) == (entry.list, signer)]
        ordered = sorted((one for one, check in mine if check.outcome == PASSED), key=order_of)
        if mine and not ordered:
            return None, Check(entry.purpose, OPEN, mine[0][1].code, mine[0][1].says)
        if any(o.version == ordered[-1].version is not None and o.bits != ordered[-1].bits for o in ordered):
            return None, Check(entry.purpose, FAILED, "GP-STATUS-FORK", entry.list)
        return (ordered[-1], None) if ordered else (None, None)

    def unknown(self, entry: Entry, signer: str) -> Check:
        """The issuer's own list is required; another signer's says nothing."""
        named = [(found, check) for found, check in self.foreign if found.id == entry.list]
        for found, check in named:
            if found.signer == signer:
                return Check(entry.purpose, OPEN, check.code, check.says)
        others = bool(named) or any(found.id == entry.list for found, _ in self.lists)
        return Check(entry.purpose, OPEN, "GP-STATUS-SIGNER" if others else "GP-STATUS-UNKNOWN", signer)

    # -- what a verdict hangs on

    def rely(self, entries: list[Entry], signers: set[str], limit: int) -> list[StatusList]:
        """The newest lists of these signers, noted as read, and their ends."""
        newest: dict[tuple[str, str], StatusList] = {}
        for found, check in self.lists:
            place = (found.id, found.signer)
            if check.outcome == PASSED and found.id in [entry.list for entry in entries] and found.signer in signers \
                    and (place not in newest or order_of(found) > order_of(newest[place])):
                newest[place] = found
        for found in newest.values():
            self.relied[found.evidence] = found
            self.ends += [found.dated + limit * 1000 + 1] + ([found.until] if found.until is not None else [])
            self.ends += [at for entry in entries if entry.list == found.id for at, _ in found.changes.get(entry.index, [])]
        return list(newest.values())

    def reliance(self, standing: Standing) -> "Reliance":
        """The lists on which a presented visa hangs, and the date of the oldest of those that decide."""
        found = Reliance()
        parts: list[tuple[Visa, bool, bool]] = [(standing.visa, True, True)] if standing.visa else []
        seen: list[tuple[int, bool, bool]] = []
        while parts:
            visa, held, decides = parts.pop()
            if (id(visa), held, decides) in seen:
                continue
            seen.append((id(visa), held, decides))
            if held:
                self.ends += [visa.since, visa.until]
                self.retirement(visa, self.at)
            definition = self.trust.definitions.get(visa.definition)
            if definition is None:
                continue
            dids, roles = definition.parties("revokers")
            by_role = {did for role in roles for one in (self.holders, self.perhaps, self.lapsed) for did in one.get(role, set())}
            read = self.rely(visa.status, {visa.issuer, *dids} | by_role, definition.document["maxStatusAgeSeconds"])
            if decides:
                found.dates += [one.dated for one in read]
                self.ends += [one.dated + (self.max_age or 0) * 1000 + 1 for one in read]
            ends = definition.document["issuerRevocation"] == "ends"
            # Who revokes by a role does so for as long as the visa for it stands.
            spoke = {one.signer for one in read}
            parts += [(one, True, False) for one in self.visas + self.proofs if one.definition in roles and one.subject in spoke
                      and any(one.subject in known.get(one.definition, set()) for known in (self.holders, self.perhaps, self.lapsed))]
            among = self.among(visa)
            above = definition.parties("issuers")[1]
            parts += [(one, False, decides and ends) for one in among if one.subject == visa.issuer and one.definition in above]
            need = required(definition.document.get("preconditions"))
            parts += [(one, held, decides) for one in among if one.subject == visa.subject and one.definition in need]
        return found

    def among(self, visa: Visa) -> list[Visa]:
        """On what a visa may rest: on what only proves a revoker nothing else does."""
        proof = any(one is visa for one in self.proofs)
        return self.visas + self.proofs if proof else self.visas

    def said(self, visa: Visa, entry: Entry, definition: Definition | None, undecided: Callable[[StatusList], bool],
             read: Callable[[StatusList], Check]) -> list[Check]:
        """The union of all who may revoke: first what is open of them, then what each says."""
        dids, roles = definition.parties("revokers") if definition else ([], [])
        holders = {did for role in roles for did in self.holders.get(role, set())}
        perhaps = {did for role in roles for did in self.perhaps.get(role, set())}
        lapsed = {did for role in roles for did in self.lapsed.get(role, set())}
        missing: list[Check] = []
        found: list[Check] = []
        signers = {*dids} | holders | {visa.issuer}
        for signer in sorted(signers):
            newest, fault = self.newest(entry, signer)
            if fault:
                (missing if fault.outcome == OPEN else found).append(fault)
            elif newest is not None:
                found.append(read(newest))
            elif signer == visa.issuer:
                missing.append(self.unknown(entry, signer))
            if fault is None or fault.outcome != OPEN:
                missing += [Check(entry.purpose, OPEN, check.code, check.says) for _, check in self.unheard(entry, signer)][:1]
        others = sorted((perhaps | lapsed) - signers)
        for signer in others:
            # Its newest list is not to be believed, and says that it is set.
            missing += [Check(entry.purpose, OPEN, check.code, check.says) for one, check in self.unheard(entry, signer)
                        if self.is_set(one, entry)][:1]
        for signer in others:
            setting = self.setting(entry, signer)
            if setting is not None and undecided(setting):
                code = "GP-STATUS-SIGNER" if signer in perhaps else "GP-STATUS-REVOKER-LAPSED"
                missing.append(Check(entry.purpose, OPEN, code, setting.evidence))
        return missing + found

    @staticmethod
    def is_set(found: StatusList, entry: Entry) -> bool:
        return entry.index < len(found.bits) * 8 and found.bit(entry.index)

    def setting(self, entry: Entry, signer: str) -> StatusList | None:
        """The newest believed list of a signer that says that a place is set, or one of the same version."""
        mine = [found for found, check in self.lists
                if (found.id, found.signer, check.outcome) == (entry.list, signer, PASSED)]
        newest = max(mine, key=order_of, default=None)
        if newest is None:
            return None
        same = [one for one in mine if order_of(one) == order_of(newest) or one.version == newest.version is not None]
        return next((one for one in same if self.is_set(one, entry)), None)

    def status(self, visa: Visa, entry: Entry, definition: Definition | None, limit: int | None) -> list[Check]:
        """Of a visa that is held; `limit` in seconds, how old a list may be that says clear."""
        return self.said(visa, entry, definition, lambda newest: True, lambda newest: self.read(newest, entry, limit))

    def read(self, found: StatusList, entry: Entry, limit: int | None) -> Check:
        word = "GP-VISA-REVOKED" if entry.purpose == "revocation" else "GP-VISA-SUSPENDED"
        if entry.purpose not in found.purposes:
            return Check(entry.purpose, FAILED, "GP-STATUS-PURPOSE")
        if entry.index >= len(found.bits) * 8:
            return Check(entry.purpose, FAILED, "GP-STATUS-RANGE")
        then, now = found.at(entry.index, self.at), found.bit(entry.index)
        by_date = entry.purpose == "suspension" and self.at < self.clock
        if then if by_date else now:
            return Check(entry.purpose, FAILED, word, found.evidence)
        if now:  # since then, or nobody knows since when
            return Check(entry.purpose, OPEN, word, found.evidence)
        return self.fresh(found, entry, limit)

    def fresh(self, found: StatusList, entry: Entry, limit: int | None) -> Check:
        old = limit is not None and self.clock - found.dated > limit * 1000
        if old or found.until is not None and self.clock >= found.until:
            return Check(entry.purpose, OPEN, "GP-STATUS-STALE", found.evidence)
        return Check(entry.purpose, PASSED, "GP-STATUS-CLEAR", found.evidence)

    def authority_status(self, visa: Visa, entry: Entry, definition: Definition, ends: bool, then: int) -> list[Check]:
        """Revocation of the visa by which somebody issued, as of the time of issuance."""
        return self.said(visa, entry, definition, lambda newest: ends or newest.at(entry.index, then) is not False,
                         lambda newest: self.read_then(newest, entry, definition, ends, then))

    def read_then(self, newest: StatusList, entry: Entry, definition: Definition, ends: bool, then: int) -> Check:
        if entry.purpose not in newest.purposes or entry.index >= len(newest.bits) * 8:
            return self.read(newest, entry, None)
        state, now = newest.at(entry.index, then), newest.bit(entry.index)
        if state:
            return Check(entry.purpose, FAILED, "GP-ISSUER-REVOKED")
        if now and ends:
            return Check(entry.purpose, FAILED, "GP-ISSUER-REVOKED-ENDS")
        if state is None:
            return Check(entry.purpose, OPEN, "GP-ISSUER-REVOKED-WHEN")
        fresh = self.fresh(newest, entry, definition.document["maxStatusAgeSeconds"])
        return Check(entry.purpose, PASSED, "GP-ISSUER-REVOKED-SINCE") if now and fresh.outcome == PASSED else fresh

    # -- each visa by itself

    def own(self, visa: Visa) -> list[Check]:
        if visa.evidence not in self.own_checks:
            self.own_checks[visa.evidence] = self._own(visa)
        return self.own_checks[visa.evidence]

    def _own(self, visa: Visa) -> list[Check]:
        secured = visa.secured
        checks = [Check("form", PASSED, "GP-VISA-WELL-FORMED")]
        checks += secured.checks(visa.issuer, "assertionMethod", secured.signed, self.at, self.resolver)
        definition = self.trust.definitions.get(visa.definition)
        if visa.definition not in self.trust.newest.roles:
            return checks + [Check("definition", FAILED, "GP-ROLE-NOT-LISTED", visa.definition)]
        if definition is None:
            return checks + [Check("definition", OPEN, "GP-DEFINITION-MISSING", visa.definition)]
        if definition.document["name"] != visa.role:
            return checks + [Check("definition", FAILED, "GP-DEFINITION-NAME", visa.role)]
        checks.append(Check("definition", PASSED, "GP-ROLE-LISTED"))
        fit = schema_fits(definition.document["claims"], visa.claims, not visa.secured.withheld)
        code = "GP-CLAIMS-WITHHELD" if visa.secured.withheld else "GP-CLAIMS-FIT"
        checks.append({True: Check("claims", PASSED, code), False: Check("claims", FAILED, "GP-CLAIMS-UNFIT"),
                       None: Check("claims", OPEN, NOT_CHECKED, "a keyword of JSON Schema")}[fit])
        longest = definition.document["maxValiditySeconds"] * 1000
        if visa.until - visa.since > longest or visa.until - secured.signed > longest + 30 * DAY:
            checks.append(Check("validity", FAILED, "GP-VISA-VALIDITY-TOO-LONG"))
        return checks

    def validity(self, visa: Visa, at: int) -> list[Check]:
        if at < visa.since or at >= visa.until:
            code = "GP-VISA-NOT-YET" if at < visa.since else "GP-VISA-EXPIRED"
            return [Check("validity", FAILED, code)] + self.retirement(visa, at)
        return [Check("validity", PASSED, "GP-VISA-IN-FORCE")] + self.retirement(visa, at)

    def retirement(self, visa: Visa, at: int) -> list[Check]:
        role = self.trust.newest.roles.get(visa.definition, {})
        if "retired" not in role:
            return []
        retired = millis(role["retired"])
        grace = retired + role.get("graceSeconds", 0) * 1000
        self.ends += [retired, grace]
        if visa.secured.signed >= retired or at >= grace:
            return [Check("retirement", FAILED, "GP-ROLE-RETIRED")]
        return [Check("retirement", PASSED, "GP-ROLE-IN-GRACE")] if at >= retired else []

    # -- the chain

    def chain(self, visa: Visa, above: tuple[str, ...] = ()) -> tuple[list[Check], list[tuple[str, str]], list[Visa]]:
        """Checks (the first is `issuer`), the path to the root, and authorities that hold."""
        step = (visa.evidence, visa.issuer)
        definition = self.trust.definitions.get(visa.definition)
        if definition is None:
            return [Check("issuer", OPEN, "GP-DEFINITION-MISSING")], [step], []
        dids, roles = definition.parties("issuers")
        ends = definition.document["issuerRevocation"] == "ends"
        best: list[tuple[int, int, list[Check], list[tuple[str, str]]]] = []
        if visa.issuer in dids:
            check = self.root_check(visa, ends)
            best.append((RANK[check.outcome], 1, [check], [step]))
        held = [v for v in self.among(visa) if v.subject == visa.issuer and v.definition in roles]
        circle, authorities = bool(roles) and self.is_circle(visa), []
        if roles and not held and not circle:
            best.append((RANK[OPEN], 1, [Check("issuer", OPEN, "GP-CHAIN-LINK-MISSING")], [step]))
        for other in held:
            if other.evidence in above + (visa.evidence,):
                continue
            checks, path = self.authority(other, visa, ends, above + (visa.evidence,))
            result = worst(checks, "issuer")
            if result.outcome == PASSED:
                authorities.append(other)
            if len(path) > definition.document["maxChainDepth"]:
                checks = [Check("issuer", FAILED, "GP-CHAIN-TOO-DEEP")]
            status = [c for c in checks if c.name in ("revocation", "suspension") and c.outcome != PASSED]
            rest = worst([c for c in checks if c not in status], "issuer", "GP-CHAIN-DELEGATED")
            if rest.outcome == PASSED:
                rest = Check("issuer", PASSED, "GP-CHAIN-DELEGATED")
            best.append((RANK[worst(checks, "").outcome], len(path) + 1, [rest] + status, [step] + path))
        if best:
            rank, _, checks, path = min(best, key=lambda one: one[:2])
            if rank != RANK[FAILED]:
                return checks, path, authorities
        return [Check("issuer", FAILED, self.refusal(visa, definition, held, circle))], [step], authorities

    def root_check(self, visa: Visa, ends: bool) -> Check:
        """Of an issuer that a definition names."""
        if not self.trust.was_root(visa.issuer, visa.secured.signed):
            return Check("issuer", FAILED, "GP-ISSUER-NOT-ROOT")
        if visa.issuer in self.trust.newest.roots:
            return Check("issuer", PASSED, "GP-CHAIN-ROOT")
        return Check("issuer", FAILED, "GP-CHAIN-ROOT-REMOVED") if ends else Check("issuer", PASSED, "GP-CHAIN-ROOT-REMOVED-SINCE")

    def refusal(self, visa: Visa, definition: Definition, held: list[Visa], circle: bool) -> str:
        """The code of a chain that fails (verification.md 5)."""
        ends = definition.document["issuerRevocation"] == "ends"
        if visa.issuer in definition.parties("issuers")[0]:
            return self.root_check(visa, ends).code
        first = None
        for other in held:
            own, (chain, path, _) = self.own(other), self.chain(other)
            failed = [check.code for check in own + chain if check.outcome == FAILED]
            if not failed:
                if len(path) > definition.document["maxChainDepth"]:
                    return "GP-CHAIN-TOO-DEEP"
                failed = [check.code for check in self.stood(other, visa.secured.signed, ends) if check.outcome == FAILED]
                return failed[0] if failed else "GP-ISSUER-NOT-ALLOWED"
            first = first or failed[0]
        return first or ("GP-CHAIN-CYCLE" if circle else "GP-ISSUER-NOT-ALLOWED")

    def is_circle(self, visa: Visa) -> bool:
        """Whether the visas of its issuer lead back to that, whatever their roles."""
        reached: set[str] = set()
        left = [visa.issuer]
        while left:
            did = left.pop()
            for one in self.among(visa):
                if one.subject == did and one.issuer not in reached:
                    reached.add(one.issuer)
                    left.append(one.issuer)
        return visa.issuer in reached

    def authority(self, visa: Visa, issued: Visa, ends: bool, above: tuple[str, ...]) -> tuple[list[Check], list[tuple[str, str]]]:
        """A visa by which somebody issued another, at that time."""
        then, definition = issued.secured.signed, self.trust.definitions.get(visa.definition)
        chain, path, _ = self.chain(visa, above) if len(above) < 10 else ([Check("issuer", FAILED, "GP-CHAIN-TOO-DEEP")], [], [])
        # Of what is undecided further up it is only said that it is.
        chain = [Check("issuer", OPEN, "GP-CHAIN-LINK-MISSING", one.code) if one.outcome == OPEN else one for one in chain]
        return self.own(visa) + chain + self.stood(visa, then, ends), path

    # -- standing

    def standing(self, visa: Visa, at: int, depth: int = 0, then: bool = False) -> Standing:
        """`then`: as an issuer had to hold it when it issued something."""
        chain, path, authorities = self.chain(visa)
        in_force = self.stood(visa, at, False, depth) if then else self.in_force(visa, at, depth)
        return Standing(visa, visa.evidence, True, self.own(visa) + chain[1:] + chain[:1] + in_force, path, authorities)

    def stood(self, visa: Visa, then: int, ends: bool, depth: int = 0) -> list[Check]:
        """How the visa of an issuer stood when it issued. Of what it required it is enough that it stood."""
        definition = self.trust.definitions.get(visa.definition)
        checks = self.validity(visa, then)
        if definition:
            checks += [one for entry in visa.status for one in self.authority_status(visa, entry, definition, ends, then)]
            checks += self.preconditions(visa, definition, then, depth + 1, True)
        return checks

    def in_force(self, visa: Visa, at: int, depth: int = 0) -> list[Check]:
        """Validity, retirement, status and preconditions."""
        definition = self.trust.definitions.get(visa.definition)
        checks = self.validity(visa, at)
        if definition:
            limit = definition.document["maxStatusAgeSeconds"]
            checks += [one for entry in visa.status for one in self.status(visa, entry, definition, limit)]
            checks += self.preconditions(visa, definition, at, depth + 1, False)
        return checks

    def preconditions(self, visa: Visa, definition: Definition, at: int, depth: int, then: bool) -> list[Check]:
        need = definition.document.get("preconditions")
        if need is None:
            return []
        outcome = self.requirement(need, visa, at, depth, 0, then)
        codes = {PASSED: "GP-PRECONDITIONS-MET", OPEN: "GP-PRECONDITIONS-UNKNOWN", FAILED: "GP-PRECONDITIONS-UNMET"}
        return [Check("preconditions", outcome, codes[outcome])]

    def requirement(self, need: Any, visa: Visa, at: int, depth: int, level: int, then: bool) -> str:
        """role-definition.md section 3, in three values."""
        if not isinstance(need, dict) or level > 8 or depth > 8:
            return OPEN
        if "role" in need:
            held = [v for v in self.among(visa) if v.subject == visa.subject and v.definition == need["role"]]
            outcomes = [self.standing(v, at, depth, then).result.outcome for v in held]
            return min(outcomes, key=RANK.__getitem__) if outcomes else OPEN
        parts = need.get("all") or need.get("any") or need.get("of") or []
        outcomes = [self.requirement(part, visa, at, depth, level + 1, then) for part in parts[:64]]
        wanted = len(parts) if "all" in need else 1 if "any" in need else need.get("atLeast", 64)
        hold, open_ = outcomes.count(PASSED), outcomes.count(OPEN)
        return PASSED if hold >= wanted else OPEN if hold + open_ >= wanted else FAILED

    # -- the whole

    def presentation(self, shown: Presentation, audience: str, presenter: str | None, nonce: str | None = None) -> tuple[list[Check], list[Standing]]:
        """The presentation's own checks, and a standing of each visa in it."""
        secured = shown.secured
        self.ends += [secured.expires] if secured.expires is not None else []
        # All is judged as of a time, also where the clock of a caught-up message is a later one.
        key_time = max(self.at, secured.signed)
        own = secured.checks(shown.holder, "authentication", key_time, self.at, self.resolver, audience, nonce)
        if secured.kid and did_of(secured.kid) == shown.holder:
            self.ends += self.resolver.changes(shown.holder)
        if not secured.audience or secured.expires is None:
            own.append(Check("audience", FAILED, "GP-PRESENTATION-UNBOUND"))
        if not 1 <= len(shown.visas) <= 64:
            return own + [Check("form", FAILED, "GP-VISA-COUNT")], []
        readable: list[Visa | Check] = []
        for one in shown.visas:
            try:
                readable.append(read_visa(one))
            except Fault as fault:
                readable.append(Check("form", FAILED, fault.code, fault.why))
        self.visas = [found for found in readable if isinstance(found, Visa)]
        mine = any(visa.subject == shown.holder for visa in self.visas)
        good = mine and presenter in (None, shown.holder)
        own.append(Check("presenter", PASSED, "GP-PRESENTER") if good else Check("presenter", FAILED, "GP-PRESENTER-OTHER"))
        own += self.take_proofs()
        self.find_revokers()
        return own, self.judge_all(shown, readable)

    def take_proofs(self) -> list[Check]:
        """What the lists of the visas that are shown carry to prove who may revoke by a role."""
        named: set[str] = set()
        roles: set[str] = set()
        for visa in self.visas:
            definition = self.trust.definitions.get(visa.definition)
            by = definition.parties("revokers")[1] if definition else []
            roles |= set(by)
            named |= {entry.list for entry in visa.status} if by else set()
        known: set[str] = set()  # also of those that are shown: these rest on nothing that is carried alone
        for found in sorted((one for one, _ in self.lists + self.foreign if one.id in named), key=lambda one: (one.id, one.signer, [-n for n in order_of(one)])):
            if not any(visa.subject == found.signer and visa.definition in roles for visa in found.authority):
                continue
            for visa in found.authority:
                if visa.evidence not in known:
                    if len(self.proofs) >= 64:
                        return [Check("revokers", OPEN, "GP-VISA-COUNT")]
                    known.add(visa.evidence)
                    self.proofs.append(visa)
        return []

    def find_revokers(self) -> None:
        """Who holds roles that may revoke: found without the lists of any such revoker."""
        held: dict[str, set[str]] = {}
        perhaps: dict[str, set[str]] = {}
        lapsed: dict[str, set[str]] = {}
        ends = list(self.ends)  # of what is only looked at nothing ends
        asked = {role for definition in self.trust.definitions.values() for role in definition.parties("revokers")[1]}
        for visa in self.visas + self.proofs:
            if visa.definition not in asked:
                continue
            chain = [check for check in self.chain(visa)[0] if check.outcome != PASSED]
            mine = [check for check in self.own(visa) + self.in_force(visa, self.at) if check.outcome != PASSED]
            if not chain + mine:
                held.setdefault(visa.definition, set()).add(visa.subject)
                continue
            way = next((least for least in (UNDECIDED, LAPSED) if self.reach(visa, least) is not None), REFUTED)
            left = max([way] + [self.right(visa, check) for check in mine])
            if left in (UNDECIDED, LAPSED):
                (perhaps if left == UNDECIDED else lapsed).setdefault(visa.definition, set()).add(visa.subject)
        self.ends = ends
        self.holders, self.perhaps = held, {role: dids - held.get(role, set()) for role, dids in perhaps.items()}
        self.lapsed = {role: dids - held.get(role, set()) - perhaps.get(role, set()) for role, dids in lapsed.items()}

    def reach(self, visa: Visa, least: int, above: tuple[str, ...] = ()) -> int | None:
        """How many issuers stand between a visa and a root by a way on which no check leaves less of a right. Every
        way counts."""
        definition = self.trust.definitions.get(visa.definition)
        if definition is None:  # it is listed and not at hand: nobody can say who may issue it
            return 0 if visa.definition in self.trust.newest.roles else None
        dids, roles = definition.parties("issuers")
        ends = definition.document["issuerRevocation"] == "ends"
        if visa.issuer in dids and self.trust.was_root(visa.issuer, visa.secured.signed) \
                and (least == LAPSED or not ends or visa.issuer in self.trust.newest.roots):
            return 0
        above, depths = above + (visa.evidence,), []
        for other in self.among(visa):
            if other.subject != visa.issuer or other.definition not in roles or other.evidence in above:
                continue
            depth = self.reach(other, least, above)
            if depth is None or depth >= definition.document["maxChainDepth"]:
                continue
            if all(self.right(other, check) <= least for check in self.own(other)) \
                    and all(right_of_issuer(check) <= least for check in self.stood(other, visa.secured.signed, ends)):
                depths.append(depth + 1)
        return min(depths, default=None)

    def right(self, visa: Visa, check: Check) -> int:
        """What a check of a visa leaves of its holder's right to revoke: that it is of a later time than the one that is
        asked about leaves it open."""
        later = self.at < self.clock and visa.secured.signed <= self.clock and visa.since <= self.clock
        is_later = later and (check.name, check.code) in (("time", "GP-SIGNED-IN-FUTURE"), ("validity", "GP-VISA-NOT-YET"))
        return UNDECIDED if is_later else right(check)

    def judge_all(self, shown: Presentation, readable: list[Visa | Check]) -> list[Standing]:
        standings = []
        for one, secured in zip(readable, shown.visas):
            if isinstance(one, Check):
                subject = secured.document.get("credentialSubject")
                mine = isinstance(subject, dict) and subject.get("id") == shown.holder
                standings.append(Standing(None, secured.evidence, mine, [one]))
            elif one.subject == shown.holder:
                standings.append(self.standing(one, self.at))
            else:
                chain, path, authorities = self.chain(one)
                standings.append(Standing(one, one.evidence, False, self.own(one) + chain[1:] + chain[:1], path, authorities))
        return standings

    def authorisation_checks(self, found: Authorisation, participant: str, node: str, channel: str, purpose: str) -> list[Check]:
        """visa.md 6: signature, validity, authorisation, revocation."""
        secured = found.secured
        self.ends += [found.since, found.until]
        checks = secured.checks(found.participant, "assertionMethod", secured.signed, self.at, self.resolver)
        if found.until - found.since >= 90 * DAY + 1000 or found.until - secured.signed >= 120 * DAY + 1000:
            checks.append(Check("validity", FAILED, "GP-VISA-VALIDITY-TOO-LONG"))
        elif not found.since <= self.at < found.until:
            checks.append(Check("validity", FAILED, "GP-VISA-NOT-YET" if self.at < found.since else "GP-VISA-EXPIRED"))
        else:
            checks.append(Check("validity", PASSED, "GP-VISA-IN-FORCE"))
        named = (found.participant, found.node) == (participant, node) and purpose in found.purposes \
            and (found.channels is None or channel in found.channels)
        if not named:
            checks.append(Check("authorisation", FAILED, "GP-NODE-NOT-AUTHORISED"))
        elif self.resolver.has_ended(participant, self.at):
            checks.append(Check("authorisation", FAILED, "GP-DID-DEACTIVATED", participant))
        else:
            checks.append(Check("authorisation", PASSED, "GP-NODE-AUTHORISED"))
        newest, fault = self.newest(found.status, found.participant)
        for one in self.rely([found.status], {found.participant}, self.max_age or 0):
            self.ends.append(one.dated + (self.max_age or 0) * 1000 + 1)
        if newest:
            checks += [Check(found.status.purpose, OPEN, check.code, check.says) for _, check in self.unheard(found.status, found.participant)][:1]
        checks.append(fault or (self.read(newest, found.status, self.max_age) if newest else self.unknown(found.status, found.participant)))
        return checks

    def authorisation(self, found: Authorisation, participant: str, node: str, channel: str, purpose: str) -> Check:
        """Whether a node acts for a participant."""
        checks = self.authorisation_checks(found, participant, node, channel, purpose)
        return worst(checks, "node", checks[-1].code)
