#!/usr/bin/env bash
# Usage: scripts/report.sh RUN [RUN ...] out=FILE.html [key=value ...]
#
# Write one HTML file about runs, pools, tokenised sets and evaluation records, or folders of these.
#
#   scripts/report.sh runs/quickstart out=runs/quickstart/report.html
set -euo pipefail

root=$(dirname "$0")/..
case "${1:-}" in
  -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "$0"; exit ;;
esac
[ -n "${VIRTUAL_ENV:-}" ] || PATH="$root/.venv/bin:$PATH" # no environment active: the one quickstart.sh set up
[ ! -d "$root/common" ] || PYTHONPATH=$(cd "$root" && pwd)${PYTHONPATH:+:$PYTHONPATH} # a checkout brings its own modules
export PYTHONPATH

exec python3 -m eval.report "$@"
