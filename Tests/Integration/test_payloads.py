# SPDX-License-Identifier: Apache-2.0
"""wackamole on Spread daemons that others use too: what forgers send has no effect where there is a key."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from lab.cluster import BINARIES, Cluster, Node
from lab.process import run
from support import ClusterTest
from test_failover import VIP

# The client that shares no code with the daemons.
sys.path.append(str(Path(__file__).resolve().parent.parent / "Conformance"))
import wire  # noqa: E402

TOOL = Path(os.environ.get("WACKAMOLE_BINARIES", BINARIES)) / "spreadctl"
GROUP = b"wack1"
MATURE, RELEASED = bytes([2, 3]), bytes([2, 4])
REPLAYS = 3


class Payloads(ClusterTest):
    backend = "spread"

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="wack-key-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.key = self.folder / "group.key"
        self.keygen()

    def keygen(self, *options: str) -> None:
        run(str(TOOL), "keygen", *options, str(self.key))

    def keyed(self, nodes: int = 3, vips: int = 3, **options: Any) -> Cluster:
        return self.form(nodes=nodes, vips=vips, payload_key=str(self.key), **options)

    # MARK: - Looking

    def payloads(self, node: Node) -> dict[str, Any]:
        status = node.status()
        assert status is not None
        return dict(status["payloads"])

    def dropped(self, reason: str) -> int:
        return sum(self.payloads(node)["dropped"][reason] for node in self.cluster.nodes.values())

    def view(self, node: Node) -> str:
        status = node.status()
        assert status is not None
        return str(status["view"]["id"])

    def holders(self) -> dict[str, str]:
        return {address: self.owner(address) for address in self.cluster.settings.addresses}

    def tell_all(self) -> None:
        """Makes every daemon read configuration and keys again, one after the other as an operator would."""
        for node in self.cluster.nodes.values():
            assert node.daemon is not None
            node.daemon.send_signal(signal.SIGHUP)
            time.sleep(0.3)

    # MARK: - Forging

    def session(self, node: Node, name: bytes) -> wire.Client:
        client = wire.opened(lambda: wire.Client(str(node.directory / "spread")), name)
        self.addCleanup(client.close)
        return client

    def captured(self, client: wire.Client, seconds: float) -> list[wire.Message]:
        """The members' messages that come within some seconds."""
        found = []
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            if client.is_quiet(0.2):
                continue
            message = client.receive()
            if message.kind & 0x3F:
                found.append(message)
        return found


class Forgers(Payloads):
    def test_what_a_stranger_sends_changes_nothing_and_is_counted(self) -> None:
        cluster = self.keyed(statements=["Lease = 2s"])
        forger = self.session(cluster.nodes["web2"], b"evil")
        forger.joined(GROUP, 4)
        # Its coming makes them exchange their tables: that is captured, and many heartbeats.
        messages = self.captured(forger, 3)
        self.assertEqual(len({message.name for message in messages}), 3)
        forger.leave(GROUP)
        cluster.wait_settled("without the stranger")
        begin = time.monotonic_ns()
        before, view = self.holders(), self.view(cluster.nodes["web1"])
        forged, unsealed, malformed = map(self.dropped, ("forged", "unsealed", "malformed"))
        chance = random.Random(7)
        sent = 0
        for message in messages * REPLAYS:
            payload = bytearray(message.data)
            forger.cast([GROUP], bytes(payload))
            payload[chance.randrange(len(payload))] ^= 1 << chance.randrange(8)
            forger.cast([GROUP], bytes(payload))
            # The words without the tag, of this view or another, and noise.
            forger.cast([GROUP], bytes(payload[48:]))
            forger.cast([GROUP], chance.randbytes(chance.randrange(200)))
            sent += 4
        for word in (MATURE, RELEASED, b"", b"\x81", b"\x81\x00" + bytes(60)):
            forger.cast([GROUP], word)
        time.sleep(3)
        self.assertEqual(self.holders(), before)
        self.assertEqual(self.view(cluster.nodes["web1"]), view, "a sender need not be a member")
        self.never_doubled(begin)
        reasons = {reason: self.dropped(reason) for reason in self.payloads(cluster.nodes["web1"])["dropped"]}
        print(f"   {sent} messages of {len(messages)} captured: dropped at three members {reasons}", flush=True)
        self.assertGreater(reasons["unsealed"] - unsealed, 3 * len(messages))
        self.assertGreater(reasons["malformed"] - malformed, 0)
        self.assertGreater(sum(reasons.values()) - forged - unsealed - malformed, 3 * sent)
        log = cluster.nodes["web1"].log.read_text()
        self.assertIn("#evil#web2 is not listened to: its message has no tag", log)
        status = cluster.nodes["web1"].status()
        assert status is not None
        self.assertTrue(any("#evil#web2 is not listened to" in text for text in status["degraded"]))

    def test_a_member_of_the_group_cannot_be_forged_or_outvoted_either(self) -> None:
        """A stranger that stays in the group speaks for nobody, and holds nobody up for long."""
        cluster = self.keyed(statements=["Lease = 2s"])
        forger = self.session(cluster.nodes["web1"], b"evil")
        begin = time.monotonic_ns()
        forger.joined(GROUP, 4)
        messages = self.captured(forger, 2)
        forged = self.dropped("forged")
        for message in messages:
            forger.cast([GROUP], message.data)
        cluster.wait_for("the stranger's messages", lambda: [] if self.dropped("forged") > forged else ["none"])
        # Meanwhile they go on without it, and answer a fault.
        owner = self.owner(VIP)
        self.cluster.nodes[owner].signal(signal.SIGTERM)
        self.cluster.nodes[owner].wait()
        others = [name for name in cluster.nodes if name != owner]
        cluster.wait_for("another holder", lambda: self.not_among(others))
        self.never_doubled(begin)

    def not_among(self, names: list[str]) -> list[str]:
        self.cluster.observe()
        there = self.cluster.timeline.holders(VIP) & set(names)
        return [] if there else [f"{VIP} is held by none of {names}"]

    def test_the_words_of_a_member_that_has_gone_are_of_no_use_under_its_name(self) -> None:
        cluster = self.keyed()
        listener = self.session(cluster.nodes["web2"], b"evil")
        listener.joined(GROUP, 4)
        messages = self.captured(listener, 3)
        listener.leave(GROUP)
        node = cluster.nodes["web1"]
        status = node.status()
        assert status is not None
        name = str(status["spread"]["name"]).encode()
        node.signal(signal.SIGTERM)
        node.wait()
        cluster.wait_settled("without web1")
        begin = time.monotonic_ns()
        before = self.holders()
        others = [cluster.nodes["web2"], cluster.nodes["web3"]]
        count = lambda: sum(sum(self.payloads(node)["dropped"].values()) for node in others)  # noqa: E731
        dropped = count()
        forger = self.session(node, name.split(b"#")[1])
        self.assertEqual(forger.private, name)
        forger.joined(GROUP, 3)
        own = [message for message in messages if message.name == name]
        self.assertGreater(len(own), 3)
        for message in own:
            forger.cast([GROUP], message.data)
        cluster.wait_for("the drops", lambda: [] if count() >= dropped + 2 * len(own) else [f"{count()}"])
        self.assertEqual(self.holders(), before)
        self.never_doubled(begin)


class GroupKeys(Payloads):
    def test_a_key_is_exchanged_without_a_change_of_view(self) -> None:
        cluster = self.keyed()
        before, holders = self.view(cluster.nodes["web1"]), self.holders()
        for step in ("--add", "--swap", "--drop"):
            self.keygen(step)
            self.tell_all()
        time.sleep(1)
        for node in cluster.nodes.values():
            self.assertEqual(self.view(node), before, "the exchange of the key changed the view")
            payloads = self.payloads(node)
            self.assertEqual(payloads["dropped"]["unknown_key"], 0)
            self.assertTrue(payloads["sends_sealed"])
        self.assertEqual(self.holders(), holders)

    def test_a_cluster_that_runs_gets_its_first_key(self) -> None:
        cluster = self.form(nodes=3, vips=3)
        before, holders = self.view(cluster.nodes["web1"]), self.holders()
        begin = time.monotonic_ns()
        for node in cluster.nodes.values():
            self.assertIsNone(self.payloads(node)["key"])
            self.assertIn("no Key: whoever can connect", node.log.read_text())
        bare = {name: node.config.read_text() for name, node in cluster.nodes.items()}
        for step in ("Unsealed = send", "Unsealed = accept", ""):
            for name, node in cluster.nodes.items():
                node.config.write_text(f"Engine {{ Key = {self.key} }}\n{step}\n{bare[name]}")
            self.tell_all()
            for node in cluster.nodes.values():
                payloads = self.payloads(node)
                self.assertEqual(payloads["sends_sealed"], step != "Unsealed = send")
                self.assertEqual(payloads["takes_unsealed"], step != "")
        time.sleep(1)
        for node in cluster.nodes.values():
            self.assertEqual(self.view(node), before, "the way to the key changed the view")
            dropped = self.payloads(node)["dropped"]
            self.assertEqual({reason for reason, count in dropped.items() if count}, set())
        self.assertEqual(self.holders(), holders)
        self.never_doubled(begin)
        self.session(cluster.nodes["web1"], b"evil").cast([GROUP], MATURE)
        cluster.wait_for("the drop", lambda: [] if self.dropped("unsealed") == 3 else ["none"])

    def test_a_node_without_the_key_is_named_by_all(self) -> None:
        cluster = self.keyed()
        node = cluster.nodes["web3"]
        node.signal(signal.SIGTERM)
        node.wait()
        config = node.config.read_text()
        node.config.write_text("\n".join(line for line in config.splitlines() if "Key" not in line))
        cluster.start("web3")

        def said() -> list[str]:
            missing = []
            if "it runs without a Key" not in cluster.nodes["web1"].log.read_text():
                missing.append("web1 says nothing")
            if "here is no Key to judge it by" not in node.log.read_text():
                missing.append("web3 says nothing")
            return missing

        cluster.wait_for("the reason", said)
        node.signal(signal.SIGTERM)
        node.wait()
        node.config.write_text(config)
        cluster.start("web3")
        cluster.wait_settled("with the key")

    def test_a_bad_key_file_is_a_bad_configuration(self) -> None:
        cluster = self.keyed(nodes=1, vips=1)
        self.key.chmod(0o644)
        argv = [str(cluster.binaries / "wackamole"), "-t", "-c", str(cluster.nodes["web1"].config)]
        done = run(*argv, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("key file", done.stderr)
