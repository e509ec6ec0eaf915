# SPDX-License-Identifier: Apache-2.0
"""scripts/install puts everything in place, the units are good and confined, and nothing stays behind."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import unittest
from pathlib import Path

from lab.build import ROOT
from lab.cluster import BINARIES
from lab.process import run

PLACE = Path(os.environ.get("WACKAMOLE_BINARIES", BINARIES))
INSTALL = str(ROOT / "scripts" / "install")
EXPOSURE = {"wackamole": 3.0, "spreadd": 1.9}
"""The most that `systemd-analyze security` may say of a service. What is left of wackamole.service: it needs the host's
network (0.5), and as root (0.4) IP, packet, netlink and unix sockets (0.7), the capabilities for addresses, frames,
priority and locked memory (0.5), those for scripts that run as a user and the group of the control socket (0.5),
system calls for ownership and scheduling (0.4); peers are told by the
configuration, not by an allow list of addresses (0.2). spreadd.service has no privileges; it needs the network (0.5),
/tmp as others see it (0.2), and IP, netlink and unix sockets."""


class Install(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="wack-install-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.prefix = self.folder / "usr"

    def install(self, *options: str) -> str:
        return run(INSTALL, "--prefix", str(self.prefix), "--binaries", str(PLACE), *options).stdout

    def files(self) -> set[str]:
        return {str(p.relative_to(self.prefix)) for p in self.prefix.rglob("*") if not p.is_dir()}

    def test_everything_is_installed_and_removed(self) -> None:
        self.install()
        wanted = {
            "sbin/wackamole",
            "sbin/wackamole-guardian",
            "bin/spreadctl",
            "share/man/man8/wackamole.8",
            "share/man/man5/wackamole.conf.5",
            "share/doc/wackamole/examples/three-servers.conf",
            "lib/systemd/system/wackamole.service",
            "sbin/spreadd",
            "share/man/man5/spread.conf.5",
            "share/doc/wackamole/examples/spread.conf",
            "lib/systemd/system/spreadd.service",
            "lib/sysusers.d/spread.conf",
        }
        self.assertLessEqual(wanted, self.files())
        program = str(self.prefix / "sbin/wackamole")
        self.assertIn("wackamole", run(program, "--version").stdout)
        example = str(self.prefix / "share/doc/wackamole/examples/three-servers.conf")
        self.assertIn("is good", run(program, "-t", "-c", example).stdout)
        # What others put there stays, and a second installation is no harm.
        (self.prefix / "sbin" / "other").write_text("not ours")
        self.install()
        run(INSTALL, "--uninstall", "--prefix", str(self.prefix))
        self.assertEqual(self.files(), {"sbin/other"})
        again = run(INSTALL, "--uninstall", "--prefix", str(self.prefix), check=False)
        self.assertEqual(again.returncode, 1)
        self.assertIn("nothing is installed", again.stderr)

    def test_a_bad_prefix_is_refused(self) -> None:
        for options in (["--prefix", "relative"], ["--prefix", "/a b"], ["--prefix", "/opt/100%"], ["--prefix"], ["--what"]):
            done = run(INSTALL, *options, check=False)
            self.assertEqual(done.returncode, 2, options)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "needs systemd-analyze")
    def test_the_services_are_good_and_confined(self) -> None:
        self.install()
        for name, limit in EXPOSURE.items():
            unit = self.prefix / f"lib/systemd/system/{name}.service"
            self.assertIn(f"ExecStart={self.prefix}/sbin/{name} ", unit.read_text())
            verified = run("systemd-analyze", "verify", "--man=no", str(unit), check=False)
            self.assertEqual((verified.returncode, verified.stdout + verified.stderr), (0, ""))
            said = run("systemd-analyze", "security", "--no-pager", "--offline=true", str(unit)).stdout
            exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
            assert exposure is not None, said
            self.assertLessEqual(float(exposure[1]), limit)

    @unittest.skipUnless(shutil.which("systemd-sysusers"), "needs systemd-sysusers")
    def test_the_user_of_spreadd_is_made(self) -> None:
        self.install()
        root = self.folder / "root"
        (root / "etc").mkdir(parents=True)
        run("systemd-sysusers", f"--root={root}", str(self.prefix / "lib/sysusers.d/spread.conf"))
        self.assertIn("spread:x:", (root / "etc/passwd").read_text())
