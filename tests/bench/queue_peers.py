"""Durable puts a second of other queues, 16 producers beside each other. Prints one JSON line.

usage: queue_peers.py PEER FOLDER PRODUCERS SECONDS

PEER: persist-queue, localqueue-durable, litequeue-normal, litequeue-full, sqlite-full. Only those with full
synchronisation promise what the outbox promises; the other is shown to know what the promise costs.
"""
import json
import os
import sqlite3
import sys
import threading
import time

PAYLOAD = json.dumps({"type": "cem.basket.changed.v1", "data": {"sku": "flat-white", "text": "x" * 650}})


def persist_queue(path):
    import persistqueue

    queue = persistqueue.SQLiteQueue(path, auto_commit=True, multithreading=True)
    return lambda: queue.put(PAYLOAD), persistqueue.__version__, "WAL, synchronous=FULL"


def localqueue_durable(path):
    import importlib.metadata

    from localqueue import localqueue

    queue = localqueue.NativeQueue(os.path.join(path, "q.db"), "events", fsync=True)
    payload = PAYLOAD.encode()
    return lambda: queue.put(payload), importlib.metadata.version("localqueue"), "durable"


def litequeue(path, mode):
    import importlib.metadata

    from litequeue import LiteQueue

    local = threading.local()

    def put():
        if not hasattr(local, "queue"):
            local.queue = LiteQueue(os.path.join(path, "q.db"), timeout=60)
            local.queue.conn.execute(f"PRAGMA synchronous={mode}")
        local.queue.put(PAYLOAD)

    put()
    return put, importlib.metadata.version("litequeue"), f"WAL, synchronous={mode}"


def sqlite_full(path):
    file = os.path.join(path, "q.db")
    local = threading.local()

    def put():
        if not hasattr(local, "db"):
            local.db = sqlite3.connect(file, timeout=60, isolation_level=None)
            local.db.execute("PRAGMA journal_mode=WAL")
            local.db.execute("PRAGMA synchronous=FULL")
            local.db.execute("CREATE TABLE IF NOT EXISTS q(id INTEGER PRIMARY KEY, body TEXT)")
        local.db.execute("INSERT INTO q(body) VALUES (?)", (PAYLOAD,))

    put()
    return put, sqlite3.sqlite_version, "WAL, synchronous=FULL"


def main():
    peer, path, producers, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    os.makedirs(path, exist_ok=True)
    makers = {
        "persist-queue": persist_queue,
        "localqueue-durable": localqueue_durable,
        "litequeue-normal": lambda path: litequeue(path, "NORMAL"),
        "litequeue-full": lambda path: litequeue(path, "FULL"),
        "sqlite-full": sqlite_full,
    }
    put, version, durability = makers[peer](path)
    counts, errors = [0] * producers, []
    begin = time.monotonic()
    end = begin + seconds

    def produce(index):
        try:
            while time.monotonic() < end:
                put()
                counts[index] += 1
        except Exception as error:  # a busy database is a finding, not a reason to stop the others
            errors.append(str(error))

    threads = [threading.Thread(target=produce, args=(index,)) for index in range(producers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - begin
    print(
        json.dumps(
            {
                "peer": peer,
                "version": version,
                "durability": durability,
                "producers": producers,
                "puts": sum(counts),
                "seconds": round(took, 3),
                "per_second": round(sum(counts) / took, 1),
                "errors": errors[:3],
            }
        )
    )


main()
