"""Rows of test/world/data-file: data files as pyarrow, datasets, pandas and Python write them, with the values they read.

    python scripts/goldens/world/data_files.py

Needs pyarrow, datasets and pandas. A value is compared by its text: `str` of what Python reads. Files in a text format are
part of their row; the others lie beside it.
"""

import base64
import csv
import datetime
import gzip
import io
import json
import shutil
from decimal import Decimal
from pathlib import Path

import datasets
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

FOLDER = Path(__file__).resolve().parents[3] / "test/world/data-file"
SCRIPT = "scripts/goldens/world/data_files.py"
VERSIONS = f"pyarrow {pa.__version__}, datasets {datasets.__version__}, pandas {pd.__version__}"


def shown(value):
    """The texts of a value, in its lists and dictionaries; None stays."""
    if value is None:
        return None
    if isinstance(value, dict):
        return {str(key): shown(child) for key, child in value.items()}
    if isinstance(value, (list, tuple)):
        return [shown(child) for child in value]
    return value.decode() if isinstance(value, bytes) else str(value)


def write(name, source, given, expect):
    row = {"source": f"{source} ({VERSIONS})", "script": SCRIPT, "input": given, "expect": expect}
    (FOLDER / f"{name}.json").write_text(json.dumps(row, indent=2, ensure_ascii=True) + "\n")


def maps_as_dicts(value, kind):
    """pyarrow's maps are lists of pairs."""
    if value is None:
        return None
    if pa.types.is_map(kind):
        return {str(shown(key)): maps_as_dicts(child, kind.item_type) for key, child in value}
    if pa.types.is_struct(kind):
        return {field.name: maps_as_dicts(value[field.name], field.type) for field in kind}
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return [maps_as_dicts(child, kind.value_type) for child in value]
    return value


def table_rows(table):
    columns = [[maps_as_dicts(one.as_py(), field.type) for one in column] for field, column in zip(table.schema, table.columns)]
    return [shown(dict(zip(table.column_names, values))) for values in zip(*columns)]


def parquet(name, source, table, **options):
    file = FOLDER / f"{name}.parquet"
    pq.write_table(table, file, **options)
    write(name, source, {"files": [file.name]}, {"rows": table_rows(pq.read_table(file))})


def column(values, kind, **more):
    """A table with a prompt beside the column `answer`."""
    answers = pa.array(values, kind)
    return pa.table({"prompt": pa.array([f"p{at}" for at in range(len(answers))], pa.string()), "answer": answers, **more})


def parquet_numbers():
    parquet("parquet-decimal-small", "DuckDB and Spark write money as decimal(9, 2)",
            column([Decimal("0.30"), Decimal("-0.05"), None, Decimal("1234567.89")], pa.decimal128(9, 2)))
    parquet("parquet-decimal-int32", "Spark writes decimals of up to nine digits as integers",
            column([Decimal("0.3"), Decimal("-99999.9"), Decimal("0.0")], pa.decimal128(6, 1)), store_decimal_as_integer=True)
    parquet("parquet-decimal-whole", "a decimal without places beyond 2^53, as databases export their keys",
            column([Decimal("9007199254740993"), Decimal("-9007199254740993")], pa.decimal128(18, 0)), store_decimal_as_integer=True)
    parquet("parquet-decimal-long", "a decimal of 38 digits",
            column([Decimal("12345678901234567890.123456789012345678"), Decimal("0.000000000000000001")], pa.decimal128(38, 18)))
    parquet("parquet-decimal-256", "a decimal of 76 digits",
            column([Decimal("9" * 60 + "." + "1" * 10)], pa.decimal256(76, 10)))
    parquet("parquet-decimal-nested", "decimals in lists and structs",
            column([{"low": Decimal("0.1"), "all": [Decimal("0.2"), None]}],
                   pa.struct([("low", pa.decimal128(4, 1)), ("all", pa.list_(pa.decimal128(4, 1)))])))
    parquet("parquet-int64", "integers at the edges of int64 and of doubles",
            column([2**53 - 1, 2**53 + 1, 2**63 - 1, -(2**63), 0, None], pa.int64()))
    parquet("parquet-uint64", "unsigned integers beyond int64",
            column([2**64 - 1, 2**63, 7, None], pa.uint64()))
    parquet("parquet-uint-small", "unsigned integers of 8, 16 and 32 bits",
            column([255, 0], pa.uint8(), b=pa.array([65535, 1], pa.uint16()), c=pa.array([2**32 - 1, 2**31], pa.uint32())))
    parquet("parquet-float16", "half floats", column([0.5, -2.0, 65504.0, None], pa.float16()))
    parquet("parquet-floats", "floats: the shortest text of the double",
            column([0.1, 1.0, 1e-7, 1e22, 1e16, -0.0, 123456789.125], pa.float64(), b=pa.array([0.5, 1.5, 2, 4, 8, 16, 1e10], pa.float32())))
    parquet("parquet-not-finite", "NaN and infinity in a column of floats",
            column([float("nan"), float("inf"), float("-inf")], pa.float64()))
    parquet("parquet-int64-delta", "large integers in delta encoding, as parquet-mr writes them",
            column([2**60 + at * 3 for at in range(40)], pa.int64()),
            use_dictionary=False, column_encoding={"prompt": "DELTA_BYTE_ARRAY", "answer": "DELTA_BINARY_PACKED"})
    parquet("parquet-booleans", "booleans", column([True, False, None], pa.bool_()))


def parquet_times():
    moment = datetime.datetime(2024, 1, 2, 3, 4, 5, 678901)
    early = datetime.datetime(1969, 12, 31, 23, 59, 59, 999999)
    day = datetime.datetime(2024, 2, 29)
    parquet("parquet-timestamp-us", "pyarrow's default for datetime", column([moment, early, day, None], pa.timestamp("us")))
    parquet("parquet-timestamp-us-utc", "a column of instants", column([moment, early, None], pa.timestamp("us", "UTC")))
    parquet("parquet-timestamp-ms", "timestamps in milliseconds",
            column([moment.replace(microsecond=678000), day], pa.timestamp("ms")))
    parquet("parquet-timestamp-ns", "pandas writes nanoseconds",
            column([1704164645678901234, 1704164645678901000, 1704164645000000000, -1], pa.timestamp("ns")))
    parquet("parquet-timestamp-zone", "pandas keeps a time zone in Arrow's schema",
            column([moment, moment.replace(month=7)], pa.timestamp("us", "Europe/Berlin"),
                   fixed=pa.array([moment, moment], pa.timestamp("us", "+05:30"))))
    parquet("parquet-timestamp-zone-nested", "a time zone within lists, structs and maps",
            column([{"at": [moment], "by": [("a", moment)]}], pa.struct([
                ("at", pa.list_(pa.timestamp("us", "America/New_York"))),
                ("by", pa.map_(pa.string(), pa.timestamp("us", "Asia/Kolkata")))])))
    parquet("parquet-timestamp-int96", "Spark and Impala write INT96",
            column([moment, early], pa.timestamp("ns")), use_deprecated_int96_timestamps=True)
    parquet("parquet-timestamp-old", "format version 1.0 has no type for a local time",
            column([moment, day], pa.timestamp("us")), version="1.0")
    parquet("parquet-time", "times of day in three units",
            column([datetime.time(12, 34, 56, 789), datetime.time(0, 0), None], pa.time64("us"),
                   ms=pa.array([datetime.time(12, 34, 56, 789000), datetime.time(1, 2), None], pa.time32("ms"))))
    parquet("parquet-date", "dates", column([datetime.date(2024, 2, 29), datetime.date(1, 1, 1), datetime.date(9999, 12, 31), None], pa.date32()))
    parquet("parquet-date64", "dates in milliseconds", column([datetime.date(2024, 2, 29), datetime.date(1969, 12, 31)], pa.date64()))
    parquet("parquet-duration", "durations, which only Arrow's schema tells apart from integers",
            column([datetime.timedelta(days=1, seconds=61), datetime.timedelta(milliseconds=-500), None], pa.duration("us")))


def parquet_shapes():
    parquet("parquet-map", "maps with keys of any type",
            column([[("a", 2**60), ("__proto__", 1)], [], None], pa.map_(pa.string(), pa.int64()),
                   days=pa.array([[(datetime.date(2024, 2, 29), Decimal("0.3"))], None, []], pa.map_(pa.date32(), pa.decimal128(3, 1)))))
    names = ["__proto__", "constructor", "toString", "a.b", "a"]
    parquet("parquet-names", "names that objects of JavaScript have, and a dot in a name",
            column([{name: at for at, name in enumerate(names)}], pa.struct([(name, pa.int64()) for name in names]),
                   **{name: pa.array([f"column {name}"]) for name in names}))
    parquet("parquet-nested-lists", "lists of lists with absent and empty ones",
            column([[[2**60], [], None], [], None], pa.list_(pa.list_(pa.int64()))))
    parquet("parquet-list-of-structs", "lists of structs with lists of structs",
            column([[{"x": [{"y": Decimal("0.1")}]}, None], []], pa.list_(pa.struct([("x", pa.list_(pa.struct([("y", pa.decimal128(2, 1))])))]))))
    parquet("parquet-dictionary", "pandas writes categories as a dictionary",
            pa.table({"prompt": pa.array(["a", "b", "a"]).dictionary_encode(), "answer": pa.array(["x", None, "x"]).dictionary_encode()}))
    duplicate = pa.table([pa.array(["p"]), pa.array([1]), pa.array([2]), pa.array([3])], names=["prompt", "a", "a", "a.1"])
    pq.write_table(duplicate, FOLDER / "parquet-duplicates.parquet")
    write("parquet-duplicates", "two columns of one name, as a join writes them; named as pandas.read_csv names them",
          {"files": ["parquet-duplicates.parquet"]}, {"rows": [{"prompt": "p", "a": "1", "a.2": "2", "a.1": "3"}]})
    with pq.ParquetWriter(FOLDER / "parquet-empty-groups.parquet", column(["1"], pa.string()).schema) as writer:
        for values in ([], ["1"], [], ["2", "3"], []):
            writer.write_table(column(values, pa.string()))
    write("parquet-empty-groups", "row groups without rows between others", {"files": ["parquet-empty-groups.parquet"]},
          {"rows": table_rows(pq.read_table(FOLDER / "parquet-empty-groups.parquet"))})
    pq.write_table(column([], pa.int64()), FOLDER / "parquet-no-rows.parquet")
    write("parquet-no-rows", "a shard without rows beside one with a row",
          {"files": ["parquet-no-rows.parquet", "parquet-booleans.parquet"]},
          {"rows": table_rows(pq.read_table(FOLDER / "parquet-booleans.parquet"))})
    pq.ParquetWriter(FOLDER / "parquet-no-groups.parquet", column([], pa.int64()).schema).close()
    write("parquet-no-groups", "a file without row groups beside one with rows",
          {"files": ["parquet-no-groups.parquet", "parquet-booleans.parquet"]},
          {"rows": table_rows(pq.read_table(FOLDER / "parquet-booleans.parquet"))})
    write("parquet-nothing", "no file has a row", {"files": ["parquet-no-groups.parquet", "parquet-no-rows.parquet"]},
          {"problems": ["contains no rows", "contains no rows"]})


EXACT = {
    "prompt": pa.array(["p", "q"]),
    "decimal": pa.array([Decimal("0.30"), None], pa.decimal128(9, 2)),
    "large": pa.array([2**63 - 1, 7], pa.int64()),
    "unsigned": pa.array([2**64 - 1, 7], pa.uint64()),
    "moment": pa.array([datetime.datetime(2024, 1, 2, 3, 4, 5, 678901), None], pa.timestamp("us")),
    "instant": pa.array([1704164645678901234, -1], pa.timestamp("ns", "Europe/Berlin")),
    "day": pa.array([datetime.date(2024, 2, 29), datetime.date(1969, 12, 31)], pa.date32()),
    "clock": pa.array([datetime.time(12, 34, 56, 789), None], pa.time64("us")),
    "span": pa.array([datetime.timedelta(days=-1, microseconds=5), None], pa.duration("us")),
    "half": pa.array([0.5, -2.0], pa.float16()),
    "nested": pa.array([{"__proto__": [Decimal("0.1"), None], "b": None}, None],
                       pa.struct([("__proto__", pa.list_(pa.decimal128(3, 1))), ("b", pa.string())])),
    "map": pa.array([[("__proto__", 2**60)], []], pa.map_(pa.string(), pa.int64())),
    "category": pa.array(["x", "y"]).dictionary_encode(),
    "fixed": pa.array([[1, 2], None], pa.list_(pa.int64(), 2)),
    "long": pa.array(["é漢🙂", ""], pa.large_string()),
    "flags": pa.array([True, None], pa.bool_()),
    "nothing": pa.nulls(2),
}


def arrow():
    table = pa.table(EXACT)
    rows = {"rows": table_rows(table)}
    with pa.ipc.new_stream(FOLDER / "arrow-stream.arrow", table.schema) as writer:
        for batch in table.to_batches(max_chunksize=1):
            writer.write_batch(batch)
    write("arrow-stream", "datasets writes its cache as Arrow's stream format", {"files": ["arrow-stream.arrow"]}, rows)
    with pa.ipc.new_file(FOLDER / "arrow-file.arrow", table.schema) as writer:
        writer.write_table(table)
    write("arrow-file", "Arrow's file format", {"files": ["arrow-file.arrow"]}, rows)
    small = pa.table({name: EXACT[name] for name in ("prompt", "decimal", "instant")})
    for compression in ("lz4", "zstd"):
        name = f"feather-{compression}"
        wide = pa.table({"prompt": ["the same words " * 40 + str(at) for at in range(200)], "n": list(range(200))})
        table = small if compression == "zstd" else wide
        feather.write_feather(table, FOLDER / f"{name}.feather", compression=compression)
        write(name, f"Feather, compressed by {compression}", {"files": [f"{name}.feather"]},
              {"rows": table_rows(table)[-2:], "count": table.num_rows})
    random_text = base64.b64encode(bytes((at * at * 7 + at // 3) % 256 for at in range(60000))).decode()
    blocks = pa.table({"prompt": [random_text[at * 1000 : at * 1000 + 1000] * 2 for at in range(80)]})
    feather.write_feather(blocks, FOLDER / "feather-lz4-blocks.feather", compression="lz4")
    write("feather-lz4-blocks", "Feather with buffers of several LZ4 blocks", {"files": ["feather-lz4-blocks.feather"]},
          {"rows": table_rows(blocks)[-1:], "count": 80})
    saved = datasets.Dataset.from_dict({"prompt": ["a", "b"], "answer": [2**60, 1]})
    for name, data in (("saved-dataset", saved), ("saved-splits", datasets.DatasetDict(train=saved, test=saved.select([1])))):
        shutil.rmtree(FOLDER / name, ignore_errors=True)
        data.save_to_disk(str(FOLDER / name))
    write("saved-dataset", "Dataset.save_to_disk", {"files": ["saved-dataset"]}, {"rows": shown(saved.to_list())})
    write("saved-splits", "DatasetDict.save_to_disk", {"files": ["saved-splits"]},
          {"rows": shown(saved.to_list()), "test": shown(saved.select([1]).to_list())})


def exact_float(text):
    """A double keeps the value of most decimals; the others are their text."""
    value = float(text)
    return value if value == value and abs(value) != float("inf") and Decimal(repr(value)) == Decimal(text) else text


def json_lines(name, source, *lines, file="rows.jsonl", end="\n"):
    text = end.join(lines) + end
    rows = [json.loads(line, parse_float=exact_float) for line in lines if line.strip()]
    write(name, source, {"text": text, "name": file}, {"rows": [shown(row) for row in rows]})


def json_files():
    json_lines("jsonl-large-integers", "hashes and keys of databases: integers beyond 2^53",
               '{"prompt":"p","answer":12345678901234567891,"n":-9007199254740993,"safe":9007199254740991}')
    json_lines("jsonl-decimals", "decimals that a double changes",
               '{"prompt":"p","a":0.1234567890123456789,"b":0.1,"c":123456789012345678.25,"d":3.14159265358979323846}')
    json_lines("jsonl-floats", "floats as Python's json and others write them",
               '{"prompt":"p","a":1.0,"b":1e-07,"c":1e+16,"d":5E2,"e":-0.0,"f":1.50,"g":100000000000000000000.0,"h":1e22}')
    json_lines("jsonl-not-finite", "Python's json writes NaN and Infinity",
               '{"prompt":"p","a":NaN,"b":Infinity,"c":-Infinity,"d":[NaN,1]}')
    json_lines("jsonl-nested-numbers", "numbers in lists and objects", '{"prompt":"p","a":{"b":[12345678901234567891,{"c":1.0}]}}')
    json_lines("jsonl-repeated-key", "of a repeated key Python's json takes the last value", '{"prompt":"p","a":1,"a":12345678901234567891}')
    json_lines("jsonl-names", "names that objects of JavaScript have",
               '{"prompt":"p","__proto__":{"x":1},"constructor":"c","toString":12345678901234567891,"hasOwnProperty":1}')
    json_lines("jsonl-numbers-in-text", "numbers within texts stay as they are",
               '{"prompt":"p 1.0 12345678901234567891","a":"[1.0, NaN]","b":"\\\\\\" 1.0","1.0":2}')
    json_lines("jsonl-escapes", "escaped text, surrogate pairs included", '{"prompt":"\\ud83d\\ude42 \\u00e9 \\/ \\u0000 \\\\ud83d","a":"\\u2028"}')
    json_lines("jsonl-crlf", "Windows writes CRLF", '{"prompt":"a","n":1}', "", '{"prompt":"b","n":2}', end="\r\n")
    json_lines("jsonl-cr", "lines that end in a carriage return", '{"prompt":"a","n":1}', '{"prompt":"b","n":2}', end="\r")
    json_lines("jsonl-unicode-lines", "U+2028 and U+0085 within a text end no line", '{"prompt":"a\u2028b\u0085c","n":1}')
    json_lines("json-as-lines", "a .json file of datasets.to_json: one object a line", '{"prompt":"a","n":1.0}', '{"prompt":"b","n":2}', file="rows.json")
    pretty = json.dumps({"version": "1.1", "data": [{"prompt": "a", "n": 1.0}, {"prompt": "b", "n": 2**60}]}, indent=2)
    both = [{"prompt": "a", "n": "1.0"}, {"prompt": "b", "n": str(2**60)}]
    write("json-field", "SQuAD's form: datasets reads it with field='data'", {"text": pretty, "name": "rows.json"}, {"rows": both})
    write("json-field-line", "the same in one line", {"text": json.dumps(json.loads(pretty)), "name": "rows.json"}, {"rows": both})
    write("json-one-object", "one object over several lines is one row",
          {"text": json.dumps({"prompt": "a", "n": 12345678901234567891}, indent=2), "name": "rows.json"},
          {"rows": [{"prompt": "a", "n": "12345678901234567891"}]})
    write("json-list", "a list, indented", {"text": json.dumps(both, indent=1), "name": "rows.json"}, {"rows": both})
    write("json-bom", "a byte order mark", {"text": "\ufeff" + json.dumps(both), "name": "rows.json"}, {"rows": both})
    for name, text, problem in (
        ("jsonl-lone-surrogate", '{"prompt":"p","a":"\\ud83d"}\n', "half of a surrogate pair"),
        ("jsonl-leading-zero", '{"prompt":"p","a":01}\n', "is not JSON"),
        ("jsonl-control-character", '{"prompt":"p","a":"\x01"}\n', "is not JSON"),
        ("jsonl-nul", '{"prompt":"p"}\n\x00\x00\n', "is not JSON"),
        ("jsonl-number-as-row", "12345678901234567891\n", "is not a JSON object"),
    ):
        write(name, "no JSON for Python, or no text for any encoding", {"text": text, "name": "rows.jsonl"}, {"problems": [problem]})
    for encoding in ("utf-16", "utf-16-be", "utf-32"):
        mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
        content = base64.b64encode(mark + '{"prompt":"p"}\n'.encode(encoding)).decode()
        write(f"jsonl-{encoding}", "PowerShell and Excel write UTF-16", {"base64": content, "name": "rows.jsonl"},
              {"problems": [encoding[:6].upper()]})


def compressed():
    lines = b'{"prompt":"a","n":12345678901234567891}\n{"prompt":"b","n":1.0}\n'
    rows = [{"prompt": "a", "n": "12345678901234567891"}, {"prompt": "b", "n": "1.0"}]
    listed = b'[{"prompt":"a","n":12345678901234567891},{"prompt":"b","n":1.0}]'
    packed = gzip.compress(lines, mtime=0)
    for name, file, content in (
        ("jsonl-gz", "rows.jsonl.gz", packed),
        ("jsonl-gz-named-jsonl", "rows.jsonl", packed),
        ("jsonl-gz-members", "rows.jsonl.gz", gzip.compress(lines[:40], mtime=0) + gzip.compress(lines[40:], mtime=0)),
        ("json-gz", "rows.json.gz", gzip.compress(listed, mtime=0)),
        ("csv-gz", "rows.csv.gz", gzip.compress(b"prompt,n\r\na,12345678901234567891\r\nb,1.0\r\n", mtime=0)),
    ):
        write(name, "datasets and pandas read gzip, by its first bytes", {"base64": base64.b64encode(content).decode(), "name": file}, {"rows": rows})
    for name, content, problem in (
        ("jsonl-gz-cut", packed[:-12], "cannot be decompressed"),
        ("jsonl-zst", bytes.fromhex("28b52ffd") + b"\0" * 20, "zstd"),
        ("jsonl-bz2", b"BZh91AY&SY" + b"\0" * 20, "bzip2"),
        ("jsonl-xz", bytes.fromhex("fd377a585a00") + b"\0" * 20, "xz"),
    ):
        write(name, "compressed files that cannot be read", {"base64": base64.b64encode(content).decode(), "name": "rows.jsonl"}, {"problems": [problem]})


def csv_file(name, source, text, file="rows.csv", delimiter=","):
    """Values by Python's csv; the names of columns by pandas, which numbers those that repeat."""
    clean = text.removeprefix("\ufeff")
    records = [record for record in csv.reader(io.StringIO(clean, newline=""), delimiter=delimiter) if record]
    names = list(pd.read_csv(io.StringIO(clean.replace("\0", "")), sep=delimiter, nrows=0).columns)
    write(name, source, {"text": text, "name": file}, {"rows": [dict(zip(names, record)) for record in records[1:]]})


def csv_files():
    csv_file("csv-lf-header", "a file that was appended to on another system", "prompt,answer\na,2\r\nb,3\r\n")
    csv_file("csv-crlf-header", "the same the other way round", "prompt,answer\r\na,2\nb,3\n")
    csv_file("csv-cr", "an old Mac's line ends", "prompt,answer\ra,2\rb,3\r")
    csv_file("csv-all-ends", "every line end in one file", "prompt,answer\ra,2\r\nb,3\nc,4\r\r\n\n\rd,5")
    csv_file("csv-ends-in-quotes", "line ends within quotes are part of the value", 'prompt,answer\n"a\r\nb\rc\nd",2\r\n"e",3')
    csv_file("csv-quotes", "doubled quotes, quotes within a value, text behind a closing quote",
             'prompt,answer\n"say ""a""",1\nsay "b",2\n"c"d,3\n" e"," ""4"""\n"z",""""""\n')
    csv_file("csv-quote-all", "csv.QUOTE_ALL", '"prompt","answer"\r\n"a","1"\r\n"b",""\r\n')
    csv_file("csv-bom", "Excel writes a byte order mark, before a quote too", '\ufeff"prompt",answer\r\na,1\r\n')
    csv_file("csv-nul", "a NUL within a value", "prompt,answer\na\0b,1\n")
    csv_file("csv-index", "DataFrame.to_csv writes the index without a name", ",prompt,answer\n0,a,1\n1,b,2\n")
    csv_file("csv-duplicates", "two columns of one name", "prompt,a,a,a.1,a\np,1,2,3,4\n")
    csv_file("csv-names", "names that objects of JavaScript have", "prompt,__proto__,constructor,toString\np,1,2,3\n")
    csv_file("csv-numbers", "numbers are text", "prompt,answer\np,007\nq,12345678901234567891\nr,0.30\n")
    csv_file("csv-unicode-lines", "U+2028 and U+0085 end no line", "prompt,answer\na\u2028b\u0085c,1\n")
    csv_file("csv-one-column", "one column; a line without text is no row", "prompt\na\n\nb\n")
    csv_file("tsv-quotes", "the same quoting between tabs", 'prompt\tanswer\n"a\tb"\t1,5\r\nc "d"\t2\r', "rows.tsv", "\t")
    for name, text, problem in (
        ("csv-too-many", "prompt,answer\na,1,2\n", "has 3 values, the first line names 2 columns"),
        ("csv-too-few", "prompt,answer\na\n", "has 1 values, the first line names 2 columns"),
        ("csv-open-quote", 'prompt,answer\n"a,1\nb,2\n', "a quoted value is never closed"),
    ):
        write(name, "refused: pandas fills or fails here", {"text": text, "name": "rows.csv"}, {"problems": [problem]})


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for stale in FOLDER.glob("*.*"):
        stale.unlink() if stale.is_file() else None
    for make in (parquet_numbers, parquet_times, parquet_shapes, arrow, json_files, compressed, csv_files):
        make()
