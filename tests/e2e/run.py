#!/usr/bin/env python3
"""Runs the end-to-end tests: run.py [--jobs N] [NAME ...]

Each NAME is a part of a test's full name. With --jobs so many classes are tested side by side.
"""
import argparse
import multiprocessing.pool
import os
import re
import subprocess
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]


class Result(unittest.TextTestResult):
    """Tells how long each test took, and counts a test once however many of its parts failed."""

    def count_failed(self):
        tests = [test for test, _ in self.failures + self.errors]
        return len({getattr(test, "test_case", test).id() for test in tests})

    def startTest(self, test):
        self.began = time.monotonic()
        super().startTest(test)

    def stopTest(self, test):
        super().stopTest(test)
        self.stream.writeln(f"     {time.monotonic() - self.began:.1f} s")


def matching(suite, names):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from matching(test, names)
        elif not names or any(name in test.id() for name in names):
            yield test


def run_here(tests):
    """(passed, failed, skipped)"""
    result = unittest.TextTestRunner(verbosity=2, resultclass=Result, stream=sys.stdout).run(unittest.TestSuite(tests))
    failed, skipped = result.count_failed(), len(result.skipped)
    return max(result.testsRun - failed - skipped, 0), failed, skipped


def run_class(name):
    """The output for all tests of a class, by a process of its own, and its status."""
    done = subprocess.run([sys.executable, __file__, name + "."], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    return done.stdout, done.returncode


def run_side_by_side(tests, jobs):
    """The classes that failed are told of at last."""
    names = dict.fromkeys(unittest.util.strclass(test.__class__) for test in tests)
    total, failures = [0, 0, 0], []
    with multiprocessing.pool.ThreadPool(jobs) as pool:
        for text, status in pool.imap_unordered(run_class, names):
            text, _, last = text.rstrip().rpartition("\n")
            counts = re.fullmatch(r"(\d+) passed, (\d+) failed(?:, (\d+) skipped)?", last)
            counts = [int(n or 0) for n in counts.groups()] if counts else [0, 1, 0]
            total = [a + b for a, b in zip(total, counts)]
            if status == 0:
                print(text, flush=True)
            else:
                failures.append(f"{text}\n{last}")
    print("\n".join(failures), end="\n" if failures else "")
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    tests = list(matching(unittest.defaultTestLoader.discover(HERE), arguments.names))
    passed, failed, skipped = run_here(tests) if arguments.jobs == 1 else run_side_by_side(tests, arguments.jobs)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
