#!/usr/bin/env bash
# Checks a CUDA machine: doctor, logits and one update against the CPU, tokens/s, clean exits.
#   scripts/cuda-check.sh run [--device cuda:0] [--out FILE.json]   here, from a checkout or from a packed folder
#   scripts/cuda-check.sh pack FOLDER                               all that `run` needs where there is no Node and no compiler
# `run` takes libtorch 2.11 for CUDA from an exported LIBTORCH, or from the torch that python3 (or $PYTHON) finds.
# Exit codes: 0 all good, 1 something differs or fails, 2 wrong use, 3 no CUDA device was found.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
limit_bytes=$((64 * 1024 * 1024))
packages=(cac zod yaml smol-toml picocolors jiti)

usage() {
  sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
}

pack() {
  local target="$1"
  [ ! -e "$target" ] || [ -z "$(ls -A "$target")" ] || { echo "$target is not empty" >&2; exit 2; }
  node "$here/scripts/setup.mjs"
  mkdir -p "$target/scripts" "$target/models" "$target/node_modules"
  cp "$here/scripts/cuda-check.sh" "$target/scripts/"
  # Compiled together with the sources it imports: nothing is installed where the folder goes.
  node "$here/node_modules/typescript/bin/tsc" -p "$here/scripts/tsconfig.cuda-check.json" --outDir "$target"
  cp "$here"/package.json "$here"/binding.cjs "$here"/binding.*.node "$target/"
  cp -r "$here/models/tiny" "$target/models/tiny"
  pack_packages "$target/node_modules"
  find "$target" \( -name '*.d.ts' -o -name '*.d.cts' -o -name '*.d.mts' -o -name '*.map' \) -delete
  strip --strip-unneeded "$target"/binding.*.node
  pack_node "$target"
  check_size "$target"
}

pack_packages() {
  local name
  for name in "${packages[@]}"; do
    cp -r "$here/node_modules/$name" "$1/$name"
    rm -rf "$1/$name/src"
  done
}

# gzip, because every machine with Python can unpack it.
pack_node() {
  local copy
  copy="$(mktemp)"
  cp -L "$(node -p process.execPath)" "$copy"
  strip --strip-unneeded "$copy"
  gzip -c "$copy" >"$1/node.gz"
  rm -f "$copy"
}

check_size() {
  local bytes
  bytes="$(du -sb --apparent-size "$1" | cut -f1)"
  echo "$1: $((bytes / 1024 / 1024)) MiB"
  [ "$bytes" -le "$limit_bytes" ] || { echo "more than 64 MiB" >&2; exit 1; }
}

# The packed Node where there is one, else the machine's own.
find_node() {
  if [ -f "$here/node.gz" ] && [ ! -x "$here/node" ]; then
    gzip -dc "$here/node.gz" >"$here/node.part"
    chmod +x "$here/node.part"
    mv "$here/node.part" "$here/node"
  fi
  if [ -x "$here/node" ]; then echo "$here/node"; else command -v node; fi
}

# Where Python keeps torch, without importing it; empty when it has none.
python_torch() {
  "${PYTHON:-python3}" - <<'PYTHON' 2>/dev/null || true
import importlib.util, os
spec = importlib.util.find_spec("torch")
if spec and spec.origin and os.path.exists(os.path.join(os.path.dirname(spec.origin), "lib", "libtorch_cuda.so")):
    print(os.path.dirname(spec.origin))
PYTHON
}

run() {
  local node torch
  node="$(find_node)"
  local program=("$node" "$here/scripts/cuda-check.js")
  if [ ! -f "$here/node.gz" ]; then
    node "$here/scripts/setup.mjs"
    program=("$node" --import "$here/node_modules/tsx/dist/loader.mjs" "$here/scripts/cuda-check.ts")
  fi
  if [ -z "${LIBTORCH:-}" ]; then
    torch="$(python_torch)"
    [ -z "$torch" ] || export LIBTORCH="$torch"
  fi
  exec "${program[@]}" "$@"
}

case "${1:-}" in
  pack) [ $# -eq 2 ] || usage; pack "$2" ;;
  run) shift; run "$@" ;;
  *) usage ;;
esac
