"""From a presentation to standings: chains, validity, status (verification.md, status-list.md 2 and 3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from base import FAILED, FIVE_MINUTES, OPEN, PASSED, Check, Fault, millis, worst
from credentials import DAY, NOT_CHECKED, Authorisation, Entry, Presentation, StatusList, Visa, read_visa
from trust import Definition, Resolver, Trust

RANK = {PASSED: 0, OPEN: 1, FAILED: 2}
ANNOTATIONS = {"$schema", "$id", "title", "description", "default", "examples", "$comment", "format", "deprecated",
               "readOnly", "writeOnly", "contentEncoding", "contentMediaType"}
TYPES: dict[str, Any] = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "number": (int, float)}


def schema_fits(schema: Any, value: Any, whole: bool) -> bool | None:
    """A small part of JSON Schema 2020-12; None: a keyword that this verifier does not know."""
    if isinstance(schema, bool):
        return schema
    results: list[bool | None] = []
    for word, wanted in schema.items():
        if word == "type":
            kinds = wanted if isinstance(wanted, list) else [wanted]
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            results.append(any(number and (kind == "number" or kind == "integer" and float(value).is_integer())
                               or kind not in ("number", "integer") and isinstance(value, TYPES[kind]) for kind in kinds))
        elif word in ("enum", "const"):
            options = wanted if word == "enum" else [wanted]
            results.append(any(type(o) is type(value) and o == value for o in options))
        elif word == "required":
            results.append(not whole or not isinstance(value, dict) or all(name in value for name in wanted))
        elif word == "properties":
            named = value if isinstance(value, dict) else {}
            results.extend(schema_fits(part, named[name], whole) for name, part in wanted.items() if name in named)
        elif word == "additionalProperties":
            others = [v for n, v in value.items() if n not in schema.get("properties", {})] if isinstance(value, dict) else []
            results.append(None if "patternProperties" in schema else True)
            results.extend(schema_fits(wanted, other, whole) for other in others)
        elif word == "items":
            results.extend(schema_fits(wanted, entry, whole) for entry in (value if isinstance(value, list) else []))
        elif word in ("minimum", "maximum"):
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            results.append(not number or (value >= wanted if word == "minimum" else value <= wanted))
        elif word in ("minLength", "maxLength", "minItems", "maxItems"):
            fit = isinstance(value, str if word.endswith("Length") else list)
            results.append(not fit or (len(value) >= wanted if word.startswith("min") else len(value) <= wanted))
        elif word == "uniqueItems":
            results.append(not wanted or not isinstance(value, list) or all(v not in value[:i] for i, v in enumerate(value)))
        elif word not in ANNOTATIONS:
            results.append(None)
    return False if False in results else None if None in results else True


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


class Judge:
    """Judges the visas of one presentation `at` a time, by a `clock` that is not earlier."""

    def __init__(self, trust: Trust, resolver: Resolver, lists: list[StatusList], at: int, clock: int, max_age: int | None):
        self.trust, self.resolver, self.at, self.clock, self.max_age = trust, resolver, at, clock, max_age
        self.visas: list[Visa] = []
        self.own_checks: dict[str, list[Check]] = {}
        self.holders: dict[str, set[str]] = {}
        self.by_role = False
        self.moments: list[int] = []  # at which the same evidence may be judged otherwise
        self.lists: list[tuple[StatusList, Check]] = []
        for found in lists:
            checks = found.secured.checks(found.signer, "assertionMethod", found.secured.signed, clock, resolver)
            if found.dated > clock + FIVE_MINUTES:
                checks.append(Check("time", FAILED, "GP-SIGNED-IN-FUTURE"))
            self.lists.append((found, worst(checks, "list")))

    # -- status

    def newest(self, entry: Entry, signer: str) -> tuple[StatusList | None, Check | None]:
        """The newest believed list of a signer under an entry's id, or why there is none."""
        mine = [(found, check) for found, check in self.lists if (found.id, found.signer) == (entry.list, signer)]
        for found, check in mine:
            if check.outcome != PASSED:
                return None, Check(entry.purpose, OPEN, check.code, check.says)
        ordered = sorted((one for one, _ in mine), key=lambda one: (-1 if one.version is None else one.version, one.dated))
        for one in ordered:
            if any(o.version == one.version and one.version is not None and o.bits != one.bits for o in ordered):
                return None, Check(entry.purpose, OPEN, "GP-STATUS-FORK", entry.list)
        return (ordered[-1], None) if ordered else (None, None)

    def status(self, visa: Visa, entry: Entry, definition: Definition | None, limit: int | None) -> Check:
        """The union of all who may revoke; `limit` in seconds, how old a list may be that says clear."""
        dids, roles = definition.parties("revokers") if definition else ([], [])
        holders = {did for role in roles for did in self.holders.get(role, set())}
        self.by_role |= bool(roles)
        found: list[Check] = []
        for signer in [visa.issuer] + sorted((set(dids) | holders) - {visa.issuer}):
            newest, fault = self.newest(entry, signer)
            if fault:
                found.append(fault)
            elif newest is not None:
                found.append(self.read(newest, entry, limit))
            elif signer == visa.issuer:
                found.append(Check(entry.purpose, OPEN, "GP-STATUS-UNKNOWN", signer))
        return worst(found, entry.purpose, "GP-STATUS-CLEAR")

    def read(self, found: StatusList, entry: Entry, limit: int | None) -> Check:
        word = "GP-VISA-REVOKED" if entry.purpose == "revocation" else "GP-VISA-SUSPENDED"
        if found.purpose != entry.purpose:
            return Check(entry.purpose, FAILED, "GP-STATUS-PURPOSE")
        if entry.index >= len(found.bits) * 8:
            return Check(entry.purpose, FAILED, "GP-STATUS-RANGE")
        then, now = found.at(entry.index, self.at), found.bit(entry.index)
        if then is None or then or now and entry.purpose == "revocation" and self.at < self.clock:
            return Check(entry.purpose, FAILED, word, found.evidence)
        if now and self.at < self.clock:
            return Check(entry.purpose, OPEN, word, found.evidence)
        return self.fresh(found, entry, limit)

    def fresh(self, found: StatusList, entry: Entry, limit: int | None) -> Check:
        self.moments += [found.until] if found.until is not None else []
        self.moments += [found.dated + limit * 1000 + 1] if limit is not None else []
        old = limit is not None and self.clock - found.dated > limit * 1000
        if old or found.until is not None and self.clock >= found.until:
            return Check(entry.purpose, OPEN, "GP-STATUS-STALE", found.evidence)
        return Check(entry.purpose, PASSED, "GP-STATUS-CLEAR", found.evidence)

    def authority_status(self, visa: Visa, entry: Entry, definition: Definition, ends: bool, then: int) -> Check:
        """Revocation of the visa by which somebody issued, as of the time of issuance."""
        limits = [definition.document["maxStatusAgeSeconds"]] + ([self.max_age] if ends and self.max_age else [])
        newest, fault = self.newest(entry, visa.issuer)
        if newest is None:
            return fault or Check(entry.purpose, OPEN, "GP-STATUS-UNKNOWN", visa.issuer)
        if newest.purpose != entry.purpose or entry.index >= len(newest.bits) * 8:
            return self.read(newest, entry, None)
        state, now = newest.at(entry.index, then), newest.bit(entry.index)
        if state:
            return Check(entry.purpose, FAILED, "GP-ISSUER-REVOKED")
        if now and ends:
            return Check(entry.purpose, FAILED, "GP-ISSUER-REVOKED-ENDS")
        if state is None:
            return Check(entry.purpose, OPEN, "GP-ISSUER-REVOKED-WHEN")
        if now:
            return Check(entry.purpose, PASSED, "GP-ISSUER-REVOKED-SINCE")
        return self.fresh(newest, entry, min(limits))

    # -- each visa by itself

    def own(self, visa: Visa) -> list[Check]:
        if visa.evidence not in self.own_checks:
            self.own_checks[visa.evidence] = self._own(visa)
        return self.own_checks[visa.evidence]

    def _own(self, visa: Visa) -> list[Check]:
        secured = visa.secured
        checks = [Check("form", PASSED, "GP-VISA-WELL-FORMED")]
        checks += secured.checks(visa.issuer, "assertionMethod", secured.signed, self.clock, self.resolver)
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
        self.moments += [visa.since, visa.until]
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
        self.moments += [retired, grace]
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
            then = self.trust.in_force(visa.secured.signed)
            check = Check("issuer", FAILED, "GP-ISSUER-NOT-ROOT")
            if visa.issuer in self.trust.newest.roots:
                check = Check("issuer", PASSED, "GP-CHAIN-ROOT")
            elif then and visa.issuer in then.roots:
                check = Check("issuer", FAILED, "GP-CHAIN-ROOT-REMOVED") if ends else Check("issuer", PASSED, "GP-CHAIN-ROOT-REMOVED-SINCE")
            best.append((RANK[check.outcome], 1, [check], [step]))
        held = [v for v in self.visas if v.subject == visa.issuer and v.definition in roles]
        circle, authorities = False, []
        for other in held:
            if other.evidence in above + (visa.evidence,):
                circle = True
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
            return checks, [step] if rank == RANK[FAILED] else path, authorities
        if circle:
            return [Check("issuer", FAILED, "GP-CHAIN-CYCLE")], [step], []
        if roles and not held:
            return [Check("issuer", OPEN, "GP-CHAIN-LINK-MISSING")], [step], []
        return [Check("issuer", FAILED, "GP-ISSUER-NOT-ALLOWED")], [step], []

    def authority(self, visa: Visa, issued: Visa, ends: bool, above: tuple[str, ...]) -> tuple[list[Check], list[tuple[str, str]]]:
        """A visa by which somebody issued another, at that time."""
        then, definition = issued.secured.signed, self.trust.definitions.get(visa.definition)
        chain, path, _ = self.chain(visa, above) if len(above) < 10 else ([Check("issuer", FAILED, "GP-CHAIN-TOO-DEEP")], [], [])
        checks = self.own(visa) + chain + self.validity(visa, then)
        if definition:
            checks += [self.authority_status(visa, entry, definition, ends, then) for entry in visa.status]
            checks += self.preconditions(visa, definition, then, 1)
        return checks, path

    # -- standing

    def standing(self, visa: Visa, at: int, depth: int = 0) -> Standing:
        definition = self.trust.definitions.get(visa.definition)
        chain, path, authorities = self.chain(visa)
        checks = self.own(visa) + chain[1:] + chain[:1] + self.validity(visa, at)
        if definition:
            limit = definition.document["maxStatusAgeSeconds"]
            limit = min(limit, self.max_age) if self.max_age is not None else limit
            checks += [self.status(visa, entry, definition, limit) for entry in visa.status]
            checks += self.preconditions(visa, definition, at, depth + 1)
        return Standing(visa, visa.evidence, True, checks, path, authorities)

    def preconditions(self, visa: Visa, definition: Definition, at: int, depth: int) -> list[Check]:
        need = definition.document.get("preconditions")
        if need is None:
            return []
        outcome = self.requirement(need, visa.subject, at, depth, 0)
        codes = {PASSED: "GP-PRECONDITIONS-MET", OPEN: "GP-PRECONDITIONS-UNKNOWN", FAILED: "GP-PRECONDITIONS-UNMET"}
        return [Check("preconditions", outcome, codes[outcome])]

    def requirement(self, need: Any, subject: str, at: int, depth: int, level: int) -> str:
        """role-definition.md section 3, in three values."""
        if not isinstance(need, dict) or level > 8 or depth > 8:
            return OPEN
        if "role" in need:
            held = [v for v in self.visas if v.subject == subject and v.definition == need["role"]]
            outcomes = [self.standing(v, at, depth).result.outcome for v in held]
            return min(outcomes, key=RANK.__getitem__) if outcomes else OPEN
        parts = need.get("all") or need.get("any") or need.get("of") or []
        outcomes = [self.requirement(part, subject, at, depth, level + 1) for part in parts[:64]]
        wanted = len(parts) if "all" in need else 1 if "any" in need else need.get("atLeast", 64)
        hold, open_ = outcomes.count(PASSED), outcomes.count(OPEN)
        return PASSED if hold >= wanted else OPEN if hold + open_ >= wanted else FAILED

    # -- the whole

    def presentation(self, shown: Presentation, audience: str, presenter: str | None, nonce: str | None = None) -> tuple[list[Check], list[Standing]]:
        """The presentation's own checks, and a standing of each visa in it."""
        secured = shown.secured
        self.moments += [secured.expires] if secured.expires is not None else []
        key_time = max(self.clock, secured.signed)
        own = secured.checks(shown.holder, "authentication", key_time, self.clock, self.resolver, audience, nonce)
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
        standings = self.judge_all(shown, readable)
        if self.by_role:
            self.holders = {}
            for standing in standings:
                visa = standing.visa
                if visa and self.standing(visa, self.at).result.outcome == PASSED:
                    self.holders.setdefault(visa.definition, set()).add(visa.subject)
            standings = self.judge_all(shown, readable)
        return own, standings

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
        self.moments += [found.since, found.until]
        checks = secured.checks(found.participant, "assertionMethod", secured.signed, self.clock, self.resolver)
        if found.until - found.since >= 90 * DAY + 1000 or found.until - secured.signed >= 120 * DAY + 1000:
            checks.append(Check("validity", FAILED, "GP-VISA-VALIDITY-TOO-LONG"))
        elif not found.since <= self.at < found.until:
            checks.append(Check("validity", FAILED, "GP-VISA-NOT-YET" if self.at < found.since else "GP-VISA-EXPIRED"))
        else:
            checks.append(Check("validity", PASSED, "GP-VISA-IN-FORCE"))
        named = (found.participant, found.node) == (participant, node) and purpose in found.purposes \
            and (found.channels is None or channel in found.channels)
        checks.append(Check("authorisation", PASSED, "GP-NODE-AUTHORISED") if named else Check("authorisation", FAILED, "GP-NODE-NOT-AUTHORISED"))
        newest, fault = self.newest(found.status, found.participant)
        if fault or newest is None:
            checks.append(fault or Check("revocation", OPEN, "GP-STATUS-UNKNOWN"))
        else:
            checks.append(self.read(newest, found.status, self.max_age))
        return checks

    def authorisation(self, found: Authorisation, participant: str, node: str, channel: str, purpose: str) -> Check:
        """Whether a node acts for a participant."""
        checks = self.authorisation_checks(found, participant, node, channel, purpose)
        result = worst(checks, "node")
        return result if result.outcome != PASSED else Check("node", PASSED, checks[-1].code)
