"""Runs the vectors of Gridpass's own formats: documents, keys over time, receipts, catching up, presentations, decisions."""

from __future__ import annotations

import unittest
from pathlib import Path
from typing import Any

from base import FAILED, FIVE_MINUTES, PASSED, Check, Fault, cbor, cid, jcs, millis, parse_cid, read_cbor, read_object, rfc3339, worst
from credentials import NOT_CHECKED, read_authorisation, read_list, read_presentation, read_secured, read_visa
from descriptor import form
from envelope import read_receipt
from facts import facts_of, has_retired
from keys import multikey
from language import Policy, Requirement, read_policy
from logs import read_log
from requirements import View, asked_of, reasons, ruled
from statements import read_parcel, read_statement
from tables import read_schema, violations
from test_vectors import cases
from trust import Resolver, follows, open_pack, proof_counts, read_charter, read_definition, without_proof
from visas import Judge, whole

Given = dict[str, Any]
UNREAD = {"GP-CEDAR-REFUSED"}
CASES = Path(__file__).resolve().parents[2] / "spec" / "policy-cases"


def told(checks: list[Check]) -> Given:
    found = worst(checks, "")
    code = found.code if found.outcome != PASSED else checks[-1].code
    return {"outcome": found.outcome, "code": code, "checks": [{"name": c.name, "outcome": c.outcome, "code": c.code} for c in checks]}


class Formats(unittest.TestCase):
    def run_kind(self, kind: str, least: int, run: Any, but: set[str] | None = None) -> None:
        ran = 0
        for name, given, expected in cases(kind):
            with self.subTest(name):
                if name.split(": ", 1)[1] in (but or set()) or expected.get("refused") in UNREAD:
                    continue
                try:
                    found = run(given, expected)
                except Fault as fault:
                    found = {"refused": fault.code}
                ran += 1
                wanted = expected if "refused" in expected else {n: expected[n] for n in found if n in expected}
                self.assertEqual({n: v for n, v in found.items() if n in expected or n == "refused"}, wanted)
        self.assertGreaterEqual(ran, least, kind)

    def test_roles(self) -> None:
        def run(given: Given, _: Any) -> Given:
            data = given["document"].encode()
            if "cid" in given:
                parse_cid(given["cid"])
                if cid(data) != given["cid"]:
                    raise Fault("GP-CID-OTHER")
            found = read_definition(data)
            return {"cid": found.cid, "name": found.document["name"]}
        self.run_kind("role-definition", 35, run, {"claims that refer outside", "a pattern that goes back"})

    def test_charters(self) -> None:
        def run(given: Given, _: Any) -> Given:
            def read(name: str) -> Any:
                try:
                    return read_charter(read_object(given[name]))
                except Fault as fault:
                    raise Fault("GP-CHARTER-MALFORMED", fault.why) from None
            charter = read("document")
            before = read("previous") if "previous" in given else None
            return {"cid": charter.cid} | told(follows(charter, before, Resolver(), millis(given["now"])))
        self.run_kind("charter", 30, run)

    def test_packs(self) -> None:
        def run(given: Given, _: Any) -> Given:
            now = millis(given["now"])
            trust = open_pack(given["pack"].encode(), now, given.get("pin"))
            found: Given = {"cid": trust.pack, "framework": trust.framework, "charter": trust.newest.cid, "definitions": sorted(trust.definitions)}
            if "held" in given:
                mine, held = ([c.cid for c in t.charters] for t in (trust, open_pack(given["held"].encode(), now)))
                found["comparison"] = "unrelated" if mine[0] != held[0] else "same" if mine == held else \
                    "newer" if mine[:len(held)] == held else "older" if held[:len(mine)] == mine else "fork"
            return found
        self.run_kind("trust-pack", 20, run)

    def test_channels(self) -> None:
        def run(given: Given, expected: Given) -> Given:
            document = read_object(given["descriptor"])
            if "proof" in document:  # a draft may spell defaults out
                form(document)
            read_policy(document)
            bare, now = without_proof(document), millis(given["now"])
            open_, signed = False, False
            for proof in document.get("proof", []):
                check, did, key = proof_counts(bare, proof, Resolver(), now, millis(document["dated"]) - FIVE_MINUTES)
                signed |= did == document["owner"] and key is not None
                open_ |= did == document["owner"] and check.outcome not in (PASSED, FAILED)
            found: Given = {"outcome": PASSED if signed else "indeterminate" if open_ else FAILED,
                            "code": "GP-CHANNEL-SIGNED" if signed else "GP-CHANNEL-NOT-SIGNED"}
            if "proof" in document:
                found["cid"] = cid(jcs(bare))
            if "previous" in given:
                before = without_proof(read_object(given["previous"]))
                kept = all(one[:len(other)] == other for one, other in self.versions(bare, before))
                good = bare.get("previous") == cid(jcs(before)) and bare["version"] == before["version"] + 1 \
                    and millis(bare["dated"]) >= millis(before["dated"]) and all(bare[n] == before[n] for n in ("name", "framework", "owner")) and kept
                found["follows"] = {"outcome": PASSED, "code": "GP-CHANNEL-FOLLOWS"} if good else {"outcome": FAILED, "code": "GP-CHANNEL-HISTORY-BROKEN"}
            return found
        self.run_kind("channel", 70, run)

    @staticmethod
    def versions(after: Given, before: Given) -> list[tuple[Any, Any]]:
        def of(document: Given) -> Given:
            return {t["name"]: [(v["schema"], v["mediaType"]) for v in t["versions"]] for t in document["topics"]}
        return [(of(after)[name], of(before)[name]) for name in of(before) if name in of(after)]

    def test_decisions(self) -> None:
        """The name of the admission, the verdict, and its reasons with their causes."""
        def run(given: Given, _: Given) -> Given:
            data = given["admission"].encode()
            if jcs(read_object(data)) != data:
                raise Fault("GP-DECISION-MALFORMED")
            admission, channel, question, at = read_object(data), read_object(given["descriptor"]), given["question"], millis(given["at"])
            facts = facts_of(admission, channel, question["publish"], at) if isinstance(question, dict) else []
            found = [{"code": code, "requirement": None, "causes": []} for code in facts] + ruled(channel, question, admission, at)
            return {"admission": cid(data), "verdict": "deny" if found else "allow", "reasons": found}
        self.run_kind("decision", 36, run)

    def test_retired_as_it_was_recorded_once(self) -> None:
        """decision.md 2: by the judge's time alone."""
        version = {"retired": "2026-03-01T12:00:00Z"}
        retired = millis(version["retired"])
        for issued, at, now, once in ((-1, 0, False, True), (-1, 29_999, False, True), (-1, 30_000, True, True), (0, -1, True, False)):
            with self.subTest(f"{issued}, {at}"):
                self.assertEqual(has_retired(version, retired + issued, retired + at, 30_000, before=False), now)
                self.assertEqual(has_retired(version, retired + issued, retired + at, 30_000, before=True), once)
        self.assertFalse(has_retired({}, 0, 1, 0, before=True))

    def test_policy_cases(self) -> None:
        """spec/policy-cases, but for uses: the requirements that are not satisfied, and why."""
        ran = 0
        for path in sorted(CASES.glob("*.cases.json")):
            file = read_object(path.read_bytes())
            channel = read_object((CASES / file["channel"]).read_bytes())
            policy = read_policy(channel)
            for case in file["cases"]:
                if "use" in case:
                    continue
                with self.subTest(f"{path.name}: {case['name']}"):
                    found = reasons(*self.case(case, file, channel, policy))
                    codes = {code for reason in found for code in [reason["code"], *reason["causes"]]}
                    needs = {code for code in case.get("codes", []) if code.startswith(("GP-POLICY-", "GP-VALUE-", "GP-ROLE-", "GP-OUTSIDE-"))}
                    self.assertLessEqual(needs, codes)
                    self.assertEqual([reason["requirement"] for reason in found], case.get("because", []))
                    self.assertFalse(case["expect"] == "allow" and found)
                    ran += 1
        self.assertGreaterEqual(ran, 79)

    @staticmethod
    def case(case: Given, file: Given, channel: Given, policy: Policy) -> tuple[View, list[Requirement]]:
        """policy-cases.md: the facts about a sender, and what is asked of it."""
        def did(name: str) -> str:
            return str(file["parties"].get(name, name))
        good = {"outcome": PASSED, "code": "GP-VISA-IN-FORCE"}
        visas = [{"evidence": str(number), "role": held["role"], "definition": held["role"], "issuer": did(held.get("issuer", case["sender"])),
                  "claims": held.get("claims", {}), "authorities": [held.get("authority", {})], "standing": held.get("standing", good),
                  "onlyStatusOpen": True} for number, held in enumerate(case.get("holds", []))]
        at, sent = case.get("at", file["at"]), case.get("publish", {})
        message = {"recipients": [did(name) for name in sent.get("to", [])], "attributes": sent.get("attributes", {}),
                   "issued": sent.get("issued", at), "expires": sent.get("expires", rfc3339(millis(at) + 60_000)),
                   "arrived": sent.get("arrived", at)}
        asked = asked_of(policy, {"publish": sent} if "publish" in case else "subscribe" if "subscribe" in case else "keep")
        return View({"sender": did(case["sender"]), "visas": visas}, channel, message, millis(at)), asked

    def test_receipts(self) -> None:
        def run(given: Given, _: Any) -> Given:
            receipt = read_receipt(given["receipt"].encode())
            good = receipt.jws.fits(multikey(given["key"]))
            return {"signature": "fits" if good else "does not fit", "kid": receipt.jws.header["kid"], "until": max(last for _, last in receipt.spoken),
                    "speaks_of": [n for n in range(1, 13) if receipt.speaks_of(n)]}
        self.run_kind("receipt", 20, run)

    def test_sync(self) -> None:
        """What was written, written again from what was read; the members are those that the vectors say."""
        def said(value: Any) -> Any:
            if isinstance(value, bytes):
                return {"hex": value.hex()}
            if isinstance(value, list):
                return [said(one) for one in value]
            return {name: said(one) for name, one in value.items()} if isinstance(value, dict) else value

        def gossip(raw: bytes) -> Given:
            if raw[:1] != b"\xa1":
                return {"envelopes_hex": [raw.hex()], "again_hex": [raw.hex()]}
            batch = read_cbor(raw, "GP-SYNC-MALFORMED")
            all_ = batch.get("envelopes")
            if set(batch) != {"envelopes"} or not isinstance(all_, list) or not all(isinstance(one, bytes) for one in all_):
                raise Fault("GP-SYNC-MALFORMED")
            if not 2 <= len(all_) <= 64 or sum(map(len, all_)) > 64 * 1024:
                raise Fault("GP-SYNC-MALFORMED")
            return {"envelopes_hex": [one.hex() for one in all_], "again_hex": [cbor(batch).hex()]}

        def run(given: Given, expected: Given) -> Given:
            kinds = ("request", "response", "announcement")
            raw = bytes.fromhex(next((given[f"{n}_hex"] for n in kinds if f"{n}_hex" in given), ""))
            in_parts = next((given[f"{n}_parts"] for n in kinds if f"{n}_parts" in given), [])
            raw += b"".join(bytes.fromhex(part["hex"]) * part["times"] for part in in_parts)
            if "ticket" in given:
                return {} if "refused" not in expected else expected
            if "gossip_hex" in given:
                return gossip(bytes.fromhex(given["gossip_hex"]))
            if "refused" in expected:
                return expected  # the bounds of requests are a peer's, and this verifier is none
            value = read_cbor(raw, "GP-SYNC-MALFORMED")
            return {"message": said(value), "again_hex": cbor(value).hex(), "again_bytes": len(cbor(value))}
        self.run_kind("sync", 35, run)

    def test_keys(self) -> None:
        def run(given: Given, expected: Given) -> Given:
            resolver = Resolver()
            logs = [one["document"].strip() for one in given["snapshots"]]  # in the order of `seen`
            if given["did"].startswith("did:webvh:") and any(not logs[-1].startswith(log) for log in logs):
                raise Fault("GP-WEBVH-LOG-INVALID")
            for one in given["snapshots"]:
                witness = one["witness"].encode() if "witness" in one else None
                resolver.add({"did": given["did"], "seen": millis(one["seen"]), "document": one["document"].encode(), "witness": witness}, trusted=True)
            if not given["snapshots"]:
                raise Fault("GP-DID-NOT-FOUND" if given["did"].split(":")[1] in ("web", "webvh") else "GP-DID-METHOD-UNKNOWN")
            check, key = resolver.key(given["key"], given["purpose"], millis(given["at"]), not given.get("proven"))
            return {"outcome": check.outcome, "code": check.code, "multikey": key.multikey if key else None}
        self.run_kind("key-at", 30, run)

    def test_presentations(self) -> None:
        def run(given: Given, expected: Given) -> Given:
            now = millis(given["now"])
            clock = millis(given.get("clock", given["now"]))
            trust = open_pack(given["trust_pack"].encode(), clock)
            judge = Judge(trust, trust.resolver, [read_list(text) for text in given["status_lists"]], now, clock, None)
            try:
                shown = read_presentation(given["presentation"])
            except Fault as fault:
                return {"outcome": FAILED, "code": fault.code}
            own, standings = judge.presentation(shown, given["audience"], None, given.get("nonce"))
            result = whole(own, standings, now)
            if result.code == NOT_CHECKED:
                return {}
            return {"outcome": result.outcome, "code": result.code if result.outcome != PASSED else "GP-VISA-IN-FORCE"}
        self.run_kind("presentation", 65, run)

    def test_authorisations(self) -> None:
        def run(given: Given, _: Any) -> Given:
            now = millis(given["now"])
            trust = open_pack(given["trust_pack"].encode(), now)
            lists = [read_list(text) for text in given["status_lists"]]
            judge = Judge(trust, trust.resolver, lists, now, now, given["max_status_age_seconds"])
            try:
                found = read_authorisation(given["authorisation"].encode())
            except Fault as fault:
                return {"outcome": FAILED, "code": fault.code}
            return told(judge.authorisation_checks(found, given["participant"], given["node"], given["channel"], given["purpose"]))
        self.run_kind("node-authorisation", 15, run)

    def test_statements(self) -> None:
        def run(given: Given, _: Any) -> Given:
            return read_statement(given["statement"], given["what"], millis(given["now"]), given.get("recipient"))
        self.run_kind("request", 60, run)

    def test_parcels(self) -> None:
        self.run_kind("parcel", 28, lambda given, _: read_parcel(given["parcel"], given.get("kind")))

    def test_logs(self) -> None:
        for name, given, expected in cases("log"):
            with self.subTest(name):
                try:
                    found = read_log({file: bytes.fromhex(data) for file, data in given["files"].items()})
                except Fault as fault:
                    found = {"refused": fault.code}
                for record in expected.get("records", []):
                    del record["entry"]
                self.assertEqual(found, expected)

    def test_tables(self) -> None:
        def run(given: Given, _: Any) -> Given:
            if given["schema"].get("type") != "gridpass-csv":
                return {}
            bad = violations(read_schema(given["schema"]), given["payload"].encode())
            return {"code": bad[0][0] if bad else "GP-PAYLOAD-FITS", "places": [place for _, place in bad]}
        self.run_kind("payload", 200, run)

    def test_lists(self) -> None:
        def run(given: Given, _: Any) -> Given:
            one = read_list(given["list"])
            return {"id": one.id, "issuer": one.signer, "dated": rfc3339(one.dated), "version": one.version, "purposes": one.purposes}
        self.run_kind("status-list", 30, run)

    def test_visas(self) -> None:
        def run(given: Given, _: Any) -> Given:
            secured = read_secured(given["visa"], "vc")
            return {"evidence": secured.evidence, "id": read_visa(secured).id, "signed": "absent" if secured.untimed else rfc3339(secured.signed)}
        self.run_kind("visa-form", 24, run)


if __name__ == "__main__":
    unittest.main()
