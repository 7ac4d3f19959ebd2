"""Secured credentials: visas, presentations, node authorisations, status lists (visa.md, status-list.md)."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field
from typing import Any

from base import FAILED, FIVE_MINUTES, OPEN, PASSED, Check, Fault, b64u, cid, jcs, members, millis, parse_cid, read_object
from jose import PROOF, RDFC, Jws, proof_fits, read_jws, read_sd_jwt
from keys import did_of, is_did
from trust import Resolver

VCDM, OURS = "https://www.w3.org/ns/credentials/v2", "https://w3id.org/gridpass/v1"
KNOWN_CONTEXTS = {VCDM, OURS, "https://w3id.org/security/data-integrity/v2", "https://w3id.org/security/multikey/v1",
                  "https://www.w3.org/ns/credentials/examples/v2", "https://www.w3.org/2018/credentials/v1"}
DAY = 86_400_000
NOT_CHECKED = "not-checked"


@dataclass
class Secured:
    """A credential or presentation as it was signed."""

    form: str
    evidence: str
    document: dict[str, Any]
    kid: str
    signed: int
    expires: int | None
    audience: list[str]
    nonce: Any
    withheld: int = 0
    purpose: str = ""
    jws: Jws | None = None
    proof: dict[str, Any] = field(default_factory=dict)
    untimed: bool = False  # nobody says when it was signed

    def checks(self, signer: str, purpose: str, key_time: int, clock: int, resolver: Resolver,
               audience: str | None = None, nonce: str | None = None) -> list[Check]:
        """visa.md 6: time, purpose, expiry, audience, nonce, signer, key and signature."""
        if self.untimed:
            return [Check("time", FAILED, "GP-SIGNING-TIME-MISSING")]
        late = self.signed > clock + FIVE_MINUTES
        found = [Check("time", FAILED, "GP-SIGNED-IN-FUTURE") if late else Check("time", PASSED, "GP-SIGNING-TIME")]
        if self.proof and self.proof.get("proofPurpose") != purpose:
            found.append(Check("purpose", FAILED, "GP-PROOF-PURPOSE"))
        if self.expires is not None and self.expires <= clock:
            found.append(Check("expiry", FAILED, "GP-PROOF-EXPIRED"))
        if audience is not None and audience in self.audience:
            found.append(Check("audience", PASSED, "GP-AUDIENCE-FITS"))
        elif audience is not None or self.audience:
            found.append(Check("audience", FAILED, "GP-AUDIENCE-OTHER"))
        if nonce is not None and self.nonce == nonce:
            found.append(Check("nonce", PASSED, "GP-NONCE-FITS"))
        elif nonce is not None or self.nonce is not None and audience is None:
            found.append(Check("nonce", FAILED, "GP-NONCE-OTHER"))
        if not self.kid or did_of(self.kid) != signer:
            return found + [Check("signer", FAILED, "GP-SIGNER-OTHER", self.kid)]
        check, key = resolver.key(self.kid, purpose, key_time)
        found.append(check)
        if key is None:
            return found + [Check("signature", OPEN, check.code)]
        if self.form == RDFC:
            if not all(isinstance(one, str) and one in KNOWN_CONTEXTS for one in self.document.get("@context", [])):
                return found + [Check("signature", FAILED, "GP-CONTEXT-UNKNOWN")]
            return found + [Check("signature", OPEN, NOT_CHECKED, RDFC)]
        try:
            good = self.jws.fits(key) if self.jws else proof_fits(self.document, self.proof, key)
        except Fault as fault:
            return found + [Check("signature", FAILED, fault.code)]
        code = "GP-SIGNATURE-VALID" if good else "GP-SIGNATURE-INVALID"
        return found + [Check("signature", PASSED if good else FAILED, code)]


def _seconds(value: Any) -> int | None:
    """A NumericDate in milliseconds, if it is one: whole seconds, not negative."""
    return value * 1000 if type(value) is int and value >= 0 else None


def _texts(value: Any) -> list[str]:
    found = value if isinstance(value, list) else [] if value is None else [value]
    if len(found) > 1024 or not all(isinstance(entry, str) for entry in found):
        raise Fault("GP-SECURED-MALFORMED", "audience")
    return found


def read_secured(data: bytes | str | dict[str, Any], kind: str) -> Secured:
    """`kind` is `vc` or `vp`. A text is compact, or JSON with one proof."""
    if isinstance(data, (bytes, str)):
        text = data if isinstance(data, str) else data.decode("ascii", "replace") if not data.startswith(b"{") else ""
        if len(data) > 1 << 20:
            raise Fault("GP-SECURED-MALFORMED", "too long")
        if text and not text.startswith("{"):
            return _compact(text, kind)
        data = read_object(data)
    proof = data.get("proof")
    if isinstance(proof, list) and len(proof) == 1:
        proof = proof[0]
    if not isinstance(proof, dict):
        raise Fault("GP-SECURED-MALFORMED", "not exactly one proof")
    if not isinstance(proof.get("verificationMethod"), str) or not proof.keys() <= PROOF:
        raise Fault("GP-PROOF-MALFORMED")
    if "created" not in proof:
        raise Fault("GP-SIGNING-TIME-MISSING")
    if proof.get("cryptosuite") not in (RDFC, "eddsa-jcs-2022"):
        raise Fault("GP-PROOF-MALFORMED", "suite")
    did_of(proof["verificationMethod"])
    bare = {name: value for name, value in data.items() if name != "proof"}
    ends = millis(proof["expires"]) if "expires" in proof else None
    return Secured(proof["cryptosuite"], cid(jcs(data)), bare, proof["verificationMethod"], millis(proof["created"]),
                   ends, _texts(proof.get("domain")), proof.get("challenge"), proof=proof)


def _compact(text: str, kind: str) -> Secured:
    sealed = "~" in text
    if sealed and kind == "vp":
        raise Fault("GP-SECURED-MALFORMED", "a presentation is no SD-JWT")
    if sealed:
        opened = read_sd_jwt(text)
        jws, document, withheld = opened.jwt, opened.claims, opened.withheld
        raw = read_object(jws.payload)
        subject = raw.get("credentialSubject")
        outside = raw | {"credentialSubject": {n: v for n, v in subject.items() if n != "claims"} if isinstance(subject, dict) else subject}
        if re.search(r'"(_sd|\.\.\.)":', jcs(outside).decode()):
            raise Fault("GP-VISA-MALFORMED", "something is withheld outside of claims")
    else:
        jws, withheld = read_jws(text), 0
        document = read_object(jws.payload)
    typ = f"{kind}+{'sd-jwt' if sealed else 'jwt'}"
    if jws.header.get("typ") != typ or jws.header.get("cty", kind) != kind:
        raise Fault("GP-SECURED-TYPE", str(jws.header.get("typ")))
    if "vc" in document or "vp" in document:
        raise Fault("GP-SECURED-MALFORMED", "vc or vp")
    extra = {name: document[name] for name in ("iat", "exp", "aud", "nonce") if name in document}
    if kind == "vp":  # a visa has no such members, and is refused with them
        document = {name: value for name, value in document.items() if name not in extra}
    signed = _seconds(jws.header.get("iat", extra.get("iat")))
    return Secured("sd-jwt" if sealed else "jwt", cid(text.encode("utf-8")), document, jws.header.get("kid", ""), signed or 0,
                   (_seconds(extra["exp"]) or 0) if "exp" in extra else None, _texts(extra.get("aud")), extra.get("nonce"), withheld, jws=jws, untimed=signed is None)


# ---- visas

@dataclass
class Entry:
    purpose: str
    list: str
    index: int


@dataclass
class Visa:
    secured: Secured
    id: str
    issuer: str
    subject: str
    definition: str
    role: str
    claims: dict[str, Any]
    since: int
    until: int
    status: list[Entry]

    @property
    def evidence(self) -> str:
        return self.secured.evidence


def _entries(value: Any, code: str) -> list[Entry]:
    found = []
    for entry in value if isinstance(value, list) else [value]:
        members(entry, "type statusPurpose statusListIndex statusListCredential", "id", code)
        index = entry["statusListIndex"]
        if entry["type"] != "BitstringStatusListEntry" or not isinstance(index, str) \
                or not re.fullmatch(r"0|[1-9][0-9]{0,9}", index) or not isinstance(entry["statusListCredential"], str):
            raise Fault(code, "credentialStatus")
        found.append(Entry(entry["statusPurpose"], entry["statusListCredential"], int(index)))
    return found


def read_visa(secured: Secured) -> Visa:
    code, document = "GP-VISA-MALFORMED", secured.document
    if document.get("@context") != [VCDM, OURS]:
        raise Fault("GP-CONTEXT-UNKNOWN")
    members(document, "@context id type issuer validFrom validUntil credentialSubject credentialSchema credentialStatus", "", code)
    subject = members(document["credentialSubject"], "id role claims", "", code)
    role = members(subject["role"], "definition name", "", code)
    schema = {"id": f"ipfs://{role['definition']}", "type": "GridpassRoleSchema"}
    status = _entries(document["credentialStatus"], code)
    purposes = sorted(entry.purpose for entry in status)
    parse_cid(role["definition"])
    if document["type"] != ["VerifiableCredential", "GridpassVisa"] or document["credentialSchema"] != schema \
            or purposes not in (["revocation"], ["revocation", "suspension"]) or not isinstance(document["id"], str) \
            or not is_did(document["issuer"]) or not is_did(subject["id"]) or not isinstance(subject["claims"], dict):
        raise Fault(code)
    since, until = millis(document["validFrom"], code), millis(document["validUntil"], code)
    return Visa(secured, document["id"], document["issuer"], subject["id"], role["definition"], role["name"],
                subject["claims"], since, until, status)


@dataclass
class Presentation:
    secured: Secured
    holder: str
    visas: list[Secured]


def read_presentation(data: bytes | str) -> Presentation:
    code = "GP-SECURED-MALFORMED"
    secured = read_secured(data, "vp")
    document, model = secured.document, "GP-VC-MODEL"
    contexts, shown = document.get("@context"), document.get("verifiableCredential", [])
    types = document.get("type") if isinstance(document.get("type"), list) else [document.get("type")]
    if not isinstance(contexts, list) or contexts[:1] != [VCDM] or not all(isinstance(one, (str, dict)) for one in contexts):
        raise Fault(model, "@context")
    shown = shown if isinstance(shown, list) else [shown]
    holder = document.get("holder", did_of(secured.kid))
    holder = holder.get("id") if isinstance(holder, dict) else holder
    if "VerifiablePresentation" not in types or not isinstance(holder, str) or not all(isinstance(entry, dict) for entry in shown):
        raise Fault(model, "type, holder or visas")
    return Presentation(secured, holder, [read_member(entry) for entry in shown])


def read_member(entry: dict[str, Any]) -> Secured:
    """A credential as it stands in a presentation."""
    if entry.get("type") in ("EnvelopedVerifiableCredential", ["EnvelopedVerifiableCredential"]):
        found = re.fullmatch(r"data:application/vc\+(jwt|sd-jwt),([A-Za-z0-9._~-]+)", str(entry.get("id")))
        if not found or ("~" in found[2]) != (found[1] == "sd-jwt"):
            raise Fault("GP-SECURED-MALFORMED", "an enveloped credential")
        return read_secured(found[2], "vc")
    return read_secured(entry, "vc")


# ---- node authorisations

@dataclass
class Authorisation:
    secured: Secured
    participant: str
    node: str
    purposes: list[str]
    channels: list[str] | None
    since: int
    until: int
    status: Entry


def read_authorisation(data: bytes) -> Authorisation:
    code = "GP-VISA-MALFORMED"
    secured = read_secured(data, "vc")
    document = secured.document
    if document.get("@context") != [VCDM, OURS]:
        raise Fault("GP-CONTEXT-UNKNOWN")
    members(document, "@context id type issuer validFrom validUntil credentialSubject credentialStatus", "", code)
    subject = members(document["credentialSubject"], "id node", "", code)
    node = members(subject["node"], "purposes", "channels", code)
    status = _entries(document["credentialStatus"], code)
    lists = [node["purposes"]] + ([node["channels"]] if "channels" in node else [])
    if document["type"] != ["VerifiableCredential", "GridpassNodeAuthorisation"] or secured.form == "sd-jwt" \
            or not is_did(document["issuer"]) or not is_did(subject["id"]) \
            or not all(isinstance(found, list) and 0 < len(found) <= 1024 for found in lists) \
            or not all(purpose in ("messages", "sealing") for purpose in node["purposes"]) \
            or [entry.purpose for entry in status] != ["revocation"]:
        raise Fault(code)
    return Authorisation(secured, document["issuer"], subject["id"], node["purposes"], node.get("channels"),
                         millis(document["validFrom"], code), millis(document["validUntil"], code), status[0])


# ---- status lists

@dataclass(eq=False)
class StatusList:
    secured: Secured
    id: str
    signer: str
    dated: int
    until: int | None
    purposes: list[str]
    version: int | None
    bits: bytes
    changes: dict[int, list[tuple[int, bool]]]
    authority: list[Visa] = field(default_factory=list)  # what it carries to prove that its signer may revoke

    @property
    def evidence(self) -> str:
        return self.secured.evidence

    def bit(self, index: int) -> bool:
        return bool(self.bits[index // 8] >> (7 - index % 8) & 1)

    def at(self, index: int, time: int) -> bool | None:
        """Whether it was set at a time; None: it is set, nobody says since when."""
        dated = self.changes.get(index)
        if dated is None:
            return None if self.bit(index) else False
        return next((value for moment, value in reversed(dated) if moment <= time), False)


def expand(encoded: Any) -> bytes:
    """The bits of an `encodedList`; at most 1 MiB is expanded."""
    code = "GP-STATUS-LIST-MALFORMED"
    if not isinstance(encoded, str) or not encoded.startswith("u") or len(encoded) > 2 << 20:
        raise Fault(code, "encodedList")
    opener = zlib.decompressobj(wbits=31)
    try:
        bits = opener.decompress(b64u(encoded[1:], code), 1 << 20)
    except zlib.error:
        raise Fault(code, "gzip") from None
    if not opener.eof or opener.unconsumed_tail or opener.unused_data or len(bits) < 131_072 // 8:
        raise Fault(code, "length")
    return bits


def url(value: Any) -> bool:
    """An absolute URL or IRI, as far as its form goes."""
    return isinstance(value, str) and len(value) <= 4096 and not re.search(r'[<>"{}|\\^`\[\]\s\x00-\x1f\x7f-\x9f]', value) \
        and re.match(r"(https?://[^/?#:@]+|(?!https?:)[A-Za-z][A-Za-z0-9+.-]*:.)", value) is not None


def model(document: dict[str, Any], kind: str) -> None:
    """VCDM 2.0, section 4: contexts, id, types."""
    contexts, types = document.get("@context"), document.get("type")
    listed = types if isinstance(types, list) else [types]
    if not isinstance(contexts, list) or contexts[:1] != [VCDM] or not all(isinstance(one, dict) or url(one) for one in contexts) \
            or "id" in document and not url(document["id"]) \
            or not all(isinstance(one, str) and one and not re.search(r"\s", one) for one in listed) or kind not in listed:
        raise Fault("GP-VC-MODEL", "contexts, id or types")


def read_list(data: bytes | str) -> StatusList:
    code = "GP-STATUS-LIST-MALFORMED"
    secured = read_secured(data, "vc")
    document = secured.document
    model(document, "VerifiableCredential")
    subject, types = document.get("credentialSubject"), document["type"]
    if secured.form == "sd-jwt" or "BitstringStatusListCredential" not in (types if isinstance(types, list) else [types]) \
            or not isinstance(subject, dict) or subject.get("type") != "BitstringStatusList" or "id" in subject and not url(subject["id"]) \
            or not isinstance(document.get("id"), str) or not is_did(document.get("issuer")):
        raise Fault(code)
    said = subject.get("statusPurpose")
    purposes = [one for one in (said if isinstance(said, list) else [said]) if isinstance(one, str)]
    dated = millis(document["validFrom"], code) if "validFrom" in document else secured.signed
    until = millis(document["validUntil"], code) if "validUntil" in document else None
    if until is not None and until < dated:
        raise Fault("GP-VC-MODEL", "validUntil before validFrom")
    found = StatusList(secured, document["id"], document["issuer"], dated, until, purposes, None,
                       expand(subject.get("encodedList")), {})
    if not secured.untimed and dated > secured.signed + FIVE_MINUTES:
        raise Fault(code, "dated later than it was signed")
    if "statusList" in subject:
        state = members(subject["statusList"], "version changes", "", code)
        if type(state["version"]) is not int or not 0 <= state["version"] < 1 << 53 or not isinstance(state["changes"], list) or len(state["changes"]) > 50_000:
            raise Fault(code, "statusList")
        found.version = state["version"]
        _take_changes(found, state["changes"], code)
    found.authority = _carried(document.get("evidence", []))
    return found


def _carried(evidence: Any) -> list[Visa]:
    """The visas among what a list has as evidence; others write something else there."""
    listed = evidence if isinstance(evidence, list) else [evidence]
    for one in listed:
        types = one.get("type") if isinstance(one, dict) else None
        types = types if isinstance(types, list) else [types]
        if not types or not all(isinstance(name, str) and name and not re.search(r"\s", name) for name in types) \
                or "id" in one and not url(one["id"]):
            raise Fault("GP-VC-MODEL", "evidence")
    visas = []
    for one in listed[:16]:
        try:
            visas.append(read_visa(read_member(one)))
        except Fault:
            continue
    return visas


def _take_changes(found: StatusList, changes: list[Any], code: str) -> None:
    for change in changes:
        members(change, "index set at", "", code)
        index, value, at = change["index"], change["set"], millis(change["at"], code)
        if type(index) is not int or not isinstance(value, bool) or at > found.dated:
            raise Fault(code, "a change")
        if not 0 <= index < len(found.bits) * 8:
            raise Fault("GP-STATUS-RANGE", "a change")
        listed = found.changes.setdefault(index, [])
        if listed and at < listed[-1][0]:
            raise Fault(code, "changes of a place that are not in order of time")
        if value == (bool(listed) and listed[-1][1]) or not value and "revocation" in found.purposes:
            raise Fault(code, "changes that do not alternate, or a revocation taken back")
        listed.append((at, value))
    if any(listed[-1][1] != found.bit(index) for index, listed in found.changes.items()):
        raise Fault(code, "a bit is not what its last change says")
