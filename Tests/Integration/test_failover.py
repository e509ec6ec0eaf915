# SPDX-License-Identifier: Apache-2.0
"""Real daemons form, fail over and merge; the kernels' address events are the judge."""

from __future__ import annotations

import os
import shutil
import signal
import time

from lab.cluster import CLIENT, Node, holders_told
from lab.process import run
from support import ALL_WORDS, SLACK, ClusterTest, children_of

VIP = "10.77.0.101/32"


def guardians_of(node: Node) -> list[int]:
    """The guardian processes that the node's daemon has started."""
    return children_of(node, "guard")


class Forming(ClusterTest):
    def test_every_address_has_one_holder_and_every_node_knows_it(self) -> None:
        cluster = self.form(nodes=3, vips=6)
        for name, node in cluster.nodes.items():
            status = node.status()
            assert status is not None
            self.assertEqual(status["node"], name)
            self.assertEqual(sorted(status["view"]["members"]), ["web1", "web2", "web3"])
            self.assertEqual({vif["interface"] for vif in status["vifs"]}, {"eth0"})
            for vif in status["vifs"]:
                self.assertIn(vif["state"], ALL_WORDS)
                self.assertEqual(vif["state"] == "held", vif["holder"] == name, vif)
        views = {node.status()["view"]["id"] for node in cluster.nodes.values()}
        self.assertEqual(len(views), 1, "members of one view name it alike")

    def test_load_is_even(self) -> None:
        cluster = self.form(nodes=3, vips=6)
        loads: dict[str, int] = dict.fromkeys(cluster.nodes, 0)
        for address in cluster.settings.addresses:
            loads[self.owner(address)] += 1
        self.assertLessEqual(max(loads.values()) - min(loads.values()), 1, loads)

    def test_no_address_has_two_holders_while_forming(self) -> None:
        begin = time.monotonic_ns()
        self.form(nodes=3, vips=6)
        self.never_doubled(begin)

    def test_a_ring_by_multicast(self) -> None:
        cluster = self.form(nodes=4, vips=4, multicast="239.192.7.1")
        cluster.network.cut_link("web2")
        cluster.wait_settled("after the cut")
        cluster.network.heal("web2")
        cluster.wait_settled("after the heal")

    def test_a_node_alone_covers_everything(self) -> None:
        self.form(nodes=1, vips=3)

    def test_the_addresses_of_one_interface_move_together(self) -> None:
        together = ["10.77.0.102/32", "10.77.0.103/32"]
        cluster = self.form(nodes=3, virtual_interfaces=[[VIP], together, ["10.77.0.104/32"]])
        self.assertEqual(self.owner(together[0]), self.owner(together[1]))
        cluster.network.cut_link(self.owner(together[0]))
        cluster.wait_settled("after the cut")
        self.assertEqual(self.owner(together[0]), self.owner(together[1]))

    def test_a_node_that_starts_later_joins(self) -> None:
        cluster = self.form(nodes=3, vips=6)
        cluster.nodes["web2"].signal(signal.SIGTERM)
        cluster.nodes["web2"].wait()
        cluster.wait_settled("without web2")
        begin = time.monotonic_ns()
        cluster.start("web2")
        cluster.wait_settled("web2 back")
        self.never_doubled(begin)

    def test_the_service_answers_through_the_virtual_address(self) -> None:
        cluster = self.form(nodes=3, vips=3)
        cluster.probe(VIP)
        cluster.wait_for("an answer", lambda: self.no_answer(VIP))
        self.assertEqual(cluster.replies(VIP)[-1].server, self.owner(VIP))

    def no_answer(self, address: str) -> list[str]:
        self.cluster.observe()
        return [] if self.cluster.replies(address) else ["no answer"]


class Faults(ClusterTest):
    def test_link_cut_and_heal(self) -> None:
        """Also when the kernel takes a while to find its neighbours again, up to 1 s after the heal."""
        cluster = self.form()
        for pause in (0.2, 0.5, 0.8):
            owner = self.owner(VIP)
            begin = cluster.network.cut_link(owner)
            cluster.wait_settled("after the cut")
            self.assertNotEqual(self.owner(VIP), owner)
            time.sleep(pause)
            cluster.network.heal(owner)
            cluster.wait_settled("after the heal")
            self.never_doubled(begin)

    def test_silent_cut_and_merge(self) -> None:
        cluster = self.form()
        cluster.probe(VIP)
        owner = self.owner(VIP)
        cluster.network.cut_silently(owner)
        cluster.wait_settled("each side covers everything")
        keepers = {a: self.owner(a) for a in cluster.settings.addresses}
        healed = cluster.network.heal(owner)
        settled = cluster.wait_settled("after the merge")
        for address in cluster.settings.addresses:
            self.assertIn(self.owner(address), {owner, keepers[address]})
        self.check_keepers_announce(healed)
        self.check_client_is_served(settled)

    def test_partition_with_a_client_that_reaches_both_sides(self) -> None:
        cluster = self.form()
        cluster.probe(VIP)
        cluster.network.partition(["web1"], ["web2", "web3"])
        cluster.wait_settled("each side covers everything")
        for address in cluster.settings.addresses:
            self.assertEqual(len(cluster.timeline.holders(address)), 2, address)
        healed = cluster.network.rejoin()
        settled = cluster.wait_settled("after the merge")
        self.check_keepers_announce(healed)
        self.check_client_is_served(settled)

    def test_three_parts_merge(self) -> None:
        cluster = self.form()
        cluster.network.partition(["web1"], ["web2"], ["web3"])
        cluster.wait_settled("each node covers everything")
        cluster.network.rejoin()
        cluster.wait_settled("after the merge")

    def test_killed_daemon_and_guardian(self) -> None:
        cluster = self.form()
        owner = self.owner(VIP)
        node = cluster.nodes[owner]
        begin = node.signal(signal.SIGKILL)
        self.assertEqual(node.wait(), -signal.SIGKILL)
        cluster.wait_settled("after the kill")
        self.assertNotEqual(self.owner(VIP), owner)
        self.never_doubled(begin)
        self.check_only_managed_addresses_went(owner)

    def test_the_guardian_of_the_last_node_removes_everything(self) -> None:
        cluster = self.form(nodes=1, vips=4)
        cluster.nodes["web1"].signal(signal.SIGKILL)
        cluster.nodes["web1"].wait()
        cluster.wait_for("no managed address left", cluster.problems)
        self.check_only_managed_addresses_went("web1")

    def test_what_a_dead_pair_left_is_removed_by_the_next_start(self) -> None:
        cluster = self.form(nodes=2, vips=4)
        node = cluster.nodes["web1"]
        held = [vif["name"] for vif in (node.status() or {})["vifs"] if vif["holder"] == "web1"]
        self.assertTrue(held)
        guardians = guardians_of(node)
        self.assertEqual(len(guardians), 1, "one daemon has one guardian")
        for process in guardians:
            os.kill(process, signal.SIGSTOP)
        node.signal(signal.SIGKILL)
        node.wait()
        for process in guardians:
            os.kill(process, signal.SIGKILL)
        cluster.start("web1")
        cluster.wait_settled("after the start over what was left")
        node.signal(signal.SIGTERM)
        node.wait()
        cluster.wait_settled("without web1")
        left = node.host.run("ip", "-o", "address", "show", "dev", "eth0")
        for address in held:
            self.assertNotIn(f" {address}/", left)

    def test_an_address_of_the_host_is_not_taken_for_ours(self) -> None:
        cluster = self.form(nodes=2, vips=2)
        node = cluster.nodes["web1"]
        node.signal(signal.SIGTERM)
        node.wait()
        cluster.wait_settled("without web1")
        cluster.nodes["web2"].signal(signal.SIGTERM)
        cluster.nodes["web2"].wait()
        node.host.run("ip", "address", "add", VIP, "dev", "eth0")
        shutil.rmtree(node.directory / "state")
        node.start()
        self.assertEqual(node.wait(), 1)
        self.assertIn("wackamole did not put it there", node.log.read_text())
        self.assertIn(f" {VIP} ", node.host.run("ip", "-o", "address", "show", "dev", "eth0"))

    def test_a_killed_daemon_starts_again(self) -> None:
        cluster = self.form()
        victim = self.owner(VIP)
        begin = cluster.nodes[victim].signal(signal.SIGKILL)
        cluster.nodes[victim].wait()
        cluster.start(victim)
        cluster.wait_settled("after the restart")
        self.never_doubled(begin)

    def test_term_leaves_gracefully(self) -> None:
        cluster = self.form()
        owner = self.owner(VIP)
        begin = cluster.nodes[owner].signal(signal.SIGTERM)
        self.assertEqual(cluster.nodes[owner].wait(), 0)
        cluster.observe()
        for address in cluster.settings.addresses:
            self.assertNotIn(owner, cluster.timeline.holders(address), address)
        cluster.wait_settled("after the leave")
        self.never_doubled(begin)
        self.check_only_managed_addresses_went(owner)

    def test_term_of_all_leaves_no_address(self) -> None:
        cluster = self.form()
        for node in cluster.nodes.values():
            node.signal(signal.SIGTERM)
        for name, node in cluster.nodes.items():
            self.assertEqual(node.wait(), 0, name)
        self.assertEqual(cluster.problems(), [])

    def test_a_second_fault_before_the_first_has_settled(self) -> None:
        cluster = self.form(nodes=4, vips=8)
        owner = self.owner(VIP)
        cluster.network.cut_link(owner)
        other = next(name for name in cluster.nodes if name != owner)
        cluster.nodes[other].signal(signal.SIGKILL)
        cluster.nodes[other].wait()
        cluster.wait_settled("after both faults")

    def check_keepers_announce(self, since: int) -> None:
        """After a merge each address must be announced by its keeper, in both forms."""
        cluster = self.cluster

        def missing() -> list[str]:
            found = cluster.problems()
            for address in cluster.settings.addresses:
                holder = cluster.holder(address)
                mac = cluster.nodes[holder].host.mac if holder else None
                seen = [p for p in cluster.announcements(address, since) if p.sender_mac == mac]
                if not any(packet.is_gratuitous_request for packet in seen):
                    found.append(f"{address}: no announcing request of {holder}")
                if not any(packet.is_gratuitous_reply for packet in seen):
                    found.append(f"{address}: no announcing reply of {holder}")
            return found

        cluster.wait_for("announcements of the keepers", missing)

    def check_client_is_served(self, since: int) -> None:
        """The client must be answered, and in the end by the holder the kernels name."""
        cluster = self.cluster

        def wrong() -> list[str]:
            found = cluster.problems()
            last = next((r.server for r in reversed(cluster.replies(VIP)) if r.time > since), None)
            holder = cluster.holder(VIP)
            return found or ([] if last == holder else [f"{last} answers, {holder} holds"])

        cluster.wait_for("an answer of the holder", wrong)

    def check_only_managed_addresses_went(self, name: str) -> None:
        """A node that gave everything up still has its own address and its link."""
        host = self.cluster.nodes[name].host
        shown = host.run("ip", "-o", "address", "show", "dev", "eth0")
        self.assertIn(f"inet {host.address}/24", shown)
        for address in self.cluster.settings.addresses:
            self.assertNotIn(address, shown)
        self.assertIn("state UP", host.run("ip", "-o", "link", "show", "dev", "eth0"))


class Tools(ClusterTest):
    def test_status_of_a_daemon_that_does_not_run(self) -> None:
        cluster = self.form(nodes=1, vips=1)
        node = cluster.nodes["web1"]
        node.signal(signal.SIGTERM)
        node.wait()
        for options in ([], ["--json"]):
            done = self.ask(*options)
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertIn("not running", done.stderr)
        self.assertIsNone(node.status())

    def test_status_in_words_names_every_address_and_holder(self) -> None:
        cluster = self.form(nodes=3, vips=3)
        status = cluster.nodes["web1"].status()
        assert status is not None
        done = self.ask()
        self.assertEqual(done.returncode, 0, done.stderr)
        for address, holder in holders_told(status).items():
            lines = [line for line in done.stdout.splitlines() if address in line]
            self.assertTrue(lines, f"{address} is missing in:\n{done.stdout}")
            self.assertTrue(any(holder in line for line in lines), f"{holder}: {lines}")

    def ask(self, *options: str):
        program = str(self.cluster.binaries / "wackamole")
        config = str(self.cluster.nodes["web1"].config)
        return run(program, "-s", *options, "-c", config, check=False)


class Announcements(ClusterTest):
    def test_a_new_holder_announces_in_both_forms(self) -> None:
        cluster = self.form()
        owner = self.owner(VIP)
        cut = cluster.network.cut_link(owner)
        cluster.wait_settled("after the cut")
        mac = cluster.nodes[self.owner(VIP)].host.mac

        def missing() -> list[str]:
            cluster.observe()
            seen = [p for p in cluster.announcements(VIP, cut) if p.sender_mac == mac]
            requests = sum(packet.is_gratuitous_request for packet in seen)
            replies = sum(packet.is_gratuitous_reply for packet in seen)
            return [] if min(requests, replies) >= 5 else [f"{requests} requests, {replies} replies"]

        cluster.wait_for("five announcements in each form", missing)

    def test_a_client_takes_the_announcement_at_once(self) -> None:
        """Also with a neighbour entry so fresh that Linux ignores other forms (1 s lock time)."""
        cluster = self.form()
        owner = self.owner(VIP)
        plain = VIP.partition("/")[0]
        cluster.client.run("ip", "neigh", "flush", "to", plain)
        cluster.client.run("ping", "-c", "1", "-W", "1", plain)
        cut = cluster.network.cut_link(owner)
        cluster.wait_settled("after the cut")
        mac = cluster.nodes[self.owner(VIP)].host.mac

        def stale() -> list[str]:
            cluster.observe()
            if not cluster.announcements(VIP, cut):
                return ["nothing was announced"]
            shown = cluster.client.run("ip", "neigh", "show", "to", plain)
            return [] if mac in shown else [f"{CLIENT} knows: {shown.strip()}"]

        cluster.wait_for("the client's neighbour entry", stale)

    def test_a_releaser_falls_silent(self) -> None:
        cluster = self.form()
        owner = self.owner(VIP)
        cluster.network.cut_link(owner)
        cluster.wait_settled("after the cut")
        taker = self.owner(VIP)
        left = cluster.nodes[taker].signal(signal.SIGTERM)  # in the middle of its repeats
        cluster.nodes[taker].wait()
        gone = time.monotonic_ns() + SLACK
        cluster.network.heal(owner)
        cluster.wait_settled("after the leave")
        time.sleep(2.5)
        cluster.observe()
        mac = cluster.nodes[taker].host.mac
        late = [p for p in cluster.announcements(VIP, gone) if p.sender_mac == mac]
        self.assertEqual(late, [], "announcements after the release")
        self.assertGreater(gone, left)
