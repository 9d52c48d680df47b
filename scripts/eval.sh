#!/usr/bin/env bash
# Usage: scripts/eval.sh [CONFIG.yaml] [key=value ...] [--dry-run]
#
# Score a model on CORE, on held-out text (bits per byte), on tasks of lm-eval, or on suites of generated answers
# (guru17, rlpr7, process6, their tasks by name); CONFIG is configs/eval/core.yaml if not given. Prints a table, writes
# DCLM's record as JSON; the same command again scores only what is not there yet.
#
#   scripts/eval.sh model=FOLDER tasks=core data=TASK_FILES output-file=results/mine.json
#   scripts/eval.sh model=FOLDER tasks=core20,bpb data=TASK_FILES held-out=POOL output-file=results/mine.json
#   scripts/eval.sh method=RUN checkpoint=1000 model=open_lm_1b_swiglutorch output-file=results/mine.json
#   scripts/eval.sh model=FOLDER tasks=guru17 data=ROWS engine=vllm workers=8 output-file=results/mine.json
#   scripts/eval.sh tasks=rlpr7 data=ROWS --show 1
#
# GPUS  processes, one per GPU, that share CORE's rows (default: 1); for generated answers give workers=
set -euo pipefail

root=$(dirname "$0")/..
case "${1:-}" in
  -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "$0"; exit ;;
  *.yaml) ;;
  *) set -- "$root/configs/eval/core.yaml" "$@" ;;
esac
[ -n "${VIRTUAL_ENV:-}" ] || PATH="$root/.venv/bin:$PATH" # no environment active: the one quickstart.sh set up
[ ! -d "$root/common" ] || PYTHONPATH=$(cd "$root" && pwd)${PYTHONPATH:+:$PYTHONPATH} # a checkout brings its own modules
export PYTHONPATH
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-PASSIVE}" TOKENIZERS_PARALLELISM="${TOKENIZERS_PARALLELISM:-true}"

if [ "${GPUS:-1}" -gt 1 ]; then
  python3 -m eval.run "$@" --dry-run >/dev/null # a mistake ends here with code 2, not in a launcher's traceback
  exec torchrun --standalone --nproc-per-node="$GPUS" -m eval.run "$@"
fi
exec python3 -m eval.run "$@"
