#!/usr/bin/env bash
# Installs others' GraphQL clients and tests, and the scripts of this folder beside them, into a folder outside the
# sources; does nothing where they are already there.
#
#   tests/clients/install.sh target/clients
set -euo pipefail

source=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$1"
cd "$1"

# Tests of several processes may come here at once.
exec 9>.lock
flock 9

# Put in place whole, so that a script which runs meanwhile is not changed under it.
put() {
    cmp -s "$source/$1" "$1" || { cp "$source/$1" ".$1.new" && mv ".$1.new" "$1"; }
}

for file in "$source"/*.mjs; do
    put "$(basename "$file")"
done
installed=$(cat "$source/package.json" "$source/package-lock.json" | cksum)
if [ "$(cat .installed 2>/dev/null)" != "$installed" ]; then
    put package.json
    put package-lock.json
    put .npmrc
    npm ci --no-audit --no-fund --ignore-scripts 1>&2
    printf '%s\n' "$installed" >.installed
fi
