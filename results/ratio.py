#!/usr/bin/env python3
"""Ratio between two figures of a sweep, from its blocks: Hodges-Lehmann centre and exact Wilcoxon signed-rank interval.

    results/ratio.py SWEEP.json N metric N metric

`metric` of configuration N over `metric` of another one, or another metric of the same, in each block that has both, as
`wssbench sweep` does it for the metrics of each configuration over the same ones of the reference.
"""
import json
import math
import sys


def interval(logs):
    """Centre and 95% interval of paired log ratios; no interval of fewer than 6."""
    count = len(logs)
    walsh = sorted((logs[i] + logs[j]) / 2 for i in range(count) for j in range(i, count))
    middle = len(walsh) // 2
    centre = walsh[middle] if len(walsh) % 2 else (walsh[middle - 1] + walsh[middle]) / 2
    # How many sets of ranks have each sum, and the largest sum that is rare enough on either side.
    ways = [1] + [0] * (count * (count + 1) // 2)
    for rank in range(1, count + 1):
        for total in range(len(ways) - 1, rank - 1, -1):
            ways[total] += ways[total - rank]
    below, left_out = 0, 0
    while below + ways[left_out] <= 0.025 * 2**count:
        below += ways[left_out]
        left_out += 1
    if left_out == 0:
        return math.exp(centre), None
    return math.exp(centre), (math.exp(walsh[left_out - 1]), math.exp(walsh[-left_out]))


def main(path, number, metric, other_number, other_metric):
    blocks = json.load(open(path))["blocks"]

    def of(block, number, metric):
        for leg in block["legs"]:
            if leg["configuration"] == int(number):
                for part in leg["parts"]:
                    if part["valid"] and part["metrics"].get(metric):
                        return part["metrics"][metric]
        return None

    pairs = [(of(block, number, metric), of(block, other_number, other_metric)) for block in blocks]
    logs = [math.log(one / other) for one, other in pairs if one and other]
    if not logs:
        sys.exit("no block has both")
    centre, bounds = interval(logs)
    told = f"({bounds[0]:.3f}–{bounds[1]:.3f})" if bounds else "?"
    print(f"{centre:.3f} {told} of {len(logs)} blocks")


if len(sys.argv) != 6:
    sys.exit(__doc__)
main(*sys.argv[1:])
