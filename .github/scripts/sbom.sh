#!/usr/bin/env bash
# Writes sbom/pleiades_maia-VERSION.cdx.json: what requirements.txt has an installation hold, by name, version and
# hashes, as CycloneDX. It asks no service. A folder of its own, since every file in dist/ goes to the package index.
set -euo pipefail

version=$1

# the time of the commit, so that the same commit gives the same file
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

rm -rf sbom
mkdir sbom
.venv/bin/cyclonedx-py requirements --output-reproducible --output-format JSON \
    --output-file "sbom/pleiades_maia-$version.cdx.json" requirements.txt
