"""Runs the published policy cases (spec/policy-cases): what a channel must decide."""

from __future__ import annotations

import json
import unittest
from pathlib import Path
from typing import Any

from base import cid, millis, rfc3339
from conditions import NotChecked, ruled

CASES = Path(__file__).resolve().parents[2] / "spec" / "policy-cases"


class PolicyCases(unittest.TestCase):
    def test_published(self) -> None:
        ran = 0
        for path in sorted(CASES.glob("*.cases.json")):
            file = json.loads(path.read_text())
            channel = json.loads((CASES / file["channel"]).read_text())
            for case in file["cases"]:
                if "publish" in case and not self.by_facts(case):
                    with self.subTest(f"{path.stem}: {case['name']}"):
                        ran += self.hold(file, channel, case)
        self.assertGreaterEqual(ran, 25)

    @staticmethod
    def by_facts(case: dict[str, Any]) -> bool:
        """Refused by its facts before any requirement."""
        return case["expect"] == "deny" and not case.get("because")

    def hold(self, file: dict[str, Any], channel: dict[str, Any], case: dict[str, Any]) -> int:
        def who(name: str) -> str:
            found: str = file["parties"].get(name, name)
            return found

        message, at = case["publish"], millis(case.get("at", file["at"]))
        standing = {"outcome": "passed", "code": "GP-VISA-IN-FORCE", "sentence": ""}
        visas = [{"role": held["role"], "definition": cid(held["role"].encode()), "issuer": who(held.get("issuer", "did:x:y")), "claims": self.named(file, held.get("claims", {})),
                  "authorities": [held["authority"]] if "authority" in held else [], "standing": held.get("standing", standing),
                  "onlyStatusOpen": True} for held in case.get("holds", [])]
        gp = {"topic": message["topic"], "sender": who(case["sender"]), "recipients": [who(to) for to in message.get("to", [])],
              "attributes": message.get("attributes", {}), "issued": message.get("issued", rfc3339(at)),
              "expires": message.get("expires", rfc3339(at + channel["limits"]["maxLifetimeSeconds"] * 1000))}
        gp = {name: value for name, value in gp.items() if value}
        try:
            found = ruled(channel, gp, {"visas": visas}, at)
        except NotChecked:
            return 0
        topic = next(one for one in channel["topics"] if one["name"] == message["topic"])
        self.assertEqual(not found, case["expect"] == "allow", found)
        self.assertLessEqual(len(found), len(channel["publish"] + topic.get("publish", [])))
        if "because" in case:
            self.assertEqual(len(found), len(case["because"]), found)
        return 1

    def named(self, file: dict[str, Any], claims: Any) -> Any:
        """Short names in claims stand for DIDs."""
        if isinstance(claims, dict):
            return {name: self.named(file, value) for name, value in claims.items()}
        if isinstance(claims, list):
            return [self.named(file, value) for value in claims]
        return file["parties"].get(claims, claims) if isinstance(claims, str) else claims


if __name__ == "__main__":
    unittest.main()
