# SPDX-License-Identifier: Apache-2.0
"""Bad configurations are refused with their place and reason, and nothing is touched."""

from __future__ import annotations

import os
import re
import subprocess
import unittest
from pathlib import Path
from typing import Callable

from lab import configuration
from lab.cluster import Cluster
from lab.process import run
from support import needs_root

Mangle = Callable[[str], str]


def changed(old: str, new: str) -> Mangle:
    """A change of the first occurrence of a text, which must be there."""

    def mangle(text: str) -> str:
        assert old in text, f"the sample configuration has no '{old}'"
        return text.replace(old, new, 1)

    return mangle


# What is wrong; how to make it from a good file; the text at whose start the fault is found; words that the
# message has to hold.
BAD: dict[str, tuple[Mangle, str, str]] = {
    "unknown_word": (changed("Group = wack1", "Grupp = wack1"), "Grupp", "Grupp"),
    "unknown_word_in_a_block": (changed("Port = 4813", "Prot = 4813"), "Prot", "Prot"),
    "duplicate_address": (
        changed("eth0:10.77.0.102/32", "eth0:10.77.0.101/32 # again"),
        "10.77.0.101/32 # again",
        "10.77.0.101",
    ),
    "bad_octet": (changed("10.77.0.101/32", "10.77.0.256/32"), "10.77.0.256", "256"),
    "bad_mask": (changed("10.77.0.101/32", "10.77.0.101/33"), "/33", "33"),
    "bad_interval": (changed("Mature = 1s", "Mature = 1x"), "1x", "1x"),
    "missing_brace": (lambda text: text.rstrip().removesuffix("}"), "{\n    eth0", "}"),
    "binary_bytes": (changed("Group = wack1", "Group = \udcff\x00\x01"), "\udcff", "UTF-8"),
    "managed_address_as_engine_address": (
        changed("10.77.0.102/32", "10.77.0.1/32"),
        "10.77.0.1/32",
        "10.77.0.1",
    ),
    "unknown_node": (changed("Node = web1", "Node = web9"), "web9", "web9"),
}


@needs_root
class BadConfigurations(unittest.TestCase):
    """One node without a running daemon; every bad file is tried on it."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.lab = cls.enterClassContext(Cluster(nodes=1, vips=2))
        cls.node = cls.lab.nodes["web1"]
        cls.good = configuration.text(cls.lab.settings, "web1", cls.node.directory)

    def launch(self, config: Path, *options: str) -> subprocess.CompletedProcess[str]:
        program = str(self.lab.binaries / "wackamole")
        argv = self.node.host.command(program, *options, "-c", str(config))
        return run(*argv, check=False, timeout=20)

    def written(self, text: str) -> Path:
        config = self.node.directory / "bad.conf"
        config.write_bytes(text.encode(errors="surrogateescape"))
        return config

    def footprint(self) -> tuple[str, list[str], list[str]]:
        """Everything a daemon could have touched."""
        state = self.node.host.run("ip", "-o", "address", "show")
        links = self.node.host.run("ip", "-o", "link", "show")
        files = sorted(str(path) for path in self.node.directory.rglob("*"))
        # Netlink sockets are left out: ss itself opens one.
        return state + links, files, self.node.host.run("ss", "-lanHtuwx").splitlines()

    def refuse(self, mangle: Mangle, at: str, words: str) -> None:
        text = mangle(self.good)
        config = self.written(text)
        before = self.footprint()
        for options in (["-t"], ["-f"], []):
            done = self.launch(config, *options)
            self.assertEqual(done.returncode, 2, f"{options}: {done.stderr}")
            match = re.search(rf"^(?:\S+: )?{re.escape(str(config))}:(\d+):(\d+): .+", done.stderr, re.M)
            assert match is not None, f"{options}: no FILE:LINE:COLUMN in: {done.stderr}"
            self.assertIn(words, done.stderr)
            self.assertEqual((int(match[1]), int(match[2])), place(text, at), done.stderr)
        self.assertEqual(self.footprint(), before, "something was touched")

    def test_the_good_file_is_accepted(self) -> None:
        done = self.launch(self.written(self.good), "-t")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_missing_file(self) -> None:
        for options in (["-t"], ["-f"]):
            done = self.launch(self.node.directory / "none.conf", *options)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("none.conf", done.stderr)

    def test_a_bad_key_file(self) -> None:
        key = self.node.directory / "ring.key"
        self.addCleanup(key.unlink, missing_ok=True)
        config = self.written(self.good.replace("Key = none", f"Key = {key}"))
        for content, mode, words in (
            (None, 0, f"No such file or directory (ENOENT); copy it from another machine of the cluster, or make it: spreadctl keygen {key}"),
            ("nonsense\n", 0o600, f"{key}:1:1: "),
            ("nonsense\n", 0o644, "mode 0600"),
        ):
            if content is not None:
                key.write_text(content)
                key.chmod(mode)
            before = self.footprint()
            for options in (["-t"], ["-f"], []):
                done = self.launch(config, *options)
                self.assertEqual(done.returncode, 2, f"{options}: {done.stderr}")
                self.assertIn(str(key), done.stderr)
                self.assertIn(words, done.stderr)
            self.assertEqual(self.footprint(), before, "something was touched")

    def test_a_fifo_is_not_waited_for(self) -> None:
        fifo = self.node.directory / "fifo.conf"
        os.mkfifo(fifo)
        self.addCleanup(fifo.unlink)
        for options in (["-t"], ["-f"], []):
            done = self.launch(fifo, *options)
            self.assertEqual(done.returncode, 2, f"{options}: {done.stderr}")
            self.assertIn("no regular file", done.stderr)

    def test_a_failed_start_is_no_death(self) -> None:
        self.node.host.run("ip", "address", "add", "10.77.0.101/32", "dev", "eth0")
        self.addCleanup(
            self.node.host.run, "ip", "address", "delete", "10.77.0.101/32", "dev", "eth0"
        )
        done = self.launch(self.written(self.good), "-f")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("10.77.0.101", done.stderr)
        self.assertNotIn("has died", done.stderr)

    def test_an_interface_that_does_not_exist(self) -> None:
        config = self.written(self.good.replace("eth0:10.77.0.102", "eth7:10.77.0.102"))
        self.assertEqual(self.launch(config, "-t").returncode, 0)
        before = self.footprint()
        done = self.launch(config, "-f")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("eth7", done.stderr)
        self.assertEqual(self.footprint(), before, "something was touched")


def place(text: str, at: str) -> tuple[int, int]:
    """Line and column, counted from 1, of the start of a text that occurs once."""
    assert text.count(at) == 1, f"'{at}' is not unique"
    before = text[: text.index(at)]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _add_tests() -> None:
    for name, case in BAD.items():
        setattr(BadConfigurations, f"test_{name}", lambda self, case=case: self.refuse(*case))


_add_tests()
