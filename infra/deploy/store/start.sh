#!/bin/sh
# Writes the store's configuration from the templates beside this file, then becomes the store.
# The topic it announces to must exist before.
set -eu
: "${STORE_ACCESS_KEY:?set the root access key}"
: "${STORE_SECRET_KEY:?set the root secret key}"
: "${STORE_JWT_KEY:?set the key that guards the filer}"
: "${STORE_KAFKA:?set host:port of Kafka}"
templates=$(dirname "$0")
conf=${STORE_CONF:-/tmp/conf}
data=${STORE_DATA:-/data}
umask 077
mkdir -p "$conf" "$data"
for name in s3.json security.toml notification.toml; do
    sed -e "s|@ACCESS_KEY@|$STORE_ACCESS_KEY|" -e "s|@SECRET_KEY@|$STORE_SECRET_KEY|" \
        -e "s|@JWT_KEY@|$STORE_JWT_KEY|" -e "s|@KAFKA@|$STORE_KAFKA|" \
        -e "s|@DATA@|$data|" "$templates/$name" > "$conf/$name"
done
cd "$conf"
# Every flag each time: it remembers those of an earlier start in its data folder.
exec weed -config_dir="$conf" -logtostderr=true mini -dir="$data" \
    -ip="${STORE_HOST:-store}" -ip.bind="${STORE_BIND:-0.0.0.0}" \
    -s3.port="${STORE_PORT:-8333}" -s3.config="$conf/s3.json" -s3.iam.readOnly=false \
    -s3.port.iceberg=0 -s3.port.lance=0 -admin.ui=false -webdav=false \
    -master.telemetry=false
