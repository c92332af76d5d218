"""Parquet files as other tools write them, with the rows they hold: every compression, dictionaries, nested messages."""

import datetime
import json

import pyarrow as pa
import pyarrow.parquet as pq

from common import GOLDEN

COMPRESSIONS = ["none", "snappy", "gzip", "brotli", "zstd", "lz4"]


def rows():
    """Seven rows: texts of several scripts, numbers at their edges, lists, absent values."""
    return [
        {
            "prompt": [
                {"role": "system", "content": "Answer briefly."},
                {"role": "user", "content": f"{question} ({index})"},
            ],
            "answer": answer,
            "difficulty": None if index == 3 else index / 8,
            "tries": index * 1_000_003,
            "tags": ["a" * index, "é漢🙂"][: index % 3],
            "info": {"source": "book", "page": index},
        }
        for index, (question, answer) in enumerate(
            [
                ("How much is 2 + 2?", "4"),
                ("Größe?", "groß"),
                ("漢字は？", "漢字"),
                ("🙂?", ""),
                ("new\nline", "line\nbreak"),
                ('"quoted"', "it's"),
                ("last", "end"),
            ]
        )
    ]


SCHEMA = pa.schema(
    [
        ("prompt", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
        ("answer", pa.string()),
        ("difficulty", pa.float64()),
        ("tries", pa.int64()),
        ("tags", pa.list_(pa.string())),
        ("info", pa.struct([("source", pa.string()), ("page", pa.int32())])),
    ]
)


def main():
    folder = GOLDEN / "data"
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows(), schema=SCHEMA)
    for compression in COMPRESSIONS:
        pq.write_table(table, folder / f"{compression}.parquet", compression=compression, row_group_size=3)
    plain = {"use_dictionary": False, "data_page_version": "2.0", "compression": "zstd"}
    pq.write_table(table, folder / "pages-v2.parquet", **plain)
    (folder / "rows.json").write_text(json.dumps(rows(), ensure_ascii=False) + "\n")
    write_dates(folder)
    write_repeated_list(folder)


def write_dates(folder):
    """Values that JSON has not: dates, large integers, bytes that are no text."""
    day = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    table = pa.table(
        {
            "prompt": pa.array(["one", "two"]),
            "when": pa.array([day, None], pa.timestamp("ms", tz="UTC")),
            "large": pa.array([2**53 - 1, 2**62], pa.int64()),
            "bytes": pa.array([b"text", b"\xff\xfe"], pa.binary()),
        }
    )
    pq.write_table(table, folder / "dates.parquet")


def write_repeated_list(folder):
    """A list that a hundred rows share: its offsets go back, which pyarrow does not check."""
    length, rows = 4000, 199
    offsets = pa.array([0, length] * 100, pa.int32())
    lists = pa.ListArray.from_arrays(offsets, pa.array([True] * length))
    table = pa.table({"prompt": pa.array(["p"] * rows), "flags": lists})
    with pa.ipc.new_stream(folder / "repeated-list.arrow", table.schema) as writer:
        writer.write_table(table)
