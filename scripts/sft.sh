#!/usr/bin/env bash
# Usage: scripts/sft.sh [CONFIG.yaml] [key=value ...] [--dry-run]
#
# Fine-tune a chat model on answers on this machine; CONFIG is configs/rl/sft_4b.yaml if not given.
#
#   scripts/sft.sh data=teacher.jsonl out=runs/sft_4b
#   ACCELERATE=configs/accelerate/zero3.yaml scripts/sft.sh data=teacher.jsonl
#
# ACCELERATE  accelerate file for several GPUs or nodes (default: one process)
# NPROC       processes on each node (default: as the accelerate file has it)
# NNODES, NODE_RANK, MASTER_ADDR, MASTER_PORT  several nodes: the same command on each
set -euo pipefail

root=$(dirname "$0")/..
case "${1:-}" in
  -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "$0"; exit ;;
  *.yaml) ;;
  *) set -- "$root/configs/rl/sft_4b.yaml" "$@" ;;
esac
[ -n "${VIRTUAL_ENV:-}" ] || PATH="$root/.venv/bin:$PATH" # no environment active: the one quickstart.sh set up
[ ! -d "$root/common" ] || PYTHONPATH=$(cd "$root" && pwd)${PYTHONPATH:+:$PYTHONPATH} # a checkout brings its own modules
export PYTHONPATH OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-PASSIVE}" # spinning threads stall each other on shared cores

command=(python3 -m rl.sft "$@")
nodes=()
if [ "${NNODES:-1}" -gt 1 ]; then
  nodes=(--num_machines "$NNODES" --machine_rank "${NODE_RANK:-0}" --main_process_port "${MASTER_PORT:-29500}")
  nodes+=(${MASTER_ADDR:+--main_process_ip "$MASTER_ADDR"})
  ACCELERATE=${ACCELERATE:-$root/configs/accelerate/zero3.yaml}
fi
[ -z "${NPROC:-}" ] || nodes+=(--num_processes $((NPROC * ${NNODES:-1})))
[ -z "${ACCELERATE:-}" ] || command=(accelerate launch --config_file "$ACCELERATE" "${nodes[@]}" -m rl.sft "$@")
case " $* " in
  *" --help "*) exec python3 -m rl.sft "$@" ;;
  *" --dry-run "*)
    python3 -m rl.sft "$@"
    echo "# launch: ${command[*]/--dry-run/}"
    exit
    ;;
esac
[ -z "${ACCELERATE:-}" ] || python3 -m rl.sft "$@" --dry-run >/dev/null # a mistake ends here, not in a launcher's traceback
exec "${command[@]}"
