#!/usr/bin/env bash
# Fails when a container that the action started is still there, running or not.
set -euo pipefail

left=$(docker ps --all --filter name=^maia- --format '{{.Names}} ({{.Status}})')
if [[ -n $left ]]; then
    printf '::error title=A container stayed::%s\n' "${left//$'\n'/, }"
    exit 1
fi
