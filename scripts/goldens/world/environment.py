"""Writes the rows of test/world/environment: what huggingface_hub reads from its environment variables.

Usage: python scripts/goldens/world/environment.py [--check]
Each row runs a fresh Python in a home folder of its own, because huggingface_hub reads the variables when it is imported.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import huggingface_hub

FOLDER = Path(__file__).parents[3] / "test/world/environment"
HOME = "/home/ada"

READ = """
import json
from huggingface_hub import constants
from huggingface_hub.utils import build_hf_headers
print(json.dumps({
    "cache": constants.HF_HUB_CACHE,
    "tokenFile": constants.HF_TOKEN_PATH,
    "endpoint": constants.ENDPOINT,
    "offline": constants.HF_HUB_OFFLINE,
    "authorization": build_hf_headers().get("authorization"),
    "listingSeconds": constants.HF_HUB_ETAG_TIMEOUT,
    "downloadSeconds": constants.HF_HUB_DOWNLOAD_TIMEOUT,
    "copies": constants.HF_HUB_DISABLE_SYMLINKS,
    "quiet": bool(constants.HF_HUB_DISABLE_PROGRESS_BARS),
}))
"""

ROWS = {
    "nothing": {},
    "hf-home-tilde": {"HF_HOME": "~/models"},
    "hf-home-tilde-alone": {"HF_HOME": "~"},
    "hf-home-root-user": {"HF_HOME": "~root/models"},
    "hf-home-unknown-user": {"HF_HOME": "~nobody-has-this-name/models"},
    "hf-home-variable": {"HF_HOME": "$SCRATCH/huggingface", "SCRATCH": "/scratch/ada"},
    "hf-home-braces": {"HF_HOME": "/data/${USER}/hf", "USER": "ada"},
    "hf-home-unset-variable": {"HF_HOME": "/data/$NOT_SET/hf"},
    "hf-home-variable-of-tilde": {"HF_HOME": "$SCRATCH/hf", "SCRATCH": "~/scratch"},
    "hf-home-tilde-inside": {"HF_HOME": "/data/~/hf"},
    "hf-home-relative": {"HF_HOME": "hf"},
    "hf-hub-cache-tilde": {"HF_HUB_CACHE": "~/hub"},
    "hf-hub-cache-before-home": {"HF_HUB_CACHE": "/a/hub", "HF_HOME": "/b"},
    "legacy-cache": {"HUGGINGFACE_HUB_CACHE": "~/old-hub"},
    "hub-cache-before-legacy": {"HF_HUB_CACHE": "/new", "HUGGINGFACE_HUB_CACHE": "/old"},
    "xdg-cache-home": {"XDG_CACHE_HOME": "/cache"},
    "xdg-cache-home-tilde": {"XDG_CACHE_HOME": "~/cache"},
    "transformers-cache-is-not-read": {"TRANSFORMERS_CACHE": "/old/transformers"},
    "token-path-tilde": {"HF_TOKEN_PATH": "~/secrets/token"},
    "token": {"HF_TOKEN": "hf_abc"},
    "token-with-line-end": {"HF_TOKEN": " hf_abc\r\n"},
    "token-of-blanks": {"HF_TOKEN": " \n"},
    "token-old-name": {"HUGGING_FACE_HUB_TOKEN": "hf_old"},
    "token-new-name-first": {"HF_TOKEN": "hf_new", "HUGGING_FACE_HUB_TOKEN": "hf_old"},
    "token-not-implicit": {"HF_TOKEN": "hf_abc", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"},
    "endpoint": {"HF_ENDPOINT": "https://hf-mirror.com"},
    "endpoint-slashes": {"HF_ENDPOINT": "https://mirror.example/hub//"},
    "offline-1": {"HF_HUB_OFFLINE": "1"},
    "offline-on": {"HF_HUB_OFFLINE": "on"},
    "offline-Yes": {"HF_HUB_OFFLINE": "Yes"},
    "offline-0": {"HF_HUB_OFFLINE": "0"},
    "offline-y": {"HF_HUB_OFFLINE": "y"},
    "transformers-offline": {"TRANSFORMERS_OFFLINE": "TRUE"},
    "offline-0-and-transformers-offline": {"HF_HUB_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "1"},
    "timeouts": {"HF_HUB_ETAG_TIMEOUT": "30", "HF_HUB_DOWNLOAD_TIMEOUT": "120"},
    "symlinks-off": {"HF_HUB_DISABLE_SYMLINKS": "true"},
    "progress-bars-off": {"HF_HUB_DISABLE_PROGRESS_BARS": "1"},
}


def read(variables: dict[str, str]) -> dict:
    environment = {"PATH": "/usr/bin:/bin", "HOME": HOME, **variables}
    with tempfile.TemporaryDirectory() as folder:
        ended = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", READ], env=environment, cwd=folder, capture_output=True, check=True
        )
    return json.loads(ended.stdout)


def row(variables: dict[str, str]) -> str:
    return json.dumps(
        {
            "source": f"huggingface_hub {huggingface_hub.__version__}, constants.py and utils/_auth.py",
            "script": "scripts/goldens/world/environment.py",
            "input": variables,
            "expect": read(variables),
        },
        indent=2,
    ) + "\n"


for name, variables in ROWS.items():
    file = FOLDER / f"{name}.json"
    text = row(variables)
    if "--check" in sys.argv:
        assert file.read_text() == text, name
    else:
        file.write_text(text)
