#!/usr/bin/env bash
# Builds the source distribution and, from it, the wheel of VERSION into dist/, with the locked build tools of .venv.
set -euo pipefail

version=$1

# the time of the commit, so that the same commit gives the same files
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

rm -rf dist
.venv/bin/python -m build --no-isolation --outdir dist .

expected=$(printf '%s\n' "pleiades_maia-$version-py3-none-any.whl" "pleiades_maia-$version.tar.gz")
found=$(cd dist && printf '%s\n' * | LC_ALL=C sort)
if [[ $found != "$expected" ]]; then
    printf '::error title=Unexpected packages::%s\n' "${found//$'\n'/, }"
    exit 1
fi
