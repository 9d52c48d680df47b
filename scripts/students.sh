#!/usr/bin/env bash
# Usage: scripts/students.sh POOL HELD_OUT OUT [--dry-run]
#
# Does recycling help? Recycle a pool with the tiny rephraser and train students at equal tokens on three sets:
#   best    the better half of the organic text, repeated
#   mixed   the same and the better half of the recycled text
#   all     all organic text
# with three seeds each; then compare bits per byte on held-out text, in pairs, with intervals over its documents and the
# spread over seeds. What is there already is not made again. HELD_OUT are files or pools of clean text with commas
# between; of rows with a marked article (`gold`) that is the text, of a .txt file the first 20 pieces of 4,000 characters.
#
#   scripts/students.sh POOL cleaning.jsonl,novel.txt runs/students
#   DOCUMENTS=400 TOKENS=400000 SEEDS="1 2" scripts/students.sh POOL cleaning.jsonl runs/students_small
#
# DOCUMENTS  pages taken from the pool (default 3000)
# TOKENS     training tokens of each student (default 3000000; the warm-up takes 82,000, so give more)
# SEEDS      default "1 2 3"
set -euo pipefail

case "${1:-}" in
  -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "$0"; exit ;;
esac
if [ $# -lt 3 ]; then
  echo "error: scripts/students.sh POOL HELD_OUT OUT; see --help" >&2
  exit 2
fi
pool=$1 held_out=$2 out=$3
root=$(cd "$(dirname "$0")/.." && pwd)
[ -n "${VIRTUAL_ENV:-}" ] || PATH="$root/.venv/bin:$PATH" # no environment active: the one quickstart.sh set up
PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
export PYTHONPATH OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-PASSIVE}" # spinning threads stall each other on shared cores
documents=${DOCUMENTS:-3000} tokens=${TOKENS:-3000000} seeds=${SEEDS:-1 2 3}
configs=$root/configs

make() { # FILE-THAT-SHOWS-IT-IS-DONE COMMAND...
  local done=$1
  shift
  if [ "${dry:-}" ]; then
    echo "$*"
  elif [ ! -e "$done" ]; then
    echo "== $*"
    "$@"
    mkdir -p "$(dirname "$done")" && touch "$done"
  fi
}
[ "${4:-}" != --dry-run ] || dry=1

held_out_text() {
  python3 - "$held_out" "$out/held_out.jsonl" <<'PYTHON'
import sys
from pathlib import Path

from common.pools.documents import write_documents
from common.pools.shards import read_pool

rows = []
for source in sys.argv[1].split(","):
    if source.endswith(".txt"):
        text = Path(source).read_text(encoding="utf-8")[:80_000]
        rows += [{"id": f"{Path(source).stem}-{at}", "text": text[at : at + 4000]} for at in range(0, len(text), 4000)]
    else:
        rows += [{"id": str(row["id"]), "text": row.get("gold", row["text"])} for row in read_pool(source)]
write_documents(sys.argv[2], rows)
PYTHON
}

make "$out/done/held_out" held_out_text
make "$out/done/pool" python3 -m common.sample_pool "$pool" "$out/pool" limit="$documents" shards=4
make "$out/done/recycled" bash "$root/scripts/infer.sh" "$configs/rephrase/rephrase_tiny_cpu.yaml" input="$out/pool" \
  output="$out/recycled"
filter() { # ARM SOURCES [key=value ...]
  local arm=$1 sources=$2
  shift 2
  make "$out/done/$arm" bash "$root/scripts/filter.sh" "$configs/filter/quickstart.yaml" source_ref_paths="$sources" \
    output_dir="$out/$arm" work="$out/steps/$arm" "$@"
}
filter best "$out/pool"
filter mixed "$out/pool,$out/recycled"
filter all "$out/pool" 'sources.0.select={kind: all}'
declare -A records
for arm in best mixed all; do
  make "$out/done/tokens_$arm" bash "$root/scripts/tokenize.sh" input="$out/$arm" output="$out/tokens_$arm" \
    tokenizer="$root/rephrase/tiny" seq_len=256 seed=1
  for seed in $seeds; do
    name=${arm}_$seed
    make "$out/done/$name" bash "$root/scripts/pretrain.sh" scale=quickstart data-config="$out/tokens_$arm" \
      logs="$out/models" name="$name" tokens="$tokens" seed="$seed" multiple-data-passes=true
    make "$out/done/scores_$name" bash "$root/scripts/eval.sh" "$configs/eval/bpb_cpu.yaml" model="$out/models/$name" \
      data="$out/held_out.jsonl" output-file="$out/scores/$name.json"
    records[$arm]=${records[$arm]:-}${records[$arm]:+,}$out/scores/$name.json
  done
done
for arm in best all; do
  compare=(python3 -m eval.compare "${records[$arm]}" "${records[mixed]}")
  if [ "${dry:-}" ]; then echo "${compare[*]}"; else "${compare[@]}"; fi
done
