# SPDX-License-Identifier: Apache-2.0
"""The ring under a key: it forms, exchanges the key without a gap, and stays apart from other keys."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

from lab.cluster import BINARIES, Cluster
from lab.process import run
from support import ClusterTest

TOOL = Path(os.environ.get("WACKAMOLE_BINARIES", BINARIES)) / "spreadctl"


class Sealing(ClusterTest):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="wack-key-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.key = self.folder / "ring.key"

    def keygen(self, *options: str) -> None:
        run(str(TOOL), "keygen", *options, str(self.key))

    def tell_all(self) -> None:
        """Makes every daemon read its keys again, one after the other as an operator would."""
        for node in self.cluster.nodes.values():
            assert node.daemon is not None
            node.daemon.send_signal(signal.SIGHUP)
            time.sleep(0.3)

    def cover(self, cipher: str) -> None:
        self.keygen("--cipher", cipher)
        cluster = self.form(nodes=3, vips=3, key=str(self.key))
        cluster.nodes["web1"].signal(signal.SIGKILL)
        cluster.nodes["web1"].wait()
        cluster.wait_settled("after the kill")
        cluster.start("web1")
        cluster.wait_settled("with a new boot of web1")

    def test_a_ring_sealed_by_chacha20_covers_everything(self) -> None:
        self.cover("chacha20-poly1305")

    def test_a_ring_sealed_by_aes_covers_everything(self) -> None:
        self.cover("aes-256-gcm")

    def test_a_key_is_exchanged_without_a_change_of_view(self) -> None:
        self.keygen()
        cluster = self.form(nodes=3, vips=3, key=str(self.key))
        status = cluster.nodes["web1"].status()
        assert status is not None
        before = status["view"]["id"]
        for step in ("--add", "--swap", "--drop"):
            self.keygen(step)
            self.tell_all()
        time.sleep(1)
        for node in cluster.nodes.values():
            status = node.status()
            assert status is not None
            self.assertEqual(status["view"]["id"], before, "the exchange of the key changed the view")

    def test_a_node_with_another_key_stays_apart(self) -> None:
        self.keygen()
        cluster = self.form(nodes=3, vips=3, key=str(self.key))
        node = cluster.nodes["web3"]
        node.signal(signal.SIGTERM)
        node.wait()
        other = self.folder / "other.key"
        run(str(TOOL), "keygen", str(other))
        node.config.write_text(node.config.read_text().replace(str(self.key), str(other)))
        cluster.start("web3")
        time.sleep(3)
        for name, members in (("web1", ["web1", "web2"]), ("web3", ["web3"])):
            status = cluster.nodes[name].status()
            assert status is not None
            self.assertEqual(sorted(status["view"]["members"]), members)

    def test_a_key_that_others_may_read_is_refused(self) -> None:
        self.keygen()
        self.key.chmod(0o644)
        cluster = self.enterContext(Cluster(nodes=1, vips=1, key=str(self.key)))
        node = cluster.nodes["web1"]
        node.start()
        self.assertEqual(node.wait(), 2)
        self.assertIn("mode 0600", node.log.read_text())
