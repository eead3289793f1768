#!/usr/bin/env bash
# Lets the major tag, such as v1, follow TAG: first the image's, then git's, since `uses: …@v1` asks for the image v1.
# A release of an older line (v1.2.9 after v1.3.0) moves neither.
set -euo pipefail

major=${TAG%%.*}
export GH_REPO=$GITHUB_REPOSITORY

by_hand() {
    echo "::error title=git's tag $major is not moved::GitHub refuses this token a commit whose workflow files are not" \
        "those of a branch, and release/$TAG has them. Is it gone? A maintainer runs: git push --force origin $COMMIT:refs/tags/$major"
    exit 1
}

digest() { docker buildx imagetools inspect "$IMAGE:$1" --format '{{.Manifest.Digest}}'; }

require() {
    local found
    found=$(digest "$1")
    if [[ $found != "$DIGEST" ]]; then
        echo "::error title=Wrong image::$IMAGE:$1 is $found and should be $DIGEST"
        exit 1
    fi
}

newest=$(gh release list --exclude-drafts --exclude-pre-releases --limit 1000 --json tagName --jq '.[].tagName' |
    sed -n -E "/^$major\.[0-9]+\.[0-9]+$/p" | sort -V | tail -n 1)
if [[ $newest != "$TAG" ]]; then
    echo "::notice title=$major stays::The newest release of $major is ${newest:-none}, not $TAG."
    exit 0
fi

require "$TAG"
require "$COMMIT"
docker buildx imagetools create --tag "$IMAGE:$major" "$IMAGE@$DIGEST"
require "$major"

ref=repos/$GITHUB_REPOSITORY/git/refs/tags/$major
if gh api "repos/$GITHUB_REPOSITORY/git/ref/tags/$major" --silent 2>/dev/null; then
    gh api --method PATCH "$ref" --raw-field sha="$COMMIT" --field force=true --silent || by_hand
else
    gh api --method POST "repos/$GITHUB_REPOSITORY/git/refs" --raw-field ref="refs/tags/$major" \
        --raw-field sha="$COMMIT" --silent || by_hand
fi
now=$(gh api "repos/$GITHUB_REPOSITORY/git/ref/tags/$major" --jq .object.sha)
if [[ $now != "$COMMIT" ]]; then
    echo "::error title=Wrong tag::$major is at $now and should be at $COMMIT"
    exit 1
fi
