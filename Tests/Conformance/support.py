# SPDX-License-Identifier: Apache-2.0
"""What the test classes share: a daemon of their own, and clients that are closed in the end."""

from __future__ import annotations

import unittest

from daemons import Alone, Daemon
from wire import Client


class AloneTest(unittest.TestCase):
    """Tests on one daemon, which must survive each of them."""

    SETTINGS = ""
    daemon: Daemon

    @classmethod
    def setUpClass(cls) -> None:
        cls.daemon = cls.enterClassContext(Alone(cls.SETTINGS))

    def tearDown(self) -> None:
        self.assertTrue(self.daemon.is_running, "the daemon is gone")

    def raw(self, tcp: bool = False) -> Client:
        """A connection without a handshake."""
        place = self.daemon.tcp if tcp else self.daemon.path
        return self.enterContext(Client(place))

    def client(self, name: bytes, membership: bool = True) -> Client:
        return self.raw().open(name, membership)

    def pair(self, group: bytes) -> tuple[Client, Client]:
        """Two members of a group, who know of each other."""
        one, two = self.client(b"one"), self.client(b"two")
        one.joined(group, 1)
        two.joined(group, 2)
        one.receive()
        return one, two
