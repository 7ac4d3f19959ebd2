"""The trust pack: charters, role definitions, and what is known of DIDs (charter.md, role-definition.md)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Callable

from base import FAILED, FIVE_MINUTES, OPEN, PASSED, Check, Fault, b64, canonical, cid, jcs, members, millis, read_json, read_object, worst
from jose import JCS_SUITE, proof_fits
from keys import Key, Version, did_jwk, did_key, did_of, is_did, key_at, read_document
from names import is_document, is_role_name, is_sentence, is_time, is_whole
from schema import usable
from webvh import read_log


class Resolver:
    """What is known of DIDs: from the trust pack, and logs of did:webvh from anywhere."""

    def __init__(self) -> None:
        self.known: dict[str, list[Version]] = {}
        self.faults: dict[str, Check] = {}
        self.logs: dict[str, bytes] = {}
        self.obtained: dict[str, int] = {}

    def add(self, identity: dict[str, Any], trusted: bool) -> None:
        """One identity: `document` and `witness` are bytes, `seen` milliseconds."""
        did, data = identity["did"], identity["document"]
        if did.startswith("did:webvh:"):
            older = self.logs.get(did, b"")
            if older.rstrip(b"\n").startswith(data.rstrip(b"\n")) and did in self.known:
                return
            if older and not data.startswith(older.rstrip(b"\n") + b"\n"):
                # What is known already stays.
                raise Fault("GP-WEBVH-LOG-INVALID", f"the log of {did} does not go on from the one that is known")
            # What goes on from a log that is known was obtained no earlier.
            obtained = max(identity["seen"], self.obtained.get(did, identity["seen"]))
            versions, witnessed = read_log(did, data, identity.get("witness"), obtained)
            self.logs[did], self.known[did] = data, versions
            self.faults.pop(did, None)
            if witnessed:
                self.obtained[did] = obtained
            else:
                self.faults[did] = Check("key", OPEN, "GP-WEBVH-WITNESS-MISSING", did)
        elif did.startswith("did:web:") and trusted:
            document = read_document(read_object(data), did)
            self.known.setdefault(did, []).append(Version(identity["seen"], document))
            self.known[did].sort(key=lambda version: version.since)

    def take(self, identity: dict[str, Any]) -> None:
        """One of the trust pack: what cannot be read refuses its DID, not the pack."""
        try:
            self.add(identity, trusted=True)
        except Fault as fault:
            self.faults[identity["did"]] = Check("key", FAILED, fault.code, identity["did"])

    def changes(self, did: str) -> list[int]:
        """When what is known of a DID changed."""
        return [version.since for version in self.known.get(did, [])] if did not in self.faults else []

    def when_obtained(self, did: str) -> int | None:
        """When what is known of a DID was obtained, where that can grow old."""
        if did.startswith("did:web:") and self.known.get(did):
            return self.known[did][-1].since
        return self.obtained.get(did)

    def has_ended(self, did: str, at: int) -> bool:
        """Whether a DID was deactivated at or before a time: from the start of that second."""
        known = [] if did in self.faults else self.known.get(did, [])
        begun = [version for version in known if version.since // 1000 * 1000 <= at]
        return bool(begun) and begun[-1].document is None

    def marked(self, kid: str, purpose: str) -> int | None:
        """Since when a key is marked as compromised, if it is."""
        try:
            did = did_of(kid)
        except Fault:
            return None
        known = [one.document for one in self.known.get(did, []) if one.document] if did not in self.faults else []
        keys = [one.methods[kid].key for one in known if kid in one.methods and kid in one.lists[purpose]]
        return min((method.revoked for one in known for method in one.methods.values()
                    if method.key in keys and method.key is not None and method.revoked is not None), default=None)

    def key(self, kid: str, purpose: str, at: int, claimed: bool = True) -> tuple[Check, Key | None]:
        try:
            did = did_of(kid)
            if did in self.faults:
                return self.faults[did], None
            if did.startswith("did:key:"):
                versions = [Version(-(1 << 60), did_key(did))]
            elif did.startswith("did:jwk:"):
                versions = [Version(-(1 << 60), did_jwk(did))]
            else:
                versions = self.known.get(did, [])
                if did.split(":")[1] not in ("web", "webvh"):
                    raise Fault("GP-DID-METHOD-UNKNOWN", did)
            if not versions:
                return Check("key", OPEN, "GP-DID-NOT-FOUND", did), None
            return key_at(versions, kid, purpose, at, claimed)
        except Fault as fault:
            return Check("key", FAILED, fault.code, kid), None


def read_identity(value: dict[str, Any]) -> dict[str, Any]:
    """An identity as JSON has it (times as text, bytes in base64)."""
    code = "GP-TRUST-PACK-MALFORMED"
    members(value, "did seen document", "confirmed witness", code)
    if not is_did(value["did"]):
        raise Fault(code, "did")
    millis(value.get("confirmed", value["seen"]), code)
    found = {"did": value["did"], "seen": millis(value["seen"], code)}
    return found | {name: b64(value[name], code) for name in ("document", "witness") if name in value}


def proof_counts(document: dict[str, Any], proof: Any, resolver: Resolver, now: int, earliest: int | None) -> tuple[Check, str, Key | None]:
    """One signature of a charter or descriptor: whether it counts, whose it is, by which key."""
    need = "type cryptosuite created verificationMethod proofPurpose proofValue"
    try:
        members(proof, need, "@context id", "GP-PROOF-MALFORMED")
        if proof["cryptosuite"] != JCS_SUITE or proof["proofPurpose"] != "assertionMethod":
            raise Fault("GP-PROOF-MALFORMED", "suite or purpose")
        did, created = did_of(proof["verificationMethod"]), millis(proof["created"])
        if created > now + FIVE_MINUTES:
            raise Fault("GP-SIGNED-IN-FUTURE")
        if earliest is not None and created < earliest:
            raise Fault("GP-PROOF-MALFORMED", "signed too early")
        check, key = resolver.key(proof["verificationMethod"], "assertionMethod", created)
        if key is None or check.outcome != PASSED:
            return check, did, None
        if not proof_fits(document, proof, key):
            raise Fault("GP-SIGNATURE-INVALID", did)
        return Check("signature", PASSED, "GP-SIGNATURE-VALID", did), did, key
    except Fault as fault:
        return Check("signature", FAILED, fault.code, fault.why), "", None


def without_proof(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "proof"}


@dataclass
class Charter:
    document: dict[str, Any]
    cid: str
    dated: int
    roots: list[str]
    roles: dict[str, dict[str, Any]]


def read_charter(document: Any) -> Charter:
    code = "GP-CHARTER-MALFORMED"

    def need(holds: Any, why: str) -> None:
        if not holds:
            raise Fault(code, why)

    def distinct(values: list[Any], holds: Callable[[Any], bool]) -> bool:
        return isinstance(values, list) and 1 <= len(values) <= 1024 and all(map(holds, values)) and len(set(values)) == len(values)

    document = read_json(jcs(document))  # as its name has it, however its numbers are spelt
    members(document, "type formatVersion name version dated roots rule", "previous roles schemas channels proof", code)
    rule = members(document["rule"], "threshold signers", "", code)
    need(document["type"] == "gridpass-charter" and is_whole(document["formatVersion"], 1, 1), "type or formatVersion")
    need(is_sentence(document["name"], 200) and is_time(document["dated"]), "name or dated")
    need(is_whole(document["version"], 1) and (document["version"] == 1) == ("previous" not in document), "version")
    need("previous" not in document or is_document(document["previous"]), "previous")
    need(distinct(document["roots"], is_did) and distinct(rule["signers"], is_did), "roots or signers")
    need(is_whole(rule["threshold"], 1, len(rule["signers"])), "threshold")
    for name in ("roles", "schemas", "channels"):
        listed = document.get(name, [{}])
        need(isinstance(listed, list) and 1 <= len(listed) <= 1024, name)
    roles: dict[str, dict[str, Any]] = {}
    for role in document.get("roles", []):
        members(role, "definition name", "retired graceSeconds", code)
        need(is_document(role["definition"]) and role["definition"] not in roles and is_role_name(role["name"]), "roles")
        need("retired" in role and is_time(role["retired"]) or not role.keys() & {"retired", "graceSeconds"}, "retired")
        need(is_whole(role.get("graceSeconds", 0), 0), "graceSeconds")
        roles[role["definition"]] = role
    for listed in (document.get(name, []) for name in ("schemas", "channels")):
        need(all(is_sentence(members(one, "name document", "", code)["name"], 200) and is_document(one["document"]) for one in listed), "a document")
        need(len({one["name"] for one in listed}) == len(listed), "a name twice")
    proofs = document.get("proof", [])
    need(isinstance(proofs, list) and len(proofs) <= 64 and all(isinstance(proof, dict) for proof in proofs), "proof")
    return Charter(document, cid(jcs(without_proof(document))), millis(document["dated"], code), document["roots"], roles)


def enough(charter: Charter, rule: dict[str, Any], resolver: Resolver, now: int, earliest: int | None) -> Check:
    proofs = charter.document.get("proof", [])
    if not isinstance(proofs, list) or len(proofs) > 64:
        raise Fault("GP-CHARTER-MALFORMED", "proof")
    signers: set[str] = set()
    keys: set[Key] = set()
    unknown: set[str] = set()
    for proof in proofs:
        check, did, key = proof_counts(without_proof(charter.document), proof, resolver, now, earliest)
        if did in rule["signers"] and check.outcome == OPEN:
            unknown.add(did)
        if did in rule["signers"] and key and did not in signers and key not in keys:
            signers.add(did)
            keys.add(key)
    if len(signers) >= rule["threshold"]:
        return Check("charter", PASSED, "GP-CHARTER-SIGNED")
    if len(signers | unknown) >= rule["threshold"]:
        return Check("charter", OPEN, "GP-CHARTER-SIGNER-UNKNOWN")
    return Check("charter", FAILED, "GP-CHARTER-SIGNERS-TOO-FEW")


@dataclass
class Definition:
    cid: str
    document: dict[str, Any]

    def parties(self, name: str) -> tuple[list[str], list[str]]:
        found = self.document.get(name, {})
        return found.get("dids", []), found.get("roles", [])


def requirement(value: Any, level: int = 1) -> int:
    """The number of parts of a precondition, or a fault."""
    code = "GP-ROLE-MALFORMED"
    if not isinstance(value, dict) or level > 8:
        raise Fault(code, "a requirement")
    if value.keys() == {"role"}:
        if not is_document(value["role"]):
            raise Fault(code, "a role")
        return 1
    parts = next((value[n] for n in ("all", "any") if value.keys() == {n}), value.get("of") if value.keys() == {"atLeast", "of"} else None)
    k = value.get("atLeast", 1)
    if not isinstance(parts, list) or "any" in value and not parts or type(k) is not int or not ("all" in value or 1 <= k <= len(parts)):
        raise Fault(code, "a requirement")
    count = 1 + sum(requirement(part, level + 1) for part in parts)
    if count > 64:
        raise Fault(code, "too many")
    return count


def read_definition(data: bytes) -> Definition:
    """A role definition in its JCS bytes; of its claims the plain keywords are looked at."""
    code = "GP-ROLE-MALFORMED"
    try:
        document = canonical(data, 1 << 16, 16)
    except Fault as fault:
        raise Fault(fault.code if fault.code == "GP-DOCUMENT-NOT-CANONICAL" else code, fault.why) from None
    members(document, "type formatVersion name version title description issuers maxChainDepth claims "
            "maxValiditySeconds maxStatusAgeSeconds issuerRevocation", "previous revokers preconditions", code)
    for name in ("issuers", "revokers"):
        parties = members(document.get(name, {"dids": ["did:x:y"]}), "", "dids roles", code)
        for listed, good in ((parties.get("dids", []), is_did), (parties.get("roles", []), is_document)):
            if not isinstance(listed, list) or len(listed) > 256 or not all(good(entry) for entry in listed):
                raise Fault(code, name)
        if not parties.get("dids") and not parties.get("roles"):
            raise Fault(code, name)
    numbers = [document[name] for name in ("maxChainDepth", "maxValiditySeconds", "maxStatusAgeSeconds")]
    if document["type"] != "gridpass-role-definition" or not is_whole(document["formatVersion"], 1, 1) \
            or not all(type(number) is int and number > 0 for number in numbers) \
            or not numbers[0] <= 8 or not numbers[2] <= numbers[1] <= 316_224_000 \
            or document["issuerRevocation"] not in ("keeps", "ends") \
            or not isinstance(document["claims"], dict) or document["claims"].get("type") != "object" or not usable(document["claims"]) \
            or not is_role_name(document["name"]) or not isinstance(document["version"], str) \
            or not re.fullmatch(r"(0|[1-9][0-9]{0,9})([.](0|[1-9][0-9]{0,9})){2}", document["version"]) \
            or any(int(part) >= 2**32 for part in document["version"].split(".")) \
            or not is_sentence(document["title"], 200, "\n") or not is_sentence(document["description"], 4000, "\n"):
        raise Fault(code, "a value out of bounds")
    if "preconditions" in document:
        requirement(document["preconditions"])
    if "previous" in document and not is_document(document["previous"]):
        raise Fault(code, "previous")
    return Definition(cid(data), document)


@dataclass
class Trust:
    """What a verifier pinned. `charters` may be cut to those up to one that is named."""

    pack: str
    charters: list[Charter]
    definitions: dict[str, Definition]
    resolver: Resolver = field(repr=False)

    @property
    def framework(self) -> str:
        return self.charters[0].cid

    @property
    def newest(self) -> Charter:
        return self.charters[-1]

    def up_to(self, charter: str) -> "Trust | None":
        for at, found in enumerate(self.charters, 1):
            if found.cid == charter and found.roles.keys() <= self.definitions.keys():
                return Trust(self.pack, self.charters[:at], self.definitions, self.resolver)
        return None

    def in_force(self, at: int) -> Charter:
        """Of a time before the first charter, that."""
        return next((charter for charter in reversed(self.charters) if charter.dated <= at), self.charters[0])

    def was_root(self, did: str, at: int) -> bool:
        """In the second of a change both charters count."""
        return did in self.in_force(at).roots or did in self.in_force(at - at % 1000 + 999).roots


def follows(charter: Charter, before: Charter | None, resolver: Resolver, now: int) -> list[Check]:
    """charter.md 3: the checks `history` and `signatures`."""
    version, previous = charter.document["version"], charter.document.get("previous")
    linked = previous is None if before is None else \
        (previous, version) == (before.cid, before.document["version"] + 1) and charter.dated >= before.dated
    earliest = before.dated - FIVE_MINUTES if before else None
    rules = ([before.document["rule"]] if before else []) + [charter.document["rule"]]
    history = Check("history", PASSED, "GP-CHARTER-FOLLOWS") if linked else Check("history", FAILED, "GP-CHARTER-HISTORY-BROKEN")
    return [history] + [enough(charter, rule, resolver, now, earliest).named("signatures") for rule in rules]


def open_pack(data: bytes, now: int, pin: str | None = None) -> Trust:
    code = "GP-TRUST-PACK-MALFORMED"
    if pin is not None and cid(data) != pin:
        raise Fault("GP-CID-OTHER")
    try:
        pack = read_object(data.removesuffix(b"\n"), 16 << 20, 32)
    except Fault as fault:
        raise Fault(code, fault.why) from None
    members(pack, "type formatVersion charters definitions identities", "", code)
    lists = [pack["charters"], pack["definitions"], pack["identities"]]
    if pack["type"] != "gridpass-trust-pack" or not is_whole(pack["formatVersion"], 1, 1) \
            or not all(isinstance(found, list) and len(found) <= 4096 for found in lists) or not pack["charters"]:
        raise Fault(code)
    charters = [read_charter(document) for document in pack["charters"]]
    definitions = {d.cid: d for d in (read_definition(jcs(document)) for document in pack["definitions"])}
    resolver = Resolver()
    for identity in pack["identities"]:
        resolver.take(read_identity(identity))
    checks: list[Check] = []
    for before, charter in zip([None, *charters], charters):
        checks += follows(charter, before, resolver, now)
    late = charters[-1].dated > now + FIVE_MINUTES
    checks.append(Check("date", FAILED, "GP-SIGNED-IN-FUTURE") if late else Check("date", PASSED, "GP-CHARTER-IN-FORCE"))
    for role, listed in charters[-1].roles.items():
        if role not in definitions:
            checks.append(Check("definitions", OPEN, "GP-DEFINITION-MISSING"))
        elif definitions[role].document["name"] != listed["name"]:
            checks.append(Check("definitions", FAILED, "GP-DEFINITION-NAME"))
    result = worst(checks, "")
    if result.outcome != PASSED:
        raise Fault(result.code, result.says)
    return Trust(cid(data.removesuffix(b"\n")), charters, definitions, resolver)
