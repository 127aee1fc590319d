#!/usr/bin/env bash
# Installs what tests drive, where it is missing and can be had. Never fails:
# a test that misses its program says so.
set -u

# debian NAME PACKAGE... installs packages, for root on Debian.
debian() {
  name=$1; shift
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "deps: installing $name"
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; } >/dev/null 2>&1 && return
  fi
  echo "deps: $name is missing and could not be installed; its tests will be skipped"
}
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || debian postgresql postgresql
command -v aws >/dev/null || debian awscli awscli python3-boto3
for shell in zsh fish; do
  command -v "$shell" >/dev/null || debian "$shell" "$shell"
done
command -v chromium >/dev/null || debian chromium chromium
# no Debian package has these two: pip install cfn-lint 'moto[server]'
for program in cfn-lint moto_server; do
  command -v "$program" >/dev/null || echo "deps: $program is missing; its tests will be skipped"
done
exit 0
