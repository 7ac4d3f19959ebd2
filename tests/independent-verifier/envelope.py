"""Envelopes and receipts: their form and their signatures (envelope.md, receipt.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from base import DAG_CBOR, RAW, Fault, Link, canonical, cbor, cid, cid_bytes, jcs_text, members, millis, parse_cid, read_cbor, read_object, rfc3339, to_b64u
from jose import Jws, read_jws
from keys import Key, did_of, fits, is_did

MALFORMED = "GP-ENVELOPE-MALFORMED"


@dataclass
class Envelope:
    id: str
    block: bytes
    protected: bytes
    payload: Link
    signature: bytes
    header: dict[str, Any]
    gp: dict[str, Any]
    issued: int
    expires: int

    @property
    def chain(self) -> tuple[str, str, str]:
        return self.gp["channel"], self.gp["sender"], self.header["kid"]

    @property
    def sequence(self) -> int:
        return int(self.gp["sequence"])

    @property
    def signing_input(self) -> bytes:
        return f"{to_b64u(self.protected)}.{to_b64u(self.payload.text.encode())}".encode()

    def signed_by(self, key: Key) -> bool:
        return key.kind == "Ed25519" and fits(key, self.signing_input, self.signature)


def need(holds: Any, why: str) -> None:
    if not holds:
        raise Fault(MALFORMED, why)


def name_of(text: Any, codec: str) -> bool:
    try:
        parse_cid(text)
    except Fault:
        return False
    return str(text).startswith(codec)


def _header(protected: bytes) -> dict[str, Any]:
    need(len(protected) <= 1 << 16, "header too long")
    try:
        header = canonical(protected, 1 << 16, 16)
        version = header["gp"].get("formatVersion") if isinstance(header.get("gp"), dict) else None
        if type(version) is int and version >= 0 and version != 1:
            raise Fault("GP-ENVELOPE-VERSION")
        sender = did_of(members(header, "alg typ kid cty gp")["kid"])
        gp = members(header["gp"], "formatVersion channel topic topicVersion schema sender presentation sequence issued "
                     "expires payloadBytes", "authorisation previous recipients thread attributes epoch")
    except Fault as fault:
        raise Fault(fault.code if fault.code == "GP-ENVELOPE-VERSION" else MALFORMED, fault.why or fault.code) from None
    need((header["alg"], header["typ"], jcs_text(gp["formatVersion"])) == ("EdDSA", "gridpass-envelope", "1"), "alg, typ or version")
    need(all(isinstance(text, str) for text in (header["cty"], gp["topic"])) and is_did(gp["sender"]), "texts")
    need(all(type(gp[n]) is int and gp[n] >= least for n, least in (("sequence", 1), ("topicVersion", 0), ("payloadBytes", 0))), "numbers")
    need(all(name_of(gp[n], "bafkrei") for n in ("channel", "schema", "presentation", "authorisation", "epoch") if n in gp), "CIDs")
    need(all(name_of(gp[n], "bafyrei") for n in ("previous", "thread") if n in gp), "names")
    need(("previous" in gp) == (gp["sequence"] > 1) and ("authorisation" in gp) == (sender != gp["sender"]), "exactly where")
    recipients, attributes = gp.get("recipients", ["did:x:y"]), gp.get("attributes", {"x": 1})
    need(isinstance(recipients, list) and 0 < len(recipients) <= 256 and all(map(is_did, recipients))
         and len(set(recipients)) == len(recipients), "recipients")
    need(isinstance(attributes, dict) and 0 < len(attributes) <= 64, "attributes")
    need(all(rfc3339(millis(gp[n], MALFORMED)) == gp[n] for n in ("issued", "expires")), "times")
    return header


def read_envelope(data: bytes) -> tuple[Envelope, bytes | None]:
    """From its block, or as it travels: then its payload too."""
    if len(data) > (1 << 20) + (1 << 16) + 128:
        raise Fault("GP-ENVELOPE-TOO-LARGE")
    parts = read_cbor(data, MALFORMED, 4)
    need(isinstance(parts, list) and len(parts) == 3 and isinstance(parts[0], bytes) and isinstance(parts[2], bytes), "three parts")
    protected, middle, signature = parts
    payload = middle if isinstance(middle, bytes) else None
    need(payload is not None or isinstance(middle, Link), "payload")
    if isinstance(middle, Link):
        need(middle.raw[0] == 1 and middle.raw[3] == 0x20, "a CID of version 1")
        if middle.raw[1:3] != bytes((RAW, 0x12)):
            raise Fault("GP-CID-MALFORMED", "payload")
    need(len(signature) == 64, "signature")
    header = _header(protected)
    need(payload is None or len(payload) == header["gp"]["payloadBytes"], "payloadBytes")
    link = middle if payload is None else Link(cid_bytes(payload))
    block = cbor([protected, link, signature])
    issued, expires = (millis(header["gp"][name], MALFORMED) for name in ("issued", "expires"))
    need(issued < expires, "issued before expires")
    return Envelope(cid(block, DAG_CBOR), block, protected, link, signature, header, header["gp"], issued, expires), payload


@dataclass
class Receipt:
    jws: Jws
    body: dict[str, Any]
    issued: int
    spoken: list[tuple[int, int]]

    @property
    def chain(self) -> tuple[str, str, str]:
        return self.body["channel"], self.body["sender"], self.body["key"]

    def speaks_of(self, number: int) -> bool:
        return any(first <= number <= last for first, last in self.spoken)

    def took(self, number: int) -> bool:
        """Whether it says that a message was delivered or kept."""
        return any(first <= number <= last for name in ("delivered", "kept") for first, last in self.body.get(name, []))


def read_receipt(data: bytes) -> Receipt:
    code = "GP-RECEIPT-MALFORMED"
    if len(data) > 1 << 16:
        raise Fault(code, "too long")
    try:
        jws = read_jws(data.decode("ascii", "replace"))
        body = read_object(jws.payload)
    except Fault as fault:
        raise Fault(code, fault.why) from None
    if jws.header.get("typ") != "gridpass-receipt+jwt" or jws.header["alg"] != "EdDSA" or "kid" not in jws.header:
        raise Fault(code, "header")
    members(body, "formatVersion channel sender key recipient issued newest", "authorisation delivered kept refused", code)
    if not all(isinstance(body.get(name, []), list) for name in ("delivered", "kept", "refused")):
        raise Fault(code, "a list")
    spoken: list[tuple[int, int]] = []
    for name in ("delivered", "kept"):
        last = 0
        for pair in body.get(name, []):
            if not isinstance(pair, list) or len(pair) != 2 or not all(type(n) is int for n in pair) or not last < pair[0] <= pair[1]:
                raise Fault(code, name)
            last = pair[1]
            spoken.append((pair[0], pair[1]))
    last = 0
    for entry in body.get("refused", []):
        members(entry, "sequence reasons", "", code)
        number, reasons = entry["sequence"], entry["reasons"]
        if type(number) is not int or number <= last or not isinstance(reasons, list) or len(reasons) > 16 \
                or not all(isinstance(reason, str) and reason.startswith("GP-") and len(reason) <= 64 for reason in reasons):
            raise Fault(code, "refused")
        last = number
        spoken.append((number, number))
    ordered = sorted(spoken)
    if not 0 < len(spoken) <= 256 or any(a[1] >= b[0] for a, b in zip(ordered, ordered[1:])) or body["formatVersion"] != 1 \
            or type(body["formatVersion"]) is not int or not is_did(body["recipient"]) or not is_did(body["sender"]) or not isinstance(body["key"], str) \
            or not all(name_of(body[n], "bafkrei") for n in ("channel", "authorisation") if n in body) or not name_of(body["newest"], "bafyrei") or ("authorisation" in body) != (did_of(jws.header["kid"]) != body["recipient"]):
        raise Fault(code, "ranges, version or recipient")
    return Receipt(jws, body, millis(body["issued"], code), spoken)
