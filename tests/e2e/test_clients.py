"""Real log files through real clients: each line comes back exactly once, in order, byte for byte, whatever happens."""
import glob
import json
import os
import random
import shutil
import subprocess
import time
import unittest

from server import BINARY, TOP, Server

SAMPLES = os.environ.get("SKALD_SAMPLES", os.path.join(TOP, "..", "shared", "samples", "loghub"))
NODE_DIR = os.path.join(TOP, "build", "e2e")
MINUTE = 60 * 10**9


def sample_files():
    """{name: bytes} of the sample files, or made-up ones where there are none."""
    found = sorted(glob.glob(os.path.join(SAMPLES, "*.log")))
    if found:
        return {os.path.basename(path).split(".")[0]: open(path, "rb").read() for path in found}
    chance = random.Random(1)
    words = ["GET", "error", "user=42", "10.0.0.7", "took 12ms", '"quoted"', "back\\slash", "tab\there", "ünï", "日本", "%d {x} <a&b>"]
    return {f"made_up_{i}": "".join(" ".join(chance.choices(words, k=chance.randint(1, 12))) + f" {n}\n"
                                     for n in range(2000)).encode() for i in range(6)}


def lines_of(data):
    lines = data.split(b"\n")
    return lines[:-1] if lines[-1] == b"" else lines


def install_clients():
    """The npm packages, once, below build/."""
    here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients")
    os.makedirs(NODE_DIR, exist_ok=True)
    shutil.copy(os.path.join(here, "send.js"), NODE_DIR)
    wanted = os.path.join(here, "package.json")
    installed = os.path.join(NODE_DIR, "package.json")
    if os.path.isdir(os.path.join(NODE_DIR, "node_modules")) and os.path.exists(installed) \
            and open(wanted, encoding="utf-8").read() == open(installed, encoding="utf-8").read():
        return
    shutil.copy(wanted, installed)
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--silent", "--fetch-timeout=60000"], cwd=NODE_DIR,
                   check=True, stdout=subprocess.DEVNULL, timeout=300)


class Stored(unittest.TestCase):
    """Each client pushes all files; then the same is read back in every state of the store."""

    def setUp(self):
        self.server = Server().start()
        self.files = sample_files()
        self.begin = time.time_ns() - 30 * MINUTE

    def tearDown(self):
        self.server.close()

    def read_back(self, job):
        entries = self.server.entries('{job="%s"}' % job, self.begin, time.time_ns() + 30 * MINUTE)
        times = [ns for ns, _ in entries]
        self.assertEqual(times, sorted(times))
        return [line for _, line in entries]

    def check_all(self, state, stored_lines):
        for name, data in self.files.items():
            want = [line.decode("utf-8", "replace") for line in lines_of(data)]
            got = stored_lines(self.read_back(name))
            self.assertEqual(len(got), len(want), f"{name} {state}")
            self.assertEqual(got, want, f"{name} {state}")

    def check_states(self, stored_lines=lambda lines: lines):
        self.check_all("as pushed", stored_lines)
        self.server.kill()
        self.server.start()
        self.check_all("after kill -9", stored_lines)
        self.server.flush()
        self.check_all("flushed", stored_lines)
        self.assertEqual(self.server.stop(30), 0)
        self.server.start()
        self.check_all("after SIGTERM", stored_lines)
        self.server.kill()
        self.server.start()
        self.check_all("after another kill -9", stored_lines)


class Skald(Stored):
    def test_skald_push(self):
        url = f"http://127.0.0.1:{self.server.port}"
        for name, data in self.files.items():
            done = subprocess.run([BINARY, "push", "--addr", url, '{job="%s"}' % name], input=data, capture_output=True,
                                  timeout=300, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.check_states()


class Npm(Stored):
    @classmethod
    def setUpClass(cls):
        install_clients()

    def push_with_node(self, client):
        first_ms = (self.begin + MINUTE) // 10**6
        for name, data in self.files.items():
            done = subprocess.run(["node", os.path.join(NODE_DIR, "send.js"), client, f"http://127.0.0.1:{self.server.port}", name,
                                   str(first_ms)], input=data, capture_output=True, timeout=300, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, b""), name)

    def test_winston_loki_protobuf(self):
        self.push_with_node("winston-protobuf")
        self.check_states()

    def test_winston_loki_json(self):
        self.push_with_node("winston-json")
        self.check_states()

    def test_pino_loki(self):
        """pino-loki sends its records as JSON: the line is the message in them."""
        self.push_with_node("pino")
        self.check_states(lambda lines: [json.loads(line)["msg"] for line in lines])


if __name__ == "__main__":
    unittest.main()
