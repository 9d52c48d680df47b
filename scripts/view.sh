#!/usr/bin/env bash
# Usage: scripts/view.sh POOL|RUN [...] [terminal=true] [key=value ...]
#
# Read pools and the rollouts of RL runs in a browser: documents beside their pages, a prompt's rollouts side by side.
# Off a terminal, or with terminal=true, print recycled documents beside their organic ones instead.
# All keys: python -m eval.reader --help, and python -m rephrase.inspect --help for the terminal
#
#   scripts/view.sh runs/recycled
#   scripts/view.sh runs/rl
#   scripts/view.sh runs/recycled organic=data/pool status=missing_sentinel
#   scripts/view.sh runs/recycled limit=3 terminal=true
set -euo pipefail

case "${1:-}" in
  -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "$0"; exit ;;
esac
root=$(dirname "$0")/..
[ -n "${VIRTUAL_ENV:-}" ] || PATH="$root/.venv/bin:$PATH" # no environment active: the one quickstart.sh set up
[ ! -d "$root/common" ] || PYTHONPATH=$(cd "$root" && pwd)${PYTHONPATH:+:$PYTHONPATH} # a checkout brings its own modules
export PYTHONPATH

if [ -t 1 ]; then door=eval.reader; else door=rephrase.inspect; fi
words=()
for word in "$@"; do
  case "$word" in
    terminal=true | --terminal=true | --terminal) door=rephrase.inspect ;;
    terminal=false | --terminal=false) door=eval.reader ;;
    *) words+=("$word") ;;
  esac
done
exec python3 -m "$door" ${words[@]+"${words[@]}"}
