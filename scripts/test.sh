#!/usr/bin/env bash
# Usage: scripts/test.sh [vllm=true] [ray=true] [pytest arguments]
#
# Set up .venv if needed, then run the checks (ruff, shellcheck, mypy) and the tests.
#
#   scripts/test.sh                      everything that runs without a GPU and without a network
#   scripts/test.sh tests/common -x      only these tests
#   scripts/test.sh -m slow              the long forms of proofs and the benchmarks
#   scripts/test.sh vllm=true            also the tests that drive vLLM's CPU build, in an environment of its own
#   scripts/test.sh ray=true             also the tests of a Ray cluster, likewise
#
# TEST_WORKERS  test processes (default: 2; 0 runs everything in one, as a debugger wants it)
set -euo pipefail

case "${1:-}" in
  -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "$0"; exit ;;
esac
cd "$(dirname "$0")/.."
vllm=false ray=false
while :; do
  case "${1:-}" in
    vllm=true | vllm=false) vllm=${1#vllm=}; shift ;;
    ray=true | ray=false) ray=${1#ray=}; shift ;;
    *) break ;;
  esac
done
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
if [ "$ray" = true ]; then
  bash scripts/setup_ray.sh
  mapfile -t files < <(grep -rl 'mark\.ray' tests --include='test_*.py')
  .venv-ray/bin/python -m pytest -m ray "${files[@]}"
fi
