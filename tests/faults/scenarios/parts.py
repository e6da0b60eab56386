"""Each part of an installation gone, empty, wiped, cut, another installation's, unreadable, or a folder in place of a file.

Whatever it is: `serve`, `backup` and `repair` refuse, `doctor` finds a fault, the path and what to do are said, and nothing is
changed, so that putting the part back is all that it takes.
"""

import contextlib
import dataclasses
import hashlib
import os
import shutil
import sqlite3
import subprocess
import tempfile

from harness.filling import Filling
from harness.klient import Konto
from harness.scenario import Skipped, Verdict
from harness.server import World

PARTS = [
    "ko",
    "ko.installasjon",
    "ko.vitne",
    "passord.key",
    "register.sqlite",
    "register.sqlite-wal",
    "dokumentlager/installasjon",
    "CONFIG",
]
NOBODY = 65534
# What commands may make or take away without changing anything: locks, and what SQLite reads its own file through.
PASSING = {"knutepunkt.lock", "register.sqlite.lock", "register.sqlite-shm"}


def gone(path, _):
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def empty(path, _):
    if path.is_dir():
        shutil.rmtree(path)
        path.mkdir(mode=0o700)
    else:
        path.write_bytes(b"")


def wiped(path, _):
    for file in files(path):
        file.write_bytes(bytes(file.stat().st_size))


def cut(path, _):
    for file in files(path):
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def another(path, other):
    gone(path, other)
    shutil.copytree(other, path) if other.is_dir() else shutil.copy(other, path)


def unreadable(path, _):
    path.chmod(0)


def folder(path, other):
    gone(path, other)
    path.mkdir(mode=0o700)


DAMAGES = [gone, empty, wiped, cut, another, unreadable, folder]


def files(path):
    return [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]


def run(context):
    if os.geteuid():
        raise Skipped("needs root, to ask as somebody whom permissions stop")
    context.folder.chmod(0o711)
    server = filled(context, "parts")
    place = context.folder / "another"
    place.mkdir(exist_ok=True)
    other = filled(dataclasses.replace(context, folder=place, world=World(context.binary, place)), "parts")
    (server.data / "styring.sock").unlink()
    kept = server.folder / "kept"
    server.data.rename(kept)
    configuration = server.config.read_text()
    faults, refused, texts = [], 0, []
    for part, damage, command in combinations():
        shutil.rmtree(server.data, ignore_errors=True)
        shutil.rmtree(server.folder / "copy", ignore_errors=True)
        subprocess.run(["cp", "-a", "--sparse=always", kept, server.data], check=True)
        clear(server.config)
        server.config.write_text(configuration)
        path = server.config if part == "CONFIG" else server.data / part
        damage(path, other.config if part == "CONFIG" else other.data / part)
        own(server.folder)
        before = content(server.data, part)
        code, said = ask(context, server, command)
        what = f"{part} {damage.__name__}: {command}"
        texts.append(f"{what} {code}: {said}")
        refused += 1
        if wrong := judged(command, code, said, path):
            faults.append(f"{what} {wrong}: {code} {said[-700:]}")
        if (after := content(server.data, part)) != before:
            changed = {name for name, _ in set(after.items()) ^ set(before.items())}
            faults.append(f"{what} changed {sorted(changed)[:5]}")
    (server.folder / "said.txt").write_text("\n".join(texts))
    looked_at = modes(context, faults)
    return Verdict({"combinations": refused, "refused": refused - len(faults), "files for their owner alone": looked_at}, faults)


def combinations():
    """Every part, damage and command, in the short form too: a sample would give the same commit another verdict each time."""
    return [
        (part, damage, command)
        for part in PARTS
        for damage in DAMAGES
        # It is one; any other is right somewhere; and what is cut between two lines is a whole file.
        if (part, damage) not in ((PARTS[0], folder), ("CONFIG", another), ("CONFIG", cut))
        for command in ("serve", "doctor", "backup", "repair")
    ]


def clear(config):
    if config.is_dir():
        config.rmdir()
    elif config.exists():
        config.chmod(0o600)


def judged(command, code, said, path):
    """What is wrong with an answer, if anything is."""
    if "panicked" in said:
        return "panicked"
    if code == (2 if command == "doctor" else 1):
        return "" if str(path) in said else "does not name the path"
    if command == "repair" and code == 0 and "nothing was changed" in said:
        return ""  # It looks at the queue log alone.
    return "is not refused"


def filled(context, name):
    """A server that was killed with meldinger in its queues, so that every part is in use."""
    server = context.server(name).start()
    Filling(Konto(server, "klient.full"), Konto(server, "arkiv.full"), set()).run(200)
    server.kill()
    return server


def own(place):
    for entry in [place, *place.rglob("*")]:
        if not entry.is_symlink():
            os.chown(entry, NOBODY, NOBODY)


def content(data, part):
    """All that is there. Of a registry that is whole, what it says: SQLite moves that between its files."""
    found = {}
    if not part.startswith("register"):
        found["register"] = rows(data)
    for path in data.rglob("*"):
        if path.name in PASSING or path.name == "styring.sock":
            continue
        if "register" in found and path.name.startswith("register.sqlite"):
            continue
        stat = path.stat()
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        found[str(path.relative_to(data))] = (digest, oct(stat.st_mode))
    return found


def rows(data):
    with tempfile.TemporaryDirectory() as copy:
        for path in data.glob("register.sqlite*"):
            shutil.copy(path, copy)
        with contextlib.closing(sqlite3.connect(f"{copy}/register.sqlite")) as registry:
            return hashlib.sha256("\n".join(registry.iterdump()).encode()).hexdigest()


def modes(context, faults):
    """Whatever the umask, nobody but its owner reads what a command makes. Gives how many files and folders were looked at."""
    looked_at = 0
    for mask in ("000", "077"):
        server = context.server(f"modes-{mask}", prefix=["sh", "-c", f'umask {mask}; exec "$0" "$@"'])
        place = server.folder / "made"
        copies = place / "copies"
        copies.mkdir(mode=0o700, parents=True)
        server.data.rename(place / "data")
        server.data = place / "data"
        server.configure()
        server.start()
        Filling(Konto(server, "klient.full"), Konto(server, "arkiv.full"), set()).run(50)
        server.kill()
        witness, other = server.data / "ko.vitne", place / "other"
        for arguments in (
            ["backup", copies / "one", "--config", server.config],
            ["restore", copies / "one", "--data", other / "below" / "data"],
            ["doctor", "--config", server.config],
            ["repair", "--berg", "--config", server.config],
            lambda: witness.write_bytes(witness.read_bytes()[:100]),
            ["repair", "--godta-tap", "--config", server.config],
            ["dev", "sertifikat", "--data", place / "dev"],
        ):
            if callable(arguments):
                arguments()
                continue
            said = subprocess.run([*server.prefix, context.binary, *arguments], capture_output=True, text=True, check=False)
            if said.returncode and arguments[0] not in ("doctor", "dev"):
                faults.append(f"umask {mask}: {arguments[:2]} ended with {said.returncode}: {said.stderr[-300:]}")
        kinds = {path.name.split("-")[0].split(".")[0] for path in place.rglob("*")}
        if not {"ko", "register", "passord", "SHA256SUMS", "manifest"} <= kinds:
            faults.append(f"umask {mask}: not all was made: {sorted(kinds)}")
        for path in place.rglob("*"):
            looked_at += 1
            mode = path.lstat().st_mode & 0o777
            if mode & 0o077:
                faults.append(f"umask {mask}: {path.relative_to(place)} has mode {mode:o}")
    return looked_at


def ask(context, server, command):
    arguments = {
        "serve": ["serve", "--config", server.config],
        "doctor": ["doctor", "--config", server.config],
        "backup": ["backup", server.folder / "copy", "--config", server.config],
        "repair": ["repair", "--config", server.config],
    }[command]
    # As a user whom permissions stop.
    user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    said = subprocess.run(
        ["timeout", "-s", "KILL", "8", *user, context.binary, *arguments],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )
    return said.returncode, "\n".join(said.stdout.splitlines()[-40:]) + said.stderr
