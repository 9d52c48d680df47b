#!/usr/bin/env bash
# Usage: scripts/quickstart.sh [pool=PATH] [--fresh]
#
# The whole recycling loop on one machine without a GPU, in about 10 minutes on 2 cores: set up .venv, take a pool of
# real documents, train the tiny rephraser with GRPO, recycle the pool, select, tokenise, pretrain two small models
# (organic text only; organic and recycled), score both, write runs/quickstart/report.html and say what was learnt.
#
#   scripts/quickstart.sh                        documents that this machine already holds
#   scripts/quickstart.sh pool=data/web/pool     the first documents of another pool
#   scripts/quickstart.sh --fresh                start over; without it, what is done is not done again
set -euo pipefail

cd "$(dirname "$0")/.."
source_pool=
fresh=false
for argument in "$@"; do
  case "$argument" in
    -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "scripts/quickstart.sh"; exit ;;
    --fresh | fresh=true) fresh=true ;;
    pool=*) source_pool=${argument#pool=} ;;
    *) echo "error: unknown argument '$argument'; see scripts/quickstart.sh --help" >&2; exit 2 ;;
  esac
done
if [ -n "$source_pool" ] && [ ! -e "$source_pool" ]; then
  echo "error: no pool at $source_pool: there is no such file or folder" >&2
  exit 2
fi

out=runs/quickstart
[ "$fresh" = false ] || rm -rf "$out"
bash scripts/setup.sh
export PATH="$PWD/.venv/bin:$PATH" OMP_WAIT_POLICY=PASSIVE TOKENIZERS_PARALLELISM=false HF_HUB_OFFLINE=1
unset VIRTUAL_ENV
mkdir -p "$out/logs"
if [ -e "$out/pool.txt" ] && [ "$(cat "$out/pool.txt")" != "${source_pool:-this machine}" ]; then
  echo "error: $out was made from $(cat "$out/pool.txt"); --fresh starts over with ${source_pool:-this machine}" >&2
  exit 2
fi
echo "${source_pool:-this machine}" >"$out/pool.txt"

began=$SECONDS
number=0
stages=9
stage() { # stage NAME WHAT COMMAND...: run a command unless it is done, keep its output, say how long it took
  local name=$1 what=$2 start=$SECONDS
  shift 2
  number=$((number + 1))
  printf '[%d/%d] %s' "$number" "$stages" "$what"
  if [ -e "$out/logs/$name.done" ]; then
    echo ": done before"
    return
  fi
  echo " ..."
  if ! "$@" >"$out/logs/$name.log" 2>&1; then
    tail -n 15 "$out/logs/$name.log" >&2
    echo "error: this stage failed; the whole log is $out/logs/$name.log" >&2
    exit 1
  fi
  touch "$out/logs/$name.done"
  echo "      $((SECONDS - start)) s"
}

take_pool() {
  rm -rf "$out/pool" "$out/held_out"
  if [ -n "$source_pool" ]; then
    python -m common.sample_pool "$source_pool" "$out/pool" limit=300 shards=5 max_chars=2500
  else
    python -m common.local_pool "$out/pool" limit=300 shards=5 max_chars=2500
  fi
  mkdir -p "$out/held_out" # the last fifth is for measuring only
  local shards=("$out"/pool/shard_*)
  [ "${#shards[@]}" -gt 1 ] || { echo "error: the pool has fewer than 2 documents that fit"; return 1; }
  mv "${shards[-1]}" "$out/held_out/"
}

select_pools() {
  bash scripts/filter.sh configs/filter/quickstart.yaml source_ref_paths="$out/pool" output_dir="$out/organic" \
    work="$out/steps/organic" &&
    bash scripts/filter.sh configs/filter/quickstart.yaml source_ref_paths="$out/pool,$out/recycled" \
      output_dir="$out/mixed" work="$out/steps/mixed"
}

tokenise() {
  local name
  for name in organic mixed; do
    bash scripts/tokenize.sh input="$out/$name" output="$out/tokens_$name" tokenizer=rephrase/tiny seq_len=256 seed=1 ||
      return 1
  done
}

pretrain() {
  bash scripts/pretrain.sh scale=quickstart data-config="$out/tokens_$1" logs="$out/models" name="$1" \
    tokens=400000 multiple-data-passes=true
}

evaluate() {
  local name
  for name in organic mixed; do
    bash scripts/eval.sh configs/eval/bpb_cpu.yaml model="$out/models/$name" data="$out/held_out" \
      output-file="$out/scores/$name.json" || return 1
  done
}

stage pool "Take a pool of real documents" take_pool
stage rl "Train the tiny rephraser: 16 GRPO steps" \
  bash scripts/rl.sh configs/rl/rephraser_smoke_cpu.yaml data.pool="$out/pool" out="$out/rl"
stage recycle "Rephrase the pool with it" bash scripts/infer.sh configs/rephrase/rephrase_tiny_cpu.yaml \
  input="$out/pool" output="$out/recycled" model="$out/rl/export" keep_organic_text=true \
  gate.numbers=0.9 gate.empty_passes=false # documents: figures in prose are never furniture, as dates in menus are
stage select "Score both pools, keep the better half of each" select_pools
stage tokenise "Tokenise and shuffle" tokenise
stage pretrain_organic "Pretrain on organic text" pretrain organic
stage pretrain_mixed "Pretrain on organic and recycled text, as many tokens" pretrain mixed
stage evaluate "Score both models on held-out pages" evaluate
rm -f "$out/logs/report.done" # cheap, and always about what is there now
stage report "Write the report" bash scripts/report.sh "$out" out="$out/report.html" summary="$out/summary.json" \
  title="The recycling loop, end to end"

echo
cat "$out/logs/report.log"
echo "All stages took $((SECONDS - began)) s. Open $out/report.html in a browser; the figures are in $out/summary.json."
