"""Whose revocations count, and what nobody can be rid of by withholding (status-list.md sections 2 to 4, verification.md)."""

from __future__ import annotations

from typing import Any

from base import cid, jcs, rfc3339
from credentials import read_list, read_presentation
from given import Case, found, write
from scene import CONTEXTS, DAY, HOUR, NOW, Signer, entry, enveloped, status_list, webvh
from trust import open_pack
from visas import Judge, whole

AUDIENCE = "did:example:dso"
SINCE = NOW - 10 * DAY
REVOKED, OPEN, LAPSED = ("failed", "GP-VISA-REVOKED"), ("indeterminate", "GP-STATUS-SIGNER"), ("indeterminate", "GP-STATUS-REVOKER-LAPSED")
FINE = ("passed", "GP-VISA-IN-FORCE")


class World:
    """A root seats a body, which makes an ombudsman, who revoked the holder's visa by that. An insurer, a root too, insures."""

    def __init__(self, insured: str = "", body: str = "") -> None:
        self.root, self.insurer, self.body, self.ombudsman, self.holder = (Signer(n) for n in (1, 7, 6, 5, 2))
        self.body.did = body or self.body.did
        self.body.kid = f"{body}#key-1" if body else self.body.kid
        self.definitions: dict[str, dict[str, Any]] = {}
        self.define("insured", {"dids": [self.insurer.did]})
        self.define("body", {"dids": [self.root.did]}, insured == "body")
        self.define("ombudsman", {"roles": [self.role("body")]}, insured == "ombudsman")
        self.define("aggregator", {"dids": [self.root.did]}, revokers={"roles": [self.role("ombudsman")]})
        self.charters = [{"dated": NOW - 100 * DAY, "names": list(self.definitions)}]
        self.set: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.dated: dict[str, int] = {}
        self.gone: set[str] = set()
        who = self.body if insured == "body" else self.ombudsman
        self.insurance = self.visa(self.insurer, who, "insured", 3)
        self.seat = self.visa(self.root, self.body, "body", 2)
        self.office = self.visa(self.body, self.ombudsman, "ombudsman", 4)
        self.shown = [self.visa(self.root, self.holder, "aggregator", 1)]
        self.carried = [self.office, self.seat, self.insurance]
        self.theirs = [(1, [self.change(1, 1)], NOW - HOUR)]
        self.more: list[bytes] = []

    def define(self, name: str, issuers: dict[str, Any], needs: bool = False, **more: Any) -> None:
        self.definitions[name] = {
            "type": "gridpass-role-definition", "formatVersion": 1, "name": f"flex.gb.{name}", "version": "1.0.0", "title": name,
            "description": "Of a test.", "issuers": issuers, "maxChainDepth": 4, "claims": {"type": "object"}, "maxValiditySeconds": 31_622_400,
            "maxStatusAgeSeconds": 86_400, "issuerRevocation": "keeps"} | ({"preconditions": {"role": self.role("insured")}} if needs else {}) | more

    def role(self, name: str) -> str:
        return cid(jcs(self.definitions[name]))

    @staticmethod
    def change(index: int, ago: int) -> dict[str, Any]:
        return {"index": index, "set": True, "at": rfc3339(NOW - ago * DAY)}

    def visa(self, by: Signer, to: Signer, name: str, index: int, since: int = SINCE, until: int = NOW + 90 * DAY) -> bytes:
        places = [entry(f"urn:x:{by.key.multikey[-8:]}:{kind}", kind, index) for kind in ("revocation", "suspension")]
        return by.credential({
            "@context": CONTEXTS, "id": f"urn:x:visa:{name}:{index}", "type": ["VerifiableCredential", "GridpassVisa"], "issuer": by.did,
            "validFrom": rfc3339(since), "validUntil": rfc3339(until), "credentialStatus": places,
            "credentialSubject": {"id": to.did, "role": {"definition": self.role(name), "name": f"flex.gb.{name}"}, "claims": {}},
            "credentialSchema": {"id": f"ipfs://{self.role(name)}", "type": "GridpassRoleSchema"}}, since)

    def pack(self) -> bytes:
        signed: list[dict[str, Any]] = []
        before = {}
        for number, one in enumerate(self.charters, 1):
            charter = {"type": "gridpass-charter", "formatVersion": 1, "name": "Flexibility", "version": number, "dated": rfc3339(one["dated"]),
                       "roots": [self.root.did, self.insurer.did], "rule": {"threshold": 1, "signers": [self.root.did]},
                       "roles": [{"definition": self.role(name), "name": f"flex.gb.{name}"} for name in one["names"]]} | before
            before = {"previous": cid(jcs(charter))}
            signed.append(charter | {"proof": [self.root.proof(charter, one["dated"])]})
        return jcs({"type": "gridpass-trust-pack", "formatVersion": 1, "charters": signed, "definitions": list(self.definitions.values()), "identities": []})

    def lists(self) -> list[bytes]:
        found = []
        for name in ("root", "insurer", "body"):
            by: Signer = getattr(self, name)
            for kind in ("revocation", "suspension"):
                if name not in self.gone:
                    dated = self.dated.get(name, NOW - HOUR)
                    found.append(status_list(by, by.did, f"urn:x:{by.key.multikey[-8:]}:{kind}", kind, dated, 1, self.set.get((name, kind), [])))
        for version, changes, dated in self.theirs:
            found.append(status_list(self.ombudsman, self.ombudsman.did, f"urn:x:{self.root.key.multikey[-8:]}:revocation", "revocation",
                                     dated, version, changes, self.carried))
        return found + self.more

    def fork(self, name: str) -> None:
        by: Signer = getattr(self, name)
        self.more.append(status_list(by, by.did, f"urn:x:{by.key.multikey[-8:]}:suspension", "suspension", NOW - HOUR, 1, [self.change(77, 2)]))

    def unlist(self, name: str) -> None:
        self.charters.append({"dated": NOW - 5 * DAY, "names": [one for one in self.definitions if one != name]})

    def case(self, name: str, verdict: tuple[str, str], at: int = NOW) -> Case:
        document = {"@context": CONTEXTS[:1], "type": ["VerifiablePresentation"], "holder": self.holder.did, "aud": AUDIENCE, "nonce": "n-1",
                    "exp": at // 1000 + 600, "verifiableCredential": [enveloped(one) for one in self.shown]}
        text = self.holder.credential(document, at, "vp").decode()
        pack, lists = self.pack(), self.lists()
        given = {"presentation": text, "trust_pack": pack.decode(), "status_lists": [one.decode() for one in lists], "now": rfc3339(at),
                 "audience": AUDIENCE, "nonce": "n-1"} | ({"clock": rfc3339(NOW)} if at != NOW else {})

        def read() -> dict[str, Any]:
            trust = open_pack(pack, NOW)
            judge = Judge(trust, trust.resolver, [read_list(one) for one in lists], at, NOW, None)
            own, standings = judge.presentation(read_presentation(text), AUDIENCE, None, "n-1")
            result = whole(own, standings, at)
            return {"outcome": result.outcome, "code": result.code}
        one = found(name, given, verdict[1], read)
        assert one["expected"]["outcome"] == verdict[0], one["expected"]
        return one


def withheld() -> list[Case]:
    cases = []
    for who, says in (("ombudsman", "the revoker"), ("body", "the revoker's issuer")):
        cases.append(World(who).case(f"what {says} requires is held", REVOKED))
        w = World(who)
        w.gone.add("insurer")
        cases.append(w.case(f"the status of what {says} requires is withheld", OPEN))
        w = World(who)
        w.dated["insurer"] = NOW - 5 * DAY
        cases.append(w.case(f"the status of what {says} requires is too old", OPEN))
        w = World(who)
        w.carried = w.carried[:2]
        cases.append(w.case(f"what {says} requires is not shown", OPEN))
        w = World(who)
        w.carried[2] = w.visa(Signer(9), w.body if who == "body" else w.ombudsman, "insured", 3)
        cases.append(w.case(f"of what {says} requires a bad one is shown", LAPSED))
    for kind in ("revocation", "suspension"):
        w = World("body")
        w.set["insurer", kind] = [w.change(3, 5)]
        cases.append(w.case(f"what the revoker's issuer required: {kind} since", REVOKED))
        w = World("body")
        w.set["insurer", kind] = [w.change(3, 12)]
        cases.append(w.case(f"what the revoker's issuer required: {kind} before", LAPSED))
    w = World()
    w.fork("body")
    cases.append(w.case("the lists of the revoker's issuer contradict each other", OPEN))
    for gone in ("ombudsman", "body"):
        w = World()
        w.unlist(gone)
        cases.append(w.case(f"the charter lists {gone} no more", LAPSED))
    w = World()
    w.unlist("ombudsman")
    w.set["body", "revocation"] = [w.change(4, 2)]
    cases.append(w.case("the charter lists ombudsman no more, and the office was revoked", FINE))
    cases.append(World(body=webvh(Signer(3), Signer(6), NOW - 90 * DAY)[0]).case("the log of the revoker's issuer is not at hand", OPEN))
    return cases


def dates() -> list[Case]:
    w = World()
    w.office = w.visa(w.body, w.ombudsman, "ombudsman", 4, NOW - 3 * DAY)
    w.carried[0], w.set["root", "revocation"] = w.office, [w.change(2, 1)]
    cases = [w.case("the revoker's issuer was revoked since it made it one", REVOKED),
             w.case("the same, where a time of before that is asked about", OPEN, NOW - 5 * DAY)]
    for ago, verdict in ((5, FINE), (12, ("failed", "GP-ISSUER-REVOKED"))):
        w = World()
        w.shown = [w.visa(w.body, w.holder, "ombudsman", 8), w.seat]
        w.theirs, w.set["root", "revocation"] = [], [w.change(2, ago)]
        cases += [w.case(f"the issuer was revoked {ago} days ago, its visa is asked about {said}", verdict, at)
                  for said, at in (("now", NOW), ("at the second of issuance", SINCE), ("a second later", SINCE + 1000))]
    w = World()
    w.office = w.visa(w.body, w.ombudsman, "ombudsman", 4, until=NOW - DAY)
    w.carried[0] = w.office
    cases.append(w.case("the revoker's visa ended", LAPSED))
    w.theirs.append((1, [], NOW - HOUR // 2))
    cases.append(w.case("the same, and it contradicts itself", LAPSED))
    w.theirs.append((2, [], NOW - HOUR // 2))
    cases.append(w.case("the same, and its newest list is clear", FINE))
    w = World()
    w.set["root", "revocation"], w.more = [], []
    for version, changes in ((3, []), (3, [w.change(77, 2)]), (4, [])):
        w.more.append(status_list(w.root, w.root.did, f"urn:x:{w.root.key.multikey[-8:]}:suspension", "suspension", NOW - HOUR, version, changes))
    w.theirs = []
    cases.append(w.case("older versions contradict each other under a newer one", FINE))
    return cases


def chains() -> list[Case]:
    w, other = World(), Signer(4)
    w.theirs = []
    ended = w.visa(w.root, w.body, "body", 2, NOW - 50 * DAY, NOW - 11 * DAY)
    bad = w.visa(w.body, w.holder, "ombudsman", 8)
    seat, good = w.visa(w.root, other, "body", 9), w.visa(other, w.holder, "ombudsman", 10)
    w.more += [status_list(other, other.did, f"urn:x:{other.key.multikey[-8:]}:{kind}", kind, NOW - HOUR, 1, []) for kind in ("revocation", "suspension")]
    w.shown = [good, seat]
    cases = [w.case("issued by one who held the role", FINE)]
    w.shown = [bad, ended, good, seat]
    cases.append(w.case("beside it, one by an issuer whose visa had ended", ("failed", "GP-VISA-EXPIRED")))
    w = World()
    w.define("ombudsman", {"dids": [w.body.did], "roles": [w.role("body")]})
    w.charters[0]["names"] = ["insured", "body", "ombudsman"]
    w.definitions.pop("aggregator")
    w.theirs, w.shown = [], [w.visa(w.body, w.holder, "ombudsman", 8)]
    cases.append(w.case("by one who is named and no root, of whom no role is shown", ("indeterminate", "GP-CHAIN-LINK-MISSING")))
    w.shown.append(w.seat)
    cases.append(w.case("the same, with its visa", FINE))
    w = World()
    w.theirs, w.shown = [], [w.visa(w.holder, w.holder, "ombudsman", 8)]
    w.more = [status_list(w.holder, w.holder.did, f"urn:x:{w.holder.key.multikey[-8:]}:{kind}", kind, NOW - HOUR, 1, [])
              for kind in ("revocation", "suspension")]
    cases.append(w.case("issued to oneself", ("failed", "GP-CHAIN-CYCLE")))
    return cases


def deep() -> list[Case]:
    """Six issuers stand above what the first of three others requires."""
    w, signers = World(), [Signer(1)] + [Signer(20 + n) for n in range(10)]
    w.definitions, w.theirs, w.shown = {}, [], []
    for n in range(11):
        first = n in (0, 7)
        issuers = {"dids": [w.root.did]} if first else {"roles": [w.role(f"r{n - 1}")]}
        w.define(f"r{n}", issuers, maxChainDepth=8, **({"preconditions": {"role": w.role("r6")}} if n == 7 else {}))
        by, to = (signers[0] if first else signers[n if n < 7 else n - 1]), signers[n + 1 if n < 7 else n]
        w.holder = to
        w.shown.append(w.visa(by, to, f"r{n}", 1 + n))
    w.charters[0]["names"] = list(w.definitions)
    w.insurer = w.body = signers[1]
    w.more = [status_list(one, one.did, f"urn:x:{one.key.multikey[-8:]}:{kind}", kind, NOW - HOUR, 1, [])
              for one in signers[2:] for kind in ("revocation", "suspension")]
    return [w.case("however many rest on each other", FINE)]


def main() -> None:
    write("presentation", withheld() + dates() + chains() + deep(), "revokers")


if __name__ == "__main__":
    main()
