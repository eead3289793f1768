#!/usr/bin/env bash
# Builds the image and starts its sandbox, a local YouTube, on 127.0.0.1:8080. FAULTS has specifications of what is to
# go wrong, separated by spaces.
set -euo pipefail

image=pleiades-maia:latest
name=youtube-sandbox

options=()
for fault in ${FAULTS:-}; do options+=(--fault "$fault"); done

docker build --quiet --tag "$image" .
docker run --detach --name "$name" --network host "$image" \
    python -m maia sandbox --port 8080 --videos 20000 "${options[@]}"
if ! curl --silent --show-error --fail --output /dev/null --retry 60 --retry-delay 1 --retry-connrefused \
    http://127.0.0.1:8080/_sandbox/state; then
    docker logs "$name"
    exit 1
fi
