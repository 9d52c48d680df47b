#!/usr/bin/env bash
# Usage: scripts/filter.sh [CONFIG.yaml] source_ref_paths=POOL[,POOL] output_dir=POOL [key=value ...] [--dry-run]
#
# Score pools, keep the best of each, mix them into one pool; CONFIG is configs/filter/repro.yaml if not given.
# Its rules are matched with the pools in order: organic first, recycled second.
#
#   scripts/filter.sh source_ref_paths=pool,recycled output_dir=selected tokenizer=tokenizers/gpt-neox-20b workers=16
#   scripts/filter.sh configs/filter/smoke_cpu.yaml source_ref_paths=pool,recycled output_dir=selected
set -euo pipefail

root=$(dirname "$0")/..
case "${1:-}" in
  -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "$0"; exit ;;
  *.yaml) ;;
  *) set -- "$root/configs/filter/repro.yaml" "$@" ;;
esac
[ -n "${VIRTUAL_ENV:-}" ] || PATH="$root/.venv/bin:$PATH" # no environment active: the one quickstart.sh set up
# fastText looks words up all over hundreds of MB: huge pages save it about a twentieth of its time
export GLIBC_TUNABLES="${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1}"
[ ! -d "$root/common" ] || PYTHONPATH=$(cd "$root" && pwd)${PYTHONPATH:+:$PYTHONPATH} # a checkout brings its own modules
export PYTHONPATH
exec python3 -m filter.run "$@"
