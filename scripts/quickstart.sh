#!/usr/bin/env bash
# Usage: scripts/quickstart.sh [reasoning] [pool=PATH] [seed=N] [--fresh] [--dry-run]
#
# The whole recycling loop on one machine without a GPU, in about 10 minutes on 2 cores: set up .venv, take a pool of
# real documents, train the tiny rephraser with GRPO, recycle the pool, select, tokenise, pretrain two small models
# (organic text only; organic and recycled), score both, write runs/quickstart/report.html and say what was learnt.
#
# With `reasoning`, the reasoning half in about 15 minutes: a tiny base that can work sums out and mostly does not, four
# GRPO runs from it that differ in their rewards alone (the outcome; RLPR; process rewards; completion gain), all scored
# on held-out sums, one table, and runs/reasoning/report.html.
#
#   scripts/quickstart.sh                        documents that this machine already holds
#   scripts/quickstart.sh pool=data/web/pool     the first documents of another pool
#   scripts/quickstart.sh reasoning              four rewards on the same sums, from nothing
#   scripts/quickstart.sh reasoning seed=1       the same base and another seed for the runs, in runs/reasoning_seed1
#   scripts/quickstart.sh --fresh                start over; without it, what is done is not done again
#   scripts/quickstart.sh --dry-run              print the stages' commands and run nothing
set -euo pipefail

cd "$(dirname "$0")/.."
half=recycling
source_pool=
seed=0
fresh=false
dry=false
for argument in "$@"; do
  case "$argument" in
    -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "scripts/quickstart.sh"; exit ;;
    reasoning) half=reasoning ;;
    --fresh | fresh=true) fresh=true ;;
    --dry-run) dry=true ;;
    pool=*) source_pool=${argument#pool=} ;;
    seed=*) seed=${argument#seed=} ;;
    *) echo "error: unknown argument '$argument'; see scripts/quickstart.sh --help" >&2; exit 2 ;;
  esac
done
if [ -n "$source_pool" ] && [ ! -e "$source_pool" ]; then
  echo "error: no pool at $source_pool: there is no such file or folder" >&2
  exit 2
fi
case "$half:$source_pool:$seed" in
  *:*:*[!0-9]* | *:*:) echo "error: seed=$seed is no number" >&2; exit 2 ;;
  reasoning:?*:*) echo "error: pool=$source_pool goes with the recycling loop; reasoning makes its own sums" >&2; exit 2 ;;
  recycling::0 | recycling:?*:0 | reasoning:*) ;;
  *) echo "error: seed=$seed goes with reasoning; the recycling loop has one seed" >&2; exit 2 ;;
esac

out=runs/quickstart
[ "$half" = recycling ] || out=runs/reasoning
[ "$seed" -eq 0 ] || out=runs/reasoning_seed$seed
if [ "$dry" = false ]; then
  [ "$fresh" = false ] || rm -rf "$out"
  bash scripts/setup.sh
  export PATH="$PWD/.venv/bin:$PATH" OMP_WAIT_POLICY=PASSIVE TOKENIZERS_PARALLELISM=false HF_HUB_OFFLINE=1
  unset VIRTUAL_ENV
  mkdir -p "$out/logs"
fi
if [ "$half" = recycling ] && [ "$dry" = false ]; then
  if [ -e "$out/pool.txt" ] && [ "$(cat "$out/pool.txt")" != "${source_pool:-this machine}" ]; then
    echo "error: $out was made from $(cat "$out/pool.txt"); --fresh starts over with ${source_pool:-this machine}" >&2
    exit 2
  fi
  echo "${source_pool:-this machine}" >"$out/pool.txt"
fi

began=$SECONDS
number=0
stages=9
[ "$half" = recycling ] || stages=14
stage() { # stage NAME WHAT COMMAND...: run a command unless it is done, keep its output, say how long it took
  local name=$1 what=$2 start=$SECONDS
  shift 2
  number=$((number + 1))
  printf '[%d/%d] %s' "$number" "$stages" "$what"
  if [ "$dry" = true ]; then
    printf '\n      '
    if [ "$(type -t "$1")" = function ]; then declare -f "$1"; else printf '%q ' "$@"; fi
    echo
    return
  fi
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

recycle() {
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
}

reward() { # reward NAME WHAT REWARDS WEIGHTS: train with these rewards, then score on the held-out sums
  stage "rl_$1" "Train from the base by $2" bash scripts/rl.sh configs/rl/sums_smoke_cpu.yaml model="$out/base/export" \
    data.train="[$sums/train.jsonl]" data.eval="[$sums/eval.jsonl]" out="$out/$1" seed="$seed" rewards="$3" \
    reward_weights="$4"
  score "$1" "$out/$1/export"
}

score() { # score NAME MODEL
  stage "score_$1" "Score $1 on 256 held-out sums" bash scripts/eval.sh tasks=configs/eval/task_sums.yaml data="$sums" \
    model="$2" engine="{kind: transformers, batch_size: 256, window: 512}" seed="$seed" output-file="$out/scores/$1.json"
}

reason() {
  local sums=$out/sums outcome='{kind: verifiable, verifier: math}'
  stage sums "Make sums: to learn from, to train on, held out" python -m rl.data.arithmetic out="$sums" form=both \
    terms=5 largest=6 guess_frac=0.7 sft_rows=4000 readouts=2000 rows=640 eval_rows=256
  stage tokenizer "Train a small tokenizer" python -m pretrain.tokenizer configs/pretrain/tokenizer_sums.yaml \
    pool="$sums/sft.jsonl" out="$out/tokenizer"
  stage base "Teach a fresh model: most sums answered at once, few worked out" \
    bash scripts/sft.sh configs/rl/sft_sums.yaml tokenizer="$out/tokenizer" out="$out/base" \
    stages.0.data="[$sums/sft.jsonl]"
  score base "$out/base/export"
  reward verifiable "the outcome alone, the control" "[$outcome]" "[1]"
  reward rlpr "RLPR: how likely the working makes the answer" \
    "[$outcome, {kind: reference_probability, format_weight: 0.1}]" "[0, 1]"
  reward process "the outcome and what each line of the working adds" \
    "[$outcome, {kind: process, k: 20, w: 0.1, alpha: 0.05}]" "[1, 0]"
  reward completion "completion gain: how much likelier the working makes the answer to the frozen base" \
    "[$outcome, {kind: completion_gain, plan: thinking}]" "[0, 1]"
  stage table "Compare them" python -m eval.compare "$out/scores/base.json" "$out/scores/verifiable.json" \
    "$out/scores/rlpr.json" "$out/scores/process.json" "$out/scores/completion.json" control=verifiable
}

if [ "$half" = recycling ]; then
  recycle
  title="The recycling loop, end to end"
else
  reason
  title="Four rewards on the same sums, one seed"
fi
[ "$dry" = true ] || rm -f "$out/logs/report.done" # cheap, and always about what is there now
stage report "Write the report" bash scripts/report.sh "$out" out="$out/report.html" summary="$out/summary.json" \
  title="$title"
[ "$dry" = false ] || exit 0

echo
if [ "$half" = reasoning ]; then cat "$out/logs/table.log"; else cat "$out/logs/report.log"; fi
echo "All stages took $((SECONDS - began)) s. Open $out/report.html in a browser; the figures are in $out/summary.json."
