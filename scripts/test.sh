#!/usr/bin/env bash
# Usage: scripts/test.sh [vllm=true] [pytest arguments]
#
# Set up .venv if needed, then run the checks (ruff, shellcheck, mypy) and the tests.
#
#   scripts/test.sh                      everything that runs without a GPU and without a network
#   scripts/test.sh tests/common -x      only these tests
#   scripts/test.sh -m slow              the long forms of proofs and the benchmarks
#   scripts/test.sh vllm=true            also the tests that drive vLLM's CPU build, in an environment of its own
#
# TEST_WORKERS  test processes (default: 2; 0 runs everything in one, as a debugger wants it)
set -euo pipefail

case "${1:-}" in
  -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "$0"; exit ;;
esac
cd "$(dirname "$0")/.."
vllm=false
case "${1:-}" in
  vllm=true) vllm=true; shift ;;
  vllm=false) shift ;;
esac
bash scripts/setup.sh
export PATH="$PWD/.venv/bin:$PATH" OMP_WAIT_POLICY=PASSIVE
unset VIRTUAL_ENV

ruff check .
ruff format --check --quiet .
mapfile -t scripts < <(find scripts .ci -type f \( -name '*.sh' -o -name '*.sbatch' -o -name run \) | sort)
mypy common rephrase filter pretrain eval rl
if command -v shellcheck >/dev/null 2>&1; then shellcheck --severity=warning "${scripts[@]}"; fi
# one thread per process: two OpenMP threads in each of two processes stall each other
OMP_NUM_THREADS=1 python -m pytest -n "${TEST_WORKERS:-2}" --dist loadfile "$@"
if [ "$vllm" = true ]; then
  bash scripts/setup_vllm.sh
  mapfile -t files < <(grep -rl 'mark\.vllm' tests --include='test_*.py') # the rest need packages that are not there
  .venv-vllm/bin/python -m pytest -m vllm "${files[@]}"
fi
