"""The report keeps what did not run again, and nothing of another machine."""

import datetime
import pathlib
import sys
import tempfile
import unittest

from harness import report
from harness.report import Result

SCENARIOS = {"first": "one", "second": "another"}


class Report(unittest.TestCase):
    """Two runs into one file."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "report.md"
        self.run = report.Run(True, 7, datetime.datetime(2026, 1, 2, 3, 4), pathlib.Path(sys.executable))

    def rows(self, *results):
        """What stands in the file after a run."""
        report.write(self.path, self.run, SCENARIOS, results)
        return [line for line in self.path.read_text().splitlines() if "(`" in line]

    def test_a_row_is_replaced_and_others_stay(self):
        self.rows(Result("second", "holds", 2, {"lost": 0}, []), Result("first", "holds", 1, {}, []))
        rows = self.rows(Result("first", "BROKEN", 3, {"lost": 1}, ["Traceback\n  a | b"]))
        self.assertEqual(2, len(rows))
        self.assertIn("| BROKEN | long, 7 |", rows[0])
        self.assertIn("lost: 1, **a \\| b** |", rows[0])
        self.assertIn("another (`second`) | holds |", rows[1])

    def test_rows_of_another_machine_go(self):
        self.rows(Result("second", "holds", 2, {}, []))
        self.path.write_text(self.path.read_text().replace("Machine: ", "Machine: 1 + "))
        self.assertEqual(1, len(self.rows(Result("first", "holds", 1, {}, []))))


if __name__ == "__main__":
    unittest.main()
