"""Of whom it stays open whether they may revoke."""

from __future__ import annotations

import unittest
from types import SimpleNamespace
from typing import Any

from base import FAILED, OPEN, PASSED, Check, rfc3339, worst
from credentials import Entry, read_list
from scene import DAY, HOUR, NOW, Signer, status_list, webvh
from trust import Resolver
from visas import LAPSED, REFUTED, UNDECIDED, Judge, right, right_of_issuer


def visa(signed: int, since: int) -> Any:
    return SimpleNamespace(secured=SimpleNamespace(signed=signed), since=since)


class Rights(unittest.TestCase):
    """What was asked about lies an hour before the clock."""

    def right(self, check: Check, signed: int = NOW - DAY, since: int = NOW - DAY, clock: int = NOW) -> int:
        judge = Judge(None, None, [], NOW - HOUR, clock, None)  # type: ignore[arg-type]
        return judge.right(visa(signed, since), check)

    def test_only_what_says_that_nobody_is_to_be_trusted_refutes_one(self) -> None:
        for name in ("revocation", "suspension"):
            self.assertEqual(self.right(Check(name, OPEN, "GP-STATUS-UNKNOWN")), UNDECIDED)
            self.assertEqual(self.right(Check(name, FAILED, "GP-STATUS-FORK")), UNDECIDED)
            self.assertEqual(self.right(Check(name, FAILED, "GP-ISSUER-REVOKED")), REFUTED)
        self.assertEqual(self.right(Check("revocation", FAILED, "GP-VISA-REVOKED")), REFUTED)
        for name, code in (("key", "GP-DID-NOT-FOUND"), ("key", "GP-KEY-COMPROMISED-SINCE"), ("key", "GP-DID-NOT-YET"),
                           ("preconditions", "GP-PRECONDITIONS-UNKNOWN"), ("definition", "GP-DEFINITION-MISSING")):
            self.assertEqual(self.right(Check(name, OPEN, code)), UNDECIDED, code)
        self.assertEqual(self.right(Check("key", FAILED, "GP-WEBVH-LOG-INVALID")), UNDECIDED)
        for name, code in (("validity", "GP-VISA-EXPIRED"), ("retirement", "GP-ROLE-RETIRED"), ("suspension", "GP-VISA-SUSPENDED"),
                           ("definition", "GP-ROLE-NOT-LISTED"), ("issuer", "GP-CHAIN-ROOT-REMOVED")):
            self.assertEqual((self.right(Check(name, FAILED, code)), right_of_issuer(Check(name, FAILED, code))), (LAPSED, REFUTED), code)
        unmet = Check("preconditions", FAILED, "GP-PRECONDITIONS-UNMET")
        self.assertEqual((right(unmet), right_of_issuer(unmet)), (LAPSED, LAPSED))
        for name, code in (("key", "GP-KEY-COMPROMISED"), ("signature", "GP-SIGNATURE-INVALID"), ("validity", "GP-VISA-VALIDITY-TOO-LONG"),
                           ("issuer", "GP-VISA-EXPIRED"), ("issuer", "GP-ISSUER-NOT-ROOT")):
            self.assertEqual(self.right(Check(name, FAILED, code)), REFUTED, code)
        # By a key that its issuer never had, of a time of which nothing is known: anybody can make that.
        self.assertEqual(self.right(Check("signature", OPEN, "GP-DID-NOT-YET")), REFUTED)

    def test_a_time_between_what_is_asked_about_and_the_clock_leaves_it_open(self) -> None:
        between = NOW - HOUR // 2
        future = Check("time", FAILED, "GP-SIGNED-IN-FUTURE")
        not_yet = Check("validity", FAILED, "GP-VISA-NOT-YET")
        for check in (future, not_yet):
            self.assertEqual(self.right(check, signed=between, since=between), UNDECIDED)
            self.assertEqual(self.right(check, signed=NOW, since=NOW), UNDECIDED, "up to the clock")
            # What is later than the clock, too, is of no time that anybody knows.
            self.assertEqual(self.right(check, signed=NOW + 1, since=between), REFUTED)
            self.assertEqual(self.right(check, signed=between, since=NOW + 1), REFUTED)
            # Where the time that is asked about is now, nothing lies between.
            self.assertEqual(self.right(check, signed=between, since=between, clock=NOW - HOUR), REFUTED)
        self.assertEqual(self.right(Check("time", FAILED, "GP-VISA-NOT-YET"), signed=between, since=between), REFUTED)


class Foreign(unittest.TestCase):
    """A list that somebody else made in a revoker's name."""

    def judged(self, by: Signer, lapsed: bool, untimed: bool = False, named: str = "", resolver: Resolver | None = None) -> tuple[str, str]:
        root, revoker = Signer(1), Signer(2)
        revoker.did = named or revoker.did
        name, kind = "urn:x:revocation", "revocation"
        theirs = read_list(status_list(by, revoker.did, name, kind, NOW - HOUR, 1, [{"index": 7, "set": True, "at": rfc3339(NOW - 2 * HOUR)}]))
        theirs.secured.untimed = untimed
        own = read_list(status_list(root, root.did, name, kind, NOW - HOUR, 1, []))
        judge = Judge(None, resolver or Resolver(), [own, theirs], NOW, NOW, None)  # type: ignore[arg-type]
        (judge.lapsed if lapsed else judge.holders)["office"] = {revoker.did}
        definition: Any = SimpleNamespace(parties=lambda _: ([], ["office"]))
        visa: Any = SimpleNamespace(issuer=root.did)
        found = worst(judge.status(visa, Entry(kind, name, 7), definition, DAY // 1000), kind, "GP-STATUS-CLEAR")
        return found.outcome, found.code

    def test_it_says_nothing(self) -> None:
        other, keyed = Signer(9), Signer(9)
        keyed.kid = Signer(2).kid
        for lapsed in (False, True):
            for thief in (other, keyed):
                self.assertEqual(self.judged(thief, lapsed), (PASSED, "GP-STATUS-CLEAR"))
                self.assertEqual(self.judged(thief, lapsed, untimed=True), (PASSED, "GP-STATUS-CLEAR"))

    def test_a_key_that_was_taken_since_its_document_was_obtained_leaves_it_open(self) -> None:
        did, log = webvh(Signer(3), Signer(4), NOW - DAY)
        for name, code in (("key-2", "GP-KEY-NOT-LISTED"), ("key-1", "GP-SIGNATURE-INVALID")):
            by = Signer(9)
            by.kid = f"{did}#{name}"
            for seen, expected in ((NOW - 2 * HOUR, (OPEN, code)), (NOW, (PASSED, "GP-STATUS-CLEAR"))):
                resolver = Resolver()
                resolver.add({"did": did, "seen": seen, "document": log}, trusted=False)
                self.assertEqual(self.judged(by, False, named=did, resolver=resolver), expected)

    def test_its_own_does(self) -> None:
        self.assertEqual(self.judged(Signer(2), False), (FAILED, "GP-VISA-REVOKED"))
        self.assertEqual(self.judged(Signer(2), True), (OPEN, "GP-STATUS-REVOKER-LAPSED"))
        for lapsed in (False, True):
            self.assertEqual(self.judged(Signer(2), lapsed, untimed=True), (OPEN, "GP-SIGNING-TIME-MISSING"))


class Newer(unittest.TestCase):
    """A key was replaced ten days ago, and is marked since as stolen four days ago. Who signs is the issuer, or may revoke."""

    def setUp(self) -> None:
        self.old, self.new = Signer(4), Signer(10)
        place = "did:webvh:{SCID}:aggregator.example"

        def document(marked: bool) -> dict[str, Any]:
            new = {"id": f"{place}#key-2", "type": "Multikey", "controller": place, "publicKeyMultibase": self.new.key.multikey}
            old = {"id": f"{place}#key-1", "type": "Multikey", "controller": place, "publicKeyMultibase": self.old.key.multikey,
                   "revoked": rfc3339(NOW - 4 * DAY)}
            return {"@context": ["https://www.w3.org/ns/did/v1"], "id": place, "verificationMethod": [new, old] if marked else [new],
                    "assertionMethod": [new["id"]]}
        changes = [{"versionTime": rfc3339(NOW - 10 * DAY), "state": document(False)}, {"versionTime": rfc3339(NOW - DAY), "state": document(True)}]
        self.did, log = webvh(Signer(3), self.old, NOW - 90 * DAY, changes)
        self.old.kid, self.new.kid = f"{self.did}#key-1", f"{self.did}#key-2"
        self.resolver = Resolver()
        self.resolver.add({"did": self.did, "seen": NOW, "document": log}, trusted=False)

    def judged(self, *given: tuple[Signer, int, int, bool], lapsed: bool = False) -> list[tuple[str, str]]:
        """By whom, in which version, dated so many days ago, and whether the place is set: of a revoker, and of the issuer."""
        name, kind, outcomes = "urn:x:revocation", "revocation", []
        root = Signer(1)
        for issuer in (root.did, self.did):
            lists = [read_list(status_list(by, self.did, name, kind, NOW - ago * DAY, version, [
                {"index": 7, "set": True, "at": rfc3339(NOW - 16 * DAY)}] if is_set else [])) for by, version, ago, is_set in given]
            if issuer == root.did:
                lists.append(read_list(status_list(root, root.did, name, kind, NOW - HOUR, 1, [])))
            judge = Judge(None, self.resolver, lists, NOW, NOW, None)  # type: ignore[arg-type]
            judge.lapsed = {"office": {self.did}} if lapsed else {}
            definition: Any = SimpleNamespace(parties=lambda _: ([], ["office"]) if lapsed else ([self.did], []))
            issued: Any = SimpleNamespace(issuer=issuer)
            found = worst(judge.status(issued, Entry(kind, name, 7), definition, 20 * DAY // 1000), kind, "GP-STATUS-CLEAR")
            outcomes.append((found.outcome, found.code))
        return outcomes

    def test_an_older_list_does_not_clear_what_a_newer_one_says_that_is_not_believed(self) -> None:
        clear = [(PASSED, "GP-STATUS-CLEAR")] * 2
        before, after = (self.new, 1, 6, False), (self.new, 1, 3, False)
        self.assertEqual(self.judged(before), clear)
        for ago, code in ((2, "GP-KEY-COMPROMISED"), (15, "GP-KEY-COMPROMISED-SINCE")):
            self.assertEqual(self.judged(before, (self.old, 7, ago, True)), [(OPEN, code)] * 2)
            self.assertEqual(self.judged(after, (self.old, 7, ago, True)), clear, "its owner signed one of after the mark")
            self.assertEqual(self.judged(before, (self.old, 7, ago, True), lapsed=True)[0], (OPEN, code))
            self.assertEqual(self.judged(before, (self.old, 7, ago, False), lapsed=True)[0], clear[0])

    def test_what_is_older_or_nobodys_or_of_after_the_clock_takes_no_place(self) -> None:
        stranger = Signer(9)
        stranger.kid = self.new.kid
        found = self.judged((self.new, 1, 6, False), (self.old, 1, 15, True), (stranger, 9, 2, True), (self.new, 9, -1, True))
        self.assertEqual(found, [(PASSED, "GP-STATUS-CLEAR")] * 2)


class Chain(unittest.TestCase):
    """A root's key is marked by which it signed a visa two steps above the one that is asked about."""

    def test_what_is_open_further_up_is_a_missing_link(self) -> None:
        def definition(dids: list[str], roles: list[str]) -> Any:
            return SimpleNamespace(parties=lambda _: (dids, roles), document={"issuerRevocation": "keeps", "maxChainDepth": 4})

        def made(name: str, issuer: str, subject: str) -> Any:
            return SimpleNamespace(evidence=name, definition=name, issuer=issuer, subject=subject, status=[],
                                   since=NOW - DAY, until=NOW + DAY, secured=SimpleNamespace(signed=NOW - DAY))

        trust: Any = SimpleNamespace(
            definitions={"top": definition(["root"], []), "seat": definition([], ["top"]), "office": definition([], ["seat"])},
            newest=SimpleNamespace(roles={}, roots=["root"]), was_root=lambda did, at: True)
        judge = Judge(trust, Resolver(), [], NOW, NOW, None)
        top, seat, office = made("top", "root", "ministry"), made("seat", "ministry", "chamber"), made("office", "chamber", "ombudsman")
        judge.visas = [office, seat, top]
        judge.own_checks = {"top": [Check("key", OPEN, "GP-KEY-COMPROMISED-SINCE")], "seat": [], "office": []}
        issuer = {one.evidence: judge.chain(one)[0][0] for one in judge.visas}
        self.assertEqual((issuer["seat"].outcome, issuer["seat"].code), (OPEN, "GP-KEY-COMPROMISED-SINCE"))
        self.assertEqual((issuer["office"].outcome, issuer["office"].code), (OPEN, "GP-CHAIN-LINK-MISSING"))


if __name__ == "__main__":
    unittest.main()
