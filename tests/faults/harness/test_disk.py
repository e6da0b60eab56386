"""The disks of `harness.disk` keep what was synced, and lose and tear what was not."""

import pathlib
import random
import tempfile
import unittest

from harness.disk import FOLDER, MADE, MKDIR, MODES, OPEN, RENAME, SYNC, UNLINK, WRITE, Disk, Op

LONG = 10_000


def op(kind, at, inode=0, offset=0, flags=0, path="", other="", data=b""):
    return Op(at * 10, at * 10 + 5, inode, offset, kind, flags, path, other, data)


class Rebuilt(unittest.TestCase):
    def contents(self, ops, cut, tries=120):
        """Each content that "file", or "name" where it was renamed, may have at a cut; `None` where it is not there."""
        found = set()
        with tempfile.TemporaryDirectory() as folder:
            base = pathlib.Path(folder) / "base"
            base.mkdir()
            for number in range(tries):
                disk = Disk(base, ops, {"": 1})
                target = pathlib.Path(folder) / str(number)
                disk.build(cut * 10, random.Random(number).choice(MODES), random.Random(number), target)
                paths = [target / "name", target / "file"]
                found.add(next((path.read_bytes() for path in paths if path.exists()), None))
        return found

    def test_what_was_synced_is_there(self):
        ops = [
            op(OPEN, 1, inode=2, flags=MADE, path="file"),
            op(WRITE, 2, inode=2, data=b"a" * LONG),
            op(SYNC, 3, inode=2),
            op(OPEN, 4, inode=1, flags=FOLDER, path=""),
            op(SYNC, 5, inode=1),
        ]
        self.assertEqual(self.contents(ops, 9), {b"a" * LONG})

    def test_what_was_not_synced_may_be_lost_whole_or_in_parts(self):
        ops = [
            op(OPEN, 1, inode=2, flags=MADE, path="file"),
            op(OPEN, 2, inode=1, flags=FOLDER, path=""),
            op(SYNC, 3, inode=1),
            op(WRITE, 4, inode=2, data=b"a" * LONG),
        ]
        found = self.contents(ops, 9)
        self.assertIn(b"", found)
        self.assertIn(b"a" * LONG, found)
        torn = [content for content in found if content not in (b"", b"a" * LONG)]
        self.assertTrue(any(b"\0" in content for content in torn), "a sector in the middle may be lost")
        self.assertTrue(any(len(content) < LONG for content in torn), "the end may be lost")

    def test_a_sync_that_had_begun_before_a_write_ended_promises_nothing_of_it(self):
        early = Op(25, 39, 2, 0, SYNC, 0, "", "", b"")
        ops = [
            op(OPEN, 1, inode=2, flags=MADE, path="file"),
            op(OPEN, 1, inode=1, flags=FOLDER, path=""),
            Op(20, 35, 2, 0, WRITE, 0, "", "", b"a" * LONG),
            early,
            op(SYNC, 5, inode=1),
        ]
        ops.sort(key=lambda each: each.ended)
        self.assertIn(b"", self.contents(ops, 9))

    def test_a_file_that_was_not_synced_may_be_gone(self):
        ops = [op(OPEN, 1, inode=2, flags=MADE, path="file"), op(WRITE, 2, inode=2, data=b"a")]
        # The last: it grew, and its data did not reach the disk.
        self.assertEqual(self.contents(ops, 9), {None, b"", b"a", b"\0"})

    def test_a_file_that_was_synced_keeps_the_name_it_was_made_under(self):
        ops = [
            op(OPEN, 1, inode=2, flags=MADE, path="file"),
            op(WRITE, 2, inode=2, data=b"a"),
            op(SYNC, 3, inode=2),
        ]
        self.assertEqual(self.contents(ops, 9), {b"a"})

    def test_a_rename_that_was_not_synced_may_not_have_happened(self):
        ops = [
            op(OPEN, 1, inode=2, flags=MADE, path="file"),
            op(OPEN, 2, inode=1, flags=FOLDER, path=""),
            op(SYNC, 3, inode=1),
            op(OPEN, 4, inode=3, flags=MADE, path="new"),
            op(WRITE, 5, inode=3, data=b"new"),
            op(SYNC, 6, inode=3),
            op(RENAME, 7, inode=3, path="new", other="file"),
        ]
        self.assertEqual(self.contents(ops, 9), {b"", b"new"})

    def test_what_was_removed_without_a_sync_may_be_there_again(self):
        ops = [
            op(OPEN, 1, inode=2, flags=MADE, path="file"),
            op(OPEN, 2, inode=1, flags=FOLDER, path=""),
            op(SYNC, 3, inode=1),
            op(UNLINK, 4, inode=2, path="file"),
        ]
        self.assertEqual(self.contents(ops, 9), {b"", None})

    def test_what_comes_after_the_cut_is_not_there(self):
        ops = [
            op(MKDIR, 1, inode=5, path="folder"),
            op(OPEN, 20, inode=2, flags=MADE, path="file"),
            op(WRITE, 21, inode=2, data=b"a"),
        ]
        self.assertEqual(self.contents(ops, 9), {None})


if __name__ == "__main__":
    unittest.main()
