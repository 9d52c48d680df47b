#!/usr/bin/env bash
# Usage: scripts/rl.sh [CONFIG.yaml] [key=value ...] [--dry-run]
#
# Train a policy with GRPO on this machine; CONFIG is configs/rl/rephraser_qwen3_4b.yaml if not given. The servers that
# the config names (configs/serve/NAME.yaml) are started first and stopped on every way out.
#
#   scripts/rl.sh configs/rl/rephraser_smoke_cpu.yaml seed=3
#   scripts/rl.sh configs/rl/rephraser_smoke_cpu.yaml val_only=true
#   ACCELERATE=configs/accelerate/zero3.yaml scripts/rl.sh
#   NODE_RANK=1 NNODES=2 MASTER_ADDR=node0 ACCELERATE=configs/accelerate/zero3.yaml scripts/rl.sh
#
# ACCELERATE   accelerate file (default: configs/accelerate/zero3.yaml for several GPUs or nodes, else one process)
# POLICY_GPUS  GPUs for the policy, such as 2,3,4,5,6,7 (default: those that no server of the config has)
# SERVERS      `none`: the config's servers run already (default: start them here)
# NPROC        processes on each node (default: one for each of POLICY_GPUS, or as many as a step divides among)
# NNODES, NODE_RANK, MASTER_ADDR, MASTER_PORT  several nodes: the same command on each; each starts its servers
set -euo pipefail

root=$(dirname "$0")/..
case "${1:-}" in
  -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "$0"; exit ;;
  *.yaml) ;;
  *) set -- "$root/configs/rl/rephraser_qwen3_4b.yaml" "$@" ;;
esac
[ -n "${VIRTUAL_ENV:-}" ] || PATH="$root/.venv/bin:$PATH" # no environment active: the one quickstart.sh set up
[ ! -d "$root/common" ] || PYTHONPATH=$(cd "$root" && pwd)${PYTHONPATH:+:$PYTHONPATH} # a checkout brings its own modules
export PYTHONPATH OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-PASSIVE}" # spinning threads stall each other on shared cores

nnodes=${NNODES:-1} rank=${NODE_RANK:-0} dry=''
arguments=()
for argument in "$@"; do
  case "$argument" in
    --dry-run) dry=yes ;;
    -h | --help) exec python3 -m rl.train "$@" ;;
    *) arguments+=("$argument") ;;
  esac
done
set -- "${arguments[@]}"
if [ -n "$dry" ]; then # shows what would run, on this machine or another: what is missing here is no mistake
  servers=$(python3 -m rl.train "$@" --check 2>/dev/null || true)
else
  servers=$(python3 -m rl.train "$@" --check) # a mistake ends here with code 2, before a server or a launcher starts
fi

[ "${SERVERS:-}" != none ] || servers=''

# The policy gets the GPUs that no server has; where each has one, they share.
visible=${CUDA_VISIBLE_DEVICES:-$(nvidia-smi --query-gpu=index --format=csv,noheader 2>/dev/null | paste -sd, || true)}
if [ -z "$visible" ]; then # a CPU step makes and frees the same large tensors: keep the memory, a tenth of the time
  export MALLOC_MMAP_THRESHOLD_="${MALLOC_MMAP_THRESHOLD_:-8589934592}"
  export MALLOC_TRIM_THRESHOLD_="${MALLOC_TRIM_THRESHOLD_:-8589934592}"
fi
if [ -z "${POLICY_GPUS:-}" ]; then
  taken=''
  for name in $servers; do
    taken+=",$(bash "$root/scripts/serve.sh" "$name" --dry-run | sed -n 's/^# gpus: \([0-9]\)/\1/p')"
  done
  for gpu in ${visible//,/ }; do
    case "$taken," in *",$gpu,"*) ;; *) POLICY_GPUS=${POLICY_GPUS:+$POLICY_GPUS,}$gpu ;; esac
  done
  POLICY_GPUS=${POLICY_GPUS:-$visible}
fi
gpus=$(tr ',' '\n' <<<"$POLICY_GPUS" | grep -c . || true)
nproc=${NPROC:-$((gpus > 0 ? gpus : 1))}
check() {
  ACCELERATE=${ACCELERATE:-} WORLD_SIZE=$((nproc * nnodes)) LOCAL_WORLD_SIZE=$nproc CUDA_VISIBLE_DEVICES=$visible \
    python3 -m rl.train "$@" --check >/dev/null
}
if [ -z "${NPROC:-}" ] && [ "$nproc" -gt 1 ]; then # a step must divide evenly: 7 free GPUs and 24 batches a step make 6 processes
  until [ "$nproc" -eq 1 ] || check "$@" 2>/dev/null; do nproc=$((nproc - 1)); done
  [ "$nproc" -ge "$gpus" ] || echo "a step divides among $nproc of $gpus GPUs; the others stay idle" >&2
fi
if [ $((nproc * nnodes)) -gt 1 ]; then
  ACCELERATE=${ACCELERATE:-$root/configs/accelerate/zero3.yaml}
  [ -n "$dry" ] || check "$@"
elif [ -n "${ACCELERATE:-}" ] && [ -z "$dry" ]; then
  check "$@"
fi

# One process with several GPUs in sight would not be one of TRL's trainers.
command=(env ${POLICY_GPUS:+CUDA_VISIBLE_DEVICES="$(cut -d, -f"1-$nproc" <<<"$POLICY_GPUS")"})
if [ -n "${ACCELERATE:-}" ]; then
  command+=(accelerate launch --config_file "$ACCELERATE" --num_machines "$nnodes" --machine_rank "$rank"
    --num_processes $((nproc * nnodes)) --main_process_port "${MASTER_PORT:-29500}"
    ${MASTER_ADDR:+--main_process_ip "$MASTER_ADDR"} -m rl.train "$@")
else
  command+=(python3 -m rl.train "$@")
fi
if [ -n "$dry" ]; then
  WORLD_SIZE=$((nproc * nnodes)) python3 -m rl.train "$@" --dry-run
  echo "# launch: ${command[*]}"
  exit
fi
if [ -z "$servers" ]; then
  exec "${command[@]}"
fi

pids=() waiting=''
# shellcheck disable=SC2329 # called by the trap
stop_all() {
  trap '' INT TERM # a second Ctrl-C would leave servers behind
  for pid in $waiting "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done # serve.sh takes its server along
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
}
trap stop_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
for name in $servers; do
  bash "$root/scripts/serve.sh" "$name" &
  pids+=("$!")
done
for name in $servers; do
  bash "$root/scripts/serve.sh" "$name" --wait >/dev/null &
  waiting=$!
  while kill -0 "$waiting" 2>/dev/null; do
    for pid in "${pids[@]}"; do # a server that ended says why itself
      kill -0 "$pid" 2>/dev/null || { wait "$pid" || exit "$?"; exit 1; }
    done
    sleep 0.2
  done
  wait "$waiting"
done
"${command[@]}" & # in the background: a shell that waits hears signals at once
pids+=("$!")
wait "$!"
