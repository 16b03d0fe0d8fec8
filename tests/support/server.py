"""Start, stop, kill and ask a skald: shared by the end-to-end, crash and fault tests. Python 3 only."""
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.parse

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("SKALD", os.path.join(TOP, "build", "skald"))
START_SECONDS = 60  # sanitizer builds on a busy machine are slow


class Server:
    """A server process on a directory of its own, on a port the kernel chose."""

    def __init__(self, directory=None, flags=(), env=None):
        self.own_directory = directory is None
        self.directory = directory or tempfile.mkdtemp(prefix="skald-test-")
        self.data = os.path.join(self.directory, "data")
        self.flags = list(flags)
        self.env = dict(os.environ, **(env or {}))
        self.log_path = os.path.join(self.directory, "log")
        self.process = None
        self.is_up = False  # was ready, and nobody has ended it
        self.port = None
        self.starts = 0

    def start(self, wait=True):
        self.starts += 1
        offset = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [BINARY, "serve", "--data", self.data, "--listen", "127.0.0.1:0", *self.flags],
                stdout=log, stderr=log, env=self.env)
        if wait:
            self.wait_ready(offset)
        return self

    def wait_ready(self, offset=0):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            found = re.search(r'msg="?serving"?.* port=(\d+)', self.log()[offset:])
            if found:
                self.port = int(found.group(1))
                self.is_up = True
                return
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}:\n{self.log()}")
            time.sleep(0.01)
        raise RuntimeError(f"the server is not ready:\n{self.log()}")

    def log(self):
        if not os.path.exists(self.log_path):
            return ""
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def signal(self, number):
        """What has ended by itself is no kill and no stop."""
        self.is_up = False
        self.check_status(self.process.poll(), None)
        self.process.send_signal(number)

    def check_status(self, status, want):
        if status != want:
            raise RuntimeError(f"the server has ended by itself with {status}:\n{self.log()[-4000:]}")

    def kill(self):
        """SIGKILL; nothing is done to a server that was ended before, or was never ready."""
        if self.is_up:
            self.signal(signal.SIGKILL)
            self.check_status(self.process.wait(), -signal.SIGKILL)
        elif self.process:
            self.process.kill()
            self.process.wait()

    def stop(self, seconds=15):
        """SIGTERM; returns the exit status, which is an error if a signal ended it."""
        self.signal(signal.SIGTERM)
        status = self.process.wait(timeout=seconds)
        self.check_status(min(status, 0), 0)
        return status

    def close(self):
        try:
            self.kill()
        finally:
            if self.own_directory:
                shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        if kind is not None:
            print(f"---- log of the server ----\n{self.log()[-4000:]}")
        self.close()

    # ---- requests ----

    def request(self, method, path, params=None, body=None, headers=None, timeout=60):
        """(status, headers, body bytes)"""
        if params:
            path += "?" + urllib.parse.urlencode(params, doseq=True)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def get(self, path, **params):
        status, _, body = self.request("GET", path, params)
        return status, body.decode("utf-8", "replace")

    def push(self, streams, path="/loki/api/v1/push", headers=None):
        """Push [(labels, [(ns, line[, metadata]), ...]), ...] as JSON; returns (status, text)."""
        body = {"streams": [{"stream": labels, "values": [[str(e[0]), *e[1:]] for e in entries]}
                            for labels, entries in streams]}
        return self.push_body(json.dumps(body).encode(), path=path, headers=headers)

    def push_body(self, body, content_type="application/json", path="/loki/api/v1/push", headers=None):
        status, _, text = self.request("POST", path, body=body,
                                       headers={"Content-Type": content_type, **(headers or {})})
        return status, text.decode("utf-8", "replace")

    def flush(self):
        status, _, text = self.request("POST", "/flush")
        assert status == 204, (status, text)

    def merge(self, seconds=60):
        """Wait until nothing is left to merge; compactor.compaction_interval should be short."""
        deadline = time.monotonic() + seconds
        while self.metric("skald_merge_days_pending") + self.metric("skald_segments_dead") > 0:
            assert time.monotonic() < deadline, "there is still something to merge"
            time.sleep(0.02)

    def query(self, query, start, end, limit=5000, direction="forward"):
        """The streams of a log query: [(labels, [(ns, line), ...]), ...]; fails when there is an error."""
        status, text = self.get("/loki/api/v1/query_range", query=query, start=start, end=end,
                                limit=limit, direction=direction)
        assert status == 200, (status, text)
        answer = json.loads(text)
        assert "warnings" not in answer, answer["warnings"]
        return [(s["stream"], [(int(v[0]), v[1]) for v in s["values"]]) for s in answer["data"]["result"]]

    def entries(self, query, start, end, batch=5000):
        """Every entry of a query, oldest first, in batches: [(ns, line), ...] over all streams."""
        found, seen_at_start = [], set()
        while True:
            page = []
            for labels, values in self.query(query, start, end, limit=batch):
                key = json.dumps(labels, sort_keys=True)
                page += [(ns, line, key) for ns, line in values]
            page.sort(key=lambda e: e[0])
            fresh = [e for e in page if not (e[0] == start and e in seen_at_start)]
            found += fresh
            if len(page) < batch:
                return [(ns, line) for ns, line, _ in found]
            last = page[-1][0]
            assert last > start or fresh, "more entries at one time than a page holds"
            seen_at_start = {e for e in page if e[0] == last}
            start = last

    def process_status(self, name):
        """A number of /proc/PID/status: "Threads", or "VmRSS" in KB."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            return int(re.search(name + r":\s+(\d+)", f.read()).group(1))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def metric(self, name):
        """The sum of a metric over its labels: 0 while it has none, an error if there is no such metric."""
        for _ in range(100):
            status, text = self.get("/metrics")
            if status != 503:  # it is an answer like others: there may be no room for one now
                break
            time.sleep(0.1)
        assert status == 200 and f"\n# TYPE {name} " in text, f"{name} is not in /metrics: {status}, {text[:300]}"
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                   if re.match(re.escape(name) + r"[ {]", line))


class ServerTest(unittest.TestCase):
    """Tests that share one server, self.server; after the last it has to stop in order."""
    flags = ()

    @staticmethod
    def fill(server):
        """Push what the tests expect to be there."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server(flags=cls.flags).start()
        cls.fill(cls.server)

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0
        cls.server.close()


def skald(*arguments, stdin=b"", env=None, timeout=120, stdout=subprocess.PIPE):
    """Run a client command; returns (status, stdout, stderr) as bytes, stdout None if it went to a file."""
    done = subprocess.run([BINARY, *arguments], input=stdin, stdout=stdout, stderr=subprocess.PIPE, timeout=timeout,
                          env=dict(os.environ, **(env or {})), check=False)
    return done.returncode, done.stdout, done.stderr
