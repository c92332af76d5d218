"""Event files: records made by TensorBoard's own protocol buffers, and event files read back by TensorBoard.

    python scripts/goldens/tensorboard_check.py --write test/golden/tensorboard.json
    python scripts/goldens/tensorboard_check.py --read RUN      # what TensorBoard shows of a run folder, as JSON

Needs `pip install tensorboard` (2.21.0 made the fixture), which is no part of the other goldens' packages.
"""

import argparse
import io
import json

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

ROWS = [
    (1764072000.25, 1, {"train/reward": 0.5, "eval/loss": -1e-7}),
    (1764072001.5, 127, {"train/loss": 0.0}),
    (1764072002.0, 128, {"train/entropy": float("nan"), "train/kl": float("inf")}),
    (1764072003.125, 300_000, {f"train/metric_{at}": at / 3 for at in range(12)}),
    (1764072004.0, 5_000_000_000, {"train/größe": 1e38}),
    (1764072005.0, 0, {"eval/reward": 1.0}),
]


def record(event):
    sink = io.BytesIO()
    RecordWriter(sink).write(event.SerializeToString())
    return sink.getvalue().hex()


def scalars(seconds, step, values):
    summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])
    return Event(wall_time=seconds, step=step, summary=summary)


def write(path):
    began = ROWS[0][0]
    content = {
        "version": {"seconds": began, "record": record(Event(wall_time=began, file_version="brain.Event:2"))},
        "starts": [
            {
                "seconds": began,
                "step": step,
                "record": record(Event(wall_time=began, step=step, session_log=SessionLog(status=SessionLog.START))),
            }
            for step in (0, 1, 1000)
        ],
        "scalars": [
            {
                "seconds": seconds,
                "step": step,
                # JSON has neither NaN nor infinity.
                "values": {tag: value if abs(value) < float("inf") else str(value) for tag, value in values.items()},
                "record": record(scalars(seconds, step, values)),
            }
            for seconds, step, values in ROWS
        ],
    }
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1, ensure_ascii=False)
        file.write("\n")


def read(run):
    accumulator = EventAccumulator(run, size_guidance={"scalars": 0})
    accumulator.Reload()
    tags = accumulator.Tags()["scalars"]
    print(json.dumps({tag: [[one.step, one.value] for one in accumulator.Scalars(tag)] for tag in tags}))


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--write", metavar="FILE")
parser.add_argument("--read", metavar="RUN")
arguments = parser.parse_args()
if arguments.write:
    write(arguments.write)
if arguments.read:
    read(arguments.read)
