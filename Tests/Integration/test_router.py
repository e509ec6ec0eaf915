# SPDX-License-Identifier: Apache-2.0
"""A virtual router: an address on each of two networks, which move as one, and traffic that crosses them."""

from __future__ import annotations

import signal
import time

from lab import echo
from lab.cluster import Cluster
from lab.network import Network
from lab.process import program, start
from support import ClusterTest

OUTSIDE, INSIDE = "10.77.0.101/32", "10.79.0.1/32"
SERVER = "10.79.0.200"


class VirtualRouter(ClusterTest):
    def setUp(self) -> None:
        """Two routers between a client outside and a server inside, each of which knows the other's side
        by the virtual address on its own."""
        self.cluster = self.enterContext(
            Cluster(
                nodes=2, virtual_interfaces=[[OUTSIDE, INSIDE]], interfaces={INSIDE: "eth1"}
            )
        )
        cluster = self.cluster
        self.inside = Network(f"{cluster.identity}-inside", lambda *_: None)
        for number, node in enumerate(cluster.nodes.values(), start=1):
            self.inside.join(node.host, "eth1", f"10.79.0.{number + 10}/24", number)
            node.host.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
        server = self.inside.attach("server", f"{SERVER}/24", 200)
        server.run("ip", "route", "add", "default", "via", INSIDE.partition("/")[0])
        cluster.client.run("ip", "route", "add", "10.79.0.0/24", "via", OUTSIDE.partition("/")[0])
        with (cluster.directory / "server.log").open("ab") as log:
            start(server.command(*program("echo", "server", str(echo.PORT))), log.fileno())
        cluster.start()
        cluster.wait_settled("after the start")
        cluster.probe(SERVER)
        self.wait_for_traffic(time.monotonic_ns())

    def wait_for_traffic(self, since: int) -> None:
        def missing() -> list[str]:
            self.cluster.observe()
            found = self.cluster.replies(SERVER)
            return [] if found and found[-1].time > since else ["no answer from the server"]

        self.cluster.wait_for("traffic through the router", missing)

    def check(self, what: str, begin: int) -> None:
        """Both addresses are on one router, and what crosses it arrives."""
        settled = self.cluster.wait_settled(what)
        self.assertEqual(self.owner(OUTSIDE), self.owner(INSIDE), what)
        self.never_doubled(begin)
        self.wait_for_traffic(settled)

    def test_traffic_goes_on_over_the_other_router(self) -> None:
        cluster = self.cluster
        router = self.owner(OUTSIDE)
        begin = cluster.nodes[router].signal(signal.SIGKILL)
        cluster.nodes[router].wait()
        self.check("after the kill", begin)
        cluster.start(router)
        cluster.wait_settled("with both")

        router = self.owner(OUTSIDE)
        # The network inside: the members still see each other on the one outside.
        begin = self.inside.cut_link(router)
        self.check("without the cable inside", begin)
        self.assertNotEqual(self.owner(OUTSIDE), router)
        self.inside.heal(router)
        self.check("with it again", begin)

        router = self.owner(OUTSIDE)
        begin = cluster.nodes[router].signal(signal.SIGTERM)
        cluster.nodes[router].wait()
        self.check("after the leave", begin)
