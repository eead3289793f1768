#!/usr/bin/env bash
#     publish-release.sh TAG NOTES FILE...
# Makes the release of TAG, which is at COMMIT and whose image is IMAGE@DIGEST. It is a draft until it has every file:
# once published, an immutable release takes no more. It may be run again: a draft that an earlier try left is made
# anew, a release that is published is left alone.
set -euo pipefail

tag=$1
notes=$2
shift 2
export GH_REPO=$GITHUB_REPOSITORY

printf '\n%s\n' "Action: \`uses: $GITHUB_REPOSITORY@$COMMIT # $tag\`" >>"$notes"
printf '\n%s\n' "Image: \`$IMAGE:$tag@$DIGEST\`" >>"$notes"

draft=$(gh release view "$tag" --json isDraft --jq .isDraft 2>/dev/null) || draft=none
if [[ $draft == true ]]; then
    gh release delete "$tag" --yes
fi
if [[ $draft != false ]]; then
    gh release create "$tag" --verify-tag --draft --title "$tag" --notes-file "$notes" "$@"
    gh release edit "$tag" --verify-tag --draft=false
fi

immutable=$(gh api "repos/$GITHUB_REPOSITORY/releases/tags/$tag" --jq .immutable)
if [[ $immutable != true ]]; then
    echo "::error title=The release is not immutable::Switch on 'Enable release immutability' in the repository's" \
        "settings, delete the release $tag (not the tag), and run the failed jobs again."
    exit 1
fi
