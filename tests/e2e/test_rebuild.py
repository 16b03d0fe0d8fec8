"""The index is made again from segments: by hand, and by a start that finds that it cannot use the one there is."""
import glob
import json
import os
import re
import shutil
import unittest

from server import Server, skald

DAY = 86_400 * 10**9
START = 1_772_000_000 * 10**9 // DAY * DAY
FLAGS = ["--compactor.compaction_interval=1h"]


class Rebuild(unittest.TestCase):
    def setUp(self):
        self.server = Server(flags=FLAGS).start()
        self.data = self.server.data

    def tearDown(self):
        self.server.close()

    def push(self, app, days, count=50, begin=0):
        lines = [(START + day * DAY + n * 10**9, f"{app} day {day} line {n}") for day in days
                 for n in range(begin, begin + count)]
        status, text = self.server.push([({"app": app}, lines)])
        self.assertEqual(status, 204, text)
        return lines

    def answer(self):
        status, text = self.server.get("/loki/api/v1/query_range", query='{app=~".+"}', start=START, limit=5000,
                                       end=START + 20 * DAY)
        self.assertEqual(status, 200, text)
        answer = json.loads(text)
        lines = sorted((int(v[0]), v[1]) for s in answer["data"]["result"] for v in s["values"])
        return lines, answer.get("warnings", [])

    def count(self):
        """How many lines a metric query counts: it does not take doubles away."""
        _, text = self.server.get("/loki/api/v1/query", query='sum(count_over_time({app=~".+"}[20d]))',
                                  time=START + 20 * DAY - 1)
        return int(json.loads(text)["data"]["result"][0]["value"][1])

    def rebuild(self, status=0):
        got, out, err = skald("rebuild-index", self.data)
        self.assertEqual(got, status, (out, err))
        return out.decode()

    def check(self, lines):
        self.server.start()
        self.assertEqual(self.answer(), (sorted(lines), []))
        self.assertEqual(self.count(), len(lines))
        self.assertEqual(skald("verify", "--force", self.data)[0], 0)

    def test_by_hand(self):
        lines = self.push("a", [0, 1]) + self.push("b", [1])
        self.server.flush()
        lines += self.push("a", [1, 2], begin=50)
        self.server.flush()
        lines += self.push("c", [2])  # in the log only
        status, _, err = skald("rebuild-index", self.data)
        self.assertEqual(status, 1)
        self.assertIn(f"in use by another skald (process {self.server.process.pid})", err.decode())
        self.server.kill()
        self.assertRegex(self.rebuild(), r"3 segments, \d+ chunks; left out: 0 merged, \d+ not committed .*: 0 problems")
        self.assertTrue(os.path.exists(self.data + "/index.damaged-1/data.mdb"))
        self.check(lines)
        self.assertEqual(self.server.metric("skald_index_rebuilt"), 0)
        self.server.flush()  # it can be written to
        self.server.kill()
        self.check(lines)

    def test_merged(self):
        lines = []
        for part in range(5):
            lines += self.push("a", [0], begin=part * 50)
            self.server.flush()
        self.server.stop()
        self.server.flags = ["--compactor.compaction_interval=20ms"]
        self.server.start()
        self.server.merge()
        self.server.kill()
        self.server.flags = FLAGS
        self.rebuild()
        self.check(lines)

    def merged_beside_sources(self):
        """Lines, of which a merge has made a chunk; what that was made of is there again. The merged segment, too."""
        lines = []
        for part in range(5):
            lines += self.push("a", [0], begin=part * 50)
            self.server.flush()
        self.server.stop()
        kept = self.data + "/kept"
        shutil.copytree(self.data + "/segments", kept)
        self.server.flags = ["--compactor.compaction_interval=20ms"]
        self.server.start()
        self.server.merge()
        self.server.kill()
        self.server.flags = FLAGS
        merged = glob.glob(self.data + "/segments/*")
        self.assertEqual(len(merged), 1)
        for path in glob.glob(kept + "/*"):
            shutil.copy(path, self.data + "/segments")
        return lines, merged[0]

    def test_sources_beside_what_was_merged(self):
        """Segments that a merge has emptied are still there when a crash comes before they go."""
        lines, _ = self.merged_beside_sources()
        self.assertIn("5 merged", self.rebuild())
        self.check(lines)

    def test_sources_beside_what_was_torn(self):
        """A power cut tore the end of what a merge was writing; its head is whole."""
        lines, merged = self.merged_beside_sources()
        with open(merged, "r+b") as file:
            file.seek(-64, os.SEEK_END)
            file.write(bytes(64))
        self.assertIn("1 merged", self.rebuild())
        self.server.start()
        self.assertEqual(self.answer(), (sorted(lines), []))
        self.assertEqual(self.count(), len(lines))

    def flush_and_take_back_the_log(self, push):
        """A flush of what `push` pushes, as if its commit had not come: the log of before it is there again."""
        self.server.start()
        lines = push()
        self.server.kill()
        log = self.data + "-log"
        shutil.copytree(self.data + "/wal", log)
        self.server.start()
        self.server.flush()
        self.server.kill()
        shutil.rmtree(self.data + "/wal")
        shutil.move(log, self.data + "/wal")
        return lines

    def test_flush_without_commit(self):
        """A flush had written its chunks, or some of them, when the process died; the index is lost as well."""
        for missing, torn in ((None, 0), (0, 0), (1, 0), (None, 64), (1, 64)):  # the day whose chunk was not written
            with self.subTest(missing=missing, torn=torn):
                self.server.close()
                self.setUp()
                lines = self.push("a", [0, 1])
                self.server.flush()
                self.server.stop()
                shutil.copytree(self.data, self.data + "-before")
                lines += self.flush_and_take_back_the_log(lambda: self.push("a", [0, 1], begin=50) + self.push("b", [3]))
                if missing is not None:
                    name = os.path.basename(sorted(glob.glob(self.data + "/segments/*"))[missing])
                    shutil.copy(f"{self.data}-before/segments/{name}", f"{self.data}/segments/{name}")
                if torn:  # the end of a chunk was not, its head tells that it should be there
                    with open(sorted(glob.glob(self.data + "/segments/*"))[0], "r+b") as file:
                        file.seek(-torn, os.SEEK_END)
                        file.write(bytes(torn))
                shutil.rmtree(self.data + "-before")
                self.assertRegex(self.rebuild(), r"left out: 0 merged, [1-9] not committed")
                self.check(lines)

    def test_flush_without_commit_of_what_the_log_lost(self):
        """A chunk with lines that the log does not have is kept, and proves nothing about another part of its head."""
        self.push("a", [0, 1])
        self.server.flush()
        self.server.stop()
        before = self.data + "-before"
        shutil.copytree(self.data, before)
        lines = self.flush_and_take_back_the_log(
            lambda: self.push("a", [1], begin=50) + self.push("a", [0, 1], begin=100) + self.push("a", [1], begin=200))
        with open(sorted(glob.glob(self.data + "/wal/*"))[-1], "r+b") as file:
            file.seek(40)
            file.write(bytes(28))  # of the first push
        name = os.path.basename(sorted(glob.glob(self.data + "/segments/*"))[0])  # what was written of day 0 is not there
        shutil.copy(f"{before}/segments/{name}", f"{self.data}/segments/{name}")
        self.rebuild()
        self.server.start()
        got, warnings = self.answer()
        self.assertEqual([line for line in lines if line not in got], [])
        self.assertEqual(len(got), len(set(got)))
        self.assertTrue(warnings)  # of the log

    def test_written_behind_a_torn_end(self):
        """What comes after an end that cannot be read is found when the index is made once more."""
        lines = self.push("a", [0])
        self.server.flush()
        self.server.stop()
        shutil.rmtree(self.data + "/wal")  # else it would all be there twice
        with open(glob.glob(self.data + "/segments/*")[0], "ab") as file:
            file.write(b"torn" * 20 + b"!")
        self.rebuild(1)
        self.server.start()
        lines += self.push("a", [0], begin=50)
        self.server.flush()
        self.server.stop()
        shutil.rmtree(self.data + "/wal")
        self.rebuild(1)
        self.server.start()
        self.assertEqual(self.answer()[0], sorted(lines))

    def test_segment_without_content(self):
        """A crash left the file before anything was written to it that stayed; then the index was lost."""
        lines = self.push("a", [0])
        self.server.flush()
        self.server.stop()
        names = [f"{self.data}/segments/2026-02-25-{number:016x}.seg" for number in (1000, 1001)]
        for name, content in zip(names, (b"", bytes(5000))):
            with open(name, "wb") as file:
                file.write(content)
        self.rebuild()
        self.server.start()
        self.assertEqual([os.path.exists(name) for name in names], [False, False])
        self.assertNotIn("level=error", self.server.log())
        self.server.kill()
        self.check(lines)

    def test_deleted_lines_stay_away(self):
        """What was flushed for a delete request is not replayed, although the log still has it."""
        self.push("gone", [0])
        lines = self.push("a", [0])
        self.server.push([({"app": "a"}, [(START, "x")])])
        status, _, text = self.server.request("POST", "/loki/api/v1/delete", params={
            "query": '{app="gone"}', "start": START // 10**9, "end": (START + DAY) // 10**9})
        self.assertEqual(status, 204, text)
        self.server.kill()
        self.rebuild()
        self.check(lines + [(START, "x")])

    def test_start_makes_it_again(self):
        lines = self.push("a", [0, 1]) + self.push("b", [1])
        self.server.flush()
        self.server.stop()
        shutil.rmtree(self.data + "/wal")  # else nothing of it would be needed
        index = self.data + "/index/data.mdb"
        damages = {
            "lost": lambda: shutil.rmtree(self.data + "/index"),
            "file lost": lambda: os.unlink(index),
            "zeroed": lambda: open(index, "r+b").write(bytes(8192)),
            "cut": lambda: os.truncate(index, 10000),
            "noise": lambda: open(index, "wb").write(os.urandom(50000)),
        }
        for name, damage in damages.items():
            with self.subTest(name):
                damage()
                self.check(lines)
                self.assertEqual(self.server.metric("skald_index_rebuilt"), 1)
                self.assertIn("the index was made again", self.server.log())
                self.server.kill()

    def test_older_copy(self):
        """An index that does not know all there is must not let it be cut off."""
        lines = self.push("a", [0])
        self.server.flush()
        self.server.stop()
        old = self.data + "-old"
        shutil.copytree(self.data + "/index", old)
        self.server.start()
        lines += self.push("a", [0], begin=50)
        self.server.flush()
        self.server.stop()
        shutil.rmtree(self.data + "/index")
        shutil.move(old, self.data + "/index")
        shutil.rmtree(self.data + "/wal")  # what was flushed is in no log any more
        self.check(lines)
        self.assertEqual(self.server.metric("skald_index_rebuilt"), 1)

    def test_older_copy_and_a_chunk_that_the_log_has_in_part(self):
        """The log goes file by file: of a chunk that it lacks the beginning of, the end may still be there."""
        lines = self.push("a", [0])
        self.server.flush()
        self.server.stop()
        shutil.copytree(self.data + "/index", self.data + "-old")
        for begin in (50, 100):  # a log file each, and one head
            self.server.start()
            lines += self.push("a", [0], begin=begin)
            if begin == 50:
                self.server.kill()
        self.server.flush()
        self.server.kill()
        self.assertEqual(len(glob.glob(self.data + "/wal/*")), 1)
        shutil.rmtree(self.data + "/index")
        shutil.move(self.data + "-old", self.data + "/index")
        self.check(lines)
        self.assertEqual(self.server.metric("skald_index_rebuilt"), 1)

    def test_older_copy_and_what_was_merged_since(self):
        """What the copy has chunks of is not there any more, and what was made of them it does not know."""
        lines = []
        for app in "ab":  # the second time there is a segment to merge into that the copy knows
            for part in range(5):
                lines += self.push(app, [0], begin=part * 50)
                self.server.flush()
            self.server.stop()
            shutil.rmtree(self.data + "-old", ignore_errors=True)
            shutil.copytree(self.data + "/index", self.data + "-old")
            self.server.flags = ["--compactor.compaction_interval=20ms"]
            self.server.start()
            self.server.merge()
            self.server.stop()
            self.server.flags = FLAGS
            self.server.start()
        self.server.stop()
        shutil.rmtree(self.data + "/wal")
        shutil.rmtree(self.data + "/index")
        shutil.move(self.data + "-old", self.data + "/index")
        self.check(lines)
        self.assertEqual(self.server.metric("skald_index_rebuilt"), 1)

    def test_damaged_segment_too(self):
        """What cannot be read is reported, and answers about its day carry a warning from then on."""
        lines = self.push("a", [0]) + self.push("b", [0]) + self.push("c", [5])
        self.server.flush()
        self.server.stop()
        shutil.rmtree(self.data + "/wal")  # else the log would have what is lost
        segment = sorted(glob.glob(self.data + "/segments/*"))[0]
        _, out, _ = skald("dump", segment)
        offset = int(re.search(r'^offset (\d+): .*app="a"', out.decode(), re.MULTILINE)[1])
        with open(segment, "r+b") as f:
            f.seek(offset)
            f.write(bytes(40))
        self.assertIn(f"{os.path.basename(segment)}: offset {offset}: ", self.rebuild(status=1))
        self.server.start()
        got, warnings = self.answer()
        self.assertEqual(got, sorted(line for line in lines if not line[1].startswith("a ")))
        self.assertTrue(warnings)
        self.assertEqual(self.server.metric("skald_segment_damaged_places"), 1)
        status, text = self.server.get("/loki/api/v1/query_range", query='{app="c"}', start=START + 4 * DAY, end=START + 6 * DAY)
        self.assertEqual((status, "warnings" in json.loads(text)), (200, False))

    def test_damage_that_goes_away(self):
        """A disk that could not read a place may read it again later: nothing may have taken what is there for merged."""
        lines = []
        for part in range(3):
            lines += self.push("a", [0], begin=part * 50)
            self.server.flush()
        self.server.stop()
        shutil.rmtree(self.data + "/wal")
        segment, = glob.glob(self.data + "/segments/*")
        _, out, _ = skald("dump", segment)
        offsets = [int(o) for o in re.findall(r"^offset (\d+): chunk", out.decode(), re.MULTILINE)]
        self.assertEqual(len(offsets), 3, out)
        with open(segment, "r+b") as f:
            f.seek(offsets[1])
            kept = f.read(100)
            f.seek(offsets[1])
            f.write(bytes(100))
        self.rebuild(status=1)
        self.server.flags = ["--compactor.compaction_interval=20ms"]
        self.server.start()
        self.server.merge()
        self.server.stop()
        self.server.flags = FLAGS
        with open(segment, "r+b") as f:
            f.seek(offsets[1])
            f.write(kept)
        self.rebuild()
        self.check(lines)

    def test_one_byte_of_a_head(self):
        lines = self.push("a", [0]) + self.push("b", [0])
        self.server.flush()
        self.server.stop()
        segment = glob.glob(self.data + "/segments/*")[0]
        _, out, _ = skald("dump", segment)
        offset = int(re.search(r'^offset (\d+): .*app="a"', out.decode(), re.MULTILINE)[1])
        with open(segment, "r+b") as f:
            f.seek(offset + 100)
            byte = f.read(1)
            f.seek(offset + 100)
            f.write(bytes([byte[0] ^ 0x55]))
        status, out, _ = skald("verify", self.data)
        self.assertEqual(status, 1)
        self.assertIn(f"offset {offset}: stream", out.decode())
        self.server.start()
        self.assertEqual(self.answer(), (sorted(lines), []))
        self.assertGreater(self.server.metric("skald_mended_heads_total"), 0)

    def test_index_damaged_under_a_running_server(self):
        """The answer says that it is not whole; the next start makes the index again."""
        lines = self.push("needle", [0])
        self.server.flush()
        self.server.stop()
        shutil.rmtree(self.data + "/wal")
        self.server.start()
        self.assertEqual(self.answer(), (sorted(lines), []))
        with open(self.data + "/index/data.mdb", "r+b") as f:
            content = f.read()
            for m in re.finditer(b"needle", content):
                f.seek(m.start())
                f.write(b"N")
        for query in ('{app="needle"}', '{app=~".+"}', '{app!="x", app=~".+"}'):
            status, text = self.server.get("/loki/api/v1/query_range", query=query, start=START, end=START + DAY)
            self.assertEqual(status, 200, text)
            self.assertTrue(json.loads(text).get("warnings"), query)
        for path in ("labels", "label/app/values", "series", "detected_labels"):  # which have no place for a warning
            status, text = self.server.get("/loki/api/v1/" + path, start=START, end=START + DAY)
            self.assertEqual((status, text), (500, "a record of the index is damaged, the list would not be whole; a restart makes the index again"), path)
        self.assertGreater(self.server.metric("skald_index_damaged_records_total"), 0)
        self.assertEqual(self.server.log().count("a record of the index is damaged"), 1)
        self.server.kill()
        self.check(lines)
        self.assertEqual(self.server.metric("skald_index_rebuilt"), 1)

    def test_exchanged_segments(self):
        """Lines of one stream never come as those of another; made again the index knows what is where."""
        self.server.stop()
        self.server.flags = FLAGS + ["--storage.segment_max_bytes=1MB"]
        self.server.start()
        lines = []
        for app in "ab":  # each fills a segment of its own
            lines += [(START + n * 10**9, f"{app} {os.urandom(600).hex()}") for n in range(2000)]
            self.assertEqual(self.server.push([({"app": app}, lines[-2000:])])[0], 204)
            self.server.flush()
        self.server.stop()
        shutil.rmtree(self.data + "/wal")
        first, second = sorted(glob.glob(self.data + "/segments/*"))
        os.rename(first, self.data + "/x")
        os.rename(second, first)
        os.rename(self.data + "/x", second)
        self.server.start()
        got, warnings = self.answer()
        self.assertEqual((got, len(warnings)), ([], 1))
        self.server.kill()
        self.rebuild()
        self.server.start()
        self.assertEqual(self.answer(), (sorted(lines), []))

    def test_nothing_there(self):
        for path in (self.data + "/nothing", "/tmp"):
            status, _, err = skald("rebuild-index", path)
            self.assertEqual(status, 1)
            self.assertIn("rebuild-index: ", err.decode())


if __name__ == "__main__":
    unittest.main()
