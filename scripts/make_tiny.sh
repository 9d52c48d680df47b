#!/usr/bin/env bash
# Usage: scripts/make_tiny.sh POOL [--unit] [--dry-run]
#
# Make the tiny rephraser from a pool of web pages: tokenizer; pairs of noisy page and clean page, from short to long;
# training on them (runs/tiny/first/export), then on pages in which phrases return (the rephraser, runs/tiny/sft/export);
# its twin, which starts from the same fresh weights and learns plain text instead (runs/tiny/base/export); the
# rephraser's figures on held-out pages. A bit over an hour on 2 cores; what is there already is not made again.
#
#   scripts/make_tiny.sh POOL          the models in rephrase/tiny (line edits) and rephrase/tiny_text were made so
#   scripts/make_tiny.sh POOL --unit   a 1M-parameter variant for unit tests, in seconds: runs/tiny_unit/sft/export
set -euo pipefail

root=$(dirname "$0")/..
pool='' unit='' dry=''
for argument in "$@"; do
  case "$argument" in
    -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "$0"; exit ;;
    --unit) unit=1 ;;
    --dry-run) dry=--dry-run ;;
    *) pool=$argument ;;
  esac
done
if [ -z "$pool" ]; then
  echo "error: which pool? scripts/make_tiny.sh POOL; python -m common.local_pool OUT writes one" >&2
  exit 2
fi
[ -n "${VIRTUAL_ENV:-}" ] || PATH="$root/.venv/bin:$PATH" # no environment active: the one quickstart.sh set up
[ ! -d "$root/common" ] || PYTHONPATH=$(cd "$root" && pwd)${PYTHONPATH:+:$PYTHONPATH} # a checkout brings its own modules
export PYTHONPATH OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-PASSIVE}" # spinning threads stall each other on shared cores

make() { # FILE-THAT-SHOWS-IT-IS-DONE COMMAND...
  local done=$1
  shift
  if [ -n "$dry" ]; then
    echo "python3 -m $*"
  elif [ ! -e "$done" ]; then
    echo "== $*"
    python3 -m "$@"
  fi
}

configs=$root/configs
if [ -n "$unit" ]; then
  out=runs/tiny_unit
  make $out/tokenizer/tokenizer.json pretrain.tokenizer "$configs/pretrain/tokenizer_tiny.yaml" pool="$pool" \
    out=$out/tokenizer vocab_size=2048 max_chars=1000000
  make $out/data/short.jsonl rl.data.rephrase "$configs/rl/data_tiny_short.yaml" pool="$pool" \
    out=$out/data/short.jsonl tokenizer=$out/tokenizer rows=1000 harvest_pages=100
  make $out/sft/export/model.safetensors rl.sft "$configs/rl/sft_tiny_unit.yaml" \
    model="$configs/pretrain/models/tiny_llama_1m.json"
  exit
fi

out=runs/tiny
make $out/tokenizer/tokenizer.json pretrain.tokenizer "$configs/pretrain/tokenizer_tiny.yaml" pool="$pool"
for name in prose short middle brief long echo held_out unseen; do
  make $out/data/$name.jsonl rl.data.rephrase "$configs/rl/data_tiny_$name.yaml" pool="$pool"
done
fresh=$configs/pretrain/models/tiny_llama.json
make $out/first/export/model.safetensors rl.sft "$configs/rl/sft_tiny.yaml" model="$fresh"
make $out/sft/export/model.safetensors rl.sft "$configs/rl/sft_tiny_echo.yaml"
make $out/base/export/model.safetensors rl.sft "$configs/rl/sft_tiny_base.yaml" model="$fresh"

# The tiny rephraser's default form: marks of lines to drop, learnt from web pages and this machine's own documents.
make $out/local/dataset.json common.local_pool $out/local max_chars=2500 shards=5
if [ -z "$dry" ] && [ ! -d $out/both ]; then
  mkdir -p $out/both
  for shard in $out/local/shard_*; do ln -s "$(realpath "$shard")" "$out/both/a_$(basename "$shard")"; done
  for shard in "$pool"/*shard_*; do ln -s "$(realpath "$shard")" "$out/both/b_$(basename "$shard")"; done
fi
make $out/edits_tokenizer/tokenizer.json pretrain.tokenizer "$configs/pretrain/tokenizer_tiny.yaml" pool=$out/both \
  out=$out/edits_tokenizer max_chars=14000000
make $out/data/edits_short.jsonl rl.data.edits "$configs/rl/data_tiny_edits.yaml" pool="$pool" rows=5000 seed=7 \
  max_tokens=72 max_lines=8 max_pieces=2 out=$out/data/edits_short.jsonl
for seed in 1 2; do
  make $out/data/edits_$seed.jsonl rl.data.edits "$configs/rl/data_tiny_edits.yaml" pool="$pool" seed=$seed \
    out=$out/data/edits_$seed.jsonl
done
make $out/edits_first/export/model.safetensors rl.sft "$configs/rl/sft_tiny_edits.yaml"
make $out/edits/export/model.safetensors rl.sft "$configs/rl/sft_tiny_edits_decay.yaml"
for seed in 3 4; do
  make $out/data/edits_$seed.jsonl rl.data.edits "$configs/rl/data_tiny_edits.yaml" pool="$pool" seed=$seed rows=16000 \
    out=$out/data/edits_$seed.jsonl
done
make $out/edits_more/export/model.safetensors rl.sft "$configs/rl/sft_tiny_edits_more.yaml"

for name in held_out unseen; do
  make $out/$name.json eval.cleaning model=$out/sft/export rows=$out/data/$name.jsonl out=$out/$name.json
done
