#!/usr/bin/env python3
"""Prints the ids of the cases of group `mistake` that Loki refused: they need no evaluation of metrics."""
import json
import os

CASES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus", "cases.jsonl")
for line in open(CASES, encoding="utf-8"):
    case = json.loads(line)
    if case["group"] == "mistake" and case["status"] >= 400:
        print(case["id"])
