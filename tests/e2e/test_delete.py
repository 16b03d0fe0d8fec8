"""Deleting lines: what was there when it was asked for is gone from every answer, and nothing else."""
import json
import os
import re
import threading
import time
import unittest

from server import Server, skald

HOUR = 3600 * 10**9
START = 1_772_000_000 * 10**9 // (24 * HOUR) * 24 * HOUR
HOURS, STREAMS, STEP_MINUTES = 30, 3, 10
END = START + (HOURS + 1) * HOUR
PATH = "/loki/api/v1/delete"
MERGING = ["--compactor.compaction_interval=20ms"]


def entries_of(stream):
    """A line each ten minutes, the first of an hour at the whole hour, some times twice."""
    found = []
    for minute in range(0, HOURS * 60, STEP_MINUTES):
        ns = START + minute * 60 * 10**9
        level = "error" if minute % 70 == 0 else "info"
        found.append((ns, f"level={level} user=u{minute % 7} n={minute} took={minute % 13}ms", {"pod": f"p{minute % 3}"}))
        if minute % 60 == 30:
            found.append((ns, f"level={level} user=u{minute % 5} n={minute} again", {}))
    return [(ns, line, dict(meta, stream_no=str(stream)) if minute_of(ns) % 50 == 0 else meta) for ns, line, meta in found]


def minute_of(ns):
    return (ns - START) // (60 * 10**9)


# The requests, and which entries of which stream they are about.
REQUESTS = [
    ('{job="del"} |= "user=u3"', START, END, lambda s, ns, line, meta: "user=u3" in line),
    ('{job="del", s="1"}', START + 5 * HOUR, START + 9 * HOUR,
     lambda s, ns, line, meta: s == 1 and START + 5 * HOUR <= ns <= START + 9 * HOUR),
    ('{job="del"} | logfmt | level="error" | took>5ms', START, START + 20 * HOUR,
     lambda s, ns, line, meta: ns <= START + 20 * HOUR and "level=error" in line and took_of(line) > 5),
    ('{job="del", s=~"[02]"} | pod="p2" !~ "n=1[0-9]*0 "', START + HOUR, END,
     lambda s, ns, line, meta: s in (0, 2) and ns >= START + HOUR and meta.get("pod") == "p2" and not re.search("n=1[0-9]*0 ", line)),
    # to the very end of a stream, so that what is left of it ends at a whole hour
    ('{job="del", s="0"}', START + 29 * HOUR + 1, END, lambda s, ns, line, meta: s == 0 and ns > START + 29 * HOUR),
]


def took_of(line):
    found = re.search(r"took=(\d+)ms", line)
    return int(found.group(1)) if found else -1


def is_deleted(stream, entry):
    return any(deletes(stream, *entry) for _, _, _, deletes in REQUESTS)


def fill(server, wanted, parts=4, flush=True):
    """Push the entries for which `wanted` is true, in parts that are flushed one by one."""
    for part in range(parts):
        streams = []
        for s in range(STREAMS):
            entries = [e for e in entries_of(s) if minute_of(e[0]) * parts // (HOURS * 60) == part and wanted(s, e)]
            if entries:
                streams.append(({"job": "del", "s": str(s)}, entries))
        status, text = server.push(streams)
        assert status == 204, (status, text)
        if flush:
            server.flush()


def delete(server, query, start, end, headers=None, **more):
    """(status, text, request id) of a request."""
    times = {"start": rfc3339(start), "end": rfc3339(end)}
    status, answer, body = server.request("POST", PATH, dict(query=query, **times, **more), headers=headers)
    return status, body.decode(), answer.get("X-Delete-Request-ID")


def rfc3339(ns):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ns // 10**9)) + f".{ns % 10**9:09d}Z"


def delete_all(server):
    ids = []
    for query, start, end, _ in REQUESTS:
        status, text, request_id = delete(server, query, start, end)
        assert status == 204 and request_id, (status, text)
        ids.append(request_id)
    return ids


LOG_QUERIES = ['{job="del"}', '{job="del"} |= "user=u3"', '{job="del", s="0"}', '{job="del"} | logfmt | took>3ms', '{job="del"} | pod="p2"',
               '{s=~"0|1"} !~ "n=1[0-9]*0 "']
METRIC_QUERIES = ['sum by (s) (count_over_time({job="del"}[1h]))', 'sum(bytes_over_time({job="del"}[6h]))', 'sum by (s) (rate({job="del"}[3h]))',
                  'sum by (s) (count_over_time({job="del"} |= "error" [2h]))', 'count_over_time({job="del", s="1"}[5h])',
                  'max_over_time({job="del"} | logfmt | unwrap duration(took) [1d]) by (s)', 'sum by (pod) (count_over_time({job="del"}[1h]))',
                  'sum by (s) (bytes_rate({job="del"}[1d]))', 'absent_over_time({job="del", s="1"}[1h])',
                  'last_over_time({job="del", s="0"} | logfmt | unwrap n [3h])']


def answers(server, headers=None):
    """What clients see, without statistics."""
    seconds = {"start": START // 10**9, "end": END // 10**9}
    found = []

    def get(path, **params):
        status, _, body = server.request("GET", path, params, headers=headers)
        assert status == 200, (path, params, status, body[:300])
        return body.decode().partition(',"stats":')[0]

    for query in LOG_QUERIES:
        for direction in ("forward", "backward"):
            for limit in (7, 5000):
                found.append((query, direction, limit, get("/loki/api/v1/query_range", query=query, start=START, end=END, limit=limit, direction=direction)))
    for query in METRIC_QUERIES:
        found.append((query, get("/loki/api/v1/query_range", query=query, step=1800, **seconds)))
        found.append((query, get("/loki/api/v1/query", query=query, time=seconds["end"] - 3000)))
    for start, end in ((START, END), (START + 6 * HOUR, START + 8 * HOUR), (START + 25 * HOUR + 1, END)):
        stats = json.loads(get("/loki/api/v1/index/stats", query='{job="del"}', start=start, end=end))
        del stats["chunks"]
        found.append(("stats", start, stats))
        found.append(("volume", start, get("/loki/api/v1/index/volume", query='{job="del"}', start=start, end=end, targetLabels="s")))
    found.append(("volume_range", get("/loki/api/v1/index/volume_range", query='{job="del"}', step=7200, **seconds)))
    found.append(("patterns", get("/loki/api/v1/patterns", query='{job="del"}', **seconds)))
    fields = json.loads(get("/loki/api/v1/detected_fields", query='{job="del"}', **seconds))
    found.append(("fields", sorted((f["label"], f["cardinality"]) for f in fields["fields"])))
    found.append(("values", get("/loki/api/v1/detected_field/user/values", query='{job="del"}', **seconds)))
    for path in ("labels", "detected_labels"):
        found.append((path, get("/loki/api/v1/" + path, **seconds)))
    return found


class DeleteTest(unittest.TestCase):
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        """What a server answers that never got the lines, and one that has them all."""
        with Server(flags=MERGING) as server:
            fill(server, lambda s, e: not is_deleted(s, e))
            cls.wanted = answers(server)
        with Server(flags=MERGING) as server:
            fill(server, lambda s, e: True)
            cls.everything = answers(server)
        assert cls.wanted != cls.everything

    def check(self, server, wanted=None, headers=None):
        for got, want in zip(answers(server, headers), wanted or self.wanted):
            self.assertEqual(got, want)

    def test_states(self):
        """From memory, from chunks, after a kill and after a merge the answers are the same."""
        for flush in (False, True):
            with self.subTest(flush=flush), Server(flags=MERGING) as server:
                fill(server, lambda s, e: True, flush=flush)
                delete_all(server)
                self.check(server)
                server.kill()
                server.start()
                self.check(server)
                self.assertEqual(server.stop(), 0)
                server.start()
                server.merge()
                self.check(server)

    def test_in_between(self):
        """Each request is in force when it is answered, and gives back what it hid when it is cancelled."""
        with Server(flags=MERGING) as server:
            fill(server, lambda s, e: True)
            ids = delete_all(server)
            self.check(server)
            for request_id in ids:
                self.assertEqual(server.request("DELETE", PATH, {"request_id": request_id})[0], 204)
            self.check(server, self.everything)
            self.assertEqual(server.get(PATH), (200, "[]\n"))
            server.kill()
            server.start()
            self.check(server, self.everything)

    def test_later_lines_stay(self):
        """The very lines that were deleted can be pushed again."""
        with Server(flags=MERGING) as server:
            fill(server, lambda s, e: True)
            delete_all(server)
            self.check(server)
            fill(server, is_deleted, flush=False)
            self.check(server, self.everything)
            server.kill()
            server.start()
            self.check(server, self.everything)
            server.flush()
            self.check(server, self.everything)
            delete_all(server)
            self.check(server)

    def test_side_by_side(self):
        """While lines come and are asked for, what is deleted is gone from each answer that begins later."""
        with Server(flags=MERGING) as server:
            kept = [(START + i, f"kept {i}") for i in range(50)]
            self.assertEqual(server.push([({"job": "del"}, kept)])[0], 204)
            stop, failures = threading.Event(), []

            def push():
                number = 0
                while not stop.is_set():
                    number += 1
                    streams = [({"job": "del", "worker": str(number % 5)}, [(START + HOUR + number, f"passing {number}")])]
                    if server.push(streams)[0] != 204:
                        failures.append("a push was refused")

            def ask():
                while not stop.is_set():
                    lines = [line for _, values in server.query('{job="del"} |= "kept"', START, END) for _, line in values]
                    total = server.get("/loki/api/v1/query", query='sum(count_over_time({job="del"} |= "kept" [2h]))', time=(START + HOUR) // 10**9)
                    if len(lines) != len(kept) or '"50"' not in total[1]:
                        failures.append((len(lines), total))

            threads = [threading.Thread(target=task) for task in (push, push, ask, ask)]
            for thread in threads:
                thread.start()
            for number in range(15):
                mark = f"marked {number} "
                self.assertEqual(server.push([({"job": "del"}, [(START + HOUR + i, mark + str(i)) for i in range(20)])])[0], 204)
                self.assertEqual(delete(server, f'{{job="del"}} |= "{mark}"', START, END)[0], 204)
                self.assertEqual(server.query(f'{{job="del"}} |= "{mark}"', START, END), [])
            stop.set()
            for thread in threads:
                thread.join()
            self.assertEqual(failures, [])
            self.assertEqual(delete(server, '{job="del"} |= "passing"', START, END)[0], 204)
            self.assertEqual([values for _, values in server.query('{job="del"}', START, END)], [kept])

    def test_tenants(self):
        """A request is one tenant's."""
        with Server(flags=["--auth_enabled=true"]) as server:
            a, b = {"X-Scope-OrgID": "a"}, {"X-Scope-OrgID": "b"}
            line = (START + 1, "the same line")
            for headers in (a, b):
                self.assertEqual(server.push([({"job": "del"}, [line])], headers=headers)[0], 204)
            status, text, request_id = delete(server, '{job="del"}', START, END, headers=a)
            self.assertEqual(status, 204, text)
            count = lambda headers: json.loads(server.request("GET", "/loki/api/v1/query_range", {
                "query": '{job="del"}', "start": START, "end": END}, headers=headers)[2])["data"]["result"]
            self.assertEqual(count(a), [])
            self.assertEqual(len(count(b)), 1)
            self.assertEqual(len(json.loads(server.request("GET", PATH, headers=a)[2])), 1)
            self.assertEqual(server.request("GET", PATH, headers=b)[2], b"[]\n")
            self.assertEqual(server.request("DELETE", PATH, {"request_id": request_id}, headers=b)[0], 404)
            self.assertEqual(server.request("GET", PATH)[0], 401)
            self.assertEqual(server.request("DELETE", PATH, {"request_id": request_id}, headers=a)[0], 204)
            self.assertEqual(len(count(a)), 1)

    def test_list(self):
        with Server(flags=MERGING) as server:
            self.assertEqual(server.get(PATH), (200, "[]\n"))
            before = int(time.time())
            status, _, first = delete(server, '{job="<a>"}', START, START + HOUR)
            self.assertEqual(status, 204)
            status, answer, _ = server.request("PUT", PATH, {"query": '{job="b"} |= "x"', "start": START // 10**9})
            self.assertEqual(status, 204)
            second = answer["X-Delete-Request-ID"]
            status, answer, body = server.request("GET", PATH)
            self.assertEqual(answer["Content-Type"], "application/json; charset=UTF-8")
            self.assertIn(b'"query":"{job=\\"\\u003ca\\u003e\\"}"', body)
            listed = json.loads(body)
            self.assertEqual([r["request_id"] for r in listed], [first, second])
            for r in listed:
                self.assertRegex(r["request_id"], "^[0-9a-f]{8}$")
                self.assertEqual((r["status"], r["user_id"]), ("received", ""))
                self.assertTrue(before <= r["created_at"] <= time.time() + 1)
            self.assertEqual((listed[0]["start_time"], listed[0]["end_time"]), (START // 10**9, (START + HOUR) // 10**9))
            self.assertTrue(before <= listed[1]["end_time"] <= listed[1]["created_at"])
            late = json.loads(server.get(PATH, start=(START + 2 * HOUR) // 10**9)[1])
            self.assertEqual([r["request_id"] for r in late], [second])
            early = json.loads(server.get(PATH, end=rfc3339(START))[1])
            self.assertEqual(len(early), 2)
            self.assertEqual(server.metric("loki_compactor_delete_requests_received_total"), 2)
            self.assertEqual(server.metric("loki_compactor_pending_delete_requests_count"), 0)

    def test_cancel(self):
        """After the time for that it needs to be forced; what is not there is not found."""
        with Server(flags=MERGING) as server:
            _, _, request_id = delete(server, '{job="a"}', START, END)
            for wrong in ("", "1", "00000000", request_id.upper() + "0", "xxxxxxxx"):
                status, _, body = server.request("DELETE", PATH, {"request_id": wrong})
                self.assertEqual((status, body), (404, b"could not find delete request with given id\n"))
            server.stop()
            server.flags = ["--compactor.delete_request_cancel_period=0"]
            server.start()
            status, _, body = server.request("DELETE", PATH, {"request_id": request_id})
            if status == 400:  # it may be processed by now
                self.assertIn(body, (b"Unable to cancel partially completed delete request. To force, use the ?force query parameter\n",
                                     b"deletion of request which is in process or already processed is not allowed\n"))
            else:
                self.fail((status, body))

    def test_errors(self):
        """The texts are Loki's; nothing is made."""
        seconds = START // 10**9
        cases = [
            ({}, "query not set"),
            ({"query": '{a="b"}'}, "start time not set"),
            ({"query": '{a="b"}', "start": "yesterday"}, "invalid start time: require unix seconds or RFC3339 format"),
            ({"query": '{a="b"}', "start": str(START)}, "invalid start time: require unix seconds or RFC3339 format"),
            ({"query": '{a="b"}', "start": "177200000"}, "invalid start time: require unix seconds or RFC3339 format"),
            ({"query": '{a="b"}', "start": "1772000000.5"}, "invalid start time: require unix seconds or RFC3339 format"),
            ({"query": '{a="b"}', "start": "9999999999"}, "invalid start time: require unix seconds or RFC3339 format"),
            ({"query": '{a="b"}', "start": seconds, "end": "x"}, "invalid end time: require unix seconds or RFC3339 format"),
            ({"query": '{a="b"}', "start": seconds, "end": int(time.time()) + 1000}, "deletes in the future are not allowed"),
            ({"query": '{a="b"}', "start": seconds, "end": seconds}, "start time can't be greater than or equal to end time"),
            ({"query": '{a="b"}', "start": seconds, "end": seconds - 1}, "start time can't be greater than or equal to end time"),
            ({"query": '{a="b"}', "start": seconds, "max_interval": "1d"}, "invalid max_interval: valid time units are 's', 'm', 'h'"),
            ({"query": '{a="b"}', "start": seconds, "max_interval": "1ms"}, "invalid max_interval: valid time units are 's', 'm', 'h'"),
            ({"query": 'rate({a="b"}[1m])', "start": seconds}, "invalid query expression: only log selector is supported"),
        ]
        with Server(flags=MERGING) as server:
            for params, text in cases:
                status, _, body = server.request("POST", PATH, params)
                self.assertEqual((status, body.decode()), (400, text + "\n"), params)
            for query in ('{a="b"', '{a="b"} |~ "("', "{}", '{a="b"} | line_format "{{"'):
                status, _, body = server.request("POST", PATH, {"query": query, "start": seconds})
                self.assertEqual(status, 400)
                self.assertRegex(body.decode(), "^invalid query expression: ")
            status, _, body = server.request("POST", PATH, {"query": '{a="' + "x" * 9000 + '"}', "start": seconds})
            self.assertEqual((status, body), (400, b"the query has 9006 bytes, more than 8192\n"))
            form = server.request("POST", PATH, body=f'query={{a="b"}}&start={seconds}', headers={"Content-Type": "application/x-www-form-urlencoded"})
            self.assertEqual((form[0], form[2]), (400, b"query not set\n"))
            status, answer, _ = server.request("PATCH", PATH)
            self.assertEqual((status, answer["Allow"]), (405, "DELETE, GET, POST, PUT"))
            self.assertEqual(server.get(PATH), (200, "[]\n"))

    def test_damaged_file(self):
        """
        One of the two copies of the list is enough, and the start makes a whole file of it. A list that cannot be read is no
        reason to show what was deleted: the server says so, and does not start.
        """
        with Server(flags=MERGING) as server:
            fill(server, lambda s, e: True)
            delete_all(server)
            self.assertEqual(server.stop(), 0)
            path = os.path.join(server.data, "deletes")
            with open(path, "rb") as f:
                sound = f.read()

            def flip(*places):
                damaged = bytearray(sound)
                for place in places:
                    damaged[place] ^= 1
                with open(path, "wb") as f:
                    f.write(damaged)

            for place, copy in ((40, "first"), (-1, "second")):
                flip(place)
                status, out, _ = skald("verify", server.data)
                self.assertEqual(status, 1)
                self.assertRegex(out.decode(), f"deletes: the {copy} copy is damaged: byte [0-9]+")
                server.start()
                self.check(server)
                self.assertEqual(server.stop(), 0)
                with open(path, "rb") as f:
                    self.assertEqual(f.read(), sound)
                self.assertRegex(server.log(), f"its other copy is used.*the {copy} copy is damaged: byte [0-9]+")
                self.assertEqual(skald("verify", server.data)[0], 0)
            flip(40, -1)
            with self.assertRaises(RuntimeError) as failed:
                server.start()
            self.assertRegex(str(failed.exception), "deletes says what is deleted and cannot be read: put back a copy of it.*byte [0-9]+")
            flip()
            server.start()
            self.check(server)


if __name__ == "__main__":
    unittest.main()
