#!/usr/bin/env bash
# Mutation testing of a package: scripts/mutate.sh [./iam] [flags of tools/mutate].
# Mutants that change nothing are listed in scripts/equivalent/PACKAGE.txt,
# each with the reason.
set -eu
cd "$(dirname "$0")/.."
package=./iam
case ${1:-} in
./*) package=$1; shift ;;
esac
(cd tools && go build -o ../bin/mutate ./mutate)
known=scripts/equivalent/$(basename "$package").txt
[ -f "$known" ] && set -- -equivalent "$known" "$@"
exec nice -n 10 bin/mutate "$@" "$package"
