#!/usr/bin/env bash
# Installs what tests drive, where it is missing and can be had. Never fails:
# a test that misses its program says so.
set -u
if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "deps: installing postgresql"
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postgresql; } >/dev/null 2>&1 \
      || echo "deps: postgresql could not be installed; its tests will be skipped"
  else
    echo "deps: postgresql is missing; its tests will be skipped"
  fi
fi
if ! command -v aws >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "deps: installing awscli and python3-boto3"
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends awscli python3-boto3; } >/dev/null 2>&1 \
    || echo "deps: awscli could not be installed; its tests will be skipped"
fi
# no Debian package has these two: pip install cfn-lint 'moto[server]'
for program in cfn-lint moto_server; do
  command -v "$program" >/dev/null || echo "deps: $program is missing; its tests will be skipped"
done
exit 0
