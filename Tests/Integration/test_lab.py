# SPDX-License-Identifier: Apache-2.0
"""The lab's own arithmetic, without any cluster."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from lab import arp, lifetime
from lab.process import SCRIPTS
from lab.probe import Gap, Reply, longest_gap, servers
from lab.timeline import Timeline
from suites.mutants import Mutant
from suites.outcome import Outcome, of_integration, of_swift_tests

VIP = "10.77.0.101/32"


class TimelineTests(unittest.TestCase):
    def setUp(self) -> None:
        self.timeline = Timeline()

    def test_time_between_two_holders_is_uncovered(self) -> None:
        self.timeline.hold(10, "a", VIP, True)
        self.timeline.hold(50, "a", VIP, False)
        self.timeline.hold(80, "b", VIP, True)
        self.assertEqual(self.timeline.uncovered(VIP, 0, 100), 40)
        self.assertEqual(self.timeline.uncovered(VIP, 60, 70), 10)
        self.assertEqual(self.timeline.longest_uncovered(VIP, 0, 100), 30)
        self.assertEqual(self.timeline.doubled(VIP, 0, 100), 0)
        self.assertEqual(self.timeline.holders(VIP), {"b"})

    def test_overlap_of_reachable_holders_is_doubled(self) -> None:
        self.timeline.hold(0, "a", VIP, True)
        self.timeline.hold(30, "b", VIP, True)
        self.timeline.hold(45, "a", VIP, False)
        self.assertEqual(self.timeline.doubled(VIP, 0, 100), 15)
        self.assertEqual(self.timeline.uncovered(VIP, 0, 100), 0)

    def test_a_renewal_changes_nothing(self) -> None:
        for moment in (0, 10, 20):
            self.timeline.hold(moment, "a", VIP, True)
        self.assertEqual(len(self.timeline.spans(VIP, 0, 100)), 1)

    def test_a_holder_out_of_reach_serves_nobody(self) -> None:
        self.timeline.hold(0, "a", VIP, True)
        self.timeline.reach(20, "a", False)
        self.timeline.hold(50, "b", VIP, True)
        self.timeline.reach(90, "a", True)
        self.assertEqual(self.timeline.uncovered(VIP, 0, 100), 30)
        self.assertEqual(self.timeline.apart(VIP, 0, 100), 40)
        self.assertEqual(self.timeline.doubled(VIP, 0, 100), 10)

    def test_an_address_nobody_ever_had_is_uncovered(self) -> None:
        self.assertEqual(self.timeline.uncovered("10.77.0.9/32", 0, 100), 100)


class ProbeTests(unittest.TestCase):
    def test_the_gap_starts_at_the_last_answer_before_the_window(self) -> None:
        replies = [Reply(10, "a"), Reply(20, "a"), Reply(90, "b"), Reply(100, "b")]
        self.assertEqual(longest_gap(replies, 30, 100), Gap(20, 90, "a", "b"))

    def test_without_a_later_answer_the_gap_lasts_to_the_end(self) -> None:
        self.assertEqual(longest_gap([Reply(10, "a")], 5, 200), Gap(10, 200, "a", None))

    def test_without_any_answer_the_gap_is_the_window(self) -> None:
        self.assertEqual(longest_gap([], 5, 200).length, 195)

    def test_servers_in_order(self) -> None:
        replies = [Reply(1, "a"), Reply(2, "a"), Reply(3, "b"), Reply(4, "a")]
        self.assertEqual(servers(replies, 0, 9), ["a", "b", "a"])
        self.assertEqual(servers(replies, 3, 3), ["b"])


class ArpTests(unittest.TestCase):
    MAC = bytes.fromhex("02000a4d0001")
    IP = bytes([10, 77, 0, 101])
    CLIENT = bytes([10, 77, 0, 254])

    def frame(self, operation: int, target_mac: bytes, target_ip: bytes) -> bytes:
        head = b"\xff" * 6 + self.MAC + bytes.fromhex("0806000108000604")
        return head + bytes([0, operation]) + self.MAC + self.IP + target_mac + target_ip

    def announced(self, frame: bytes) -> str | None:
        packet = arp.parse(frame)
        assert packet is not None
        return packet.announces

    def test_only_the_two_forms_announce(self) -> None:
        zero, everyone = b"\0" * 6, b"\xff" * 6
        self.assertEqual(self.announced(self.frame(1, zero, self.IP)), "10.77.0.101")
        self.assertEqual(self.announced(self.frame(2, self.MAC, self.IP)), "10.77.0.101")
        self.assertIsNone(self.announced(self.frame(2, everyone, self.IP)))
        self.assertIsNone(self.announced(self.frame(2, everyone, self.CLIENT)))
        self.assertIsNone(self.announced(self.frame(1, zero, self.CLIENT)))

    def test_other_frames_are_no_arp(self) -> None:
        self.assertIsNone(arp.parse(b"\xff" * 20))
        self.assertIsNone(arp.parse(b"\xff" * 60))


class LifetimeTests(unittest.TestCase):
    def test_identities_are_told_from_other_names(self) -> None:
        for name in ("wacklab-12-1", "wacklab-12-1-web1"):
            match = lifetime.IDENTITY.fullmatch(name)
            self.assertEqual(match and match.group(1), "wacklab-12-1")
        for name in ("wacklab-12", "wacklab-a-1", "xwacklab-12-1", "wacklab-12-1web"):
            self.assertIsNone(lifetime.IDENTITY.fullmatch(name))


class RefusalTests(unittest.TestCase):
    """What cannot work is said before anything that takes long."""

    def test_a_checkout_with_a_colon_in_its_path(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            copy = Path(directory) / "a:b" / "scripts"
            (copy / "lab").mkdir(parents=True)
            shutil.copy(SCRIPTS / "lab" / "python.sh", copy / "lab")
            for name in ("demo", "test", "bench"):
                shutil.copy(SCRIPTS / name, copy)
                said = subprocess.run([copy / name, "ring"], capture_output=True, text=True, timeout=20)
                self.assertEqual((said.returncode, said.stdout), (1, ""), said.stderr)
                self.assertIn(f"has a colon, at which lists of paths are split: {copy}", said.stderr)

    @unittest.skipUnless(os.geteuid() == 0, "needs root to be somebody else")
    def test_a_checkout_of_somebody_else(self) -> None:
        said = self.as_another(["--reuid=65534", "--clear-groups"], "build.unwritable(Path('/usr'))")
        self.assertIn("/usr cannot be written by this user", said)
        self.assertEqual(self.as_another([], "build.unwritable(Path('/usr'))"), "None\n")

    @unittest.skipUnless(os.geteuid() == 0, "needs root to have less of it")
    def test_a_machine_without_namespaces(self) -> None:
        said = self.as_another(
            ["--inh-caps=-sys_admin", "--bounding-set=-sys_admin"], "lifetime.refused_namespaces()"
        )
        self.assertIn("this machine refuses network namespaces", said)
        self.assertIn("ip netns add", said)
        self.assertEqual(self.as_another([], "lifetime.refused_namespaces()"), "None\n")

    def as_another(self, options: list[str], expression: str) -> str:
        """What an expression gives in a process with other rights."""
        program = f"from pathlib import Path; from lab import build, lifetime; print({expression})"
        done = subprocess.run(
            ["setpriv", *options, "--", sys.executable, "-c", program],
            env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout


class CountingTests(unittest.TestCase):
    def setUp(self) -> None:
        self.file = Path(self.enterContext(tempfile.TemporaryDirectory())) / "report"

    def test_swift_tests_are_counted_singly(self) -> None:
        output = (
            "◇ Test one() started.\n"
            "✘ Test case passing 1 argument x → 2 to four(x:) failed after 0.001 seconds.\n"
            '✘ Test "failed after two" recorded an issue at T.swift:5:49: Expectation failed\n'
            '➜ Test three() skipped: "why"\n'
            "✔ Test one() passed after 0.001 seconds.\n"
            "✘ Test four(x:) with 3 test cases failed after 0.001 seconds with 1 issue.\n"
            '━ Test "a raw name" passed after 0.001 seconds with 1 known issue.\n'
        )
        end = "✘ Test run with 4 tests in 1 suite failed after 0.001 seconds with 1 issue.\n"
        self.assertEqual(of_swift_tests(1, output + end), Outcome(2, 1, 1))
        self.assertEqual(of_swift_tests(1, output), Outcome(2, 2, 1), "a crash is a failure")

    def test_an_unexplained_error_is_a_failure(self) -> None:
        end = "✔ Test run with 2 tests in 1 suite passed after 0.001 seconds.\n"
        self.assertEqual(of_swift_tests(0, end), Outcome(2, 0, 0))
        self.assertEqual(of_swift_tests(1, end), Outcome(2, 1, 0))
        self.assertEqual(of_integration(0, self.file), Outcome(0, 1, 0))

    def test_a_name_that_speaks_of_skipping_is_not_skipped(self) -> None:
        output = (
            '✔ Test "What is skipped is counted" passed after 0.1 seconds.\n'
            '➜ Test "Needs root" skipped: "not root"\n'
            "➜ Test plain() skipped.\n"
            "✔ Test run with 3 tests in 1 suite passed after 0.1 seconds.\n"
        )
        self.assertEqual(of_swift_tests(0, output), Outcome(1, 0, 2))

    def test_a_run_without_tests_is_a_failure(self) -> None:
        end = "✔ Test run with 0 tests in 0 suites passed after 0.001 seconds.\n"
        self.assertEqual(of_swift_tests(0, end), Outcome(0, 1, 0))

    def test_a_mutant_names_what_kills_it(self) -> None:
        self.file.write_text("# breaks x\n# kills: swift test --filter A\n\ndiff --git\n# kills: no\n")
        self.assertEqual(Mutant.read(self.file).kills, ("swift test --filter A",))
