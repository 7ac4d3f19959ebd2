"""Visa requests, refusals and parcels (request.md), as far as their signers have a did:key."""

from __future__ import annotations

from typing import Any

from base import FAILED, Check, Fault, cid, jcs_text, parse_cid, read_json, read_object, rfc3339, worst
from jose import read_jws
from keys import did_key, did_of, fits, is_did
from names import is_role_name

MONTH = 30 * 86_400_000
WHAT = {
    "request": ("gridpass-visa-request+jwt", "authentication", "holder", "issuer",
                {"formatVersion", "holder", "issuer", "definition", "role", "claims"}, {"validitySeconds", "renews", "presentation", "note"}),
    "refusal": ("gridpass-visa-refusal+jwt", "assertionMethod", "issuer", "holder",
                {"formatVersion", "issuer", "holder", "request", "role", "reason"}, set()),
}
PARCELS = {"gridpass-" + name for name in ("visa-request", "visa-refusal", "visa", "presentation", "status-lists", "node-authorisation")}
LISTS = ("supporting", "statusLists", "identities")


def _said(value: dict[str, Any], what: str) -> None:
    def need(good: bool, why: str) -> None:
        if not good:
            raise Fault("GP-REQUEST-MALFORMED", why)
    *_, required, optional = WHAT[what]
    need(required <= value.keys() <= required | optional, "members")
    need(type(value["formatVersion"]) is int and value["formatVersion"] == 1, "formatVersion")
    need(is_did(value["holder"]) and is_did(value["issuer"]), "DIDs")
    need(is_role_name(value["role"]), "role")
    try:
        parse_cid(value["definition" if what == "request" else "request"])
    except Fault as fault:
        raise Fault("GP-REQUEST-MALFORMED", fault.why) from None
    for name in {"renews", "presentation", "note", "reason"} & value.keys():
        need(isinstance(value[name], str), name)
    for name in {"renews", "note", "reason"} & value.keys():
        text = value[name]
        need(len(text.encode()) <= 2000 and not any((c < " " and c != "\n") or "\x7f" <= c <= "\x9f" for c in text), name)
    if what == "request":
        need(isinstance(value["claims"], dict), "claims")
        seconds = value.get("validitySeconds", 0)
        need(type(seconds) is int and seconds >= 0, "validitySeconds")


def read_statement(text: str, what: str, now: int, recipient: str | None) -> dict[str, Any]:
    typ, purpose, by, to, *_ = WHAT[what]
    jws = read_jws(text)
    if jws.header.get("typ") != typ:
        raise Fault("GP-REQUEST-MALFORMED", "typ")
    try:
        value = read_object(jws.payload)
    except Fault as fault:
        raise Fault("GP-REQUEST-MALFORMED", fault.why) from None
    _said(value, what)
    if jws.header.get("aud", []) != [value[to]]:
        raise Fault("GP-REQUEST-MALFORMED", "aud")
    checks: list[Check] = []
    signed = jws.header["iat"] * 1000 if "iat" in jws.header else None
    if signed is not None and signed > now + 300_000:
        checks.append(Check("time", FAILED, "GP-SIGNED-IN-FUTURE"))
    kid = jws.header.get("kid")
    if kid is None:
        checks.append(Check("key", FAILED, "GP-JWS-HEADER-REFUSED"))
    else:
        if did_of(kid) != value[by]:
            checks.append(Check("signer", FAILED, "GP-SIGNER-OTHER"))
        document = did_key(did_of(kid))
        assert kid in document.lists[purpose]
        key = document.methods[kid].key
        assert key
        checks.append(Check("key", "passed", "GP-KEY-CURRENT"))
        good = fits(key, jws.signed, jws.signature)
        checks.append(Check("signature", *(("passed", "GP-SIGNATURE-VALID") if good else (FAILED, "GP-SIGNATURE-INVALID"))))
        if recipient is not None:
            fit = recipient == value[to]
            checks.append(Check("audience", *(("passed", "GP-ADDRESSED") if fit else (FAILED, "GP-NOT-ADDRESSED"))))
    if signed is None:
        checks.append(Check("time", FAILED, "GP-SIGNING-TIME-MISSING"))
    elif now - signed > MONTH:
        checks.append(Check("time", FAILED, "GP-PROOF-EXPIRED"))
    whole = worst(checks, "", checks[-1].code)
    told = [{"name": check.name, "outcome": check.outcome, "code": check.code} for check in checks]
    return {"id": cid(text.encode()), "signed": rfc3339(now if signed is None else signed), "outcome": whole.outcome, "code": whole.code, "checks": told}


def read_parcel(text: str, kind: str | None) -> dict[str, Any]:
    """The parcel, and how it is written; where a kind is asked for, also the bare thing."""
    if kind is not None:
        try:
            begun = read_json(text, 16 << 20)
        except Fault:
            begun = None
        if not (isinstance(begun, dict) and isinstance(begun.get("type"), str) and begun["type"].startswith("gridpass-")):
            parcel = {"type": kind, "formatVersion": 1, "content": text.strip()}
            return {"parcel": parcel, "again": jcs_text(parcel) + "\n"}
    try:
        parcel = read_object(text, 16 << 20)
    except Fault as fault:
        raise Fault("GP-PARCEL-MALFORMED", fault.why) from None
    good = {"type", "formatVersion"} <= parcel.keys() <= {"type", "formatVersion", "content", *LISTS}
    good = good and parcel["type"] in PARCELS and type(parcel["formatVersion"]) is int and parcel["formatVersion"] == 1
    good = good and isinstance(parcel.get("content", ""), str)
    for name in LISTS:
        held = parcel.get(name, [])
        good = good and isinstance(held, list) and len(held) <= 256
        good = good and all(_material(one) if name == "identities" else isinstance(one, str) for one in held)
    if not good:
        raise Fault("GP-PARCEL-MALFORMED")
    if kind is not None and parcel["type"] != kind:
        raise Fault("GP-PARCEL-KIND")
    parcel = {name: value for name, value in parcel.items() if value != []}
    return {"parcel": parcel, "again": jcs_text(parcel) + "\n"}


def _material(value: Any) -> bool:
    return isinstance(value, dict) and {"did", "seen", "document"} <= value.keys() <= {"did", "seen", "confirmed", "document", "witness"} and is_did(value["did"])
