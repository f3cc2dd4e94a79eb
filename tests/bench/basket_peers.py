"""What others expect in the next basket: each household's last basket is left out. Prints one JSON line a contestant.

usage: basket_peers.py BASKETS.tsv FIELD

BASKETS.tsv as tests/replay/baskets.py writes it; FIELD is the column that names a thing: 4 products, 7 product types. The
contestants are the household's own most frequent things, and TIFU-KNN of cornac with its own defaults.
"""
import json
import math
import sys
import time

import numpy as np

AT = 10


def read(path, field):
    households, number, last = {}, {}, None
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            fields = line.rstrip("\n").split("\t")
            if fields[0] != last:
                last = fields[0]
                households.setdefault(fields[1], []).append(set())
            thing = number.setdefault(fields[field], len(number))
            households[fields[1]][-1].add(thing)
    return [baskets for baskets in households.values() if len(baskets) >= 2], len(number)


def report(name, version, households, ranked, popular):
    recall, gain, begun = 0.0, 0.0, time.perf_counter()
    for at, baskets in enumerate(households):
        best = ranked(at, baskets[:-1])
        best = (best + [thing for thing in popular if thing not in set(best)])[:AT]
        wanted = baskets[-1]
        hits = [thing in wanted for thing in best]
        recall += sum(hits) / len(wanted)
        ideal = sum(1 / math.log2(n + 2) for n in range(min(AT, len(wanted))))
        gain += sum(hit / math.log2(n + 2) for n, hit in enumerate(hits)) / ideal
    count = len(households)
    seconds = (time.perf_counter() - begun) / count
    print(json.dumps({"name": name, "version": version, "recall": recall / count, "ndcg": gain / count, "guests": count, "ms": seconds * 1000}), flush=True)


def top(scores):
    best = np.argsort(-scores, kind="stable")[:AT]
    return [int(thing) for thing in best if scores[thing] > 0]


def tifu_knn(households, things):
    import cornac
    from cornac.data import BasketDataset
    from cornac.models import TIFUKNN

    rows = [(user, f"{user}-{n}", thing) for user, baskets in enumerate(households) for n, basket in enumerate(baskets) for thing in sorted(basket)]
    data = BasketDataset.build(rows, fmt="UBI", seed=1)
    # It leaves the last basket of each household out by itself when it learns.
    model = TIFUKNN(verbose=False).fit(data)
    names = np.array(list(data.iid_map))
    numbers = data.iid_map

    def ranked(at, history):
        scores = model.score(data.uid_map[at], [[numbers[thing] for thing in basket] for basket in history])
        return [int(names[thing]) for thing in top(np.asarray(scores))]

    return ranked, f"cornac {cornac.__version__}"


def main():
    households, things = read(sys.argv[1], int(sys.argv[2]))
    counts = np.zeros(things)
    for baskets in households:
        for basket in baskets[:-1]:
            counts[list(basket)] += 1
    popular = [int(thing) for thing in np.argsort(-counts, kind="stable")[:200]]

    def frequent(_, history):
        own = np.zeros(things)
        for basket in history:
            own[list(basket)] += 1
        return top(own + counts / (counts.sum() + 1) * (own > 0))

    report("own most frequent", "", households, frequent, popular)
    ranked, version = tifu_knn(households, things)
    report("TIFU-KNN", version, households, ranked, popular)


main()
