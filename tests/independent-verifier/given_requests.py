"""Visa requests, refusals and parcels (request.md)."""

from __future__ import annotations

import json
from typing import Any

from base import cid, jcs, jcs_text, rfc3339, to_b64u
from given import Case, found, write
from scene import DAY, NOW, Signer
from statements import read_parcel, read_statement

HOLDER, ISSUER, OTHER = Signer(1), Signer(2), Signer(3)
REQUEST: dict[str, Any] = {
    "formatVersion": 1, "holder": HOLDER.did, "issuer": ISSUER.did, "definition": cid(b"a role definition"),
    "role": "flex.gb.aggregator", "claims": {"zone": "GB-1"}}
WHOLE = REQUEST | {"validitySeconds": 31_536_000, "renews": "urn:uuid:7f0d8a5e-0001-4000-8000-000000000001",
                   "presentation": "a.b.c", "note": "The audit of May is done.\nIts report is attached."}
REFUSAL: dict[str, Any] = {"formatVersion": 1, "issuer": ISSUER.did, "holder": HOLDER.did, "request": cid(b"a request"),
                           "role": "flex.gb.aggregator", "reason": "not before the audit"}
HEADER: dict[str, Any] = {"typ": "gridpass-visa-request+jwt", "cty": "json", "iat": NOW // 1000, "aud": [ISSUER.did]}
BACK: dict[str, Any] = {"typ": "gridpass-visa-refusal+jwt", "cty": "json", "iat": NOW // 1000, "aud": [HOLDER.did]}


def less(value: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: member for name, member in value.items() if name not in names}


def statement(name: str, code: str | None, header: dict[str, Any] = HEADER, says: Any = REQUEST, by: Signer = HOLDER, what: str = "request",
              now: int = NOW, recipient: str | None = None, text: str | None = None) -> Case:
    payload = says if isinstance(says, bytes) else jcs(says)
    text = text or by.jws(header, payload).decode()
    given = {"statement": text, "what": what, "now": rfc3339(now)} | ({"recipient": recipient} if recipient else {})
    return found(name, given, code, lambda: read_statement(text, what, now, recipient))


def without_kid(header: dict[str, Any]) -> str:
    signed = f"{to_b64u(jcs({'alg': 'EdDSA'} | header))}.{to_b64u(jcs(REQUEST))}"
    return f"{signed}.{to_b64u(HOLDER.secret.sign(signed.encode()))}"


def statements() -> list[Case]:
    no, valid, old = "GP-REQUEST-MALFORMED", "GP-SIGNATURE-VALID", "GP-PROOF-EXPIRED"
    good = HOLDER.jws(HEADER, jcs(REQUEST)).decode()
    bent = good[:-4] + ("AAAA" if not good.endswith("AAAA") else "BAAA")
    spaced = json.dumps(REQUEST, indent=1).encode()
    cases = [
        statement("a request, for nobody in particular to read", valid),
        statement("a request, read by its issuer", "GP-ADDRESSED", recipient=ISSUER.did),
        statement("a request, read by somebody else", "GP-NOT-ADDRESSED", recipient=OTHER.did),
        statement("a request with all that may be absent", valid, says=WHOLE),
        statement("without cty", valid, header=less(HEADER, "cty")),
        statement("its payload is not JCS", valid, says=spaced),
        statement("without aud", no, header=less(HEADER, "aud")),
        statement("an empty aud", no, header=HEADER | {"aud": []}),
        statement("aud of somebody else", no, header=HEADER | {"aud": [OTHER.did]}),
        statement("aud of the issuer and somebody else", no, header=HEADER | {"aud": [ISSUER.did, OTHER.did]}),
        statement("aud of the issuer twice", no, header=HEADER | {"aud": [ISSUER.did, ISSUER.did]}),
        statement("30 days old", valid, now=NOW + 30 * DAY),
        statement("30 days and a second old", old, now=NOW + 30 * DAY + 1000),
        statement("five minutes ahead", valid, now=NOW - 300_000),
        statement("five minutes and a second ahead", "GP-SIGNED-IN-FUTURE", now=NOW - 301_000),
        statement("without iat", "GP-SIGNING-TIME-MISSING", header=less(HEADER, "iat")),
        statement("signed by somebody else", "GP-SIGNER-OTHER", by=OTHER),
        statement("another signature", "GP-SIGNATURE-INVALID", text=bent),
        statement("without kid", "GP-JWS-HEADER-REFUSED", text=without_kid(HEADER)),
        statement("without kid and iat", "GP-JWS-HEADER-REFUSED", text=without_kid(less(HEADER, "iat"))),
        statement("a refusal's typ", no, header=HEADER | {"typ": BACK["typ"]}),
        statement("without typ", no, header=less(HEADER, "typ")),
        statement("another format version", no, says=REQUEST | {"formatVersion": 2}),
        statement("an unknown member", no, says=REQUEST | {"priority": "high"}),
        statement("a payload that is no JSON", no, says=b"please"),
        statement("a payload that is a list", no, says=b"[1]"),
        statement("a member twice", no, says=jcs(REQUEST)[:-1] + b',"role":"flex.gb.aggregator"}'),
        statement("no member of its own", no, says={}),
        statement("a role name that is none", no, says=REQUEST | {"role": "Aggregator"}),
        statement("a definition that is no CID", no, says=REQUEST | {"definition": "flex.gb.aggregator"}),
        statement("claims that are a list", no, says=REQUEST | {"claims": []}),
        statement("a holder that is no DID", no, says=REQUEST | {"holder": "FlexGen"}),
        statement("validitySeconds of half a second", no, says=REQUEST | {"validitySeconds": 0.5}),
        statement("validitySeconds below nothing", no, says=REQUEST | {"validitySeconds": -1}),
        statement("a note that is null", no, says=REQUEST | {"note": None}),
        statement("a note of 2000 bytes", valid, says=REQUEST | {"note": "é" * 1000}),
        statement("a note of 2001 bytes", no, says=REQUEST | {"note": "é" * 1000 + "x"}),
        statement("a note with a tab", no, says=REQUEST | {"note": "a\tb"}),
        statement("a note with an escape", no, says=REQUEST | {"note": "\u001b[2J"}),
        statement("a note with a C1 control character", no, says=REQUEST | {"note": "\u009b2J"}),
        statement("an id to renew with a control character", no, says=REQUEST | {"renews": "urn:uuid:\u0000"}),
        statement("two parts", "GP-JWS-MALFORMED", text=good.rsplit(".", 1)[0]),
        statement("alg none", "GP-JWS-HEADER-REFUSED", header=HEADER | {"alg": "none"}),
        statement("aud as a text", "GP-JWS-MALFORMED", header=HEADER | {"aud": ISSUER.did}),
        statement("iat as a text", "GP-JWS-MALFORMED", header=HEADER | {"iat": str(NOW // 1000)}),
    ]
    for name in ("formatVersion", "holder", "issuer", "definition", "role", "claims"):
        cases.append(statement(f"without {name}", no, says=less(REQUEST, name)))

    def back(name: str, code: str, **more: Any) -> Case:
        return statement(name, code, **({"header": BACK, "says": REFUSAL, "by": ISSUER, "what": "refusal"} | more))
    cases += [
        back("a refusal", valid),
        back("a refusal, read by whom it is for", "GP-ADDRESSED", recipient=HOLDER.did),
        back("a refusal by somebody else", "GP-SIGNER-OTHER", by=OTHER),
        back("a refusal for its issuer", no, header=BACK | {"aud": [ISSUER.did]}),
        back("a refusal without a reason", no, says=less(REFUSAL, "reason")),
        back("a refusal with an unknown member", no, says=REFUSAL | {"note": "x"}),
        back("a refusal whose reason is too long", no, says=REFUSAL | {"reason": "x" * 2001}),
        back("a refusal whose reason has a control character", no, says=REFUSAL | {"reason": "\u007f"}),
        back("a refusal, 30 days and a second old", old, now=NOW + 30 * DAY + 1000),
        back("a request in the place of a refusal", no, header=HEADER, says=REQUEST, by=HOLDER),
    ]
    return cases


def parcels() -> list[Case]:
    visa = {"type": "gridpass-visa", "formatVersion": 1, "content": "a.b.c"}
    document = {"did": "did:web:flexgen.example", "seen": rfc3339(NOW), "document": "e30="}
    full = visa | {"supporting": ["d.e.f"], "statusLists": ["g.h.i"], "identities": [document]}
    no = "GP-PARCEL-MALFORMED"

    def of(name: str, code: str | None, text: Any, kind: str | None = None) -> Case:
        text = text if isinstance(text, str) else jcs_text(text) + "\n"
        return found(name, {"parcel": text} | ({"kind": kind} if kind else {}), code, lambda: read_parcel(text, kind))
    return [
        of("a visa", None, visa),
        of("a visa with what it rests on", None, full),
        of("a visa, asked for", None, full, "gridpass-visa"),
        of("a request", None, visa | {"type": "gridpass-visa-request"}, "gridpass-visa-request"),
        of("a refusal", None, visa | {"type": "gridpass-visa-refusal"}, "gridpass-visa-refusal"),
        of("a node authorisation", None, visa | {"type": "gridpass-node-authorisation"}),
        of("a presentation as JCS", None, {"type": "gridpass-presentation", "formatVersion": 1, "content": jcs_text({"type": ["VerifiablePresentation"]})}),
        of("status lists, without content", None, {"type": "gridpass-status-lists", "formatVersion": 1, "statusLists": ["g.h.i"]}),
        of("not in JCS form", None, json.dumps(full, indent=2)),
        of("empty lists are left away", None, visa | {"supporting": [], "identities": []}),
        of("256 visas that it rests on", None, visa | {"supporting": ["d.e.f"] * 256}),
        of("257 visas that it rests on", no, visa | {"supporting": ["d.e.f"] * 257}),
        of("another kind than is asked for", "GP-PARCEL-KIND", visa, "gridpass-presentation"),
        of("the bare thing, asked for", None, "a.b.c\n", "gridpass-visa"),
        of("the bare thing, not asked for", no, "a.b.c\n"),
        of("JSON of another type, asked for", None, jcs_text({"type": ["VerifiableCredential"]}), "gridpass-visa"),
        of("content that is an object", no, visa | {"content": {"type": ["VerifiablePresentation"]}}),
        of("content that is null", no, visa | {"content": None}),
        of("another format version", no, visa | {"formatVersion": 2}),
        of("without a format version", no, less(visa, "formatVersion")),
        of("an unknown kind", no, visa | {"type": "gridpass-letter"}),
        of("an unknown kind, another being asked for", no, visa | {"type": "gridpass-letter"}, "gridpass-visa"),
        of("an unknown member", no, visa | {"trustPack": "{}"}),
        of("a visa in it that is an object", no, visa | {"supporting": [{}]}),
        of("an identity without its time", no, visa | {"identities": [less(document, "seen")]}),
        of("an identity with an unknown member", no, visa | {"identities": [document | {"name": "FlexGen"}]}),
        of("a member twice", no, jcs_text(visa)[:-1] + ',"content":"x.y.z"}'),
        of("a byte order mark", no, "\ufeff" + jcs_text(visa)),
    ]


def main() -> None:
    write("request", statements())
    write("parcel", parcels())


if __name__ == "__main__":
    main()
