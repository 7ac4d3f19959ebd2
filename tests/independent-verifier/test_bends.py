"""What whoever has the keys may sign, and what of it is refused."""

from __future__ import annotations

import unittest
from typing import Any

from base import FAILED, OPEN, PASSED, Fault, millis
from bends import bends
from verify import verify


class Bends(unittest.TestCase):
    def test_what_comes_out(self) -> None:
        counts = {FAILED: 0, OPEN: 0, PASSED: 0}
        for name, expected, whole in bends():
            with self.subTest(name):
                try:
                    report: dict[str, Any] = verify(whole.data, whole.pack, millis(whole.at))
                except Fault as fault:
                    self.assertTrue(name.startswith(("charter-", "pack-")), fault)
                    report = {"outcome": FAILED}
                self.assertEqual(report["outcome"], expected, report)
                counts[expected] += 1
        self.assertGreaterEqual(min(counts.values()), 6)
        self.assertGreaterEqual(counts[FAILED], 250)


if __name__ == "__main__":
    unittest.main()
