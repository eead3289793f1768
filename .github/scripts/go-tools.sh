#!/usr/bin/env bash
# Installs the tools that are named, act or actionlint, at the versions that the tests are written for. Later steps of a
# workflow have them on PATH; elsewhere the folder that is printed has to be put there.
set -euo pipefail

for tool in "$@"; do
    case $tool in
        act) go install github.com/nektos/act@v0.2.87 ;;
        actionlint) go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12 ;;
        *)
            echo "go-tools.sh: '$tool' is neither act nor actionlint" >&2
            exit 2
            ;;
    esac
done

folder=$(go env GOBIN)
folder=${folder:-$(go env GOPATH)/bin}
if [[ -n ${GITHUB_PATH:-} ]]; then echo "$folder" >>"$GITHUB_PATH"; fi
echo "$folder"
