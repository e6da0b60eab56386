"""Disks as they may stand after the power was cut, rebuilt from a recording of a server's file operations.

What Linux promises is kept: what was written to a file before an fsync of it began, once that fsync has returned, and with it the
name under which the file was made; any other change of names, once an fsync of the folder has. (POSIX alone would let the name of
a new file go although the file was synced; no file system that a server runs on does.) Everything else may have happened or not,
in any order:

* writes that were not synced: none, all, the first few, or any of them, torn at sectors;
* a file may have grown without its data (zeros);
* entries made, renamed or removed: as a journaling file system keeps them, in order and with every sync that follows them
  (`journal`), or each by itself (`loose`).
"""

import collections
import os
import pathlib
import re
import struct
import time

# As in interpose.c.
HEADER = struct.Struct("<QQQqIIQQ")
OPEN, WRITE, TRUNCATE, SYNC, UNKNOWN = range(1, 6)
# As strace names them, without the place that a path is relative to.
RENAME, UNLINK, MKDIR, LINK, RMDIR = "rename", "unlink", "mkdir", "link", "rmdir"
NAMES_TRACED = "rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,link,linkat,rmdir,symlink,symlinkat"
MADE, EMPTIED, FOLDER = 1, 2, 4
SECTORS = (512, 4096)
MODES = ("journal", "loose")
# SQLite rebuilds it, and writes to it through memory, where no recorder sees it.
NOT_COMPARED = ("-shm",)

Op = collections.namedtuple("Op", "begun ended inode offset kind flags path other data")


def read_recording(folder, root):
    """All operations in the order in which they ended: what was done to files, and what was done to names."""
    ops = [*read_files(folder / "recording", str(root)), *read_names(folder, str(root))]
    unknown = {op.path for op in ops if op.kind == UNKNOWN}
    if unknown:
        raise AssertionError(f"the recorder does not know how to write down: {', '.join(unknown)}")
    return sorted(ops, key=lambda op: op.ended)


def below(path, root):
    """A path relative to the folder that is recorded."""
    return os.path.normpath(path)[len(root) :].lstrip("/")


def read_files(file, root):
    """What `interpose.c` wrote. A last one that is cut short is left out: the server was killed."""
    data, at = file.read_bytes(), 0
    while at + HEADER.size <= len(data):
        begun, ended, inode, offset, kind, flags, path_bytes, data_bytes = HEADER.unpack_from(data, at)
        at += HEADER.size
        if at + path_bytes + data_bytes > len(data):
            return
        path = data[at : at + path_bytes].decode()
        at += path_bytes
        if kind == UNKNOWN:
            yield Op(begun, ended, inode, offset, kind, flags, path, "", b"")
        else:
            content = data[at : at + data_bytes]
            yield Op(begun, ended, inode, offset, kind, flags, below(path, root) if path else "", "", content)
        at += data_bytes


def recorder(folder, root, library):
    """What to start a server with so that it is recorded: a prefix of its command, and its environment."""
    trace = ["strace", "-ff", "-y", "--seccomp-bpf", "--absolute-timestamps=format:unix,precision:ns", "--quiet=all"]
    trace += ["--syscall-times=ns", f"--trace={NAMES_TRACED}", "-s", "4096", "-o", str(folder / "names"), "-E"]
    return [*trace, f"LD_PRELOAD={library}"], {"FAULTS_ROOT": str(root), "FAULTS_RECORD": str(folder / "recording")}


def read_names(folder, root):
    """What strace saw, by the clock of the recording."""
    # The clocks of strace and of the recording run side by side.
    apart = time.monotonic_ns() - time.time_ns()
    for file in folder.glob("names.*"):
        for line in file.read_text().splitlines():
            if not (match := NAMED.match(line)) or match["result"] != "0":
                continue
            begun = int(match["begun"].replace(".", "")) + apart
            ended = begun + int(match["took"].replace(".", ""))
            paths = [os.path.join(place or "", path) for place, path in PATH.findall(match["arguments"])]
            if not paths or not all(path.startswith(root + "/") for path in paths):
                continue
            kind = match["call"].removesuffix("2").removesuffix("at")
            if kind == UNLINK and "AT_REMOVEDIR" in match["arguments"]:
                kind = RMDIR
            first, *second = (below(path, root) for path in paths)
            yield Op(begun, ended, 0, 0, kind, 0, first, *(second or [""]), b"")


NAMED = re.compile(r"(?P<begun>\d+\.\d+) (?P<call>\w+)\((?P<arguments>.*)\) = (?P<result>\S+).* <(?P<took>[\d.]+)>$")
# A path, and the folder that it is relative to where there is one.
PATH = re.compile(r'(?:(?:AT_FDCWD|\d+)(?:<([^>]*)>)?, )?"([^"]*)"')


class File:
    """What becomes of one file, under whatever names."""

    def __init__(self, base=b""):
        self.base = base
        # Writes and truncations by the end of each; syncs as (ended, begun).
        self.ops, self.syncs = [], []
        # Whatever ended before this began to be synced, and the sync has returned.
        self.synced, self.seen_syncs = -1, 0
        self.stable, self.stable_ops = bytearray(base), 0

    def settle(self, cut):
        """Brings `stable` forward to what is surely on the disk at `cut`. Cuts must come in order."""
        while self.seen_syncs < len(self.syncs) and self.syncs[self.seen_syncs][0] <= cut:
            self.synced = max(self.synced, self.syncs[self.seen_syncs][1])
            self.seen_syncs += 1
        while self.stable_ops < len(self.ops) and self.ops[self.stable_ops].ended <= self.synced:
            apply(self.stable, self.ops[self.stable_ops])
            self.stable_ops += 1

    def unstable(self, cut):
        """What may be on the disk at `cut` and may not, in order."""
        loose = []
        for op in self.ops[self.stable_ops :]:
            if op.begun < cut:
                loose.append(op)
        return loose

    def at(self, cut, choose):
        """One content that the file may have."""
        self.settle(cut)
        loose = self.unstable(cut)
        if not loose:
            return self.stable
        content = bytearray(self.stable)
        how = choose.choice(("none", "all", "prefix", "subset", "subset", "torn", "torn"))
        if how == "all":
            for op in loose:
                apply(content, op)
        elif how == "prefix":
            kept = choose.randrange(len(loose) + 1)
            for op in loose[:kept]:
                apply(content, op)
            if kept < len(loose):
                apply_torn(content, loose[kept], choose, in_order=True)
        elif how in ("subset", "torn"):
            share = choose.random()
            for op in loose:
                if choose.random() < share:
                    if how == "torn" and op.kind == WRITE:
                        apply_torn(content, op, choose)
                    else:
                        apply(content, op)
            if choose.random() < 0.3:
                longest = max((op.offset + len(op.data) for op in loose if op.kind == WRITE), default=0)
                content.extend(bytes(max(0, longest - len(content))))
        return content


def apply(content, op):
    if op.kind == TRUNCATE:
        if op.offset < len(content):
            del content[op.offset :]
        else:
            content.extend(bytes(op.offset - len(content)))
    else:
        put(content, op.offset, op.data)


def put(content, offset, data):
    if offset > len(content):
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def apply_torn(content, op, choose, in_order=False):
    """Only some of the sectors of a write."""
    if op.kind != WRITE:
        return
    sector = choose.choice(SECTORS)
    share = choose.random()
    start, end = op.offset, op.offset + len(op.data)
    cuts = [start, *range((start // sector + 1) * sector, end, sector), end]
    pieces = list(zip(cuts, cuts[1:]))
    if in_order:
        pieces = pieces[: choose.randrange(len(pieces) + 1)]
    for piece_start, piece_end in pieces:
        if in_order or choose.random() < share:
            put(content, piece_start, op.data[piece_start - start : piece_end - start])


class Disk:
    """The folder as it was when the recording began, and all that was done to it since."""

    def __init__(self, base, ops, inodes):
        """`base` is a copy of the folder from before; `inodes` gives the inode of each of its files by path."""
        self.files = []
        self.entries = {}
        by_inode = {}
        for path in sorted(base.rglob("*")):
            name = str(path.relative_to(base))
            if path.is_dir():
                self.entries[name] = None
            elif path.is_file():
                self.entries[name] = by_inode[inodes[name]] = self.new(path.read_bytes())
        # Changes of names in order: (op, parents, what it does).
        self.names, self.folder_syncs, self.all_syncs = [], collections.defaultdict(list), []
        folders = {inodes[name]: name for name, file in self.entries.items() if file is None}
        folders[inodes[""]] = ""
        for op in ops:
            if op.kind == OPEN:
                if op.flags & FOLDER:
                    folders[op.inode] = op.path
                elif op.flags & MADE:
                    by_inode[op.inode] = self.new(b"")
                    self.names.append((op, by_inode[op.inode]))
                elif op.flags & EMPTIED:
                    by_inode[op.inode].ops.append(op._replace(kind=TRUNCATE, offset=0))
            elif op.kind in (WRITE, TRUNCATE):
                by_inode[op.inode].ops.append(op)
            elif op.kind == SYNC:
                self.all_syncs.append((op.ended, op.begun))
                if op.inode in folders:
                    self.folder_syncs[folders[op.inode]].append((op.ended, op.begun))
                elif op.inode in by_inode:
                    by_inode[op.inode].syncs.append((op.ended, op.begun))
            else:
                self.names.append((op, None))
        self.sure = {
            mode: [self.surely_named_at(op, file, mode) for op, file in self.names] for mode in MODES
        }

    def new(self, content):
        self.files.append(File(content))
        return self.files[-1]

    def surely_named_at(self, op, file, mode):
        """From when on a change of a name is on the disk for sure."""
        never = float("inf")
        if mode == "journal":
            return min((ended for ended, begun in self.all_syncs if op.ended <= begun), default=never)
        parents = {os.path.dirname(path) for path in (op.path, op.other) if path}
        by_folder = max(
            min((ended for ended, begun in self.folder_syncs[parent] if op.ended <= begun), default=never)
            for parent in parents
        )
        by_itself = file.syncs if op.kind == OPEN else []
        return min([by_folder, *(ended for ended, begun in by_itself if op.ended <= begun)])

    def names_at(self, cut, mode, choose):
        """Names that the disk may have at `cut`, and the file of each; `None` for folders."""
        entries = dict(self.entries)
        loose_kept, share = True, choose.random()
        for (op, file), sure_at in zip(self.names, self.sure[mode]):
            if op.begun >= cut:
                continue
            if sure_at > cut:
                keep = choose.random() < share
                if mode == "journal":
                    # In order: once one is lost, all that follow are.
                    loose_kept = loose_kept and (keep or choose.random() < 0.5)
                    keep = loose_kept
                if not keep:
                    continue
            change_name(entries, op, file)
        return entries

    def final(self):
        """All operations done, nothing lost."""
        entries = dict(self.entries)
        for op, file in self.names:
            change_name(entries, op, file)
        contents = {}
        for name, file in entries.items():
            if file is not None:
                content = bytearray(file.base)
                for op in file.ops:
                    apply(content, op)
                contents[name] = bytes(content)
        return contents

    def build(self, cut, mode, choose, target):
        """Writes one disk as it may stand at `cut` to `target`. Cuts must come in order."""
        entries = self.names_at(cut, mode, choose)
        target.mkdir(parents=True)
        for name in sorted(entries):
            file, path = entries[name], target / name
            if file is None:
                path.mkdir(exist_ok=True)
            elif path.parent.is_dir() and not name.endswith(NOT_COMPARED):
                # A file whose folder did not make it is not there either.
                path.write_bytes(file.at(cut, choose))


def change_name(entries, op, file):
    if op.kind == OPEN:
        entries[op.path] = file
    elif op.kind == MKDIR:
        entries.setdefault(op.path, None)
    elif op.kind == LINK:
        if op.path in entries:
            entries[op.other] = entries[op.path]
    elif op.kind == RENAME:
        if op.path in entries:
            moved = entries.pop(op.path)
            entries[op.other] = moved
            if moved is None:
                below = [name for name in entries if name.startswith(op.path + "/")]
                for name in below:
                    entries[op.other + name[len(op.path) :]] = entries.pop(name)
    else:
        entries.pop(op.path, None)


def inodes_below(root):
    """The inode of everything in a folder, by path; "" for the folder itself."""
    found = {"": os.stat(root).st_ino}
    for path in pathlib.Path(root).rglob("*"):
        found[str(path.relative_to(root))] = path.lstat().st_ino
    return found


def differences(disk, root):
    """Where the recording, played to its end, is not what really lies there: it missed an operation."""
    expected, found = disk.final(), []
    real = {str(p.relative_to(root)) for p in pathlib.Path(root).rglob("*") if p.is_file()}
    for name in sorted(real | set(expected)):
        if name.endswith(NOT_COMPARED):
            continue
        if name not in real or name not in expected:
            found.append(f"{name} is {'not recorded' if name in real else 'recorded only'}")
        elif (pathlib.Path(root) / name).read_bytes() != expected[name]:
            found.append(f"{name} has another content")
    return found
