#!/usr/bin/env bash
# Usage: scripts/rl.sh [CONFIG.yaml] [key=value ...] [--dry-run]
#
# Train a policy with GRPO on this machine; CONFIG is configs/rl/rephraser_qwen3_4b.yaml if not given. The servers that
# the config names (configs/serve/NAME.yaml) are started first and stopped on every way out.
#
#   scripts/rl.sh configs/rl/rephraser_smoke_cpu.yaml seed=3
#   ACCELERATE=configs/accelerate/zero3.yaml scripts/rl.sh
#   NODE_RANK=1 NNODES=2 MASTER_ADDR=node0 ACCELERATE=configs/accelerate/zero3.yaml scripts/rl.sh
#
# ACCELERATE   accelerate file for several GPUs or nodes (default: one process)
# POLICY_GPUS  GPUs for the policy where servers have their own, such as 2,3,4,5,6,7 (default: all)
# SERVERS      `none`: the config's servers run already (default: start them here)
# NPROC        processes on each node (default: one for each of its GPUs)
# NNODES, NODE_RANK, MASTER_ADDR, MASTER_PORT  several nodes: the same command on each; each starts its servers
set -euo pipefail

root=$(dirname "$0")/..
case "${1:-}" in
  -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "$0"; exit ;;
  *.yaml) ;;
  *) set -- "$root/configs/rl/rephraser_qwen3_4b.yaml" "$@" ;;
esac
[ -n "${VIRTUAL_ENV:-}" ] || PATH="$root/.venv/bin:$PATH" # no environment active: the one quickstart.sh set up
PYTHONPATH=$(cd "$root" && pwd)${PYTHONPATH:+:$PYTHONPATH}
export PYTHONPATH OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-PASSIVE}" # spinning threads stall each other on shared cores

nnodes=${NNODES:-1} rank=${NODE_RANK:-0}
case " $* " in *" --dry-run "* | *" --help "*) exec python3 -m rl.train "$@" ;; esac
servers=$(python3 -m rl.train "$@" --check) # a mistake ends here with code 2, before a server or a launcher starts

[ -z "${POLICY_GPUS:-}" ] || policy=(env "CUDA_VISIBLE_DEVICES=$POLICY_GPUS")
policy=("${policy[@]:-env}")
if [ -n "${ACCELERATE:-}" ]; then
  gpus=$(nvidia-smi -L 2>/dev/null | wc -l || true)
  visible=${POLICY_GPUS:-${CUDA_VISIBLE_DEVICES:-}}
  [ -z "$visible" ] || gpus=$(tr ',' '\n' <<<"$visible" | wc -l)
  command=("${policy[@]}" accelerate launch --config_file "$ACCELERATE" --num_machines "$nnodes" --machine_rank "$rank"
    --num_processes $((${NPROC:-$((gpus > 0 ? gpus : 1))} * nnodes)) --main_process_port "${MASTER_PORT:-29500}"
    ${MASTER_ADDR:+--main_process_ip "$MASTER_ADDR"} -m rl.train "$@")
else
  command=("${policy[@]}" python3 -m rl.train "$@")
fi
if [ -z "$servers" ] || [ "${SERVERS:-}" = none ]; then
  exec "${command[@]}"
fi

pids=()
# shellcheck disable=SC2329 # called by the trap
stop_all() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done # serve.sh takes its server along
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
}
trap stop_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
for name in $servers; do
  bash "$root/scripts/serve.sh" "$name" &
  pids+=("$!")
done
for name in $servers; do bash "$root/scripts/serve.sh" "$name" --wait >/dev/null; done
"${command[@]}" & # in the background: a shell that waits hears signals at once
pids+=("$!")
wait "$!"
