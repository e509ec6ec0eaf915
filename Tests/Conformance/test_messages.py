# SPDX-License-Identifier: Apache-2.0
"""Sections 3 to 8 and 12: messages and views on one daemon."""

from __future__ import annotations

import struct

from covering import covers
from support import AloneTest, on_three
from wire import (
    JOIN,
    JOINED,
    KILL,
    LEAVE,
    LEFT,
    REGULAR_VIEW,
    SELF_DISCARD,
    SERVICES,
    VANISHED,
    Client,
    connect_bytes,
    hint_of,
    message,
    until,
)

AGREED = SERVICES["agreed"]
LIMIT = 144 << 10


class Messages(AloneTest):
    @covers("7g", "7e", "8.1a")
    def test_services(self) -> None:
        member, stranger = self.client(b"member"), self.client(b"stranger")
        member.joined(b"s", 1)
        for service, bit in SERVICES.items():
            stranger.cast([b"s"], service.encode(), service)
            found = member.expect(bit)
            self.assertEqual((found.name, found.data), (b"#stranger#dA", service.encode()))
        self.assertTrue(stranger.is_quiet())

    @covers("7f")
    def test_self_discard(self) -> None:
        one, two = self.pair(b"sd")
        for groups in ([b"sd"], [b"sd", one.private], [one.private, b"sd"]):
            one.say(AGREED | SELF_DISCARD, groups, b"not me")
            self.assertEqual(two.expect(AGREED | SELF_DISCARD).data, b"not me")
        one.say(AGREED | SELF_DISCARD, [one.private], b"nobody")
        one.cast([b"sd"], b"all")
        self.assertEqual(one.receive().data, b"all")
        self.assertEqual(two.receive().data, b"all")

    @covers("4a", "7c")
    def test_one_copy(self) -> None:
        one, two = self.pair(b"m1")
        two.joined(b"m2", 1)
        groups = [b"m1", b"m2", b"m1", two.private, b"elsewhere", b"#x#y", b"m2"]
        one.cast(groups, b"once")
        for client in (one, two):
            found = client.receive()
            self.assertEqual((found.groups, found.data), (groups, b"once"))
        one.cast([b"m1"], b"next")
        self.assertEqual(two.receive().data, b"next")

    @covers("7d")
    def test_no_group(self) -> None:
        client = self.client(b"nogroup")
        client.cast([], b"nowhere")
        client.cast([client.private], b"here")
        self.assertEqual(client.receive().data, b"here")

    @covers("3b", "3c", "11a")
    def test_many_groups(self) -> None:
        sender = self.client(b"many")
        receivers = [self.client(b"r%d" % number) for number in (0, 43, 44, 99)]
        names = [b"a-group-of-a-rather-long-name%02d" % number for number in range(101)]
        for client, number in zip(receivers, (0, 43, 44, 99)):
            client.joined(names[number], 1)
        for count in (44, 100):
            sender.cast(names[:count], b"to many")
            for client, number in zip(receivers, (0, 43, 44, 99)):
                if number < count:
                    found = client.receive()
                    self.assertEqual((found.groups, found.data), (names[:count], b"to many"))
        sender.cast(names, b"to too many")
        self.assertTrue(sender.is_ended())
        self.assertTrue(receivers[0].is_quiet())

    @covers("3d", "8.1a", "11b")
    def test_sizes(self) -> None:
        one, two = self.pair(b"size")
        for length in (0, 1, 1_352, 1_353, 100_000, LIMIT - 32):
            data = bytes(k % 251 for k in range(length))
            one.cast([b"size"], data)
            for client in (one, two):
                self.assertEqual(client.receive().data, data)
        for number, datalen in enumerate((LIMIT + 1, 1 << 30, -1)):
            # The header alone ends the session.
            client = self.client(b"size%d" % number)
            client.say(AGREED, [], datalen=datalen)
            self.assertTrue(client.is_ended())
        one.cast([b"size"], b"still here")
        self.assertEqual(two.receive().data, b"still here")

    @covers("5e", "5b", "5c")
    def test_mess_type(self) -> None:
        client = self.client(b"types")
        for mess_type in (0, 1, -1, 32_767, -32_768, 256, -32_765):
            client.cast([client.private], b"", mess_type=mess_type)
            self.assertEqual(client.receive().hint, hint_of(mess_type))
        self.assertEqual(hint_of(-1), struct.pack("<I", 0x00FFFF00 | 0x80000080))

    @covers("5a", "5b")
    def test_big_endian(self) -> None:
        one, two = self.pair(b"big")
        one.cast([b"big"], b"from afar", mess_type=77, order=">")
        for client in (one, two):
            found = client.expect(AGREED)
            self.assertEqual((found.groups, found.data), ([b"big"], b"from afar"))
            self.assertEqual(found.hint, hint_of(77, ">"))
        one.send(message(LEAVE, one.private, [b"big"], order=">"))
        self.assertEqual(one.expect(LEFT).name, b"big")

    @covers("6b")
    def test_high_bits(self) -> None:
        client = self.client(b"high")
        for bit in range(24, 31):
            client.say(AGREED | 1 << bit, [client.private], b"x")
            client.expect(AGREED | 1 << bit)

    @covers("6c", "6d")
    def test_forged_bits(self) -> None:
        victim = self.client(b"victim")
        victim.joined(b"f", 1)
        for bit in [bit for bit in range(8, 24) if bit not in (16, 17, 18)]:
            forger = self.client(b"forger%d" % bit)
            forger.say(AGREED | 1 << bit, [b"f"], b"forged")
            self.assertTrue(forger.is_ended(), bit)
        view = Client(self.daemon.path).open(b"viewer")
        view.say(AGREED | REGULAR_VIEW | JOINED, [b"f"], bytes(56))
        self.assertTrue(view.is_ended())
        self.assertTrue(victim.is_quiet())

    @covers("6a", "7a", "5d", "7k", "11g")
    def test_illegal(self) -> None:
        for number, kind in enumerate((0, 0x30, 0x11, JOIN | AGREED, JOIN | LEAVE, KILL | 0x20, SELF_DISCARD)):
            client = self.client(b"kind%d" % number)
            client.say(kind, [b"g"])
            self.assertTrue(client.is_ended(), hex(kind))
        for number, name in enumerate((b"", b"x", b"#x", b"#other#dA", b"#n3#dB", b"n4", b"#n5#dA ")):
            client = self.client(b"n%d" % number)
            client.send(message(AGREED, name, [b"g"]))
            self.assertTrue(client.is_ended(), name)
        for number, hint in enumerate((b"\x81\0\0\x80", b"\x80\0\0\x81", b"\0\0\0\x80", b"\x80\0\0\0", b"\0\0\0\x01")):
            client = self.client(b"h%d" % number)
            client.cast([b"g"], hint=hint)
            self.assertTrue(client.is_ended(), hint)
        for kind in (JOIN, LEAVE):
            client = self.client(b"none%d" % (kind >> 16))
            client.say(kind, [])
            self.assertTrue(client.is_ended())

    @covers("11c", "7b")
    def test_commands(self) -> None:
        client = self.client(b"command")
        client.say(JOIN | 0x40 | 0x7F000000, [b"first", b"second"], b"data")
        self.assertEqual(client.expect(REGULAR_VIEW | JOINED).name, b"first")
        client.say(LEAVE, [b"second"])
        client.say(LEAVE, [b"unknown"])
        client.say(JOIN, [b"first"])
        self.assertTrue(client.is_quiet())
        client.say(LEAVE, [b"first", b"third"], b"data")
        self.assertEqual(client.expect(LEFT).name, b"first")
        self.assertEqual(self.daemon.ask("groups"), [])

    @covers("11f", "7h", "11d")
    def test_ends(self) -> None:
        watcher = self.client(b"watcher")
        watcher.joined(b"end", 1)
        for number, last in enumerate((b"", message(KILL, b"#end1#dA", [b"#end1#dA"]), message(KILL, b"#end2#dA", []))):
            client = self.client(b"end%d" % number)
            client.joined(b"end", 2)
            self.assertEqual(watcher.receive().groups, [client.private, b"#watcher#dA"])
            client.cast([b"end"], b"before the end")
            part = message(AGREED, client.private, [b"end"], b"half")[:-2]
            client.send(last or part)
            if last:
                self.assertTrue(client.rest() is not None)
            else:
                client.close()
            self.assertEqual(watcher.receive().data, b"before the end")
            self.assertEqual(watcher.expect(REGULAR_VIEW | VANISHED).groups, [b"#watcher#dA"])

    @covers("7j")
    def test_name_reuse(self) -> None:
        codes: set[int] = set()

        def again() -> bool:
            with Client(self.daemon.path) as client:
                client.send(connect_bytes(b"reuse"))
                first = struct.unpack("b", client.read(1))[0]
                codes.add(first)
                return first == 5

        for is_killed in (True, False):
            for _ in range(20):
                client = Client(self.daemon.path)
                until(again)
                until(lambda: self.daemon.status()["sessions"]["handshakes"] <= 1)
                client.open(b"reuse")
                if is_killed:
                    client.say(KILL, [client.private])
                client.close()
        until(again)
        # At once or after -6, and nothing else.
        self.assertLessEqual(codes, {5, -6})


class Views(AloneTest):
    @covers("8.2a", "8.2b", "8.2c", "8.3b", "8.6a", "8.6d", "9a")
    def test_join(self) -> None:
        names = [b"b", b"a", b"B", b"$", b"~"]
        clients: list[Client] = []
        last = b""
        for name in names:
            client = self.client(name)
            clients.append(client)
            client.join(b"v")
            views = [each.expect(REGULAR_VIEW | JOINED) for each in clients]
            self.assertEqual(len({view.raw for view in views}), 1, "members got different views")
            view = views[0]
            self.assertEqual(view.groups, sorted(each.private for each in clients))
            self.assertEqual((len(view.data), view.own_set, view.sets), (56, 0, [[client.private]]))
            self.assertEqual(view.data[24:56].rstrip(b"\0"), client.private)
            self.assertIn(struct.unpack("<I", view.view[:4])[0], self.addresses)
            self.assertTrue(not last or last[:8] == view.view[:8])
            self.assertNotEqual(view.view, last)
            last = view.view

    @covers("8.2d", "8.2e", "8.3b", "8.4a", "7i", "8.6b")
    def test_leave_and_vanish(self) -> None:
        one, two = self.pair(b"lv")
        two.leave(b"lv")
        gone = two.expect(LEFT)
        self.assertEqual((len(gone.raw), gone.name), (48, b"lv"))
        indexes = []
        view = one.expect(REGULAR_VIEW | LEFT)
        self.assertEqual((view.sets, view.groups, len(view.data)), ([[two.private]], [one.private], 56))
        indexes.append(view.index)
        for is_killed in (True, False):
            self.assertEqual(two.joined(b"lv", 2).view, (view := one.receive()).view)
            indexes.append(view.index)
            if is_killed:
                two.say(KILL, [two.private])
                self.assertTrue(two.is_ended())
            else:
                two.close()
            view = one.expect(REGULAR_VIEW | VANISHED)
            self.assertEqual((view.sets, view.groups, len(view.data)), ([[two.private]], [one.private], 56))
            indexes.append(view.index)
            until(lambda: self.daemon.status()["sessions"]["open"] == 1)
            two = self.client(b"two")
        self.assertEqual(indexes, sorted(set(indexes)))
        one.cast([b"lv"], b"after")
        self.assertTrue(two.is_quiet())

    @covers("8.5a")
    def test_without_flag(self) -> None:
        plain, other = self.client(b"plain", membership=False), self.client(b"flagged")
        other.joined(b"w", 1)
        plain.join(b"w")
        other.receive()
        plain.leave(b"w")
        other.receive()
        plain.join(b"w")
        other.receive()
        other.leave(b"w")
        other.expect(LEFT)
        other.cast([b"w"], b"a message")
        self.assertEqual(plain.receive().data, b"a message")

    @covers("9b")
    def test_silence(self) -> None:
        idle, member = self.client(b"idle"), self.client(b"member")
        member.joined(b"idle", 1)
        for client in (idle, member):
            self.assertTrue(client.is_quiet(1))
        member.cast([idle.private, b"idle"], b"the first since long")
        for client in (idle, member):
            self.assertEqual(client.receive().data, b"the first since long")

    @covers("8.6e")
    def test_group_made_anew(self) -> None:
        client = self.client(b"anew")
        seen = set()
        for _ in range(5):
            view = client.joined(b"anew", 1)
            self.assertNotIn(view.view, seen)
            seen.add(view.view)
            client.leave(b"anew")
            client.expect(LEFT)

    @covers("12a")
    def test_example(self) -> None:
        a, b = self.client(b"a"), self.client(b"b")
        first = a.joined(b"g", 1)
        self.assertEqual(first.sets, [[b"#a#dA"]])
        b.join(b"g")
        views = [client.expect(REGULAR_VIEW | JOINED) for client in (a, b)]
        self.assertEqual(views[0].raw, views[1].raw)
        self.assertEqual((views[0].groups, views[0].sets), ([b"#a#dA", b"#b#dA"], [[b"#b#dA"]]))
        b.cast([b"g"], b"x", mess_type=5)
        messages = [client.expect(AGREED) for client in (a, b)]
        self.assertEqual(messages[0].raw, messages[1].raw)
        self.assertEqual((messages[0].name, messages[0].hint), (b"#b#dA", hint_of(5)))
        b.leave(b"g")
        self.assertEqual(len(b.expect(LEFT).raw), 48)
        self.assertEqual(a.expect(REGULAR_VIEW | LEFT).sets, [[b"#b#dA"]])
        b.join(b"g")
        self.assertEqual(a.expect(REGULAR_VIEW | JOINED).raw, b.expect(REGULAR_VIEW | JOINED).raw)
        b.say(KILL, [b.private])
        self.assertTrue(b.is_ended())
        self.assertEqual(a.expect(REGULAR_VIEW | VANISHED).groups, [b"#a#dA"])


MessagesOnThree = on_three(Messages)
ViewsOnThree = on_three(Views)
