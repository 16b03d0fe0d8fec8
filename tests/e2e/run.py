#!/usr/bin/env python3
"""Runs the end-to-end tests: run.py [NAME ...]; each NAME is a part of a test's full name."""
import os
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


def main():
    tests = unittest.TestSuite(matching(unittest.defaultTestLoader.discover(HERE), sys.argv[1:]))
    result = unittest.TextTestRunner(verbosity=2, resultclass=Result, stream=sys.stdout).run(tests)
    failed = result.count_failed()
    skipped = len(result.skipped)
    print(f"{max(result.testsRun - failed - skipped, 0)} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
