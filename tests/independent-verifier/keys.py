"""Keys, strict signatures, DIDs, DID documents and keys over time (identity.md 2 to 4)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from base import FAILED, OPEN, PASSED, Check, Fault, b58, b64u, millis, read_object, to_b58

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
GROUP = 2**252 + 27742317777372353535851937790883648493
# y of the points of order 1, 2, 4 and 8: an eighth-order y satisfies d·y⁴ + 2·y² = 1.
ORDER_8 = 2707385501144840649318225287225658788936804267575313519463743609750303402022
SMALL_Y = {1, P - 1, 0, ORDER_8, P - ORDER_8}
SMALL_U = {0, 1, P - 1, 325606250916557431795983626356110631294008115727848805560023387167927233504,
           39382357235489614581723060781553021112529911719440698176882885853963445705823}


@dataclass(frozen=True)
class Key:
    """A public key: its type and canonical bytes (P-256: the compressed point)."""

    kind: str
    raw: bytes

    @property
    def alg(self) -> str | None:
        return {"Ed25519": "EdDSA", "P-256": "ES256"}.get(self.kind)

    @property
    def multikey(self) -> str:
        return "z" + to_b58({"Ed25519": b"\xed\x01", "P-256": b"\x80\x24", "X25519": b"\xec\x01"}[self.kind] + self.raw)


def edwards_y(raw: bytes) -> int | None:
    """y of a canonical encoding that is not of small order, else None."""
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    return y if len(raw) == 32 and y < P and y not in SMALL_Y else None


def checked_key(kind: str, raw: bytes) -> Key:
    good = False
    if kind == "Ed25519":
        y = edwards_y(raw)
        if y is not None:
            square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
            good = pow(square, (P - 1) // 2, P) == 1
    elif kind == "X25519":
        u = int.from_bytes(raw, "little")
        good = len(raw) == 32 and u < P and u not in SMALL_U
    elif kind == "P-256" and len(raw) == 33 and raw[0] in (2, 3):
        try:
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
            good = True
        except ValueError:
            pass
    if not good:
        raise Fault("GP-KEY-MALFORMED", kind)
    return Key(kind, raw)


def multikey(text: Any) -> Key:
    if not isinstance(text, str) or not text.startswith("z") or len(text) > 128:
        raise Fault("GP-KEY-MALFORMED", "Multikey")
    raw = b58(text[1:])
    kinds = {b"\xed\x01": "Ed25519", b"\x80\x24": "P-256", b"\xec\x01": "X25519"}
    return checked_key(kinds.get(raw[:2], "unknown"), raw[2:])


def jwk_key(jwk: Any) -> Key:
    kinds = {("OKP", "Ed25519"): "x", ("OKP", "X25519"): "x", ("EC", "P-256"): "xy"}
    if not isinstance(jwk, dict) or not all(isinstance(jwk.get(name), str) for name in ("kty", "crv", "x")):
        raise Fault("GP-DID-MALFORMED", "JWK")
    kind: tuple[str, str] = jwk["kty"], jwk["crv"]
    coordinates = kinds.get(kind)
    others = {"x", "y", "d", "p", "q", "dp", "dq", "qi", "oth", "k", "n", "e"} - set(coordinates or "")
    if coordinates is None or others & jwk.keys():
        raise Fault("GP-KEY-MALFORMED", "JWK")
    parts = [b64u(jwk[name], "GP-KEY-MALFORMED") if isinstance(jwk.get(name), str) else b"" for name in coordinates]
    if kind[0] == "OKP":
        return checked_key(kind[1], parts[0])
    if [len(part) for part in parts] != [32, 32]:
        raise Fault("GP-KEY-MALFORMED", "P-256")
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + parts[0] + parts[1])
    except ValueError:
        raise Fault("GP-KEY-MALFORMED", "P-256") from None
    return checked_key("P-256", bytes((2 + (parts[1][-1] & 1),)) + parts[0])


def fits(key: Key, message: bytes, signature: bytes) -> bool:
    """Strict verification. The library's equation has no cofactor and compares R's canonical bytes."""
    if len(signature) != 64:
        return False
    try:
        if key.kind == "Ed25519":
            r, s = signature[:32], int.from_bytes(signature[32:], "little")
            if s >= GROUP or edwards_y(r) is None:
                return False
            Ed25519PublicKey.from_public_bytes(key.raw).verify(signature, message)
        elif key.kind == "P-256":
            pair = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
            point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key.raw)
            point.verify(pair, message, ec.ECDSA(SHA256()))
        else:
            return False
    except (InvalidSignature, ValueError):
        return False
    return True


# ---- DIDs

DID = re.compile(r"did:[a-z0-9]+:(?:[A-Za-z0-9._:-]|%[0-9A-Fa-f]{2})*(?:[A-Za-z0-9._-]|%[0-9A-Fa-f]{2})")


def is_did(text: Any) -> bool:
    return isinstance(text, str) and len(text) <= 2048 and DID.fullmatch(text) is not None


def did_of(url: Any) -> str:
    """The DID of a DID URL with a fragment."""
    did, mark, fragment = url.partition("#") if isinstance(url, str) else ("", "", "")
    if not is_did(did) or not mark or not re.fullmatch(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})+", fragment) or len(url) > 2048:
        raise Fault("GP-DID-MALFORMED", f"{url!r:.80}")
    return did


RELATIONS = ("assertionMethod", "authentication", "capabilityInvocation", "keyAgreement")


@dataclass
class Method:
    """A verification method: its key, or None where it is kept and never used."""

    key: Key | None
    expires: int | None = None
    revoked: int | None = None
    controlled: bool = True


@dataclass
class Document:
    methods: dict[str, Method]
    lists: dict[str, set[str]]


@dataclass
class Version:
    since: int
    document: Document | None  # None: deactivated


def did_key(did: str) -> Document:
    key = multikey(did.removeprefix("did:key:"))
    own = f"{did}#{key.multikey}"
    methods, lists = {own: Method(key)}, {name: {own} for name in RELATIONS}
    if key.kind == "X25519":
        lists = {name: set() for name in RELATIONS[:3]} | {"keyAgreement": {own}}
    if key.kind == "Ed25519":
        y = int.from_bytes(key.raw, "little") & (2**255 - 1)
        image = checked_key("X25519", ((1 + y) * pow(1 - y, -1, P) % P).to_bytes(32, "little"))
        methods[f"{did}#{image.multikey}"] = Method(image)
        lists["keyAgreement"] = {f"{did}#{image.multikey}"}
    return Document(methods, lists)


def did_jwk(did: str) -> Document:
    text = did.removeprefix("did:jwk:")
    try:
        jwk = read_object(b64u(text, "GP-DID-MALFORMED"), 1 << 16, 16)
    except Fault as fault:
        raise Fault("GP-DID-MALFORMED", fault.why) from None
    key, own, use = jwk_key(jwk), f"{did}#0", jwk.get("use")
    lists = {name: {own} for name in RELATIONS}
    if use == "sig" or key.kind == "Ed25519":
        lists["keyAgreement"] = set()
    if use == "enc" or key.kind == "X25519":
        lists.update({name: set() for name in RELATIONS[:3]})
    return Document({own: Method(key)}, lists)


def _method(value: dict[str, Any], did: str) -> Method:
    """A key of a type that nobody uses here is None; one that is broken refuses the document."""
    text, jwk = value.get("publicKeyMultibase"), value.get("publicKeyJwk")
    key = None
    try:
        if text is not None and jwk is not None:
            raise Fault("GP-KEY-MALFORMED", "a key in both forms")
        if isinstance(text, str) and text.startswith(("z6Mk", "z6LS", "zDn")):
            key = multikey(text)
        elif isinstance(jwk, dict) and jwk.get("crv") in ("Ed25519", "X25519", "P-256"):
            key = jwk_key(jwk)
    except Fault as fault:
        raise Fault("GP-DID-DOCUMENT-MALFORMED", fault.why) from None
    moments = [millis(value[name]) if name in value else None for name in ("expires", "revoked")]
    return Method(key, *moments, controlled=value.get("controller") == did)


def read_document(value: Any, did: str) -> Document:
    """A DID document with this id; embedded methods and relative ids are read."""
    bad = Fault("GP-DID-DOCUMENT-MALFORMED", did)
    if not isinstance(value, dict):
        raise bad
    if value.get("id") != did:
        raise Fault("GP-DID-DOCUMENT-OTHER-ID", did)
    methods: dict[str, Method] = {}

    def absolute(url: Any) -> str:
        if not isinstance(url, str):
            raise bad
        return did + url if url.startswith("#") else url

    def take(entry: Any) -> str:
        if not isinstance(entry, dict):
            raise bad
        name = absolute(entry.get("id"))
        if name in methods or len(methods) >= 64:
            raise bad
        methods[name] = _method(entry, did)
        return name

    def listed(name: str) -> list[Any]:
        found = value.get(name, [])
        if not isinstance(found, list) or len(found) > 64:
            raise bad
        return found

    for entry in listed("verificationMethod"):
        take(entry)
    lists = {name: {take(e) if isinstance(e, dict) else absolute(e) for e in listed(name)} for name in RELATIONS}
    return Document(methods, lists)


# ---- keys over time (identity.md 4)

def key_at(versions: list[Version], kid: str, purpose: str, at: int, claimed: bool) -> tuple[Check, Key | None]:
    """What holds of a key id for a purpose at a time; `claimed`: only the signer says that it was then."""
    def said(outcome: str, code: str) -> tuple[Check, Key | None]:
        return Check("key", outcome, code, kid), key

    def method(version: Version) -> Method | None:
        document = version.document
        found = document.methods.get(kid) if document and kid in document.lists[purpose] else None
        return found if found and found.controlled else None

    starts = [version.since // 1000 * 1000 for version in versions]
    known = [version for version, start in zip(versions, starts) if start <= at]
    ends = [start + 1000 for start in starts[1:]] + [None]
    forces = [v for v, start, end in zip(versions, starts, ends) if start <= at and (end is None or at < end)]
    now = [found for found in map(method, forces) if found]
    ever = now or [found for found in map(method, versions) if found]
    key = ever[-1].key if ever else None
    if not ever:
        return said(FAILED, "GP-KEY-NOT-LISTED") if known else said(OPEN, "GP-DID-NOT-YET")
    revoked = [m.revoked for v in versions if v.document for m in v.document.methods.values()
               if key and m.key == key and m.revoked is not None]
    if any(moment <= at for moment in revoked):
        return said(FAILED, "GP-KEY-COMPROMISED")
    if not known:
        return said(OPEN, "GP-DID-NOT-YET")
    if known[-1].document is None:
        return said(FAILED, "GP-DID-DEACTIVATED")
    if not now:
        return said(FAILED, "GP-KEY-ROTATED" if any(map(method, known)) else "GP-KEY-NOT-LISTED")
    expires = now[-1].expires
    if expires is not None and expires <= at:
        return said(FAILED, "GP-KEY-EXPIRED")
    if revoked and claimed:
        return said(OPEN, "GP-KEY-COMPROMISED-SINCE")
    if key is None:
        return said(FAILED, "GP-KEY-TYPE-UNSUITABLE")
    newest = method(versions[-1])
    return said(PASSED, "GP-KEY-CURRENT" if newest and newest.key == key else "GP-KEY-ROTATED-SINCE")
