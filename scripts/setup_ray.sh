#!/usr/bin/env bash
# Usage: scripts/setup_ray.sh
#
# Create .venv-ray, if it is not there yet: an environment with Ray that has all packages of .venv in sight, so that the
# tests of `cluster=ray` run in it. 85 MB to download, 0.3 GB on disk. Done already: returns at once.
# `scripts/test.sh ray=true` calls it. To work on a cluster, install Ray into .venv instead: pip install -e .[cluster]
set -euo pipefail

case "${1:-}" in
  -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "$0"; exit ;;
esac
root=$(cd "$(dirname "$0")/.." && pwd)
venv=$root/.venv-ray
wanted=$(grep -o 'ray==[0-9.]*' "$root/setup.py")
[ "$(cat "$venv/.installed" 2>/dev/null)" = "$wanted" ] && exit 0

python=$root/.venv/bin/python
[ -x "$python" ] || {
  echo "error: there is no .venv yet; run scripts/setup.sh first" >&2
  exit 2
}
echo "Setting up $venv (85 MB to download, under a minute) ..."
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
site='import sysconfig; print(sysconfig.get_paths()["purelib"])'
"$python" -c "$site" >"$("$venv/bin/python" -c "$site")/base.pth" # what .venv holds is not installed again
"$venv/bin/python" -m pip --disable-pip-version-check install --quiet "$wanted"
"$venv/bin/python" -c 'import ray' >/dev/null
echo "$wanted" >"$venv/.installed"
