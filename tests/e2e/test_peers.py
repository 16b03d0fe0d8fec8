"""Peers that take their time, stop half way or come in numbers: each has its limits, and the others are served."""
import contextlib
import gzip
import json
import os
import re
import resource
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import unittest.mock

from server import BINARY, Server

NOW = time.time_ns()
SLOW_QUERY = "/loki/api/v1/query_range?query=%7Ba%3D%22b%22%7D%20%7C~%20%22%28x%3F%29%7B200%7Dy%22"  # {a="b"} |~ "(x?){200}y"


def fill(server, pushes=10, entries=8000):
    for i in range(pushes):
        status, text = server.push([({"a": "b"}, [(NOW - 10**10 + i * 10**6 + j, "x" * 500 + str(j)) for j in range(entries)])])
        assert status == 204, text


def get(path, more="", version="1.1"):
    return f"GET {path} HTTP/{version}\r\nHost: x\r\n{more}\r\n".encode()


def large_answer(limit=5000):
    return f"/loki/api/v1/query_range?query=%7Ba%3D%22b%22%7D&start={NOW - 2 * 10**10}&end={NOW}&limit={limit}"


def slow_query():
    return f"{SLOW_QUERY}&start={NOW - 2 * 10**10}&end={NOW}"


def connect(server, receive_bytes=None, timeout=20):
    s = socket.socket()
    s.settimeout(timeout)
    if receive_bytes:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    s.connect(("127.0.0.1", server.port))
    return s


def read_all(s):
    out = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := s.recv(1 << 20):
            out += piece
    return out


def is_whole(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(re.search(rb"Content-Length: (\d+)", head).group(1)) == len(body)


def until(condition, text, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, text
        time.sleep(0.05)


def descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


class SlowReaders(unittest.TestCase):
    def test_a_trickle_ends(self):
        """One that takes some bytes now and then is cut off, and the memory of its answer is free again."""
        with Server(flags=["--server.http_write_timeout=1s"]) as server:
            fill(server, pushes=2)
            with connect(server, receive_bytes=4096) as s:
                s.sendall(get(large_answer()))
                deadline = time.monotonic() + 60
                while server.metric("skald_http_outgoing_bytes") == 0:
                    self.assertLess(time.monotonic(), deadline)
                while server.metric("skald_http_outgoing_bytes") > 0:
                    self.assertLess(time.monotonic(), deadline, "it is still being served")
                    s.recv(200)
                    time.sleep(0.1)

    def test_a_slow_one_is_served(self):
        """Slow is allowed: 64 KB a second takes several timeouts, and gets everything."""
        with Server(flags=["--server.http_write_timeout=1s"]) as server:
            fill(server, pushes=1)
            with connect(server, receive_bytes=4096) as s:
                s.sendall(get(large_answer(limit=400), "Connection: close\r\n"))
                answer = b""
                while piece := s.recv(8192):
                    answer += piece
                    time.sleep(0.05)
            self.assertGreater(len(answer), 200_000)
            self.assertTrue(is_whole(answer))

    def test_all_answers_together_are_bounded(self):
        """Beyond the budget the answers that wait longest are given up, and a client that reads gets its own."""
        with Server(flags=["--server.http_max_outgoing_bytes=16MB"]) as server:
            fill(server, pushes=2)
            slow = [connect(server, receive_bytes=4096) for _ in range(20)]
            for s in slow:
                s.sendall(get(large_answer()))
            most, whole, deadline = 0, 0, time.monotonic() + 120
            while whole < 10:
                self.assertLess(time.monotonic(), deadline, "a client that reads is not served")
                with connect(server) as s:
                    s.sendall(get(large_answer(), "Connection: close\r\n"))
                    answer = read_all(s)
                if answer[:12] == b"HTTP/1.1 503":
                    self.assertIn(b"\r\nRetry-After: ", answer)
                elif answer:
                    self.assertEqual(answer[:12], b"HTTP/1.1 200")
                    whole += is_whole(answer)
                most = max(most, server.metric("skald_http_outgoing_bytes"))
            self.assertLessEqual(most, 24 << 20)  # two loops may look at the same time
            self.assertGreater(server.metric("skald_http_answers_given_up_total"), 0)
            for s in slow:
                s.close()
            until(lambda: server.metric("skald_http_outgoing_bytes") == 0, "memory of answers nobody wants")


class HalfClosed(unittest.TestCase):
    """A client may close its side behind the last request and still wants the answers."""

    def ask(self, server, data):
        with connect(server, timeout=60) as s:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            return read_all(s)

    def test_answers_come(self):
        with Server() as server:
            fill(server, pushes=1)
            body = json.dumps({"streams": [{"stream": {"c": "1"}, "values": [[str(NOW), "x"]]}]}).encode()
            push = b"POST /loki/api/v1/push HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            for data, want in [(get("/ready"), [b"200"]), (get("/metrics"), [b"200"]), (get("/ready", version="1.0"), [b"200"]), (push, [b"204"]),
                               (get(large_answer()), [b"200"]), (get(slow_query()), [b"200"]),
                               (get("/loki/api/v1/labels") + push + get("/ready") + get("/flush"), [b"200", b"204", b"200", b"204"])]:
                with self.subTest(data[:60]):
                    statuses = re.findall(rb"HTTP/1\.1 (\d+) ", self.ask(server, data))
                    self.assertEqual([s for s in statuses if s != b"100"], want)

    def test_half_a_request_gets_none(self):
        with Server() as server:
            for data in [b"", b"GET /rea", b"POST /loki/api/v1/push HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc", get("/ready") + b"GET"]:
                self.assertEqual(self.ask(server, data).count(b"HTTP/1.1"), data.count(b"/ready "))
            until(lambda: server.metric("loki_tcp_connections") == 1, "connections are left")


class BusyWorkers(unittest.TestCase):
    def test_administration_does_not_wait_for_queries(self):
        with Server(flags=["--querier.max_concurrent=1", "--limits.query_timeout=1h", "--limits.max_query_length=0s"]) as server:
            fill(server, pushes=20)
            server.flush()
            queries = [connect(server) for _ in range(8)]
            for s in queries:
                s.sendall(get(slow_query()))
            until(lambda: server.metric("skald_queries_waiting") == 7, "the worker is not busy")
            for path in ["/ready", "/metrics", "/config", "/flush", "/loki/api/v1/status/buildinfo"]:
                for _ in range(3):
                    self.assertIn(server.request("GET", path)[0], (200, 204))
            self.assertGreater(server.metric("skald_queries_waiting"), 0, "the queries have ended: this has shown nothing")
            for s in queries:
                s.close()


class LargePushes(unittest.TestCase):
    """Bodies that take long to decode are not decoded by the loop; nothing else is different."""

    def body(self, label, count, line):
        return json.dumps({"streams": [{"stream": {"big": label}, "values": [[str(NOW + i), f"{line}{i}"] for i in range(count)]}]}).encode()

    def test_order_of_a_connection(self):
        with Server() as server, connect(server, timeout=60) as s:
            large, small = self.body("1", 400_000, "x" * 10), self.body("1", 10, "y")
            packed, wrong = gzip.compress(self.body("2", 300_000, "z")), b"[" + b" " * (9 << 20)
            requests = [(large, b""), (small, b""), (packed, b"Content-Encoding: gzip\r\n"), (wrong, b""), (small, b"")]
            for body, more in requests:
                s.sendall(b"POST /loki/api/v1/push HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + more +
                          b"Content-Length: %d\r\n\r\n" % len(body) + body)
            s.shutdown(socket.SHUT_WR)
            statuses = re.findall(rb"HTTP/1\.1 (\d+) ", read_all(s))
            self.assertEqual([status for status in statuses if status != b"100"], [b"204", b"204", b"204", b"400", b"204"])
            for query, want in [('{big="1"}', 400_010), ('{big="2"}', 300_000)]:
                _, text = server.get("/loki/api/v1/query", query=f"sum(count_over_time({query}[1h]))", time=NOW + 10**9)
                self.assertEqual(json.loads(text)["data"]["result"][0]["value"][1], str(want))

    def test_many_at_once(self):
        with Server(flags=["--server.http_max_inflight_bytes=64MB"]) as server:
            statuses = []

            body = self.body("1", 300_000, "x")

            def push():
                for _ in range(3):
                    statuses.append(server.push_body(body)[0])
            threads = [threading.Thread(target=push) for _ in range(6)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            self.assertLessEqual(set(statuses), {204, 503})
            self.assertIn(204, statuses)
            until(lambda: server.metric("skald_http_inflight_bytes") == 0, "bodies are still counted")
            self.assertEqual(server.stop(), 0)


class LargePushesOnAFullDisk(unittest.TestCase):
    """A log that fails now and then, while pushes of all sizes come and go: what was acknowledged is there."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="skald-disk-")
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", self.directory], capture_output=True, check=False).returncode:
            os.rmdir(self.directory)
            self.skipTest("cannot mount a tmpfs here")

    def tearDown(self):
        subprocess.run(["umount", "-l", self.directory], check=False)
        os.rmdir(self.directory)

    def test_outcomes(self):
        ballast = os.path.join(self.directory, "ballast")
        server = Server(directory=self.directory, flags=["--wal.file_size=1MB", "--wal.size_target=8MB", "--ingester.chunk_encoding=none",
                                                          "--limits.max_entries_limit_per_query=100000"])
        server.log_path = tempfile.mktemp(prefix="skald-log-")
        acknowledged, statuses, stop = [], set(), threading.Event()

        def push(number, count):
            for n in range(10**6):
                if stop.is_set():
                    return
                first = n * count
                body = {"streams": [{"stream": {"p": str(number)}, "values": [[str(NOW + i), f"{i} " + "x" * 80] for i in range(first, first + count)]}]}
                status = server.push_body(json.dumps(body).encode())[0]
                statuses.add(status)
                if status == 204:
                    acknowledged.append((number, first, count))
                time.sleep(0.02)
        try:
            server.start()
            threads = [threading.Thread(target=push, args=(i, 25_000 if i < 2 else 10)) for i in range(6)]
            for t in threads:
                t.start()
            for _ in range(8):  # the disk is full, and it is not
                with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as f:
                    while True:
                        f.write(bytes(1 << 20))
                time.sleep(0.3)
                os.remove(ballast)
                time.sleep(0.3)
            stop.set()
            for t in threads:
                t.join()
            self.assertLessEqual(statuses, {204, 503})
            self.assertIn(204, statuses)
            stored = {p: {ns - NOW for ns, _ in server.entries(f'{{p="{p}"}}', NOW, NOW + 10**9, batch=100_000)} for p in range(6)}
            for number, first, count in acknowledged:
                self.assertTrue(stored[number].issuperset(range(first, first + count)), (number, first))
        finally:
            server.kill()
            os.remove(server.log_path)


class Stopping(unittest.TestCase):
    def stop(self, requests, read=True):
        server = Server(flags=["--server.graceful_shutdown_timeout=1s", "--limits.query_timeout=1h", "--limits.max_query_length=0s",
                               "--querier.max_concurrent=2"]).start()
        try:
            fill(server)
            sockets = [connect(server, receive_bytes=None if read else 4096) for _ in requests]
            for s, data in zip(sockets, requests):
                s.sendall(data)
            time.sleep(0.5)
            self.assertEqual(server.stop(seconds=60 if "san-" in BINARY else 8), 0, server.log())
            for s in sockets:
                s.close()
        finally:
            server.close()

    def test_queries_that_run(self):
        ask = f"&start={NOW - 2 * 10**10}&end={NOW}&step=0.005"
        metric = "/loki/api/v1/query_range?query=quantile_over_time%280.9%2C%7Ba%3D%22b%22%7D%20%7C%20regexp%20%22%28%3FP%3Cn%3E%5B0-9%5D%2B%29%22%20%7C%20unwrap%20n%20%5B20s%5D%29"
        fields = "/loki/api/v1/detected_fields?query=%7Ba%3D%22b%22%7D&line_limit=1000000"
        self.stop([get(slow_query())] * 6)
        self.stop([get(metric + ask)] * 6)
        self.stop([get(fields + ask)] * 6 + [get("/flush")] * 3)

    def test_readers_that_do_not_read(self):
        self.stop([get(large_answer())] * 6, read=False)


class Scarcity(unittest.TestCase):
    def limited(self, flags=(), **limits):
        """A server under limits of its own; as another user where the limit counts that."""
        server = Server(flags=flags)
        start = subprocess.Popen

        def set_limits():
            for name, value in limits.items():
                resource.setrlimit(getattr(resource, "RLIMIT_" + name), (value, value))
        with unittest.mock.patch("subprocess.Popen", lambda *a, **k: start(*a, preexec_fn=set_limits, **k)):
            return server.start()

    def test_descriptors(self):
        """More connections than descriptors: the rest wait in the kernel, who is connected is served, and it recovers."""
        server = self.limited(NOFILE=600)
        try:
            fill(server, pushes=1, entries=10)
            with connect(server) as honest:
                crowd = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(700)]
                until(lambda: descriptors(server) > 250, "the crowd is not there")
                for i in range(20):
                    honest.sendall(get("/loki/api/v1/labels") if i % 2 else get("/flush"))
                    self.assertIn(honest.recv(65536)[:12], (b"HTTP/1.1 200", b"HTTP/1.1 204"))
                    time.sleep(0.1)
                self.assertLess(descriptors(server), 600)
                for s in crowd:
                    s.close()
            until(lambda: server.get("/ready")[0] == 200 and server.metric("loki_tcp_connections") < 10, "it does not recover")
            self.assertNotIn("level=error", server.log())
            self.assertEqual(server.stop(), 0)
        finally:
            server.close()

    def test_all_descriptors_taken(self):
        """Even when the descriptors are gone before the connections are: accepting pauses, and goes on later."""
        server = Server().start()
        try:
            resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (descriptors(server) + 20, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
            with connect(server) as honest:
                honest.sendall(get("/ready"))
                self.assertEqual(honest.recv(65536)[:12], b"HTTP/1.1 200")
                crowd = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(100)]
                until(lambda: "cannot accept connections" in server.log(), "it has accepted all of them")
                for _ in range(10):
                    honest.sendall(get("/loki/api/v1/labels"))
                    self.assertEqual(honest.recv(65536)[:12], b"HTTP/1.1 200")
                    time.sleep(0.2)
                self.assertLess(server.log().count("cannot accept connections"), 12, "a line for each try")
                for s in crowd:
                    s.close()
                until(lambda: server.get("/ready")[0] == 200, "it does not recover")
            self.assertEqual(server.stop(), 0)
        finally:
            server.close()

    def test_no_threads(self):
        """A start that gets no threads says so and ends."""
        if os.getuid() != 0:
            self.skipTest("needs to become another user")
        with tempfile.TemporaryDirectory() as directory:
            os.chown(directory, 65534, 65534)

            def set_limits(threads):
                resource.setrlimit(resource.RLIMIT_NPROC, (threads, threads))
                os.setgid(65534)
                os.setuid(65534)
            for threads in range(1, 7):
                done = subprocess.run([BINARY, "serve", "--data", os.path.join(directory, str(threads)), "--listen", "127.0.0.1:0", "--querier.max_concurrent=4"],
                                      preexec_fn=lambda n=threads: set_limits(n), capture_output=True, text=True, timeout=60, check=False)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertRegex(done.stderr, "cannot start")


if __name__ == "__main__":
    unittest.main()
