"""Opens the experience of a trading session with polars and pandas, and prints what an offline learner relies on.

usage: experience.py FILE
exit:  0 both libraries agree, 77 one is missing, 1 otherwise
stdout: one JSON object
"""

import json
import sys

try:
    import pandas
    import polars
except ImportError as missing:
    print(f"SKIPPED: {missing}")
    sys.exit(77)


def by_polars(path):
    table = polars.read_parquet(path)
    return {
        "columns": table.columns,
        "rows": table.height,
        "obs_len": sorted({len(obs) for obs in table["obs"].to_list()}),
        "mask_len": sorted({len(mask) for mask in table["is_allowed"].to_list()}),
        "reward_e6": int(table["reward_e6"].sum()),
        "terminals": sorted(table.filter(polars.col("is_terminal"))["market_ticker"].cast(polars.String).to_list()),
    }


def by_pandas(path):
    table = pandas.read_parquet(path)
    return {
        "columns": list(table.columns),
        "rows": len(table),
        "obs_len": sorted({len(obs) for obs in table["obs"]}),
        "mask_len": sorted({len(mask) for mask in table["is_allowed"]}),
        "reward_e6": int(table["reward_e6"].sum()),
        "terminals": sorted(str(ticker) for ticker in table[table["is_terminal"]]["market_ticker"]),
    }


if __name__ == "__main__":
    seen = [by_polars(sys.argv[1]), by_pandas(sys.argv[1])]
    assert seen[0] == seen[1], f"polars and pandas disagree: {seen}"
    print(json.dumps(seen[0]))
