#!/usr/bin/env bash
# Usage: scripts/tokenize.sh [CONFIG.yaml] input=POOL[,POOL] output=DIR tokenizer=PATH [key=value ...] [--dry-run]
#
# Turn pools of documents into shuffled, memory-mapped contexts; CONFIG is configs/pretrain/tokenize.yaml if not given.
# What a killed run has done is kept: the same command goes on from there.
#
#   scripts/tokenize.sh input=runs/pool output=runs/tokens tokenizer=rephrase/tiny seq_len=512 seed=7
#   scripts/tokenize.sh configs/pretrain/tokenize_local.yaml
#   scripts/tokenize.sh input=data/organic,data/recycled output=data/tokens export=dclm
set -euo pipefail

root=$(dirname "$0")/..
case "${1:-}" in
  -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "$0"; exit ;;
  *.yaml) ;;
  *) set -- "$root/configs/pretrain/tokenize.yaml" "$@" ;;
esac
[ -n "${VIRTUAL_ENV:-}" ] || PATH="$root/.venv/bin:$PATH" # no environment active: the one quickstart.sh set up
[ ! -d "$root/common" ] || PYTHONPATH=$(cd "$root" && pwd)${PYTHONPATH:+:$PYTHONPATH} # a checkout brings its own modules
export PYTHONPATH

exec python3 -m pretrain.tokenize "$@"
