#!/usr/bin/env bash
# Gives the image that was built from SOURCE the tags of the release: TAG, and COMMIT, which TAG is at. The image of
# SOURCE has to be DIGEST, the one that COMMIT names: CI has passed for it.
set -euo pipefail

require() {
    local found
    found=$(docker buildx imagetools inspect "$IMAGE:$1" --format '{{.Manifest.Digest}}')
    if [[ $found != "$DIGEST" ]]; then
        echo "::error title=Wrong image::$IMAGE:$1 is $found and should be $DIGEST"
        exit 1
    fi
}

require "$SOURCE"
docker buildx imagetools create --tag "$IMAGE:$TAG" --tag "$IMAGE:$COMMIT" "$IMAGE@$DIGEST"
require "$TAG"
require "$COMMIT"
