"""Opens an exported dataset with polars, pandas and DuckDB, by the one-liners of its own data card.

usage: smoke.py DATA_DIR
exit:  0 all of them work and agree with the manifest, 77 a library is missing, 1 otherwise
"""

import json
import os
import re
import sys

try:
    import duckdb
    import pandas
    import polars
    import pyarrow
except ImportError as missing:
    print(f"SKIPPED: {missing}")
    sys.exit(77)


def run(block):
    """Runs a block of the card and gives the value of its last line, as a notebook would."""
    *setup, last = block.strip().splitlines()
    names = {}
    exec("\n".join(setup), names)
    return eval(last, names)


def rows(value):
    return len(value)


def main(data_dir):
    os.chdir(data_dir)
    card = open("README.md", encoding="utf-8").read()
    blocks = re.findall(r"```python\n(.*?)```", card, flags=re.S)
    assert len(blocks) >= 3, f"the card shows {len(blocks)} one-liners"
    for library in ("polars", "pandas", "duckdb"):
        assert any(f"import {library}" in b for b in blocks), f"the card says nothing of {library}"
    for block in blocks:
        value = run(block)
        assert rows(value) > 0, f"nothing came of:\n{block}"
        print(f"{rows(value):>8} rows of {block.strip().splitlines()[0]}")

    manifest = json.load(open("manifest.json", encoding="utf-8"))
    want = {}
    for entry in manifest["files"]:
        folder = "/".join(p for p in entry["path"].split("/")[:-1] if not p.startswith("date="))
        want[folder] = want.get(folder, 0) + entry["rows"]
    for folder, n in want.items():
        glob = f"{folder}/**/*.parquet"
        got = {
            "polars": polars.scan_parquet(glob).select(polars.len()).collect().item(),
            "pandas": rows(pandas.read_parquet(folder, dtype_backend="pyarrow")),
            "duckdb": duckdb.sql(f"select count(*) from read_parquet('{glob}')").fetchall()[0][0],
        }
        assert all(v == n for v in got.values()), f"{folder}: {got}, the manifest says {n}"

    deltas = polars.read_parquet("v1/deltas/**/*.parquet")
    types = {name: str(deltas.schema[name]) for name in ("price_e4", "delta_e2", "ts_recv", "ts_event")}
    assert types["price_e4"] == "Int32" and types["delta_e2"] == "Int64", types
    assert "ns" in types["ts_recv"] and "us" in types["ts_event"], types
    assert deltas["price_e4"].is_between(0, 10_000).all(), "a price outside 0..1 dollar"
    keys = duckdb.sql(
        "select key::varchar, value::varchar from parquet_kv_metadata('v1/deltas/*/*.parquet')"
    ).fetchall()
    keys = {k: v for k, v in keys}
    assert keys["kflow.schema"] == "deltas" and keys["kflow.source"], keys
    print(f"polars {polars.__version__}, pandas {pandas.__version__}, "
          f"pyarrow {pyarrow.__version__}, duckdb {duckdb.__version__}")


if __name__ == "__main__":
    main(sys.argv[1])
