#!/usr/bin/env bash
# Usage: scripts/setup.sh
#
# Create .venv beside the scripts, if it is not there yet, and install requirements.txt into it. Done already: returns
# at once. quickstart.sh and test.sh call it; nothing else needs to.
#
# Where nothing can be built (no C compiler, or no Python.h), reasoning-gym is left out: one of its parts comes as source.
#
# On a machine without an NVIDIA GPU torch's CPU file is installed, from wherever pip is set up to look, else from
# PyTorch's own CPU index; a set-up that would bring CUDA packages to such a machine stops instead.
#
# PYTHON  the interpreter for the environment (default: python3.11 or newer on the PATH)
set -euo pipefail

case "${1:-}" in
  -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "$0"; exit ;;
esac
root=$(cd "$(dirname "$0")/.." && pwd)
venv=$root/.venv
stamp=$venv/.installed
wanted=$(sha256sum "$root/requirements.txt" | cut -d' ' -f1)
[ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && exit 0

find_python() {
  local name
  for name in "${PYTHON:-}" python3.11 python3.12 python3.13 python3; do
    if [ -n "$name" ] && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$name"
      return
    fi
  done
  echo "error: Python 3.11 or newer is needed; set PYTHON to its path" >&2
  exit 2
}

echo "Setting up $venv (about 0.5 GB to download, 1 to 3 minutes) ..."
[ -x "$venv/bin/python" ] || "$(find_python)" -m venv "$venv"
torch=$(grep '^torch==' "$root/requirements.txt")
if command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L >/dev/null 2>&1; then gpu=yes; else gpu=no; fi
[ "$gpu" = yes ] || torch="$torch+cpu"

pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check)
uv=$(command -v uv || true)
if [ -z "$uv" ] && "${pip[@]}" uv >/dev/null 2>&1; then uv=$venv/bin/uv; fi # six times faster; pip does as well
if [ -n "$uv" ]; then
  # uv does not read pip's find-links
  install=("$uv" pip install --quiet --python "$venv/bin/python" ${PIP_FIND_LINKS:+--find-links "$PIP_FIND_LINKS"})
  cpu_index=(--index-strategy unsafe-best-match)
  if ! "${install[@]}" orjson >/dev/null 2>&1; then uv=''; fi # it does not read pip's index settings either
fi
if [ -z "$uv" ]; then
  install=("${pip[@]}")
  cpu_index=()
fi
if ! "${install[@]}" "$torch" 2>"$venv/.install.log"; then
  if [ "$gpu" = yes ] || ! "${install[@]}" "${cpu_index[@]}" --extra-index-url https://download.pytorch.org/whl/cpu \
    "$torch" 2>>"$venv/.install.log"; then
    tail -n 5 "$venv/.install.log" >&2
    echo "error: $torch could not be installed (see above; the whole log is $venv/.install.log)" >&2
    exit 1
  fi
fi
requirements=$root/requirements.txt
header='import pathlib, sys, sysconfig; sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").is_file())'
if ! { command -v cc || command -v gcc; } >/dev/null 2>&1 || ! "$venv/bin/python" -c "$header"; then
  requirements=$venv/.requirements.txt
  grep -v '^reasoning-gym==' "$root/requirements.txt" >"$requirements"
  echo "reasoning-gym is left out: it needs a C compiler and Python.h, and nothing else does. Get it later with" \
    "$venv/bin/python -m pip install $(grep '^reasoning-gym==' "$root/requirements.txt")"
fi
"${install[@]}" "$torch" -r "$requirements"
"${install[@]}" --no-deps -e "$root" # so that the commands work from any folder
if [ "$gpu" = no ] && "$venv/bin/python" -m pip list 2>/dev/null | grep -qiE '^(nvidia-|cuda-|triton )'; then
  echo "error: CUDA packages came into $venv on a machine without a GPU; delete it and look at requirements.txt" >&2
  exit 1
fi
echo "$wanted" >"$stamp"
