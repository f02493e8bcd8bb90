#!/usr/bin/env python3
"""Counts a veto's transcript again, apart from bllvm-governance: Python's standard library and nothing else.

    python3 verify_transcript.py transcript.json     # or - for one transcript a line on standard input

Checks each signature (BIP340), takes the newest nonce of each key that came in time, adds the weights, and
compares with the tally that the transcript has. Whether the weights are true is asked of a chain: the
heights of each node's blocks and the block of the count are named. Whether percents and hours are those of
the rules is asked of the rules.
"""
import hashlib
import json
import re
import sys

P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
     0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8)
TAG = "bllvm-governance/statement/1"
LEAST_NODES = 3
WINDOW = 2016
KEY = re.compile("[0-9a-f]{64}")


def add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and a[1] != b[1]:
        return None
    slope = (3 * a[0] ** 2 * pow(2 * a[1], -1, P) if a == b else (b[1] - a[1]) * pow(b[0] - a[0], -1, P)) % P
    x = (slope**2 - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def times(point, scalar):
    total = None
    while scalar:
        total = add(total, point) if scalar & 1 else total
        point, scalar = add(point, point), scalar >> 1
    return total


def tagged(tag, message):
    tag = hashlib.sha256(tag.encode()).digest()
    return hashlib.sha256(tag + tag + message).digest()


def signed(key, signature, digest):
    """BIP340's verification."""
    if len(key) != 32 or len(signature) != 64:
        return False
    x, r, s = int.from_bytes(key, "big"), int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    square = (pow(x, 3, P) + 7) % P
    y = pow(square, (P + 1) // 4, P)
    if x >= P or r >= P or s >= N or y * y % P != square:
        return False
    point = (x, y if y % 2 == 0 else P - y)
    e = int.from_bytes(tagged("BIP0340/challenge", signature[:32] + key + digest), "big") % N
    found = add(times(G, s), times(point, N - e))
    return found is not None and found[1] % 2 == 0 and found[0] == r


def on_curve(key):
    if not KEY.fullmatch(key) or int(key, 16) >= P:
        return False
    square = (pow(int(key, 16), 3, P) + 7) % P
    return pow(square, (P + 1) // 4, P) ** 2 % P == square


def digest(t, said):
    reason = hashlib.sha256(said["reason"].encode()).hexdigest()
    lines = [("chain", t["chain"]), ("rules", t["rules"]), ("repository", t["repository"]), ("number", t["number"])]
    lines += [(name, said[name]) for name in ("head", "action", "nonce", "from", "to")] + [("reason", reason)]
    return tagged(TAG, (TAG + "\n" + "".join(f"{name} {value}\n" for name, value in lines)).encode())


def side(nodes, says, weight, total, percent):
    part = {word: sum(weight(n) for n in nodes if says.get(n["key"]) == word) for word in ("veto", "support", "abstain")}
    everyone = sum(weight(n) for n in nodes)
    reaches = lambda some: total > 0 and some * 100 >= percent * total
    return {**part, "silent": everyone - sum(part.values()), "total": total, "percent": percent,
            "met": reaches(part["veto"]), "reachable": reaches(everyone)}


def count(t):
    newest = {}
    for said in t["signals"]:
        if said["action"] != "sign" and t["opened_at"] <= said["seen_at"] <= t["closes_at"]:
            rank = (said["nonce"], digest(t, said))
            if said["key"] not in newest or rank > newest[said["key"]][0]:
                newest[said["key"]] = (rank, said)
    says = {key: said["action"] for key, (_, said) in newest.items()
            if said["head"] == t["head"] and said["from"] <= t["height"] <= said["to"]}
    coins = lambda node: node["proven_sat"] + node["attested_sat"]
    blocks = max(0, t["height"] + 1 - t["window_from"])
    mining = side(t["nodes"], says, lambda node: len(node["blocks"]), blocks, t["rule"]["mining_percent"])
    economic = side(t["nodes"], says, coins, sum(map(coins, t["nodes"])), t["rule"]["economic_percent"])
    heads = sum(coins(node) > 0 for node in t["nodes"])
    quorum = heads >= LEAST_NODES
    return {"mining": mining, "economic": economic, "nodes": heads, "quorum": quorum,
            "vetoed": mining["met"] and economic["met"] and quorum,
            "reachable": mining["reachable"] and economic["reachable"] and quorum}


def why_not(t):
    """What is not true of a transcript; none if all is."""
    if t["format"] != "bllvm-governance/transcript/1":
        return "format"
    for said in t["signals"]:
        if not KEY.fullmatch(said["key"]) or not signed(bytes.fromhex(said["key"]), bytes.fromhex(said["signature"]), digest(t, said)):
            return "signature"
    if t["window_from"] != max(0, t["height"] + 1 - WINDOW) or t["closes_at"] != t["opened_at"] + 3600 * t["rule"]["hours"]:
        return "window"
    heights = [height for node in t["nodes"] for height in node["blocks"]]
    keys = [node["key"] for node in t["nodes"]]
    if not all(map(on_curve, keys)) or len(set(keys)) < len(keys) or len(set(heights)) < len(heights):
        return "node"
    if any(not t["window_from"] <= height <= t["height"] for height in heights):
        return "node"
    if t["closed"] and t["median_time"] < t["closes_at"]:
        return "too_early"
    return None if count(t) == t["tally"] else "tally"


if __name__ == "__main__":
    lines = sys.stdin if sys.argv[1:] == ["-"] else [open(sys.argv[1], encoding="utf-8").read()]
    verdicts = [(why_not(t), count(t)) for t in map(json.loads, lines)]
    for broken, tally in verdicts:
        print(json.dumps({"broken": broken, "tally": tally}, sort_keys=True))
    sys.exit(any(broken for broken, _ in verdicts))
