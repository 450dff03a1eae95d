#!/usr/bin/env bash
# Applies each patch to a copy of the sources, serves the copy, and asks the unchanged command whether it still
# prunes as moby does. Prints one line a patch: the number of the first case that tells.
#
#   testdata/mutations/try.sh [PATCH…]
#
# CASES (200) and SEED (1) choose the cases. The copy is built in FOLDER (a temporary one by default).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
folder=${FOLDER:-$(mktemp -d)}
[ $# -gt 0 ] || set -- "$here"/*.patch

(cd "$root" && cargo build --quiet --features cli)
honest=$root/target/debug/image-prune
mkdir -p "$folder/copy"
tar --directory="$root" --exclude=./target --exclude=./.git -cf - . | tar --directory="$folder/copy" -xf -

for patch in "$@"; do
    (cd "$folder/copy" && patch --quiet -p1 <"$patch" && CARGO_TARGET_DIR="$folder/target" cargo build --quiet --features cli)
    socket=$folder/mutant.sock
    "$folder/target/debug/image-prune" serve --socket "$socket" >"$folder/serve.log" 2>&1 &
    served=$!
    for _ in $(seq 100); do [ -S "$socket" ] && break; sleep 0.1; done
    "$honest" conform --host "unix://$socket" --cases "${CASES:-200}" --seed "${SEED:-1}" --format json \
        >"$folder/report.json" && found=no || found=yes
    kill "$served" && wait "$served" || true
    (cd "$folder/copy" && patch --quiet -R -p1 <"$patch")
    python3 - "$(basename "$patch" .patch)" "$found" "$folder/report.json" <<'PRINT'
import json, sys
name, found, path = sys.argv[1:]
groups = [group for group in json.load(open(path))["groups"] if group["differ"]]
groups.sort(key=lambda group: group["shortest"]["case"])
cases = sum(group["differ"] for group in groups)
first = f'case {groups[0]["shortest"]["case"]}, {cases} differences' if groups else "not found"
told = ", ".join(f'{group["group"]} ({"/".join(group["rules"])})' for group in groups)
print(f"| {name} | {first} | {told} |")
PRINT
done
