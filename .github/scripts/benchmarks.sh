#!/usr/bin/env bash
# Measures this commit and the last release before it, one after the other on this machine, and compares the two.
#   benchmarks.sh ROWS    such as 1,2,5; in a clone with its tags
set -euo pipefail

rows=$1
folder=$RUNNER_TEMP/benchmarks
mkdir -p "$folder"

# a goal that is missed on a runner is no failure here: it is the ratios that are compared
measure() { make -C "$1" --no-print-directory bench PYTHON=python BENCH_OPTIONS="--rows $rows --json $2" || test -s "$2"; }

measure . "$folder/here.json"

released=$(git tag --list 'v*' --merged HEAD --no-contains HEAD --sort=-version:refname |
    sed -n -E '/^v[0-9]+\.[0-9]+\.[0-9]+$/p' | sed -n 1p)
if [[ -z $released ]]; then
    echo "Nothing is released yet: there is nothing to compare the benchmarks with." | tee -a "$GITHUB_STEP_SUMMARY"
    exit 0
fi
git worktree add --quiet --detach "$folder/$released" "$released"
measure "$folder/$released" "$folder/$released.json"
python3 .github/scripts/compare_benchmarks.py "$folder/$released.json" "$folder/here.json" --name "$released"
