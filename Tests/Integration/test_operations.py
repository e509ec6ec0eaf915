# SPDX-License-Identifier: Apache-2.0
"""Health checks, scripts, operators' commands and reloads on real daemons; the kernels are the judge."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from lab import namespaces
from lab.cluster import Cluster, Node
from lab.process import run, start
from support import ClusterTest, children_of

VIP = "10.77.0.101/32"
CHECK = 'Check "web" {{ {} Interval = 200ms Timeout = 1s Rise = 2 Fall = 2 }}'
GOOD = CHECK.format('Command = "/usr/bin/test -e DIRECTORY/good"')
HTTP = CHECK.format("Http = http://127.0.0.1:8080/")
SCRIPT = """#!/bin/sh
echo "$WACKAMOLE_EVENT $* | $WACKAMOLE_VIFS $WACKAMOLE_NODE $(id -un)" >> {file}
"""


def held(cluster: Cluster, node: str) -> list[str]:
    """What a node holds, by the kernel's word."""
    cluster.observe()
    return [a for a in cluster.settings.addresses if node in cluster.timeline.holders(a)]


class OperationsTest(ClusterTest):
    def wait_holding(self, node: str, wanted: bool, what: str) -> None:
        """Waits until a node holds something, or nothing, while everything stays covered."""

        def look() -> list[str]:
            has = held(self.cluster, node)
            if bool(has) == wanted:
                return []
            return [f"{node} holds {has or 'nothing'}"]

        self.cluster.wait_for(what, look)
        self.cluster.wait_settled(what)

    def order(self, node: Node, *arguments: str) -> None:
        done = node.tool(*arguments)
        self.assertEqual(done.returncode, 0, f"wackatrl {' '.join(arguments)}: {done.stderr}")


class Descriptors(OperationsTest):
    def test_a_daemon_started_without_standard_files_has_none_of_its_own_in_their_place(self) -> None:
        cluster = self.cluster = self.enterContext(Cluster(nodes=1, vips=2))
        node = cluster.nodes["web1"]
        node.start_as(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *node.command_line])
        cluster.wait_settled("after the start")
        assert node.daemon is not None
        for number in range(3):
            self.assertEqual(os.readlink(f"/proc/{node.daemon.pid}/fd/{number}"), "/dev/null")


class Endings(OperationsTest):
    def test_a_term_at_any_moment_of_the_start_leaves_nothing(self) -> None:
        cluster = self.cluster = self.enterContext(Cluster(nodes=1, vips=2))
        node = cluster.nodes["web1"]
        others = set(namespaces.pids(node.host.namespace))

        def remains() -> list[str]:
            left = [path.name for path in node.directory.iterdir() if path.is_socket()]
            running = set(namespaces.pids(node.host.namespace)) - others
            return left + held(cluster, "web1") + [f"process {pid}" for pid in running]

        endings = []
        for number in range(40):
            node.start()
            time.sleep(number * 0.004)
            node.signal(signal.SIGTERM)
            endings.append(node.wait())
            # The signal may end it at once only before it has made anything.
            self.assertIn(endings[-1], (0, -signal.SIGTERM), node.last_lines())
            cluster.wait_for(f"after {number * 4} ms", remains, seconds=5)
        self.assertIn(0, endings)


class Checks(OperationsTest):
    def form_healthy(self, **options: object) -> Cluster:
        cluster = self.cluster = self.enterContext(Cluster(nodes=3, vips=6, **options))
        self.addCleanup(self.check_announcements)
        for node in cluster.nodes.values():
            (node.directory / "good").touch()
        cluster.start()
        cluster.wait_settled("after the start")
        return cluster

    def test_a_node_whose_check_fails_hands_everything_over_and_takes_its_share_again(self) -> None:
        cluster = self.form_healthy(statements=[GOOD])
        begin = time.monotonic_ns()
        (cluster.nodes["web1"].directory / "good").unlink()
        self.wait_holding("web1", False, "after the check failed")
        status = cluster.nodes["web2"].status()
        assert status is not None
        details = {member["node"]: member for member in status["view"]["details"]}
        self.assertEqual(details["web1"]["failing_checks"], ["web"])
        self.assertEqual(cluster.nodes["web1"].tool("status").returncode, 2, "degraded")
        (cluster.nodes["web1"].directory / "good").touch()
        self.wait_holding("web1", True, "after the check passed")
        self.never_doubled(begin)

    def test_when_all_fail_the_addresses_stay(self) -> None:
        cluster = self.form_healthy(statements=[GOOD])
        for node in cluster.nodes.values():
            (node.directory / "good").unlink()
        time.sleep(2)
        cluster.wait_settled("with no healthy node")

    def test_when_all_fail_and_the_policy_says_so_nobody_holds(self) -> None:
        cluster = self.form_healthy(statements=[GOOD, "Policy = drop"])
        for node in cluster.nodes.values():
            (node.directory / "good").unlink()

        def look() -> list[str]:
            return [f"{name} holds {has}" for name in cluster.nodes if (has := held(cluster, name))]

        cluster.wait_for("nobody holds anything", look)
        self.assertEqual(cluster.nodes["web1"].tool("status").returncode, 2, "degraded")

    def test_a_dead_web_server_is_noticed(self) -> None:
        self.cluster = cluster = self.enterContext(Cluster(nodes=2, vips=2, statements=[HTTP]))
        servers = {name: self.serve(node) for name, node in cluster.nodes.items()}
        cluster.start()
        cluster.wait_settled("after the start")
        servers["web1"].kill()
        servers["web1"].wait()
        self.wait_holding("web1", False, "after the server died")

    def test_checks_go_on_after_the_runner_is_killed(self) -> None:
        cluster = self.form_healthy(statements=[GOOD])
        node = cluster.nodes["web1"]
        runners = children_of(node, "runne")
        self.assertEqual(len(runners), 1)
        os.kill(runners[0], signal.SIGKILL)

        def look() -> list[str]:
            return [] if children_of(node, "runne") not in ([], runners) else ["no other runner"]

        cluster.wait_for("another runner", look)
        cluster.wait_settled("after the runner was killed")
        (node.directory / "good").unlink()
        self.wait_holding("web1", False, "after the check failed")

    def serve(self, node: Node) -> subprocess.Popen[bytes]:
        (node.directory / "pages").mkdir()
        pages = ["--bind", "127.0.0.1", "--directory", str(node.directory / "pages")]
        argv = node.host.command(sys.executable, "-m", "http.server", "8080", *pages)
        child = start(argv, subprocess.DEVNULL)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        return child


class Commands(OperationsTest):
    def test_drain_lasts_over_a_restart_until_resume(self) -> None:
        cluster = self.form(nodes=3, vips=6)
        web1 = cluster.nodes["web1"]
        begin = time.monotonic_ns()
        self.order(web1, "drain")
        self.wait_holding("web1", False, "after drain")
        self.never_doubled(begin)
        web1.signal(signal.SIGTERM)
        web1.wait()
        web1.start()
        cluster.wait_settled("after the restart")
        time.sleep(4)  # longer than the interval of balance
        self.assertEqual(held(cluster, "web1"), [])
        self.order(web1, "resume")
        self.wait_holding("web1", True, "after resume")

    def test_a_moved_address_stays_and_a_preferred_one_comes_with_balance(self) -> None:
        cluster = self.form(nodes=3, vips=6)
        first = self.owner(VIP)
        to, other = [name for name in cluster.nodes if name != first]
        begin = time.monotonic_ns()
        self.order(cluster.nodes[first], "move", VIP, to)
        cluster.wait_for("the move", lambda: [] if cluster.holder(VIP) == to else self.look())
        cluster.wait_settled("after the move")
        self.order(cluster.nodes[to], "prefer", VIP, other)
        self.order(cluster.nodes[to], "balance")
        cluster.wait_for("balance", lambda: [] if cluster.holder(VIP) == other else self.look())
        cluster.wait_settled("after balance")
        self.never_doubled(begin)
        self.order(cluster.nodes[to], "prefer", VIP)
        told = [node.tool("history", "--json").stdout for node in cluster.nodes.values()]
        changes = [
            [(c["vif"], c["from"], c["to"], c["view"]) for c in json.loads(text)] for text in told
        ]
        self.assertEqual(changes[0], changes[1])
        self.assertEqual(changes[0], changes[2])
        moves = [c[:3] for c in changes[0] if c[0] == VIP.partition("/")[0]]
        self.assertIn((VIP.partition("/")[0], to, other), moves)

    def look(self) -> list[str]:
        self.cluster.observe()
        return [f"{VIP} is held by {self.cluster.holder(VIP)}"]

    def test_announce_reaches_the_neighbours_from_the_holder(self) -> None:
        cluster = self.form(nodes=2, vips=2)
        time.sleep(3)  # the series after the start is over
        begin = time.monotonic_ns()
        asked = next(name for name in cluster.nodes if name != self.owner(VIP))
        self.order(cluster.nodes[asked], "announce", VIP)

        def look() -> list[str]:
            cluster.observe()
            return [] if cluster.announcements(VIP, begin) else ["nothing was announced"]

        cluster.wait_for("the announcement", look)

    def test_options_before_a_command_are_refused(self) -> None:
        cluster = self.cluster = self.enterContext(Cluster(nodes=1, vips=1))
        for arguments in (["-l", "drain"], ["--control", "/run/x", "drain"], ["-c", "/etc/x", "status"]):
            done = run(str(cluster.binaries / "wackatrl"), *arguments, check=False)
            self.assertEqual((done.returncode, done.stdout), (1, ""), arguments)
            self.assertIn(f"{arguments[0]} stands before the command", done.stderr)

    def test_refusals_have_their_exit_status(self) -> None:
        cluster = self.form(nodes=2, vips=2)
        web1 = cluster.nodes["web1"]
        for arguments, words in {
            ("move", "10.9.9.9", "web1"): "10.9.9.9",
            ("move", VIP, "web9"): "web9",
            ("announce", "x"): "not an address",
            ("move", VIP): "node",
            ("dance",): "dance",
            (): "USAGE",
        }.items():
            done = web1.tool(*arguments)
            self.assertEqual(done.returncode, 1, f"{arguments}: {done}")
            self.assertIn(words, done.stderr + done.stdout)
        self.assertEqual(web1.tool("status").returncode, 0)
        web1.signal(signal.SIGTERM)
        web1.wait()
        self.assertEqual(web1.tool("status").returncode, 3)

    def test_the_socket_is_for_root_and_the_group(self) -> None:
        self.cluster = cluster = self.enterContext(
            Cluster(nodes=2, vips=1, statements=["ControlGroup = nogroup"])
        )
        for folder in [cluster.directory, *(node.directory for node in cluster.nodes.values())]:
            folder.chmod(0o755)
        web2 = cluster.nodes["web2"]
        text = web2.config.read_text()
        web2.config.write_text(text.replace("ControlGroup = nogroup", ""))
        cluster.start()
        cluster.wait_settled("after the start")
        other = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
        for node, status in {cluster.nodes["web1"]: 0, web2: 1}.items():
            tool = str(cluster.binaries / "wackatrl")
            control = str(node.directory / "control")
            done = run(*other, tool, "status", "--control", control, check=False)
            self.assertEqual(done.returncode, status, done.stderr)

    def test_the_lines_of_the_original(self) -> None:
        cluster = self.form(nodes=2, vips=2)
        owner = cluster.settings.peers[self.owner(VIP)]
        done = cluster.nodes["web1"].tool("-l")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"Owner: {owner}\n\t*    eth0:{VIP}\n", done.stdout)
        self.order(cluster.nodes["web1"], "-f")
        self.wait_holding("web1", False, "after -f")
        self.order(cluster.nodes["web1"], "-s")
        self.wait_holding("web1", True, "after -s")


class Scripts(OperationsTest):
    def test_scripts_run_when_addresses_come_and_go(self) -> None:
        events = ["on up", "on down", "post up", "post down"]
        statements = [f"RunScript DIRECTORY/script {event}" for event in events]
        statements.append("RunScript DIRECTORY/script on up User nobody")
        self.cluster = cluster = self.enterContext(
            Cluster(nodes=1, vips=2, statements=statements)
        )
        node = cluster.nodes["web1"]
        script, told = node.directory / "script", node.directory / "told"
        script.write_text(SCRIPT.format(file=told))
        script.chmod(0o755)
        told.touch()
        told.chmod(0o666)
        for folder in (node.directory, node.directory.parent):
            folder.chmod(0o755)
        cluster.start()
        cluster.wait_settled("after the start")

        def look() -> list[str]:
            lines = told.read_text().splitlines()
            return [] if len(lines) >= 5 else [f"told so far: {lines}"]

        cluster.wait_for("the scripts", look)
        node.signal(signal.SIGTERM)
        self.assertEqual(node.wait(), 0)
        lines = told.read_text().splitlines()
        both = {"10.77.0.101", "10.77.0.102"}
        for address in both:
            for event in ("on-up", "on-down"):
                line = f"{event} {event} eth0:{address}/32 | {address} web1 root"
                self.assertIn(line, lines)
            line = f"on-up on-up eth0:{address}/32 | {address} web1 nobody"
            self.assertIn(line, lines)
        for event in ("post-up", "post-down"):
            seen = [line for line in lines if line.startswith(event)]
            self.assertTrue(seen, f"{event} is missing in {lines}")
            names = {name for line in seen for name in line.partition("|")[2].split()[:-2]}
            self.assertEqual(names, both)

    def test_a_script_that_others_can_write_is_refused(self) -> None:
        self.cluster = cluster = self.enterContext(
            Cluster(nodes=1, vips=1, statements=["RunScript DIRECTORY/script on up"])
        )
        node = cluster.nodes["web1"]
        script = node.directory / "script"
        script.write_text("#!/bin/sh\n")
        script.chmod(0o757)
        node.start()
        self.assertEqual(node.wait(), 1)
        self.assertIn("can be written by others", node.log.read_text())
        checked = run(*node.command_line, "-t", check=False)
        self.assertEqual(checked.returncode, 2)
        self.assertIn("can be written by others", checked.stderr)

    def test_what_this_machine_lacks_is_seen_before_the_start(self) -> None:
        statements = [
            "ControlGroup = no-such-group",
            "RunScript /no/such/script on up User no-such-user",
            'Check "a" { Command = "/no/such/check" User = nobody }',
        ]
        self.cluster = cluster = self.enterContext(Cluster(nodes=1, vips=1, statements=statements))
        checked = run(*cluster.nodes["web1"].command_line, "-t", check=False)
        self.assertEqual(checked.returncode, 2)
        said = checked.stderr
        for word in ("/no/such/script is not run", "/no/such/check is not run"):
            self.assertIn(word, said)
        self.assertIn("group no-such-group: there is no such group", said)
        self.assertIn("user no-such-user: there is no such user", said)
        self.assertNotIn("nobody", said)


class ReloadingTest(OperationsTest):
    def reload(self, node: Node, old: str, new: str) -> subprocess.CompletedProcess[str]:
        text = node.config.read_text()
        assert old in text, f"'{old}' is not in the configuration"
        node.config.write_text(text.replace(old, new))
        return node.tool("reload")

    def take_on(self, node: Node, old: str, new: str) -> None:
        """A reload after which nothing waits for a restart."""
        done = self.reload(node, old, new)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("start the daemon anew", done.stdout)


class LeaseReloads(ReloadingTest):
    def test_leases_follow_a_reload(self) -> None:
        cluster = self.form(nodes=1, vips=2)
        node = cluster.nodes["web1"]
        assert node.daemon is not None

        def left() -> list[int]:
            shown = json.loads(node.host.run("ip", "-j", "address", "show", "dev", "eth0"))
            managed = {address.partition("/")[0] for address in cluster.settings.addresses}
            infos = [info for info in shown[0]["addr_info"] if info["local"] in managed]
            return [info["valid_life_time"] for info in infos]

        def wait_for(low: int, high: int) -> None:
            cluster.wait_for(
                f"leases of {low} to {high} s",
                lambda: [] if len(left()) == 2 and all(low <= n <= high for n in left()) else [str(left())],
                seconds=2,
            )

        wait_for(5, 10)
        self.take_on(node, "Group =", "Lease = 30s\nGroup =")
        wait_for(19, 30)
        self.take_on(node, "Lease = 30s", "Lease = off")
        wait_for(2**32 - 1, 2**32 - 1)
        self.take_on(node, "Lease = off", "Lease = 3s")
        wait_for(1, 3)
        time.sleep(4)
        wait_for(1, 3)  # It is renewed.
        self.assertEqual(held(cluster, "web1"), cluster.settings.addresses)
        node.daemon.send_signal(signal.SIGSTOP)
        cluster.wait_for("the end of the leases", lambda: [str(n) for n in left()], seconds=4.5)
        node.daemon.send_signal(signal.SIGCONT)
        wait_for(1, 3)


class Reloads(ReloadingTest):
    def test_addresses_come_and_go_and_no_other_moves(self) -> None:
        cluster = self.form(nodes=2, vips=4)
        gone, added = "10.77.0.104", "10.77.0.120"
        stay = [a for a in cluster.settings.addresses if not a.startswith(gone)]
        before = {address: self.owner(address) for address in stay}
        begin = time.monotonic_ns()
        web1, web2 = cluster.nodes.values()
        done = self.reload(web1, f"eth0:{gone}/32", f"eth0:{added}/32")
        self.assertEqual(done.returncode, 0, done.stderr)
        web2.config.write_text(web2.config.read_text().replace(gone, added))
        assert web2.daemon is not None
        web2.daemon.send_signal(signal.SIGHUP)

        def look() -> list[str]:
            shown = [n.host.run("ip", "-o", "address", "show") for n in cluster.nodes.values()]
            found = sum(f" {added}/32 " in text for text in shown)
            left = sum(f" {gone}/32 " in text for text in shown)
            return [] if (found, left) == (1, 0) else [f"{found} have {added}, {left} have {gone}"]

        cluster.wait_for("the reload", look)
        cluster.observe()
        self.assertEqual({address: self.owner(address) for address in stay}, before)
        for address in stay:
            spans = cluster.timeline.spans(address, begin, time.monotonic_ns())
            self.assertEqual(len({span.holders for span in spans}), 1, f"{address} was touched")

    def test_a_fourth_node_comes_by_reloads_and_nothing_is_interrupted(self) -> None:
        self.cluster = cluster = self.enterContext(Cluster(nodes=4, vips=6))
        self.addCleanup(self.check_announcements)
        fourth = f" web4:{cluster.settings.peers['web4']}"
        old = ("web1", "web2", "web3")
        for name in old:
            config = cluster.nodes[name].config
            config.write_text(config.read_text().replace(fourth, ""))
        cluster.start(*old)
        cluster.wait_settled("after the start of three")
        before = {address: self.owner(address) for address in cluster.settings.addresses}
        begin = time.monotonic_ns()
        # It is not let in before all know it, and then holds what it can reach nobody about: so it waits.
        for name in old:
            done = self.reload(cluster.nodes[name], " }\n    Port", f"{fourth} }}\n    Port")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stdout.count("start the daemon anew"), 0, done.stdout)
            cluster.wait_settled(f"after the reload of {name}")
        end = time.monotonic_ns()
        self.assertEqual({a: self.owner(a) for a in before}, before)
        for address in before:
            spans = cluster.timeline.spans(address, begin, end)
            self.assertEqual(len({span.holders for span in spans}), 1, f"{address} was touched")
        begin = time.monotonic_ns()
        cluster.start("web4")
        self.wait_holding("web4", True, "its share of four")
        for address, owner in before.items():
            now = self.owner(address)
            self.assertIn(now, (owner, "web4"), f"{address} moved, but not for balance")
        self.never_doubled(begin)
        status = cluster.nodes["web1"].status()
        assert status is not None
        self.assertEqual(status["ring"]["dropped"]["roster_differs"], 0)

    def test_who_is_in_the_cluster_is_not_taken_off_the_list(self) -> None:
        cluster = self.form(nodes=2, vips=2)
        gone = f" web2:{cluster.settings.peers['web2']}"
        done = self.reload(cluster.nodes["web1"], gone, "")
        self.assertEqual(done.returncode, 1)
        self.assertIn("web2", done.stderr)
        cluster.wait_settled("after the reload that was refused")

    def test_a_bad_file_changes_nothing(self) -> None:
        cluster = self.form(nodes=1, vips=2)
        node = cluster.nodes["web1"]
        done = self.reload(node, "Group = wack1", "Grupp = wack1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("Grupp", done.stderr)
        self.assertEqual(held(cluster, "web1"), cluster.settings.addresses)
        self.reload(node, "Grupp = wack1", "Group = wack1")
        cluster.wait_settled("after the bad reload")

    def test_what_waits_for_a_restart_is_said(self) -> None:
        cluster = self.form(nodes=1, vips=1)
        done = self.reload(cluster.nodes["web1"], "Group = wack1", "Group = wack2")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Group", done.stdout)

    def test_announcements_follow_a_reload(self) -> None:
        cluster = self.form(nodes=1, vips=1)
        node = cluster.nodes["web1"]
        time.sleep(2.5)  # The series of the start is over.
        begin = time.monotonic_ns()
        done = self.reload(node, "Group =", "Announce { Refresh = 1s }\nGroup =")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("start the daemon anew", done.stdout)
        address = cluster.settings.addresses[0]

        def look() -> list[str]:
            cluster.observe()
            return [] if len(cluster.announcements(address, begin)) >= 4 else ["too few"]

        cluster.wait_for("announcements by the new statement", look)

    def test_the_process_follows_a_reload(self) -> None:
        node = self.form(nodes=1, vips=1).nodes["web1"]
        assert node.daemon is not None
        process = node.daemon.pid

        def state() -> tuple[int, int, bool]:
            status = Path(f"/proc/{process}/status").read_text().splitlines()
            locked = next(int(line.split()[1]) for line in status if line.startswith("VmLck"))
            policy = os.sched_getscheduler(process) & ~os.SCHED_RESET_ON_FORK
            return policy, os.sched_getparam(process).sched_priority, locked > 0

        self.assertEqual(state(), (os.SCHED_OTHER, 0, False))
        self.take_on(node, "Group =", "Process { RealTime = 7 LockMemory = on }\nGroup =")
        self.assertEqual(state(), (os.SCHED_RR, 7, True))
        self.take_on(node, "RealTime = 7", "RealTime = 9")
        self.assertEqual(state(), (os.SCHED_RR, 9, True))
        self.take_on(node, "Process { RealTime = 9 LockMemory = on }", "")
        self.assertEqual(state(), (os.SCHED_OTHER, 0, False))


class Offline(OperationsTest):
    def test_without_a_daemon_the_interfaces_are_told(self) -> None:
        self.cluster = cluster = self.enterContext(Cluster(nodes=1, vips=2))
        node = cluster.nodes["web1"]
        node.host.run("ip", "address", "add", VIP, "dev", "eth0")
        program = str(cluster.binaries / "wackamole")
        argv = node.host.command(program, "-s", "-c", str(node.config))
        done = run(*argv, check=False)
        self.assertEqual(done.returncode, 3, done)
        rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()[3:]}
        self.assertEqual(rows[VIP], ["eth0", "up", "yes"])
        self.assertEqual(rows["10.77.0.102/32"], ["eth0", "up", "no"])
