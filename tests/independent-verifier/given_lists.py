"""Status lists (status-list.md section 1), and the registered claims of a JWT in visas and presentations (visa.md section 1)."""

from __future__ import annotations

import gzip
import json
from typing import Any

from base import b64u, jcs, rfc3339, to_b64u, worst
from credentials import expand, read_list, read_presentation, read_secured, read_visa
from given import Case, found, write
from scene import CONTEXTS, HOUR, NOW, Scene, Signer, enveloped
from trust import open_pack
from visas import Judge

SIZE = 131_072 // 8
NO, MODEL = "GP-STATUS-LIST-MALFORMED", "GP-VC-MODEL"


def packed(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def bitstrings() -> list[Case]:
    def of(name: str, code: str | None, data: bytes, around: tuple[str, str] = ("u", "")) -> Case:
        text = around[0] + to_b64u(data) + around[1]

        def read() -> dict[str, Any]:
            bits = expand(text)
            return {"entries": len(bits) * 8, "set": [n for n in range(len(bits) * 8) if bits[n // 8] >> (7 - n % 8) & 1]}
        return found(name, {"encoded": text}, code, read)
    bits = bytearray(SIZE)
    bits[0], bits[-1] = 0x80, 0x01
    good = packed(bytes(bits))
    padding = "=" * (-len(to_b64u(good)) % 4)
    while not padding:  # a length that is padded
        bits[5] += 1
        good = packed(bytes(bits))
        padding = "=" * (-len(to_b64u(good)) % 4)
    half = SIZE // 2
    spelt = to_b64u(good)
    return [
        of("one gzip member", None, good),
        of("with padding", NO, good, ("u", padding)),
        of("with padding, as its prefix says", NO, good, ("U", padding)),
        of("base64 of the other alphabet, as its prefix says", NO, good, ("m", "")),
        of("without a prefix", NO, good, ("", "")),
        of("two gzip members, of half the bits each", NO, packed(bytes(half)) + packed(bytes(half))),
        of("two gzip members, the first of which has all", NO, good + packed(b"")),
        of("a byte behind it", NO, good + b"\0"),
        of("another check sum", NO, good[:-8] + bytes([good[-8] ^ 1]) + good[-7:]),
        of("another length at its end", NO, good[:-1] + bytes([good[-1] ^ 1])),
        of("eight places too few", NO, packed(bytes(SIZE - 1))),
        of("eight places more", None, packed(bytes(SIZE + 1))),
        of("a megabyte", None, packed(bytes(1 << 20))) | {"name": "1 MiB"},
        of("1 MiB and a byte", NO, packed(bytes((1 << 20) + 1))),
        of("a name in the gzip", None, b"\x1f\x8b\x08\x08" + bytes(6) + b"list\0" + good[10:]),
        of("zlib in its place", NO, __import__("zlib").compress(bytes(bits))),
        of("nothing", NO, b""),
    ] + ([of("a last character with bits left over", NO, b"", ("u" + spelt[:-1] + bent(spelt[-1]), ""))] if len(spelt) % 4 else [])


def bent(last: str) -> str:
    """The next character: it has the same bits that count, and others that do not."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return letters[letters.index(last) + 1]


def lists() -> list[Case]:
    signer = Signer(1)

    def change(index: int, on: bool, ago: int) -> dict[str, Any]:
        return {"index": index, "set": on, "at": rfc3339(NOW - ago * HOUR)}

    def of(name: str, code: str | None, changes: Any = (), bits: tuple[int, ...] = (), purpose: Any = "suspension", signed: int = NOW,
           state: Any = None, subject: dict[str, Any] | None = None, **more: Any) -> Case:
        data = bytearray(SIZE)
        for bit in bits:
            data[bit // 8] |= 128 >> bit % 8
        about = {"id": "urn:x:list#list", "type": "BitstringStatusList", "statusPurpose": purpose, "encodedList": "u" + to_b64u(packed(bytes(data))),
                 "statusList": {"version": 3, "changes": list(changes)} if state is None else state} | (subject or {})
        document = {"@context": CONTEXTS, "id": "urn:x:list", "type": ["VerifiableCredential", "BitstringStatusListCredential"], "issuer": signer.did,
                    "validFrom": rfc3339(NOW), "credentialSubject": {n: v for n, v in about.items() if v != "absent"}} | more
        text = signer.credential(document, signed).decode()

        def read() -> dict[str, Any]:
            one = read_list(text)
            return {"id": one.id, "issuer": one.signer, "dated": rfc3339(one.dated), "version": one.version, "purposes": one.purposes}
        return found(name, {"list": text}, code, read)
    on, off = change(7, True, 3), change(7, False, 2)
    return [
        of("nothing set", None),
        of("a place that is set", None, [on], (7,)),
        of("a place that was set, and no change of it", None, [], (7,)),
        of("a place that was reinstated", None, [on, off]),
        of("places in no order of time among each other", None, [change(9, True, 1), on], (7, 9)),
        of("changes of one place in no order of time", NO, [change(7, True, 2), change(7, False, 3)]),
        of("two changes at one time", None, [change(7, True, 2), change(7, False, 2)]),
        of("set twice", NO, [change(7, True, 3), change(7, True, 2)], (7,)),
        of("reinstated first", NO, [change(7, False, 3)]),
        of("a bit that its last change does not say", NO, [on]),
        of("a change after the list's date", NO, [change(7, True, -1)], (7,)),
        of("a change at the list's date", None, [change(7, True, 0)], (7,)),
        of("a place outside", "GP-STATUS-RANGE", [change(131_072, True, 1)]),
        of("a revocation that is taken back", NO, [on, off], purpose="revocation"),
        of("a revocation", None, [on], (7,), purpose="revocation"),
        of("both purposes, and one taken back", NO, [on, off], purpose=["suspension", "revocation"]),
        of("version 2^53 - 1", None, state={"version": 2**53 - 1, "changes": []}),
        of("version 2^53", NO, state={"version": 2**53, "changes": []}),
        of("a version that is a text", NO, state={"version": "3", "changes": []}),
        of("without changes", NO, state={"version": 3}),
        of("an unknown member beside the changes", NO, state={"version": 3, "changes": [], "next": "x"}),
        of("an unknown member of a change", NO, [on | {"why": "x"}], (7,)),
        of("a list that others made", None, state="absent"),
        of("dated five minutes after it was signed", None, signed=NOW - 300_000),
        of("dated more than five minutes after it was signed", NO, signed=NOW - 301_000),
        of("another type of subject", NO, subject={"type": "BitstringStatusListEntry"}),
        of("two subjects", NO, credentialSubject=[{"id": "urn:x:a"}, {"id": "urn:x:b"}]),
        of("without the type of a list", NO, type=["VerifiableCredential"]),
        of("evidence of others", None, evidence={"type": "Meeting", "minutes": "x"}),
        of("evidence that is no object", MODEL, evidence=["x"]),
        of("evidence without a type", MODEL, evidence=[{"id": "urn:x:e"}]),
        of("evidence that is no visa", None, evidence=[{"@context": CONTEXTS[0], "type": "EnvelopedVerifiableCredential", "id": "data:application/vc+jwt,a.b.c"}]),
        of("other claims of a JWT", None, iss="did:web:other.example", nbf=9_999_999_999, jti="x"),
    ]


def visas(scene: Scene) -> list[Case]:
    whole = json.loads(b64u(scene.visa.decode().split(".")[1]))

    def of(name: str, code: str | None, header: dict[str, Any] | None = None, payload: bytes | None = None, **more: Any) -> Case:
        head = {"typ": "vc+jwt", "cty": "vc", "iat": NOW // 1000} | (header or {})
        head = {n: v for n, v in head.items() if v != "absent"}
        text = scene.root.jws(head, payload or jcs(whole | more)).decode()

        def read() -> dict[str, Any]:
            secured = read_secured(text, "vc")
            visa = read_visa(secured)
            return {"evidence": secured.evidence, "id": visa.id, "signed": "absent" if secured.untimed else rfc3339(secured.signed)}
        return found(name, {"visa": text}, code, read)
    no, kind, jws = "GP-VISA-MALFORMED", "GP-SECURED-TYPE", "GP-JWS-MALFORMED"
    claims: dict[str, Any] = {"iss": scene.root.did, "sub": scene.did, "aud": scene.did, "exp": NOW // 1000 + 60, "nbf": NOW // 1000, "iat": NOW // 1000, "jti": "urn:x:visa", "nonce": "n"}
    made = [of(f"a visa with {name} in its payload", no, **{name: value}) for name, value in claims.items()]
    return made + [
        of("a visa", None), of("a visa without cty", None, {"cty": "absent"}), of("a visa without iat", None, {"iat": "absent"}),
        of("a visa with iat in its payload alone", no, {"iat": "absent"}, iat=NOW // 1000),
        of("a visa with exp in its header", None, {"exp": 1}), of("a visa with aud in its header", None, {"aud": [scene.did]}),
        of("a visa with a text as aud in its header", jws, {"aud": scene.did}), of("a visa with a text as iat", jws, {"iat": str(NOW // 1000)}),
        of("a visa with half a second as iat", jws, {"iat": NOW / 1000 + 0.5}), of("a visa with iat below nothing", jws, {"iat": -1}),
        of("a visa with the typ of a presentation", kind, {"typ": "vp+jwt"}), of("a visa without typ", kind, {"typ": "absent"}), of("a visa with typ JWT", kind, {"typ": "JWT"}),
        of("a visa with a typ in capitals", kind, {"typ": "VC+JWT"}), of("a visa with cty application/vc", kind, {"cty": "application/vc"}),
        of("a visa with a vc claim", "GP-SECURED-MALFORMED", vc={}), of("a visa with a vp claim", "GP-SECURED-MALFORMED", vp={}),
        of("a visa whose payload is not JCS", None, payload=json.dumps(whole, indent=1).encode()),
    ]


def presentations(scene: Scene) -> list[Case]:
    base = json.loads(b64u(scene.presentation.decode().split(".")[1]))
    visa = scene.root.credential(json.loads(b64u(scene.visa.decode().split(".")[1])), NOW - HOUR)
    holder = Signer(9)
    document = json.loads(b64u(visa.decode().split(".")[1]))
    document["credentialSubject"]["id"] = holder.did
    visa = scene.root.credential(document, NOW - HOUR)
    base |= {"holder": holder.did, "verifiableCredential": [enveloped(visa)], "aud": scene.dso.did, "exp": NOW // 1000 + 60}
    statuses = [scene.lists["revocation"].decode(), scene.lists["suspension"].decode()]

    def of(name: str, code: str, header: dict[str, Any] | None = None, outcome: str = "failed", **more: Any) -> Case:
        head = {n: v for n, v in ({"typ": "vp+jwt", "cty": "vp", "iat": NOW // 1000} | (header or {})).items() if v != "absent"}
        text = holder.jws(head, jcs({n: v for n, v in (base | more).items() if v != "absent"})).decode()
        given = {"presentation": text, "trust_pack": scene.pack.decode(), "status_lists": statuses, "now": rfc3339(NOW), "audience": scene.dso.did}

        def read() -> dict[str, Any]:
            trust = open_pack(scene.pack, NOW)
            judge = Judge(trust, trust.resolver, [read_list(one) for one in statuses], NOW, NOW, None)
            own, standings = judge.presentation(read_presentation(text), scene.dso.did, None, None)
            result = worst(own + [s.result for s in standings if s.presented], "")
            return {"outcome": result.outcome, "code": result.code if result.outcome != "passed" else "GP-VISA-IN-FORCE"}
        one = found(name, given, code, read)
        assert one["expected"]["outcome"] == outcome, one
        return one
    good = {"outcome": "passed"}
    fits, old, other = "GP-VISA-IN-FORCE", "GP-PROOF-EXPIRED", "GP-AUDIENCE-OTHER"
    return [
        of("a presentation", fits, **good), of("another's iss", fits, iss=scene.root.did, **good), of("another's sub", fits, sub=scene.root.did, **good),
        of("an nbf that is to come", fits, nbf=NOW // 1000 + 3600, **good), of("a jti", fits, jti="x", **good),
        of("two audiences", fits, aud=[scene.root.did, scene.dso.did], **good), of("another audience", other, aud=scene.root.did), of("the audience in the header alone", other, {"aud": [scene.dso.did]}, aud="absent"),
        of("no end", "GP-PRESENTATION-UNBOUND", exp="absent"), of("an end that is now", old, exp=NOW // 1000), of("an end that is a text", old, exp=str(NOW // 1000 + 60)),
        of("an end of half a second", old, exp=NOW / 1000 + 60.5), of("an end in the header alone", "GP-PRESENTATION-UNBOUND", {"exp": NOW // 1000 + 60}, exp="absent"),
        of("iat in the payload alone", fits, {"iat": "absent"}, iat=NOW // 1000, **good), of("iat in both, of which the header's counts", "GP-SIGNED-IN-FUTURE", {"iat": NOW // 1000 + 3600}, iat=NOW // 1000),
        of("no iat", "GP-SIGNING-TIME-MISSING", {"iat": "absent"}), of("a nonce that nobody asked for", fits, nonce="n", **good),
    ]


def main() -> None:
    scene = Scene()
    write("bitstring", bitstrings())
    write("status-list", lists())
    write("visa-form", visas(scene))
    write("presentation", presentations(scene), "presentation-claims")


if __name__ == "__main__":
    main()
