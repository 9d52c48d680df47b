#!/usr/bin/env bash
# Usage: scripts/infer.sh START END [CONFIG.yaml] [key=value ...] [--dry-run]
#
# Rephrase the shards START to END of a pool, both included and counted from 0; without the numbers, all of them.
# CONFIG is configs/rephrase/rephrase_4b.yaml if not given (a GPU and vLLM). The same command again goes on from where
# it was stopped. All keys: python -m rephrase.run --help
#
#   scripts/infer.sh 0 7 input=data/pool output=runs/recycled model=cx-cmu/repro-rephraser-4B
#   scripts/infer.sh 0 7 configs/rephrase/rephrase_tiny_cpu.yaml input=data/pool output=runs/recycled
#   scripts/infer.sh 0 7 engine=server engine.url=http://127.0.0.1:8000/v1 input=data/pool output=runs/recycled
set -euo pipefail

case "${1:-}" in
  -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "$0"; exit ;;
esac
root=$(dirname "$0")/..
[ -n "${VIRTUAL_ENV:-}" ] || PATH="$root/.venv/bin:$PATH" # no environment active: the one quickstart.sh set up
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-PASSIVE}"      # spinning threads stall each other on shared cores
[ ! -d "$root/common" ] || PYTHONPATH=$(cd "$root" && pwd)${PYTHONPATH:+:$PYTHONPATH} # a checkout brings its own modules
export PYTHONPATH

for argument in "$@"; do
  case "$argument" in
    *.yaml | *.yml) exec python3 -m rephrase.run "$@" ;;
  esac
done
exec python3 -m rephrase.run "$@" "$root/configs/rephrase/rephrase_4b.yaml"
