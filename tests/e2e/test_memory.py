"""Streams cost memory beside their lines: labels count in the same limits, while pushes come and while a log is replayed."""
import time
import unittest

from server import Server
import wire

NOW = time.time_ns() // 10**9 * 10**9
MIB = 1 << 20


def large_labels(number):
    values = [f"{number:08} {i}".ljust(2048, "x") for i in range(14)]
    return "{" + ", ".join(f'long_name_{i}="{value}"' for i, value in enumerate(values)) + "}"


KEY_BYTES = len(large_labels(0))


def push_streams(server, first, count):
    body = wire.push_request([(large_labels(first + i), [(NOW + first + i, b"a line")]) for i in range(count)])
    return server.push_body(wire.snappy(body), "application/x-protobuf")


def labels_bytes(server):
    """Of the streams in memory: what they take at least."""
    return server.metric("loki_ingester_memory_streams") * KEY_BYTES


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.02)


def lines(server):
    return len(server.entries('{long_name_0=~".+"}', NOW, NOW + 10**9, batch=50))


class Streams(unittest.TestCase):
    def test_new_streams_are_flushed(self):
        with Server(flags=["--ingester.memory_target=2MB", "--ingester.memory_max=16MB"]) as server:
            for first in range(0, 800, 50):
                self.assertEqual(push_streams(server, first, 50)[0], 204)
            wait_for(lambda: labels_bytes(server) <= 2 * MIB)
            self.assertLess(server.metric("skald_stream_bytes"), 3 * MIB)
            self.assertEqual(lines(server), 800)
            server.flush()
            self.assertEqual(server.metric("skald_stream_bytes"), 0)

    def test_pushes_are_refused(self):
        """Nothing can be flushed: the index is full."""
        flags = ["--storage.index_max_bytes=1MB", "--ingester.memory_target=2MB", "--ingester.memory_max=8MB"]
        with Server(flags=flags) as server:
            statuses = [push_streams(server, first, 50)[0] for first in range(0, 1000, 50)]
            self.assertEqual(set(statuses), {204, 503})
            self.assertLess(labels_bytes(server), 8 * MIB + 51 * KEY_BYTES)

    def test_a_large_log(self):
        """What comes back from the log is flushed meanwhile; a second start finds that done, and all is there once."""
        flags = ["--wal.size_target=64MB", "--ingester.memory_target=64MB"]
        with Server(flags=flags) as server:
            for first in range(0, 600, 50):
                self.assertEqual(push_streams(server, first, 50)[0], 204)
            self.assertGreater(labels_bytes(server), 15 * MIB)
            server.kill()
            for _ in range(2):
                server.flags = ["--wal.size_target=64MB", "--ingester.memory_target=2MB"]
                server.start()
                self.assertLess(labels_bytes(server), 4 * MIB)
                self.assertEqual(server.metric("skald_wal_replayed_records"), 12)
                server.kill()
            server.start()
            self.assertEqual(lines(server), 600)
            self.assertEqual(server.metric("loki_ingester_chunks_stored_total"), 0)


if __name__ == "__main__":
    unittest.main()
