"""What a scenario is given and what it gives back."""

import dataclasses
import pathlib
import shutil
import subprocess

from harness.server import Issuer, Server, World


class Skipped(Exception):
    """The machine lacks what the scenario needs; says what."""


@dataclasses.dataclass
class Verdict:
    """What came of a scenario: counts for people, faults for everybody."""

    counts: dict
    faults: list


@dataclasses.dataclass
class Context:
    """What scenarios have in common."""

    binary: pathlib.Path
    inspect: pathlib.Path | None
    folder: pathlib.Path
    long: bool
    seed: int
    world: World
    issuer: Issuer

    def of(self, short, long):
        """One of two sizes."""
        return long if self.long else short

    def server(self, name, **options):
        """A server with a copy of the world in a folder of its own."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        return Server(self.world, self.issuer, folder, **options)

    def interposer(self):
        """The library that records and breaks file operations, built here."""
        library = self.folder / "interpose.so"
        if not library.exists():
            source = pathlib.Path(__file__).parent.parent / "interpose.c"
            subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl", "-lpthread"], check=True)
        return library
