#!/usr/bin/env bash
# Usage: scripts/pretrain.sh [CONFIG.yaml] scale=NAME data-config=FILE logs=DIR [multiple-data-passes=true] [key=value ...] [--dry-run]
#
# Pretrain a model on a tokenised set; the same command continues a run that stopped. Scales are the files in
# configs/pretrain/scales (DCLM's names work too); without one it is 411m_1x, which needs a GPU.
#
#   scripts/pretrain.sh scale=quickstart data-config=runs/tokens logs=runs multiple-data-passes=true
#   scripts/pretrain.sh scale=1b_1x data-config=configs/pretrain/data/example.yaml logs=runs --dry-run
#   NPROC=8 scripts/pretrain.sh scale=7b_1x data-config=... logs=...
#
# NPROC     processes on this machine (default: one for each GPU)
# TORCHRUN  more arguments for torchrun, such as --nnodes and --rdzv-endpoint
set -euo pipefail

root=$(dirname "$0")/..
case "${1:-}" in
  -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "$0"; exit ;;
esac
case " $* " in
  *" scale="* | *" --scale"* | *.yaml*) ;;
  *) set -- scale=411m_1x "$@" ;;
esac
[ -n "${VIRTUAL_ENV:-}" ] || PATH="$root/.venv/bin:$PATH" # no environment active: the one quickstart.sh set up
[ ! -d "$root/common" ] || PYTHONPATH=$(cd "$root" && pwd)${PYTHONPATH:+:$PYTHONPATH} # a checkout brings its own modules
export PYTHONPATH OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-PASSIVE}" # spinning threads stall each other on shared cores

nproc=${NPROC:-$(nvidia-smi -L 2>/dev/null | wc -l || true)}
command=(python3 -m pretrain.train "$@")
if [ "$nproc" -gt 1 ] || [ -n "${TORCHRUN:-}" ]; then
  # shellcheck disable=SC2206 # several arguments in one variable
  command=(torchrun --nproc-per-node="$((nproc > 0 ? nproc : 1))" ${TORCHRUN:-} -m pretrain.train "$@")
fi
case " $* " in
  *" --help "*) exec python3 -m pretrain.train "$@" ;;
  *" --dry-run "*)
    python3 -m pretrain.train "$@"
    echo "# launch: ${command[*]/--dry-run/}"
    exit
    ;;
esac
[ "${command[0]}" = python3 ] || python3 -m pretrain.train "$@" --dry-run >/dev/null # a mistake ends here with code 2
exec "${command[@]}"
