#!/usr/bin/env bash
# Usage: scripts/run_multinodes_repro_grpo.sh MODEL NUM_NODES GPUS_PER_NODE TP VLLM_UTIL RUN_NAME [CONFIG.yaml] [key=value ...]
#
# Train with process-level rewards (RePro, arXiv:2512.01925) on one node or several: the same command on every node.
# A wrapper of scripts/rl.sh; CONFIG is configs/rl/process_r1_distill_1.5b.yaml if not given, data are its
# data.train=FILE and data.eval=FILE, and the run folder is runs/RUN_NAME.
#
#   scripts/run_multinodes_repro_grpo.sh deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B 1 8 1 0.6 repro_1.5b
#   NODE_RANK=0 MASTER_ADDR=node0 scripts/run_multinodes_repro_grpo.sh MODEL 4 8 1 0.6 repro_1.5b
#
# TP           GPUs of one vLLM engine
# VLLM_UTIL    share of a GPU's memory for vLLM
# NODE_RANK    0 on the master, then 1, 2, ... (needed on several nodes, as MASTER_ADDR is)
# MASTER_ADDR  address of the master; MASTER_PORT, default 29500
# ACCELERATE   accelerate file (default: configs/accelerate/zero3.yaml)
set -euo pipefail

root=$(dirname "$0")/..
case "${1:-}" in -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "$0"; exit ;; esac
if [ $# -lt 6 ]; then
  echo "error: 6 arguments are needed, $# were given: MODEL NUM_NODES GPUS_PER_NODE TP VLLM_UTIL RUN_NAME" >&2
  exit 2
fi
model=$1 nodes=$2 gpus=$3 tp=$4 share=$5 name=$6
shift 6
for number in "$nodes" "$gpus" "$tp"; do
  if ! [[ $number =~ ^[1-9][0-9]*$ ]]; then
    echo "error: NUM_NODES, GPUS_PER_NODE and TP are numbers from 1, not '$number'" >&2
    exit 2
  fi
done
if [ "$nodes" -gt 1 ] && { [ -z "${NODE_RANK:-}" ] || [ -z "${MASTER_ADDR:-}" ]; }; then
  echo "error: on $nodes nodes set NODE_RANK (0 on the master) and MASTER_ADDR" >&2
  exit 2
fi
config=$root/configs/rl/process_r1_distill_1.5b.yaml
case "${1:-}" in *.yaml) config=$1 && shift ;; esac

export NNODES=$nodes NODE_RANK=${NODE_RANK:-0} NPROC=$gpus
export ACCELERATE=${ACCELERATE:-$root/configs/accelerate/zero3.yaml}
exec bash "$root/scripts/rl.sh" "$config" model="$model" out="runs/$name" trl.vllm_tensor_parallel_size="$tp" \
  trl.vllm_gpu_memory_utilization="$share" "$@"
