#!/usr/bin/env bash
# Usage: scripts/setup_vllm.sh
#
# Create .venv-vllm, if it is not there yet, and install vLLM's CPU build into it (requirements-vllm.txt): about 1 GB to
# download, 3.5 GB on disk, 1 minute with uv, a few minutes with pip. Done already: returns at once.
# `scripts/test.sh vllm=true` calls it. On a GPU machine vLLM belongs into .venv instead: pip install -e .[gpu]
#
# PYTHON  the interpreter for the environment (default: the one of .venv, else python3.11)
set -euo pipefail

case "${1:-}" in
  -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "$0"; exit ;;
esac
root=$(cd "$(dirname "$0")/.." && pwd)
venv=$root/.venv-vllm
stamp=$venv/.installed
wanted=$(sha256sum "$root/requirements-vllm.txt" | cut -d' ' -f1)
[ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && exit 0

python=${PYTHON:-$root/.venv/bin/python}
[ -x "$python" ] || python=$(command -v "${PYTHON:-python3.11}") || {
  echo "error: Python 3.11 is needed for vLLM's CPU build; set PYTHON to its path" >&2
  exit 2
}
echo "Setting up $venv (about 1 GB to download, 1 to 5 minutes) ..."
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"

torch=$(grep '^torch==' "$root/requirements.txt")+cpu
uv=$(command -v uv || command -v "$root/.venv/bin/uv" || true)
if [ -n "$uv" ]; then
  # uv does not read pip's find-links
  pip=("$uv" pip)
  install=(install --quiet --python "$venv/bin/python" ${PIP_FIND_LINKS:+--find-links "$PIP_FIND_LINKS"})
  uninstall=(uninstall --quiet --python "$venv/bin/python")
  cpu_index=(--index-strategy unsafe-best-match)
else
  pip=("$venv/bin/python" -m pip --disable-pip-version-check)
  install=(install --quiet)
  uninstall=(uninstall --quiet --yes)
  cpu_index=()
fi
if ! "${pip[@]}" "${install[@]}" "$torch" 2>"$venv/.install.log" && ! "${pip[@]}" "${install[@]}" "${cpu_index[@]}" \
  --extra-index-url https://download.pytorch.org/whl/cpu "$torch" 2>>"$venv/.install.log"; then
  tail -n 5 "$venv/.install.log" >&2
  echo "error: $torch could not be installed (see above; the whole log is $venv/.install.log)" >&2
  exit 1
fi
"${pip[@]}" "${install[@]}" "$torch" -r "$root/requirements-vllm.txt"
"${pip[@]}" "${uninstall[@]}" torchvision torchaudio torchcodec
"$venv/bin/python" -c 'import vllm' >/dev/null 2>"$venv/.install.log" || {
  tail -n 5 "$venv/.install.log" >&2
  echo "error: vLLM does not import from $venv (see above)" >&2
  exit 1
}
echo "$wanted" >"$stamp"
