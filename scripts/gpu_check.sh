#!/usr/bin/env bash
# Usage: scripts/gpu_check.sh [key=value ...]
#
# Measure what only a GPU can show, on all GPUs of this machine: pretraining (tokens per second, MFU, a bf16 loss curve
# against fp32), packed scoring against one sequence at a time, rollouts, inference with and without speculation, and
# where the time of a GRPO step goes. Writes one JSON file and a table. A call begins no part after 9 minutes, and the
# same command goes on with those that are left. A part whose packages are missing says so; pretraining, scoring and
# rollouts need torch, transformers and accelerate only. No network and no data. Targets on H100 or H200: 50 % MFU at
# 411m, 55 % at 1b.
#
#   scripts/gpu_check.sh
#   scripts/gpu_check.sh part=scoring,rollouts
#   scripts/gpu_check.sh part=pretraining scales=411m_1x steps=20 out=runs/gpu_check
set -euo pipefail

root=$(dirname "$0")/..
case "${1:-}" in
  -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "$0"; exit ;;
esac
[ -n "${VIRTUAL_ENV:-}" ] || PATH="$root/.venv/bin:$PATH" # no environment active: the one quickstart.sh set up
[ ! -d "$root/common" ] || PYTHONPATH=$(cd "$root" && pwd)${PYTHONPATH:+:$PYTHONPATH} # a checkout brings its own modules
export PYTHONPATH

exec python3 -m rl.gpu_check "$@"
