"""Peers that take their time, stop half way or come in numbers: each has its limits, and the others are served."""
import contextlib
import gzip
import json
import os
import re
import resource
import select
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


def connections(s):
    """How many the server counts, asked on a connection that stays open."""
    s.sendall(get("/metrics"))
    answer = b""
    while b"\r\n\r\n" not in answer or not is_whole(answer):
        piece = s.recv(1 << 16)
        assert piece, answer[:200]
        answer += piece
    return int(re.search(rb"^loki_tcp_connections\{.*\} (\d+)", answer, re.MULTILINE).group(1))


def until(condition, text, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, text
        time.sleep(0.05)


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


    def test_short_answers_are_answers(self):
        """One that asks and asks and hardly reads is cut off, though each answer is short and the next one has a time of its own."""
        with Server(flags=["--server.http_write_timeout=1s"]) as server, connect(server, receive_bytes=4096) as s:
            requests, deadline = get("/ready") * 1000, time.monotonic() + 60
            with self.assertRaises(ConnectionError):
                while True:
                    self.assertLess(time.monotonic(), deadline, "it is still being served")
                    with contextlib.suppress(BlockingIOError):
                        sent = s.send(requests, socket.MSG_DONTWAIT)
                        requests = requests[sent:] + requests[:sent]
                    if not s.recv(200):
                        raise ConnectionResetError
                    time.sleep(0.1)

    def test_who_takes_short_answers_stays(self):
        """Seldom and little, but always behind: what was owed when the time began is taken."""
        with Server(flags=["--server.http_write_timeout=500ms"]) as server, connect(server) as s:
            for _ in range(30):
                s.sendall(get("/ready") * 2)
                time.sleep(0.1)
            s.sendall(get("/ready", "Connection: close\r\n"))
            self.assertEqual(read_all(s).count(b"HTTP/1.1 200"), 61)


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

    def test_reader_who_comes_to_an_end(self):
        """An answer that was being written when the stop began is the last one of its connection, which is not waited for."""
        server = Server(flags=["--server.graceful_shutdown_timeout=60s", "--limits.max_query_length=0s"]).start()
        try:
            fill(server)
            with connect(server, receive_bytes=4096) as client:
                client.sendall(get(large_answer()))
                time.sleep(0.5)
                stopped = []
                stopping = threading.Thread(target=lambda: stopped.append(server.stop(seconds=40)))
                stopping.start()
                time.sleep(0.5)
                client.settimeout(30)
                while client.recv(1 << 20):
                    pass
            stopping.join()
            self.assertEqual(stopped, [0], server.log())
        finally:
            server.close()


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
        """More connections than descriptors: half of those are for connections, the rest wait in the kernel, who is
        connected is served, and it recovers."""
        server = self.limited(["--server.http_threads=1"], NOFILE=600)
        try:
            fill(server, pushes=1, entries=10)
            with connect(server) as honest:
                crowd = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(700)]
                until(lambda: connections(honest) >= 300, "the crowd is not there")
                for i in range(20):
                    honest.sendall(get("/loki/api/v1/labels") if i % 2 else get("/flush"))
                    self.assertIn(honest.recv(65536)[:12], (b"HTTP/1.1 200", b"HTTP/1.1 204"))
                    self.assertEqual(connections(honest), 300)
                    time.sleep(0.1)
                for s in crowd:
                    s.close()
            until(lambda: server.get("/ready")[0] == 200 and server.metric("loki_tcp_connections") < 10, "it does not recover")
            self.assertNotIn("level=error", server.log())
            self.assertEqual(server.stop(), 0)
        finally:
            server.close()

    def test_connections(self):
        """More peers than server.http_max_connections: the rest wait in the kernel until others have gone."""
        limit, threads = 300, 4
        most = limit + threads - 1  # a loop sees that the limit is reached when it has accepted one
        with Server(flags=[f"--server.http_max_connections={limit}", f"--server.http_threads={threads}"]) as server:
            with connect(server, timeout=60) as honest:
                connections(honest)
                crowd = {s.fileno(): s for s in [connect(server) for _ in range(700)]}
                answered = select.poll()
                for s in crowd.values():
                    s.sendall(get("/ready"))
                    answered.register(s, select.POLLIN)
                until(lambda: connections(honest) >= limit, "the crowd is not there")
                for _ in range(20):
                    self.assertLessEqual(connections(honest), most)
                    time.sleep(0.1)
                self.assertLess(len(answered.poll(0)), most)
                deadline = time.monotonic() + 60
                while crowd:
                    self.assertLess(time.monotonic(), deadline, f"{len(crowd)} are not served when others have gone")
                    for fd, _ in answered.poll(1000):
                        self.assertEqual(crowd[fd].recv(65536)[:12], b"HTTP/1.1 200")
                        answered.unregister(fd)
                        crowd.pop(fd).close()
                    self.assertLessEqual(connections(honest), most)
            until(lambda: server.metric("loki_tcp_connections") == 1, "connections are left")

    def test_all_descriptors_taken(self):
        """Even when the descriptors are gone before the connections are: accepting pauses, and goes on later."""
        server = Server().start()
        try:
            resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (server.descriptors() + 20, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
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


class SlowSenders(unittest.TestCase):
    """What has come of requests is counted over all connections, and who stalls gives way."""

    @staticmethod
    def post(length):
        return f"POST /loki/api/v1/push HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n".encode()

    @staticmethod
    def body(size):
        body = json.dumps({"streams": [{"stream": {"s": "1"}, "values": [[str(NOW), "x"]]}]}).encode()
        return body + b" " * (size - len(body))

    def crowd(self, server, count, data):
        sockets = [connect(server, timeout=60) for _ in range(count)]
        self.addCleanup(lambda: [s.close() for s in sockets])
        for s in sockets:
            s.sendall(data)
        until(lambda: server.metric("loki_tcp_connections") > count, "the crowd is not there")
        return sockets

    def test_announced_is_not_there(self):
        with Server(flags=["--server.http_max_inflight_bytes=4MB"]) as server:
            crowd = self.crowd(server, 200, self.post(65536))
            for _ in range(10):
                self.assertEqual(server.push_body(self.body(10_000))[0], 204)
            self.assertEqual(server.metric("skald_http_requests_given_up_total"), 0)
            for s in crowd:
                s.sendall(self.body(65536))
                self.assertEqual(s.recv(1000)[:12], b"HTTP/1.1 204")

    def test_stalled_bodies_give_way(self):
        with Server(flags=["--server.http_max_inflight_bytes=4MB", "--server.http_read_timeout=10m"]) as server:
            crowd = self.crowd(server, 200, self.post(65536) + b" " * 65000)
            until(lambda: server.metric("skald_http_requests_given_up_total") > 100, "nobody gives way")
            for _ in range(10):  # again, where it is the other loop that must make room
                until(lambda: server.push_body(self.body(500_000))[0] == 204, "an honest body gets no room")
            self.assertLessEqual(server.metric("skald_http_inflight_bytes"), 4 << 20)
            refused = sum(b" 503 " in read_all(s) for s in crowd[:20])
            self.assertEqual(refused, 20, "the first must be the first to go")

    def test_the_other_loop_makes_room(self):
        """However those that stall are spread over the loops: who is refused gets in later."""
        with Server(flags=["--server.http_max_inflight_bytes=1MB", "--server.http_read_timeout=10m", "--server.http_threads=4"]) as server:
            self.crowd(server, 9, self.post(100_000) + b" " * 99_000)
            for _ in range(20):
                until(lambda: server.push_body(self.body(500_000))[0] == 204, "there is never room")

    def test_heads_count(self):
        with Server(flags=["--server.http_max_inflight_bytes=8MB", "--server.http_read_timeout=10m"]) as server:
            crowd = self.crowd(server, 400, b"GET /ready HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 60_000)
            until(lambda: server.metric("skald_http_requests_given_up_total") > 200, "nobody gives way")
            self.assertEqual(server.push_body(self.body(500_000))[0], 204)
            self.assertLessEqual(server.metric("skald_http_inflight_bytes"), 8 << 20)
            with connect(server) as s:
                s.sendall(b"GET /ready HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 60_000)
                s.sendall(b"\r\n\r\n")
                self.assertEqual(s.recv(1000)[:12], b"HTTP/1.1 200")
            for s in crowd:
                s.close()
            until(lambda: server.metric("skald_http_inflight_bytes") == 0, "what is gone still counts")

    @unittest.skipIf("san-" in BINARY, "compares memory")
    def test_what_comes_behind_a_request_waits_outside(self):
        with Server(flags=["--querier.max_concurrent=1", "--querier.max_outstanding=1000", "--limits.query_timeout=1h", "--limits.max_query_length=0s"]) as server:
            def memory():
                return server.process_status("RssAnon") * 1024
            fill(server, pushes=20)
            server.flush()
            slow = self.crowd(server, 4, get(slow_query()))
            before = memory()
            crowd = self.crowd(server, 200, get("/loki/api/v1/labels"))
            for s in crowd:
                s.sendall(get("/ready") * 7000)
            for _ in range(50):  # each loop has looked at all of them when these are answered
                self.assertEqual(server.get("/ready")[0], 200)
            self.assertLess(memory() - before, 200 * 32 * 1024)
            self.assertGreater(server.metric("skald_queries_waiting"), 0, "the queries have ended: this has shown nothing")
            for s in crowd[5:] + slow:
                s.close()
            for s in crowd[:5]:
                s.shutdown(socket.SHUT_WR)
                self.assertEqual(len(re.findall(rb"HTTP/1\.1 200 ", read_all(s))), 7001)


if __name__ == "__main__":
    unittest.main()
