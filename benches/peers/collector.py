"""A collector in the predecessor's shape: websockets, json, an asyncio queue of 10 000, batches of 100
committed to SQLite. A commit is on disk when it returns (synchronous=FULL), as ours is; in the peer's favour
the journal is a WAL and commits wait in a thread beside the event loop.

usage: collector.py http://HOST:PORT MARKETS SECONDS FILE.sqlite
"""
import asyncio
import json
import sqlite3
import sys
import time

import websockets

URL, MARKETS, SECONDS, PATH = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]


def commit(db, batch):
    db.executemany("insert into events values (?, ?, ?, ?)", batch)
    db.commit()


def apply(books, frame):
    msg = frame["msg"]
    if frame["type"] == "orderbook_delta":
        side = books[msg["market_ticker"]][msg["side"]]
        size = side.get(msg["price_dollars"], 0.0) + float(msg["delta_fp"])
        if size > 0:
            side[msg["price_dollars"]] = size
        else:
            side.pop(msg["price_dollars"], None)
    elif frame["type"] == "orderbook_snapshot":
        books[msg["market_ticker"]] = {
            side: {p: float(q) for p, q in msg.get(side + "_dollars_fp", [])} for side in ("yes", "no")}


async def write(queue, db, counts):
    batch = []
    while True:
        batch.append(await queue.get())
        if len(batch) >= 100:
            await asyncio.to_thread(commit, db, batch)
            counts["committed"] += len(batch)
            batch.clear()


async def read(socket, queue, counts):
    books, seq = {}, {}
    async for text in socket:
        recv = time.time_ns()
        frame = json.loads(text)
        counts["received"] += 1
        sid = frame.get("sid")
        if sid is not None:
            counts["missing"] += frame["seq"] - seq.get(sid, 0) - 1
            seq[sid] = frame["seq"]
        apply(books, frame)
        await queue.put((recv, sid, frame.get("seq"), text))


async def main():
    db = sqlite3.connect(PATH, check_same_thread=False)
    db.execute("pragma journal_mode=wal")
    db.execute("pragma synchronous=full")
    db.execute("create table events (recv_ns int, sid int, seq int, frame text)")
    queue, counts = asyncio.Queue(10_000), {"received": 0, "committed": 0, "missing": 0}
    url = URL.replace("http", "ws", 1) + "/trade-api/ws/v2"
    tickers = [f"SIM-LOAD-{i:04}" for i in range(MARKETS)]
    async with websockets.connect(url, compression=None, max_queue=1024) as socket:
        params = {"channels": ["orderbook_delta", "trade"], "market_tickers": tickers}
        await socket.send(json.dumps({"id": 1, "cmd": "subscribe", "params": params}))
        writer = asyncio.create_task(write(queue, db, counts))
        try:
            await asyncio.wait_for(read(socket, queue, counts), SECONDS)
        except asyncio.TimeoutError:
            pass
        writer.cancel()
    print(json.dumps(counts))


asyncio.run(main())
