#!/usr/bin/env bash
# Usage: scripts/download.sh NAME... [key=value ...] [--list] [--dry-run]
#
# Fetch data sets, models, tokenizers and task files that others publish, to where the configs look for them. A download
# that was stopped goes on when the command is given again. All keys: python -m common.download --help
#
#   scripts/download.sh --list
#   scripts/download.sh fasttext neox-tokenizer core
#   scripts/download.sh dclm-refinedweb numbers=0-7
set -euo pipefail

case "${1:-}" in
  -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "$0"; exit ;;
esac
root=$(dirname "$0")/..
[ -n "${VIRTUAL_ENV:-}" ] || PATH="$root/.venv/bin:$PATH" # no environment active: the one quickstart.sh set up
[ ! -d "$root/common" ] || PYTHONPATH=$(cd "$root" && pwd)${PYTHONPATH:+:$PYTHONPATH} # a checkout brings its own modules
export PYTHONPATH
exec python3 -m common.download "$@"
