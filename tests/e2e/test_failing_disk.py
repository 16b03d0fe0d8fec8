"""A disk whose syncs fail while the server runs: strace lets them fail, from outside."""
import json
import subprocess
import tempfile
import time
import unittest

from server import Server

START = 1_772_000_000 * 10**9


class FailingSyncs:
    """While it is entered, fdatasync() and fsync() of the server fail with EIO."""

    def __init__(self, server):
        self.server = server

    def __enter__(self):
        self.log = tempfile.TemporaryFile()
        self.strace = subprocess.Popen(
            ["strace", "-f", "-p", str(self.server.process.pid), "-e", "trace=fdatasync,fsync",
             "-e", "inject=fdatasync,fsync:error=EIO", "-o", "/dev/null"], stderr=self.log)
        deadline = time.monotonic() + 60
        while b"attached" not in self.text():
            if self.strace.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"strace: {self.text()}")
            time.sleep(0.01)
        return self

    def text(self):
        self.log.seek(0)
        return self.log.read()

    def __exit__(self, kind, value, trace):
        self.strace.terminate()
        self.strace.wait()
        self.log.close()


def push(server, number):
    """(status, headers, text)"""
    body = json.dumps({"streams": [{"stream": {"app": "disk"}, "values": [[str(START + number), f"line {number}"]]}]})
    status, headers, text = server.request("POST", "/loki/api/v1/push", body=body, headers={"Content-Type": "application/json"})
    return status, headers, text.decode()


def lines(server):
    return sorted(entry[1] for entry in server.entries('{app="disk"}', START, START + 10**9))


class FailingDisk(unittest.TestCase):
    def test_failed_sync_of_the_log(self):
        with Server() as server:
            self.assertEqual(push(server, 1)[0], 204)
            self.assertEqual(server.get("/ready")[0], 200)
            with FailingSyncs(server):
                status, headers, text = push(server, 2)
                self.assertEqual((status, headers["Retry-After"]), (503, "1"), text)
            # The disk is well again, but nobody knows what of the log is on it.
            for number in (3, 4):
                status, headers, text = push(server, number)
                self.assertEqual((status, headers["Retry-After"]), (503, "1"), text)
                self.assertIn("write-ahead log has failed", text)
            status, text = server.get("/ready")
            self.assertEqual(status, 503)
            self.assertIn("write-ahead log has failed", text)
            _, metrics = server.get("/metrics")
            self.assertIn("\nskald_wal_failed 1\n", metrics)
            self.assertIn("the write-ahead log has failed, pushes are refused until a restart", server.log())
            self.assertIn("line 1", lines(server))  # queries go on
            server.kill()
            server.start()
            self.assertEqual(server.get("/ready")[0], 200)
            self.assertEqual(push(server, 5)[0], 204)
            found = lines(server)
            self.assertEqual([line for line in found if line in ("line 1", "line 5")], ["line 1", "line 5"])
            self.assertNotIn("line 3", found)

    def test_failed_sync_of_a_segment(self):
        """A flush fails and is made up for; nothing is refused meanwhile."""
        with Server() as server:
            self.assertEqual(push(server, 1)[0], 204)
            server.request("POST", "/flush")
            self.assertEqual(push(server, 2)[0], 204)
            with FailingSyncs(server):
                status = server.request("POST", "/flush")[0]
                self.assertGreaterEqual(status, 500)
                _, metrics = server.get("/metrics")
                self.assertIn("\nskald_flush_failing 1\n", metrics)
                self.assertEqual(lines(server), ["line 1", "line 2"])
            self.assertEqual(push(server, 3)[0], 204)
            self.assertLess(server.request("POST", "/flush")[0], 300)
            _, metrics = server.get("/metrics")
            self.assertIn("\nskald_flush_failing 0\n", metrics)
            self.assertEqual(lines(server), ["line 1", "line 2", "line 3"])
            server.kill()
            server.start()
            self.assertEqual(lines(server), ["line 1", "line 2", "line 3"])


if __name__ == "__main__":
    unittest.main()
