#!/usr/bin/env bash
# Usage: scripts/view.sh POOL [limit=N] [key=value ...]
#
# Show recycled documents beside their organic ones, in the terminal. All keys: python -m rephrase.inspect --help
#
#   scripts/view.sh runs/recycled limit=3
#   scripts/view.sh runs/recycled organic=data/pool status=missing_sentinel
set -euo pipefail

case "${1:-}" in
  -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "$0"; exit ;;
esac
root=$(dirname "$0")/..
[ -n "${VIRTUAL_ENV:-}" ] || PATH="$root/.venv/bin:$PATH" # no environment active: the one quickstart.sh set up
[ ! -d "$root/common" ] || PYTHONPATH=$(cd "$root" && pwd)${PYTHONPATH:+:$PYTHONPATH} # a checkout brings its own modules
export PYTHONPATH
exec python3 -m rephrase.inspect "$@"
