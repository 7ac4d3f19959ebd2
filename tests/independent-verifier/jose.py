"""JWS, Data Integrity proofs of eddsa-jcs-2022, SD-JWT (identity.md 5, visa.md 1 and 3)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from base import Fault, b58, b64u, jcs, read_json, read_object, sha256, to_b64u
from keys import Key, did_of, fits, is_did

RDFC, JCS_SUITE = "eddsa-rdfc-2022", "eddsa-jcs-2022"


@dataclass(frozen=True)
class Jws:
    header: dict[str, Any]
    payload: bytes
    signed: bytes
    signature: bytes

    def fits(self, key: Key) -> bool:
        if key.alg != self.header["alg"]:
            raise Fault("GP-JWS-HEADER-REFUSED", "alg is not the key's")
        return fits(key, self.signed, self.signature)


def read_jws(text: str, detached: bytes | None = None, strict: bool = False) -> Jws:
    """A compact JWS. `strict`: the header's bytes are JCS."""
    parts = text.split(".") if len(text) <= 24 << 20 else []
    if len(parts) < 3:
        raise Fault("GP-JWS-MALFORMED", "three parts")
    raw = b64u(parts[0])
    try:
        header = read_object(raw, 1 << 16, 16)
    except Fault as fault:
        raise Fault("GP-JWS-MALFORMED", fault.why) from None
    types: dict[str, Any] = {"alg": str, "b64": bool, "crit": list, "kid": str, "typ": str, "cty": str, "iat": int}
    for name, kind in types.items():
        if name in header and (not isinstance(header[name], kind) or name == "iat" and (isinstance(header[name], bool) or header[name] < 0)):
            raise Fault("GP-JWS-MALFORMED", name)
    audience = header.get("aud", [])
    if not isinstance(audience, list) or not all(map(is_did, audience)):
        raise Fault("GP-JWS-MALFORMED", "aud")
    if "alg" not in header or strict and jcs(header) != raw:
        raise Fault("GP-JWS-MALFORMED", "alg is missing, or the header is not JCS")
    if header["alg"] not in ("EdDSA", "ES256") or ("crit" in header) != ("b64" in header):
        raise Fault("GP-JWS-HEADER-REFUSED", "alg or crit")
    if "crit" in header and header["crit"] != ["b64"]:
        raise Fault("GP-JWS-HEADER-REFUSED", "crit")
    if len(audience) > 1024:
        raise Fault("GP-JWS-HEADER-REFUSED", "aud")
    if "kid" in header:
        try:
            did_of(header["kid"])
        except Fault:
            raise Fault("GP-JWS-HEADER-REFUSED", "kid") from None
    if len(parts) != 3:
        raise Fault("GP-JWS-MALFORMED", "three parts")
    if header.get("b64", True):
        # Nothing between the dots is a payload that is given apart.
        if not parts[1] and detached is None:
            raise Fault("GP-PAYLOAD-MISSING")
        payload = b64u(parts[1])
        signed = f"{parts[0]}.{parts[1]}".encode("ascii")
    else:
        if parts[1] and not re.fullmatch(r"[ -~]+", parts[1]):
            raise Fault("GP-JWS-MALFORMED", "payload")
        if not parts[1] and detached is None:
            raise Fault("GP-PAYLOAD-MISSING")
        payload = parts[1].encode() if parts[1] else detached or b""
        signed = parts[0].encode() + b"." + payload
    return Jws(header, payload, signed, b64u(parts[2]))


# ---- Data Integrity

PROOF = {"id", "type", "proofPurpose", "verificationMethod", "cryptosuite", "created", "expires", "domain",
         "challenge", "proofValue", "nonce", "@context"}


def proof_input(document: dict[str, Any], proof: dict[str, Any]) -> tuple[bytes, bytes]:
    """What eddsa-jcs-2022 canonicalises: the proof without its value, and the document."""
    if proof.get("type") != "DataIntegrityProof" or proof.get("cryptosuite") != JCS_SUITE or not proof.keys() <= PROOF:
        raise Fault("GP-PROOF-MALFORMED", "suite or members")
    options = {name: value for name, value in proof.items() if name != "proofValue"}
    bare = {name: value for name, value in document.items() if name != "proof"}
    if "@context" in proof:
        if proof["@context"] != bare.get("@context"):
            raise Fault("GP-PROOF-MALFORMED", "@context")
    return jcs(options), jcs(bare)


def proof_fits(document: dict[str, Any], proof: dict[str, Any], key: Key) -> bool:
    options, bare = proof_input(document, proof)
    value = proof.get("proofValue")
    if not isinstance(value, str) or not value.startswith("z"):
        raise Fault("GP-PROOF-MALFORMED", "proofValue")
    return key.kind == "Ed25519" and fits(key, sha256(options) + sha256(bare), b58(value[1:], "GP-PROOF-MALFORMED"))


# ---- SD-JWT (RFC 9901)

@dataclass(frozen=True)
class SdJwt:
    jwt: Jws
    claims: dict[str, Any]
    withheld: int
    binding: str | None
    bound: bytes


def read_sd_jwt(text: str) -> SdJwt:
    first, *rest = text.split("~")
    if not rest or len(rest) > 4096:
        raise Fault("GP-SD-JWT-MALFORMED", "no tilde")
    jwt = read_jws(first)
    disclosed: dict[str, list[Any]] = {}
    for disclosure in rest[:-1]:
        try:
            value = read_json(b64u(disclosure, "GP-SD-JWT-MALFORMED"))
        except Fault as fault:
            raise Fault("GP-SD-JWT-MALFORMED", fault.why) from None
        digest = to_b64u(sha256(disclosure.encode("ascii")))
        if not isinstance(value, list) or len(value) not in (2, 3) or not isinstance(value[0], str) or digest in disclosed:
            raise Fault("GP-SD-JWT-MALFORMED", "a disclosure")
        disclosed[digest] = value
    seen: set[str] = set()
    used: set[str] = set()

    def look(digest: Any) -> list[Any] | None:
        if not isinstance(digest, str) or digest in seen:
            raise Fault("GP-SD-JWT-MALFORMED", "a digest twice")
        seen.add(digest)
        if digest in disclosed:
            used.add(digest)
        return disclosed.get(digest)

    def open_up(value: Any) -> Any:
        if isinstance(value, list):
            items = []
            for entry in value:
                if isinstance(entry, dict) and "..." in entry:
                    found = look(entry["..."]) if len(entry) == 1 else None
                    if len(entry) != 1 or found is not None and len(found) != 2:
                        raise Fault("GP-SD-JWT-MALFORMED", "an element")
                    if found is not None:
                        items.append(open_up(found[1]))
                else:
                    items.append(open_up(entry))
            return items
        if not isinstance(value, dict):
            return value
        shown = {name: open_up(member) for name, member in value.items() if name != "_sd"}
        digests = value.get("_sd", [])
        if not isinstance(digests, list):
            raise Fault("GP-SD-JWT-MALFORMED", "_sd")
        for digest in digests:
            found = look(digest)
            if found is None:
                continue
            if len(found) != 3 or not isinstance(found[1], str) or found[1] in ("_sd", "...") or found[1] in shown:
                raise Fault("GP-SD-JWT-MALFORMED", "a name")
            shown[found[1]] = open_up(found[2])
        return shown

    payload = read_object(jwt.payload)
    if payload.pop("_sd_alg", "sha-256") != "sha-256":
        raise Fault("GP-SD-JWT-MALFORMED", "digest")
    claims = open_up(payload)
    if used != disclosed.keys():
        raise Fault("GP-SD-JWT-MALFORMED", "a disclosure without a digest")
    bound = text[:len(text) - len(rest[-1])].encode("ascii")
    if rest[-1]:
        binding = read_object(read_jws(rest[-1]).payload)
        if binding.get("sd_hash") != to_b64u(sha256(bound)):
            raise Fault("GP-SD-JWT-MALFORMED", "sd_hash")
    return SdJwt(jwt, claims, len(seen - used), rest[-1] or None, bound)

