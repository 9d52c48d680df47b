#!/usr/bin/env bash
# Usage: scripts/serve.sh NAME [key=value ...] [--wait] [--dry-run]
#
# Serve a model on 127.0.0.1 in OpenAI's protocol until stopped; NAME is a file of configs/serve, or a YAML file. Prints
# the server's URL once it answers. With --wait nothing is started: returns when the server answers. For other machines
# give host=ADDRESS (0.0.0.0 for all) and a key, and url_file=FILE where they are to find the URL.
#
#   scripts/serve.sh dataman
#   scripts/serve.sh structure gpus=1 port=8001
#   JUDGE_KEY=... scripts/serve.sh verifier host=0.0.0.0 api_key_env=JUDGE_KEY url_file=runs/guru/judge_url
set -euo pipefail

root=$(dirname "$0")/..
case "${1:-}" in
  -h | --help | '') sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "$0"; exit ;;
  *.yaml) ;;
  *)
    if [ ! -f "$root/configs/serve/$1.yaml" ]; then
      names=$(cd "$root/configs/serve" && echo *.yaml)
      echo "error: no server is called '$1'; there are: ${names//.yaml/}" >&2
      exit 2
    fi
    set -- "$root/configs/serve/$1.yaml" "${@:2}"
    ;;
esac
[ -n "${VIRTUAL_ENV:-}" ] || PATH="$root/.venv/bin:$PATH" # no environment active: the one quickstart.sh set up
[ ! -d "$root/common" ] || PYTHONPATH=$(cd "$root" && pwd)${PYTHONPATH:+:$PYTHONPATH} # a checkout brings its own modules
export PYTHONPATH
exec python3 -m common.serve "$@"
