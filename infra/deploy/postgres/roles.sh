#!/bin/sh
# Run once by the postgres image, on an empty data directory: the database and its two roles.
# `picmend` owns what migrations make; `picmend_app` owns nothing.
set -eu
psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
    -v owner="$PICMEND_OWNER_PASSWORD" -v app="$PICMEND_APP_PASSWORD" <<'SQL'
CREATE ROLE picmend LOGIN NOSUPERUSER CREATEDB PASSWORD :'owner';
CREATE ROLE picmend_app LOGIN NOSUPERUSER NOCREATEDB PASSWORD :'app';
GRANT pg_signal_backend TO picmend;
CREATE DATABASE picmend OWNER picmend;
SQL
