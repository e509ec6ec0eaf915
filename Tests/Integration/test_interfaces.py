# SPDX-License-Identifier: Apache-2.0
"""What the kernel keeps and for how long: leases, addresses that others delete, links, many addresses."""

from __future__ import annotations

import os
import signal
import socket
import time
from typing import Any

from lab import namespaces
from lab.cluster import Cluster, Node
from lab.process import run
from support import ClusterTest
from test_failover import VIP, guardians_of

LEASE = 3
"""Seconds; the time-outs of the ring are those of lan."""
LATE = 1.1
"""How much later than its lease an address may go, in seconds."""
SHORT = [f"Lease = {LEASE}s"]


def addresses_of(node: Node) -> str:
    return node.host.run("ip", "-o", "address", "show", "dev", "eth0")


class Leases(ClusterTest):
    def check_gone_in_time(self, owner: str, begin: int) -> None:
        """The addresses of a daemon that does nothing any more are gone when their lease has ended."""
        self.cluster.wait_for(
            f"{owner} holds nothing",
            lambda: [a for a in self.cluster.settings.addresses if owner in self.holders(a)],
            LEASE + 5,
        )
        gone = self.cluster.timeline.released(VIP, owner)
        self.assertLess((gone - begin) / 1e9, LEASE + LATE + 0.3, "with 0.3 s for a busy machine")

    def holders(self, address: str) -> frozenset[str]:
        self.cluster.observe()
        return self.cluster.timeline.holders(address)

    def test_a_stopped_daemon_loses_its_addresses_and_puts_none_back(self) -> None:
        cluster = self.form(nodes=3, vips=3, statements=SHORT)
        owner = self.owner(VIP)
        daemon = cluster.nodes[owner].daemon
        assert daemon is not None
        for pause in (1.0, LEASE + LATE + 1.5):
            begin = time.monotonic_ns()
            daemon.send_signal(signal.SIGSTOP)
            if pause > LEASE:
                self.check_gone_in_time(owner, begin)
                others = [name for name in cluster.nodes if name != owner]
                cluster.wait_for("another holder", lambda: self.not_among(others))
            else:
                time.sleep(pause)
            continued = time.monotonic_ns()
            daemon.send_signal(signal.SIGCONT)
            cluster.wait_settled(f"after {pause} s of standing still")
            if pause > LEASE:
                self.never_doubled(continued)
            owner = self.owner(VIP)
            daemon = cluster.nodes[owner].daemon
            assert daemon is not None

    def not_among(self, names: list[str]) -> list[str]:
        return [] if self.holders(VIP) & set(names) else [f"{VIP} is held by none of {names}"]

    def test_a_daemon_killed_with_its_guardian_leaves_nothing(self) -> None:
        cluster = self.form(nodes=3, vips=3, statements=SHORT)
        owner = self.owner(VIP)
        node = cluster.nodes[owner]
        guardians = guardians_of(node)
        # Together, as by the service manager: whoever is killed second must not see the first one go.
        for process in guardians:
            os.kill(process, signal.SIGSTOP)
        begin = node.signal(signal.SIGKILL)
        for process in guardians:
            os.kill(process, signal.SIGKILL)
        node.wait()
        self.check_gone_in_time(owner, begin)
        cluster.wait_settled("without it")
        cluster.start(owner)
        cluster.wait_settled("with its next run")

    def test_leases_are_renewed(self) -> None:
        cluster = self.form(nodes=2, vips=2, statements=SHORT)
        begin = time.monotonic_ns()
        time.sleep(2 * LEASE)
        self.assertEqual(cluster.problems(), [])
        now = time.monotonic_ns()
        for address in cluster.settings.addresses:
            self.assertEqual(cluster.timeline.uncovered(address, begin, now), 0, address)
        shown = addresses_of(cluster.nodes[self.owner(VIP)])
        self.assertRegex(shown, rf"{VIP} .*valid_lft [1-{LEASE}]sec")


class PutBack(ClusterTest):
    def delete(self, node: Node, address: str) -> None:
        node.host.run("ip", "address", "del", address, "dev", "eth0")

    def test_what_is_deleted_comes_back_until_it_is_a_fight(self) -> None:
        cluster = self.form(nodes=3, vips=3)
        owner = self.owner(VIP)
        node = cluster.nodes[owner]
        for _ in range(3):
            self.delete(node, VIP)
            cluster.wait_settled("put back")
            self.assertEqual(self.owner(VIP), owner)
        self.delete(node, VIP)
        cluster.wait_for(
            "another holder", lambda: [] if cluster.holder(VIP) not in (None, owner) else cluster.problems()
        )
        cluster.wait_settled("after the fight")
        self.assertIn("again and again", node.log.read_text())

    def test_siblings_come_back_with_their_primary(self) -> None:
        vips = [[f"10.78.0.{number}/24"] for number in (1, 2, 3)]
        cluster = self.form(nodes=1, virtual_interfaces=vips)
        node = cluster.nodes["web1"]
        primary = next(a for (a,) in vips if "secondary" not in self.line(node, a))
        self.delete(node, primary)
        cluster.wait_settled("all back")
        node.host.run("ip", "address", "flush", "dev", "eth0", "to", "10.78.0.0/24")
        cluster.wait_settled("all back after a flush")

    def line(self, node: Node, address: str) -> str:
        return next(line for line in addresses_of(node).splitlines() if f" {address} " in line)

    def test_a_link_that_the_operator_takes_down_and_up(self) -> None:
        vips = [[VIP], ["fd77::101/128"], ["10.77.0.102/32"]]
        cluster = self.form(nodes=2, virtual_interfaces=vips)
        owner = self.owner("fd77::101/128")
        begin = time.monotonic_ns()
        cluster.nodes[owner].host.run("ip", "link", "set", "eth0", "down")
        cluster.network.without_carrier.add(owner)
        cluster.wait_settled("with the link down")
        cluster.nodes[owner].host.run("ip", "link", "set", "eth0", "up")
        cluster.network.without_carrier.discard(owner)
        cluster.wait_settled("with the link up again")
        self.never_doubled(begin)

    def test_a_flapping_cable(self) -> None:
        cluster = self.form(nodes=3, vips=3)
        owner = self.owner(VIP)
        for _ in range(5):
            cluster.network.cut_link(owner)
            time.sleep(0.2)
            cluster.network.heal(owner)
            time.sleep(0.15)
        cluster.wait_settled("after the last flap")


class Odds(ClusterTest):
    def test_two_hundred_addresses(self) -> None:
        vips = [[f"10.78.{number // 100}.{number % 100 + 1}/32"] for number in range(200)]
        cluster = self.form(nodes=2, virtual_interfaces=vips)
        owner = self.owner(vips[0][0])
        node = cluster.nodes[owner]
        begin = node.signal(signal.SIGTERM)
        self.assertEqual(node.wait(), 0)
        cluster.wait_settled("all at the other")
        self.never_doubled(begin)

    def test_a_daemon_that_is_started_twice_disturbs_nothing(self) -> None:
        cluster = self.form(nodes=2, vips=2)
        node = cluster.nodes["web1"]
        begin = time.monotonic_ns()
        argv = node.host.command(str(cluster.binaries / "wackamole"), "-f", "-c", str(node.config))
        second = run(*argv, check=False)
        self.assertEqual(second.returncode, 1, second.stderr)
        self.assertIn("is running with the state directory", second.stderr)
        self.assertEqual(cluster.problems(), [])
        for address in cluster.settings.addresses:
            spent = cluster.timeline.uncovered(address, begin, time.monotonic_ns())
            self.assertEqual(spent, 0, address)

    def test_a_full_disk_in_the_state_directory(self) -> None:
        cluster = self.form(nodes=3, vips=3)
        node = cluster.nodes["web1"]
        node.signal(signal.SIGTERM)
        node.wait()
        state = str(node.directory / "state")
        run("mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", state)
        self.addCleanup(run, "umount", "--lazy", state, check=False)
        run("dd", "if=/dev/zero", f"of={state}/filler", "bs=1k", check=False)
        cluster.start("web1")
        cluster.wait_settled("with a full disk", 40)
        cluster.network.cut_link("web1")
        cluster.wait_settled("and a fault")


class Engine(ClusterTest):
    def test_the_loss_of_the_engines_own_address_is_told(self) -> None:
        cluster = self.cluster = self.enterContext(Cluster(nodes=2, vips=2))
        cluster.start()
        cluster.wait_settled("after the start")
        node = cluster.nodes["web1"]
        fault = "10.77.0.1, where other servers reach this one, has gone from this machine"

        def faults(wanted: bool) -> list[str]:
            status = node.status()
            told = status["degraded"] if status else ["no status"]
            return [] if (fault in told) == wanted else [f"told: {told}"]

        self.assertEqual(faults(False), [])
        node.host.run("ip", "address", "del", "10.77.0.1/24", "dev", "eth0")
        cluster.wait_for("the fault in the status", lambda: faults(True))
        node.host.run("ip", "address", "add", "10.77.0.1/24", "dev", "eth0")
        cluster.wait_for("no fault in the status", lambda: faults(False))
        cluster.wait_settled("after the address came back")
        log = node.log.read_text()
        self.assertIn("10.77.0.1 has gone from this machine", log)
        self.assertIn("10.77.0.1 stands on this machine again", log)

    def test_an_address_that_stands_otherwise_is_told_as_it_stands(self) -> None:
        cluster = self.cluster = self.enterContext(Cluster(nodes=1, vips=1))
        node = cluster.nodes["web1"]
        node.host.run("ip", "address", "add", "10.77.0.101/24", "dev", "eth0")
        node.start()
        self.assertEqual(node.wait(), 1)
        self.assertIn(
            "10.77.0.101/32 stands on eth0 already, as 10.77.0.101/24, and wackamole did not put it there: "
            "remove it (ip address del 10.77.0.101/24 dev eth0)",
            node.log.read_text(),
        )


class Clients(ClusterTest):
    """A client that takes no announcement to everybody, only what it is asked itself."""

    def form_deaf(self, *statements: str, **options: Any) -> Cluster:
        cluster = self.form(nodes=3, vips=3, statements=list(statements), **options)
        rule = "type filter hook input priority 0; arp daddr ip != 10.77.0.254 meta pkttype broadcast drop;"
        cluster.client.run("nft", f"table arp deaf {{ chain input {{ {rule} }}; }}")
        return cluster

    def gap(self, cluster: Cluster, seconds: float = 4) -> float:
        """Cuts the link of the server that answers; gives how long the client got no answer, in seconds."""
        cluster.probe(VIP)

        def look() -> list[str]:
            cluster.observe()
            return [] if cluster.replies(VIP) else ["no answer"]

        cluster.wait_for("an answer", look)
        # All members have seen the client by now, and told each other.
        time.sleep(3.5)
        begin = time.monotonic_ns()
        cluster.network.cut_link(self.owner(VIP))
        time.sleep(seconds)
        cluster.observe()
        replies = [reply for reply in cluster.replies(VIP) if reply.time > begin]
        moments = [begin] + [reply.time for reply in replies] + [time.monotonic_ns()]
        return max(after - before for before, after in zip(moments, moments[1:])) / 1e9

    def test_a_client_that_takes_no_announcement_is_told_by_whoever_takes_over(self) -> None:
        cluster = self.form_deaf("Arp-Cache = 1s", "Notify Arp-Cache")
        self.assertLess(self.gap(cluster), 1.5)

    def test_without_it_that_client_goes_on_asking_the_old_server(self) -> None:
        cluster = self.form_deaf()
        self.assertGreater(self.gap(cluster), 1.5)

    def test_a_client_of_ipv6_that_takes_no_announcement_is_told(self) -> None:
        self.check_ipv6("fd77")

    def test_a_router_of_ipv6_that_asks_with_its_link_local_address_is_told(self) -> None:
        self.check_ipv6("fe80")

    def check_ipv6(self, network: str) -> None:
        """The client has an address of the network, by which it knows the servers and they know it."""
        vip = "fd77::101/128"
        cluster = self.form(
            nodes=3, virtual_interfaces=[[vip], [VIP]], statements=["Arp-Cache = 1s", "Notify Arp-Cache"]
        )
        for number, host in enumerate([*cluster.network.hosts.values()], start=1):
            host.run("ip", "address", "add", f"{network}::{number}/64", "dev", "eth0", "nodad")
        cluster.client.run("ip", "route", "replace", "fd77::/64", "dev", "eth0")
        rule = "type filter hook input priority 0; icmpv6 type nd-neighbor-advert ip6 daddr ff02::1 drop;"
        cluster.client.run("nft", f"table ip6 deaf {{ chain input {{ {rule} }}; }}")
        cluster.client.run("ping", "-6", "-c", "1", "-W", "5", "fd77::101")

        def place() -> str:
            return cluster.client.run("ip", "-6", "neighbour", "show", "fd77::101")

        old = self.owner(vip)
        self.assertIn(cluster.nodes[old].host.mac, place())
        time.sleep(2.5)  # until all members have been told of the client
        cluster.network.cut_link(old)

        def moved() -> list[str]:
            cluster.observe()
            holder = cluster.holder(vip)
            mac = cluster.nodes[holder].host.mac if holder else "nobody"
            return [] if holder != old and mac in place() else [f"{holder}: {place()}"]

        cluster.wait_for("the client at the new holder", moved, seconds=2)

    def test_a_configured_host_is_told(self) -> None:
        cluster = self.cluster = self.form(
            nodes=2, vips=2, statements=["Notify { eth0:10.77.0.254/32 Ping }"]
        )
        old = self.owner(VIP)
        cluster.probe(VIP)
        begin = time.monotonic_ns()
        cluster.nodes[old].signal(signal.SIGTERM)
        cluster.wait_settled("at the other")
        time.sleep(0.5)
        frames = [packet for moment, packet in cluster.frames if moment > begin]
        asked = [p for p in frames if (p.sender_ip, p.target_ip) == ("10.77.0.101", "10.77.0.254")]
        self.assertTrue(asked, frames)


class Hardware(ClusterTest):
    def test_another_hardware_address_is_announced_at_once(self) -> None:
        # Alone, for its kernel does not tell other servers where the address of its engine is now.
        cluster = self.form(nodes=1, vips=2)
        node = cluster.nodes[self.owner(VIP)]
        time.sleep(2.5)  # until the series of the start is over
        begin = time.monotonic_ns()
        mac = "02:00:00:77:77:77"
        self.given = {mac: node.host.name}
        node.host.run("ip", "link", "set", "dev", "eth0", "address", mac)

        def announced() -> list[str]:
            cluster.observe()
            senders = {packet.sender_mac for packet in cluster.announcements(VIP, begin)}
            return [] if senders == {mac} else [f"announced by {senders}"]

        cluster.wait_for("the announcement", announced, seconds=1)


class Strangers(ClusterTest):
    def test_a_stranger_that_claims_an_address_is_reported_and_answered(self) -> None:
        cluster = self.form(nodes=2, vips=2)
        owner = self.owner(VIP)
        node = cluster.nodes[owner]
        time.sleep(2.5)  # until the series of the start is over
        stranger = cluster.network.attach("stranger", "10.77.0.200/24", 200)
        with namespaces.entered(stranger.namespace):
            wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.addCleanup(wire.close)
        wire.bind(("eth0", 0))
        begin = time.monotonic_ns()
        for _ in range(4):
            # As a host does that has the address and asks for its gateway.
            wire.send(arp_request(stranger.mac, VIP.partition("/")[0], "10.77.0.1"))
            time.sleep(0.6)
        cluster.wait_for(
            "the report",
            lambda: [] if f"a stranger, {stranger.mac}, claims" in node.log.read_text() else ["not yet"],
        )
        cluster.observe()
        answers = {packet.sender_mac for packet in cluster.announcements(VIP, begin)}
        self.assertEqual(answers, {node.host.mac})
        self.assertEqual(self.owner(VIP), owner)
        shown = node.status()["vifs"]
        vif = next(vif for vif in shown if vif["name"] == VIP.partition("/")[0])
        claim = {"address": VIP.partition("/")[0], "hardware": stranger.mac}
        self.assertEqual(vif["conflicts"], [claim])
        self.assertTrue(0 < vif["lease_left_ms"] <= 10_000, vif)


def arp_request(mac: str, sender: str, target: str) -> bytes:
    """A broadcast frame in which `sender` asks for `target`."""
    hardware = bytes.fromhex(mac.replace(":", ""))
    packet = bytes.fromhex("0001080006040001") + hardware + socket.inet_aton(sender)
    packet += bytes(6) + socket.inet_aton(target)
    return b"\xff" * 6 + hardware + bytes.fromhex("0806") + packet + bytes(18)
