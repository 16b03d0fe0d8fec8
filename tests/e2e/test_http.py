"""HTTP as such: bad requests, slow ones, many of them; and the administrative endpoints."""
import json
import os
import random
import resource
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from server import BINARY, Server, ServerTest, skald
import wire

NOW = time.time_ns()


def raw(server, data, timeout=10):
    """Send bytes, return everything that comes until the server closes or nothing comes for a while."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=timeout) as s:
        s.sendall(data)
        out = b""
        s.settimeout(0.5)
        try:
            while piece := s.recv(65536):
                out += piece
        except (socket.timeout, ConnectionResetError):
            pass
        return out


class Http(ServerTest):
    flags = ["--server.http_read_timeout=2s", "--frontend.max_body_size=64KB"]

    def test_routes(self):
        for method, path, want in [
                ("GET", "/", 404), ("GET", "/loki/api/v1/nope", 404), ("GET", "/loki/api/v1/push", 405), ("PUT", "/ready", 405),
                ("DELETE", "/loki/api/v1/labels", 405), ("HEAD", "/ready", 405), ("GET", "/ready", 200), ("GET", "/ready/", 404),
                ("GET", "/metrics", 200), ("GET", "/config", 200), ("POST", "/flush", 204), ("GET", "/flush", 204)]:
            with self.subTest(method + path):
                self.assertEqual(self.server.request(method, path)[0], want)
        self.assertEqual(self.server.get("/nope"), (404, "404 page not found\n"))
        status, text = self.server.get("/loki/api/v1/status/buildinfo")
        self.assertEqual((status, sorted(json.loads(text))), (200, ["branch", "buildDate", "buildUser", "goVersion", "revision", "version"]))

    def test_malformed(self):
        for data, want in [
                (b"NONSENSE\r\n\r\n", b"HTTP/1.1 400"), (b"GET /ready\r\n\r\n", b"HTTP/1.1 400"),
                (b"GET /ready HTTP/2.0\r\n\r\n", b"HTTP/1.1 501"), (b"BREW /ready HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 501"),
                (b"GET /ready HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", b"HTTP/1.1 400"), (b"GET /ready HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", b"HTTP/1.1 400"),
                (b"GET /ready HTTP/1.1\r\n\r\n", b"HTTP/1.1 400"),
                (b"GET /ready HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n", b"HTTP/1.1 400"),
                (b"POST /flush HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", b"HTTP/1.1 400"),
                (b"POST /flush HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"HTTP/1.1 400"),
                (b"POST /flush HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", b"HTTP/1.1 400"),
                (b"POST /flush HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", b"HTTP/1.1 501"),
                (b"POST /flush HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"HTTP/1.1 400"),
                (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 200 + b"\r\n", b"HTTP/1.1 400"),
                (b"GET /" + b"x" * 70000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 431"),
                (b"POST /loki/api/v1/labels HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n", b"HTTP/1.1 413")]:
            with self.subTest(data[:60]):
                self.assertEqual(raw(self.server, data)[:12], want)

    def test_pipelining_and_keep_alive(self):
        one = b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n"
        self.assertEqual(raw(self.server, one * 5).count(b"HTTP/1.1 200 OK"), 5)
        self.assertEqual(raw(self.server, b"GET /ready HTTP/1.0\r\n\r\n" * 2).count(b"HTTP/1.1 200 OK"), 1)
        closing = b"GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        self.assertIn(b"Connection: close", raw(self.server, closing))

    def test_heads_in_pieces(self):
        """However a head is cut, and with lines before it that are none."""
        data = b"\r\n\r\nGET /ready HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=10) as s:
            for cut in range(1, len(data)):
                for piece in (data[:cut], data[cut:]):
                    s.sendall(piece)
                    time.sleep(0.002)
                self.assertEqual(s.recv(65536)[:12], b"HTTP/1.1 200")

    def test_answers_to_head_have_no_body(self):
        """Or else it would be taken for the next answer."""
        long = b"A: " + b"x" * 70_000
        for data, want, follows in [(b"HEAD /nope HTTP/1.1\r\nHost: x\r\n\r\n", b"404", True), (b"HEAD /ready HTTP/1.1\r\nHost: x\r\n\r\n", b"405", True),
                                    (b"HEAD /ready HTTP/1.1\r\n\r\n", b"400", False), (b"HEAD /ready HTTP/3.0\r\nHost: x\r\n\r\n", b"501", False),
                                    (b"HEAD /ready HTTP/1.1\r\nHost: x\r\n" + long + b"\r\n\r\n", b"431", False),
                                    (b"HEAD /nope HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n", b"413", False)]:
            with self.subTest(data[:80]):
                answers = raw(self.server, data + (b"GET /loki/api/v1/nope HTTP/1.1\r\nHost: x\r\n\r\n" if follows else b""))
                head, _, rest = answers.partition(b"\r\n\r\n")
                self.assertEqual(head[9:12], want)
                self.assertIn(b"\r\nContent-Length: ", head)
                self.assertEqual(rest[:12], b"HTTP/1.1 404" if follows else b"")

    def test_chunked_and_continue(self):
        body = json.dumps({"streams": [{"stream": {"c": "1"}, "values": [[str(NOW), "x"]]}]}).encode()
        head = b"POST /loki/api/v1/push HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        pieces = b"".join(b"%x\r\n%b\r\n" % (len(body[i:i + 7]), body[i:i + 7]) for i in range(0, len(body), 7)) + b"0\r\n\r\n"
        self.assertEqual(raw(self.server, head + b"Transfer-Encoding: chunked\r\n\r\n" + pieces)[:12], b"HTTP/1.1 204")
        expect = head + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body)
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=10) as s:
            s.sendall(expect)
            self.assertEqual(s.recv(100), b"HTTP/1.1 100 Continue\r\n\r\n")
            s.sendall(body)
            self.assertEqual(s.recv(100)[:12], b"HTTP/1.1 204")

    def test_slow_requests_end(self):
        """Headers and bodies that come a byte at a time are cut off in time, however steady they come."""
        for begin in [b"GET /ready HTTP/1.1\r\nHost: x\r\nA: ", b"POST /loki/api/v1/push HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"]:
            with socket.create_connection(("127.0.0.1", self.server.port), timeout=10) as s:
                s.sendall(begin)
                began = time.monotonic()
                try:
                    while time.monotonic() - began < 8:
                        s.sendall(b"x")
                        s.settimeout(0.1)
                        try:
                            if not s.recv(1000):
                                break
                        except socket.timeout:
                            pass
                except OSError:
                    pass
                self.assertLess(time.monotonic() - began, 7)

    def test_metrics(self):
        self.assertEqual(self.server.push([({"m": "1"}, [(NOW, "ten bytes!", {"k": "v"})])])[0], 204)
        _, text = self.server.get("/metrics")
        for line in text.splitlines():
            self.assertRegex(line, r"^(# (HELP|TYPE) \w+ .+|\w+(\{(\w+=\"[^\"]*\",?)+\})? [-+0-9.eInfNa]+)$")
        self.assertIn('loki_request_duration_seconds_count{method="POST",route="loki_api_v1_push",status_code="204",ws="false"}', text)
        for name in ["loki_distributor_bytes_received_total", "loki_ingester_memory_streams", "loki_build_info",
                     "process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"]:
            self.assertGreater(self.server.metric(name), 0, name)

    def test_config_reads_back(self):
        _, text = self.server.get("/config")
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(text)
            file.flush()
            done = subprocess.run([BINARY, "check-config", "--config", file.name], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stdout, text)


class Hostile(unittest.TestCase):
    def test_bodies(self):
        """Truncated, random and bomb-like bodies: a client error each, and memory stays where it was."""
        seed = random.randrange(10**6)
        chance = random.Random(seed)
        good = wire.snappy(wire.push_request([('{app="x"}', [(NOW + i, b"line %d" % i, [("k", "v")]) for i in range(50)])]))
        json_good = json.dumps({"streams": [{"stream": {"a": "b"}, "values": [[str(NOW), "x", {"k": "v"}]] * 20}]}).encode()
        with Server() as server:
            server.push_body(good, "application/x-protobuf")
            for _ in range(20):
                server.push_body(good[:chance.randrange(len(good))], "application/x-protobuf")
            before = server.process_status("VmRSS")
            bodies = [(good[:i], "application/x-protobuf") for i in range(0, len(good), 7)]
            bodies += [(json_good[:i], "application/json") for i in range(0, len(json_good), 11)]
            bodies += [(chance.randbytes(chance.randrange(2000)), kind) for _ in range(200)
                       for kind in ["application/json", "application/x-protobuf"]]
            for _ in range(200):
                damaged = bytearray(good)
                for _ in range(3):
                    damaged[chance.randrange(len(damaged))] = chance.randrange(256)
                bodies.append((bytes(damaged), "application/x-protobuf"))
            bodies += [(wire.varint(size) + b"\x00" * 20, "application/x-protobuf") for size in (2**20, 2**28, 2**31, 2**32 - 1, 2**40)]
            bodies += [(b"[" * 100000, "application/json"), (b'{"a":' * 50000, "application/json")]
            for body, kind in bodies:
                status, text = server.push_body(body, kind)
                self.assertIn(status, (204, 400, 413, 422), f"seed {seed}: {text}")
            self.assertEqual(server.get("/ready")[0], 200)
            self.assertLess(server.process_status("VmRSS") - before, 40_000, f"seed {seed}")

    def test_connections_that_send_nothing(self):
        """10,000 of them are dropped by timeout, while others are served all the time."""
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        count = min(10_000, hard - 500)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        with Server(flags=["--server.http_read_timeout=3s"]) as server:
            slowest = 0.0
            idle = []
            began = time.monotonic()
            for i in range(count):
                idle.append(socket.create_connection(("127.0.0.1", server.port), timeout=10))
                if i % 500 == 0:
                    before = time.monotonic()
                    self.assertEqual(server.push([({"i": "1"}, [(NOW + i, "x")])])[0], 204)
                    slowest = max(slowest, time.monotonic() - before)
            memory = server.process_status("VmRSS")
            while server.metric("loki_tcp_connections") > 5 and time.monotonic() - began < 60:
                before = time.monotonic()
                self.assertEqual(server.push([({"i": "2"}, [(time.time_ns(), "x")])])[0], 204)
                slowest = max(slowest, time.monotonic() - before)
                time.sleep(0.2)
            self.assertLess(server.metric("loki_tcp_connections"), 5)
            self.assertLess(slowest, 3.0)
            self.assertLess(memory, 200_000)
            for s in idle:
                s.close()

    def test_client_that_goes_away(self):
        """A query whose client has gone ends at once: the one worker is free for the next."""
        with Server(flags=["--querier.max_concurrent=1"]) as server:
            for i in range(10):
                entries = [(NOW - 10**9 + i * 20000 + j, "x" * 500 + str(j)) for j in range(8000)]
                self.assertEqual(server.push([({"a": "b"}, entries)])[0], 204)
            server.flush()
            slow = (f"GET /loki/api/v1/query_range?query=%7Ba%3D%22b%22%7D%20%7C~%20%22%28x%3F%29%7B200%7Dy%22&start={NOW - 2 * 10**9}"
                    f"&end={NOW + 10**9} HTTP/1.1\r\nHost: x\r\n\r\n").encode()
            for _ in range(4):
                s = socket.create_connection(("127.0.0.1", server.port))
                s.sendall(slow)
                time.sleep(0.1)
                s.close()
            began = time.monotonic()
            self.assertEqual(server.get("/loki/api/v1/labels")[0], 200)
            self.assertLess(time.monotonic() - began, 10)

    def test_queue_of_queries_is_bounded(self):
        with Server(flags=["--querier.max_concurrent=1", "--querier.max_outstanding=2"]) as server:
            entries = [(NOW + j, "x" * 500 + str(j)) for j in range(8000)]
            self.assertEqual(server.push([({"a": "b"}, entries)])[0], 204)
            statuses = []

            def ask():
                statuses.append(server.get("/loki/api/v1/query_range", query='{a="b"} |~ "(x?){200}y"', start=NOW - 10**9,
                                           end=NOW + 10**9)[0])
            threads = [threading.Thread(target=ask) for _ in range(12)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            self.assertLessEqual(set(statuses), {200, 429})
            self.assertIn(200, statuses)
            self.assertIn(429, statuses)


class FullDisk(unittest.TestCase):
    """A disk (a tmpfs of 8 MB) that fills up: clear errors, nothing lost, and room that appears is used."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="skald-disk-")
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", self.directory], capture_output=True, check=False).returncode:
            os.rmdir(self.directory)
            self.skipTest("cannot mount a tmpfs here")

    def tearDown(self):
        subprocess.run(["umount", "-l", self.directory], check=False)
        os.rmdir(self.directory)

    def test_full(self):
        ballast = os.path.join(self.directory, "ballast")
        with open(ballast, "wb") as f:
            f.write(b"\0" * (3 << 20))
        flags = ["--wal.file_size=64KB", "--wal.size_target=1MB", "--ingester.chunk_encoding=none", "--ingester.chunk_target_size=64KB"]
        server = Server(directory=self.directory, flags=flags)
        server.log_path = tempfile.mktemp(prefix="skald-log-")
        chance = random.Random(7)
        acknowledged, refused = [], []
        try:
            server.start()
            n = 0
            while len(refused) < 20 and n < 5000:
                line = f"{n} " + chance.randbytes(700).hex()
                status, text = server.push([({"full": "1"}, [(NOW + n, line)])])
                (acknowledged if status == 204 else refused).append((NOW + n, line))
                if status != 204:
                    self.assertEqual(status, 503, text)
                n += 1
            self.assertGreater(len(acknowledged), 100)
            self.assertGreaterEqual(len(refused), 20, "the disk never filled up")
            stored = dict(server.entries('{full="1"}', NOW, NOW + n + 1))
            for ns, line in acknowledged:
                self.assertEqual(stored.get(ns), line)
            os.remove(ballast)
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                status, text = server.push([({"full": "1"}, [(NOW + n, "there is room")])])
                if status == 204:
                    break
                time.sleep(0.2)
            self.assertEqual(status, 204, text)
            acknowledged.append((NOW + n, "there is room"))
            for restart in range(2):
                stored = dict(server.entries('{full="1"}', NOW, NOW + n + 1))
                for ns, line in acknowledged:
                    self.assertEqual(stored.get(ns), line)
                if restart == 0:
                    server.kill()
                    server.start()
        finally:
            server.kill()
            os.remove(server.log_path)


class Lifecycle(unittest.TestCase):
    def test_second_process_is_refused(self):
        with Server() as server:
            done = subprocess.run([BINARY, "serve", "--data", server.data, "--listen", "127.0.0.1:0"], capture_output=True,
                                  text=True, timeout=30, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"is in use by another skald (process {server.process.pid})", done.stderr)

    def test_port_in_use_is_refused(self):
        with Server() as first, tempfile.TemporaryDirectory() as directory:
            status, _, text = skald("serve", "--data", directory, "--listen", f"127.0.0.1:{first.port}",
                                    timeout=10)
            self.assertEqual(status, 1)
            self.assertIn(f"listen on 127.0.0.1 port {first.port}: Address already in use", text.decode())

    def test_sigterm_under_load(self):
        server = Server().start()
        stop = threading.Event()

        def load():
            i = 0
            while not stop.is_set():
                try:
                    server.push([({"l": "1"}, [(time.time_ns(), f"x{i}")])])
                except (OSError, ValueError, Exception):  # noqa: B902  it is being stopped
                    time.sleep(0.01)
                i += 1
        threads = [threading.Thread(target=load) for _ in range(4)]
        for t in threads:
            t.start()
        time.sleep(0.5)
        began = time.monotonic()
        self.assertEqual(server.stop(), 0)
        self.assertLess(time.monotonic() - began, 10)
        stop.set()
        for t in threads:
            t.join()
        server.close()

    def test_sighup_rereads_limits(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "c.yaml")

            def write(size):
                with open(path, "w", encoding="utf-8") as f:
                    f.write(f"limits:\n  max_line_size: {size}\n")
            write("10B")
            with Server(flags=["--config", path]) as server:
                self.assertEqual(server.push([({"a": "b"}, [(NOW, "longer than ten")])])[0], 400)
                write("100B")
                server.process.send_signal(1)
                deadline = time.monotonic() + 10
                while server.push([({"a": "b"}, [(NOW, "longer than ten")])])[0] != 204:
                    self.assertLess(time.monotonic(), deadline)
                    time.sleep(0.05)
                with open(path, "w", encoding="utf-8") as f:
                    f.write("limits:\n  max_line_sizes: 5\n")
                server.process.send_signal(1)
                while "not reloaded" not in server.log():
                    self.assertLess(time.monotonic(), deadline)
                    time.sleep(0.05)
                self.assertIn(f"{path}:2: there is no setting", server.log())
                self.assertEqual(server.push([({"a": "b"}, [(NOW + 1, "longer than ten")])])[0], 204)

    def test_bad_settings(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "c.yaml")
            for text, want in [("server:\n  http_listen_port: 99999\n", f"{path}:2: server.http_listen_port: \"99999\" is not a number from 0 to 65535"),
                               ("nope:\n  x: 1\n", f'{path}:2: there is no setting "nope.x"'), ("server: [1\n", f"{path}:")]:
                with open(path, "w", encoding="utf-8") as f:
                    f.write(text)
                done = subprocess.run([BINARY, "serve", "--config", path], capture_output=True, text=True, timeout=30, check=False)
                self.assertEqual(done.returncode, 2)
                self.assertIn(want, done.stderr)

    def test_idle_server_is_small(self):
        """Under 15 MB resident on an empty store, under 0.1 % CPU (release build only)."""
        if "san-" in BINARY:
            self.skipTest("sanitizers take memory")
        with Server() as server:
            time.sleep(1)

            def cpu_seconds():
                with open(f"/proc/{server.process.pid}/stat", encoding="utf-8") as f:
                    fields = f.read().rsplit(")", 1)[1].split()
                return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            before, began = cpu_seconds(), time.monotonic()
            time.sleep(10)
            share = (cpu_seconds() - before) / (time.monotonic() - began)
            self.assertLess(server.process_status("VmRSS"), 15 * 1024)
            self.assertLessEqual(share, 0.001)


if __name__ == "__main__":
    unittest.main()
