"""A PostgreSQL that can be killed, frozen and restored, with the registry of the world in it."""

import pathlib
import pwd
import shutil
import signal
import sqlite3
import subprocess
import os

from harness.scenario import Skipped
from harness.server import free_ports, wait_for


class Postgres:
    """One cluster in a folder of its own, on loopback."""

    def __init__(self, folder):
        found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [
            pathlib.Path(path) for path in [shutil.which("initdb")] if path
        ]
        if not found:
            raise Skipped("PostgreSQL is missing (Debian: postgresql)")
        self.bin = found[-1].parent
        self.folder = folder / "postgres"
        self.folder.mkdir(parents=True)
        (self.port,) = free_ports(1)
        self.user = []
        if os.geteuid() == 0:
            # It refuses to run as root.
            try:
                pwd.getpwnam("postgres")
            except KeyError as nobody:
                raise Skipped("there is no user postgres to run PostgreSQL as") from nobody
            shutil.chown(self.folder, "postgres")
            os.chmod(folder.parent, 0o755)
            os.chmod(folder, 0o755)
            self.user = ["runuser", "-u", "postgres", "--"]
        self.data = self.folder / "data"
        options = ["--username=faults", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"]
        self.run("initdb", f"--pgdata={self.data}", *options)
        self.start()

    def run(self, command, *arguments, **options):
        return subprocess.run(
            [*self.user, self.bin / command, *arguments], check=True, capture_output=True, cwd="/", **options
        )

    def start(self):
        options = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories='' -c max_connections=100"
        command = [*self.user, self.bin / "pg_ctl", f"--pgdata={self.data}", f"--log={self.folder}/log", "--wait", "--silent"]
        subprocess.run(
            [*command, f"--options={options}", "start"], check=True, cwd="/", stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def stop(self, mode="immediate"):
        subprocess.run(
            [*self.user, self.bin / "pg_ctl", f"--pgdata={self.data}", f"--mode={mode}", "--wait", "--silent", "stop"],
            check=False, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )

    def processes(self):
        """The postmaster and all that it started."""
        postmaster = int((self.data / "postmaster.pid").read_text().splitlines()[0])
        children = pathlib.Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        return [postmaster, *map(int, children)]

    def signal_all(self, number):
        for pid in self.processes():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def kill(self):
        """SIGKILL to every process of it, and waits until its port is free."""
        processes = self.processes()
        self.signal_all(signal.SIGKILL)
        wait_for(lambda: not any(pathlib.Path(f"/proc/{pid}").exists() for pid in processes), "PostgreSQL ends")

    @property
    def url(self):
        return f"postgres://faults@127.0.0.1:{self.port}/postgres"

    def sql(self, text):
        arguments = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "faults", "-d", "postgres", "-X", "-A", "-t", "-q"]
        found = self.run("psql", *arguments, "-v", "ON_ERROR_STOP=1", input=text.encode())
        return found.stdout.decode().splitlines()

    def dump(self, file):
        with file.open("wb") as out:
            arguments = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "faults", "-d", "postgres", "--clean", "--if-exists"]
            subprocess.run([*self.user, self.bin / "pg_dump", *arguments], check=True, stdout=out, cwd="/")

    def restore(self, file):
        self.sql(file.read_text())


def copy_registry(sqlite_file, postgres):
    """Puts all rows of a SQLite registry into a PostgreSQL one of the same schema."""
    columns = {}
    for line in postgres.sql(
        "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'"
        " ORDER BY table_name, ordinal_position;"
    ):
        table, column, kind = line.split("|")
        columns.setdefault(table, {})[column] = kind
    statements = ["BEGIN;", "SET session_replication_role = replica;"]
    statements += [f'DELETE FROM "{table}";' for table in columns]
    with sqlite3.connect(sqlite_file) as registry:
        known = {row[0] for row in registry.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for table, kinds in columns.items():
            if table not in known:
                continue
            there = [row[1] for row in registry.execute(f'PRAGMA table_info("{table}")')]
            # What is generated is not written.
            names = [name for name in there if name in kinds]
            quoted = ", ".join(f'"{name}"' for name in names)
            for row in registry.execute(f'SELECT {quoted} FROM "{table}"'):
                values = ", ".join(literal(value, kinds[name]) for name, value in zip(names, row))
                statements.append(f'INSERT INTO "{table}" ({quoted}) OVERRIDING SYSTEM VALUE VALUES ({values});')
    # Numbers that the database gives go on after those that are there.
    for line in postgres.sql(
        "SELECT table_name, column_name, pg_get_serial_sequence(quote_ident(table_name), column_name) FROM"
        " information_schema.columns WHERE table_schema = 'public' AND pg_get_serial_sequence(quote_ident(table_name),"
        " column_name) IS NOT NULL;"
    ):
        table, column, sequence = line.split("|")
        statements.append(f'SELECT setval(\'{sequence}\', COALESCE((SELECT MAX("{column}") FROM "{table}"), 0) + 1, false);')
    postgres.sql("\n".join([*statements, "COMMIT;"]))


def literal(value, kind):
    if value is None:
        return "NULL"
    if kind == "boolean":
        return "TRUE" if value else "FALSE"
    if kind == "uuid":
        text = value.hex() if isinstance(value, bytes) else str(value)
        return f"'{text}'"
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'"
    if isinstance(value, (int, float)) and kind not in ("text", "character varying"):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"
