"""The trust pack: charters, role definitions, and what is known of DIDs (charter.md, role-definition.md)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from base import FAILED, FIVE_MINUTES, OPEN, PASSED, Check, Fault, b64, canonical, cid, jcs, members, millis, parse_cid, read_object
from jose import JCS_SUITE, proof_fits
from keys import Key, Version, did_jwk, did_key, did_of, is_did, key_at, read_document
from schema import usable
from webvh import read_log


class Resolver:
    """What is known of DIDs: from the trust pack, and logs of did:webvh from anywhere."""

    def __init__(self) -> None:
        self.known: dict[str, list[Version]] = {}
        self.faults: dict[str, Check] = {}
        self.logs: dict[str, bytes] = {}

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
            versions, witnessed = read_log(did, data, identity.get("witness"), identity["seen"])
            self.logs[did], self.known[did] = data, versions
            self.faults.pop(did, None)
            if not witnessed:
                self.faults[did] = Check("key", OPEN, "GP-WEBVH-WITNESS-MISSING", did)
        elif did.startswith("did:web:") and trusted:
            document = read_document(read_object(data), did)
            self.known.setdefault(did, []).append(Version(identity["seen"], document))
            self.known[did].sort(key=lambda version: version.since)

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
    members(value, "did seen document", "confirmed witness", "GP-TRUST-PACK-MALFORMED")
    found = {"did": value["did"], "seen": millis(value["seen"]), "document": b64(value["document"])}
    if not is_did(value["did"]):
        raise Fault("GP-TRUST-PACK-MALFORMED", "did")
    return found | ({"witness": b64(value["witness"])} if "witness" in value else {})


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
    members(document, "type formatVersion name version dated roots rule", "previous roles schemas channels proof", code)
    rule = members(document["rule"], "threshold signers", "", code)
    lists = [document["roots"], rule["signers"]] + [document[n] for n in ("roles", "schemas", "channels") if n in document]
    version, k = document["version"], rule["threshold"]
    if document["type"] != "gridpass-charter" or document["formatVersion"] != 1 or not isinstance(document["name"], str) \
            or not all(isinstance(found, list) and 0 < len(found) <= 1024 for found in lists) \
            or not all(is_did(did) for did in document["roots"] + rule["signers"]) \
            or len(set(document["roots"])) != len(document["roots"]) or len(set(rule["signers"])) != len(rule["signers"]) \
            or type(version) is not int or version < 1 or (version == 1) == ("previous" in document) \
            or type(k) is not int or not 1 <= k <= len(rule["signers"]) or not 1 <= len(document["name"].encode()) <= 200:
        raise Fault(code, "a value out of bounds")
    roles: dict[str, dict[str, Any]] = {}
    for role in document.get("roles", []):
        members(role, "definition name", "retired graceSeconds", code)
        parse_cid(role["definition"])
        if role["definition"] in roles or "graceSeconds" in role and "retired" not in role:
            raise Fault(code, "roles")
        roles[role["definition"]] = role
    if "previous" in document:
        parse_cid(document["previous"])
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


def read_definition(data: bytes) -> Definition:
    """A role definition in its JCS bytes; bounds as far as this verifier relies on them."""
    code = "GP-ROLE-MALFORMED"
    document = canonical(data, 1 << 16, 16)
    members(document, "type formatVersion name version title description issuers maxChainDepth claims "
            "maxValiditySeconds maxStatusAgeSeconds issuerRevocation", "previous revokers preconditions", code)
    for name in ("issuers", "revokers"):
        parties = members(document.get(name, {"dids": ["did:x:y"]}), "", "dids roles", code)
        for listed, good in ((parties.get("dids", []), is_did), (parties.get("roles", []), parse_cid)):
            if not isinstance(listed, list) or len(listed) > 256 or not all(good(entry) for entry in listed):
                raise Fault(code, name)
        if not parties.get("dids") and not parties.get("roles"):
            raise Fault(code, name)
    numbers = [document[name] for name in ("maxChainDepth", "maxValiditySeconds", "maxStatusAgeSeconds")]
    if document["type"] != "gridpass-role-definition" or document["formatVersion"] != 1 \
            or not all(type(number) is int and number > 0 for number in numbers) \
            or not numbers[0] <= 8 or not numbers[2] <= numbers[1] <= 316_224_000 \
            or not isinstance(document["name"], str) or not re.fullmatch(r"[a-z0-9-]{1,32}(\.[a-z0-9-]{1,32}){1,7}", document["name"]) \
            or len(document["name"]) > 128 or not isinstance(document["version"], str) \
            or not re.fullmatch(r"\d+\.\d+\.\d+", document["version"], re.ASCII) \
            or any(not isinstance(text, str) or len(text.encode()) > most or re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
                   for text, most in ((document["title"], 200), (document["description"], 4000))) \
            or document["issuerRevocation"] not in ("keeps", "ends") \
            or not isinstance(document["claims"], dict) or document["claims"].get("type") != "object" or not usable(document["claims"]):
        raise Fault(code, "a value out of bounds")
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
            if found.cid == charter:
                return Trust(self.pack, self.charters[:at], self.definitions, self.resolver)
        return None

    def in_force(self, at: int) -> Charter | None:
        return next((charter for charter in reversed(self.charters) if charter.dated <= at), None)


def open_pack(data: bytes, now: int) -> Trust:
    code = "GP-TRUST-PACK-MALFORMED"
    pack = canonical(data.removesuffix(b"\n"), 16 << 20, 64)
    members(pack, "type formatVersion charters definitions identities", "", code)
    lists = [pack["charters"], pack["definitions"], pack["identities"]]
    if pack["type"] != "gridpass-trust-pack" or pack["formatVersion"] != 1 \
            or not all(isinstance(found, list) and len(found) <= 4096 for found in lists) or not pack["charters"]:
        raise Fault(code)
    resolver = Resolver()
    for identity in pack["identities"]:
        resolver.add(read_identity(identity), trusted=True)
    charters = [read_charter(document) for document in pack["charters"]]
    before: Charter | None = None
    for number, charter in enumerate(charters, 1):
        rules = [charter.document["rule"]] + ([before.document["rule"]] if before else [])
        if charter.document["version"] != number or charter.document.get("previous") != (before.cid if before else None) \
                or before and charter.dated < before.dated:
            raise Fault("GP-CHARTER-HISTORY-BROKEN", str(number))
        for rule in rules:
            check = enough(charter, rule, resolver, now, before.dated - FIVE_MINUTES if before else None)
            if check.outcome != PASSED:
                raise Fault(check.code, f"charter {number}")
        if charter.dated > now + FIVE_MINUTES:
            raise Fault("GP-SIGNED-IN-FUTURE", f"charter {number}")
        before = charter
    definitions = {d.cid: d for d in (read_definition(jcs(document)) for document in pack["definitions"])}
    for role, listed in charters[-1].roles.items():
        if role not in definitions:
            raise Fault("GP-DEFINITION-MISSING", role)
        if definitions[role].document["name"] != listed["name"]:
            raise Fault("GP-DEFINITION-NAME", role)
    return Trust(cid(data.removesuffix(b"\n")), charters, definitions, resolver)
