#!/usr/bin/env bash
# Brings the stack up from nothing, follows a row from MySQL to an answer over REST, looks
# at what compose.yaml promises (users, mounts, health, a clean stop) and takes all down.
# Needs docker with Compose v2, and curl. Its project has volumes and a port of its own, so
# it leaves a running `make up` alone.
#
#   check.sh stack    ../compose.yaml: one container a service
#   check.sh guide    guide.compose.yaml: duckling-server and the guide's three services
set -euo pipefail

cd "$(dirname "$0")/.."
# Port 0: one that is free.
export DUCKLING_API_KEY=check-key DUCKLING_VERSION=check DUCKLING_LISTEN=127.0.0.1:0

case ${1:-} in
  stack) files=(compose.yaml) front=gateway own=(nats ingest loader gateway) ;;
  guide)
    files=(deploy/guide.compose.yaml deploy/guide.check.yaml)
    front=duckling-server
    own=(duckling-server api-service report-service dashboard-service redis)
    # shellcheck source=deploy/check-guide.sh
    source deploy/check-guide.sh
    ;;
  *) sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p}' "$0"; exit 2 ;;
esac

say() { echo "check: $*"; }
die() {
  echo "check: FAILED: $*" >&2
  compose ps --all >&2 || true
  compose logs --tail 20 >&2 || true
  exit 1
}
compose() { docker compose "${files[@]/#/--file=}" --project-name duckling-check --progress "${progress:-quiet}" "$@"; }
sql() { compose exec -T -e MYSQL_PWD=root mysql mysql --host=127.0.0.1 --user=root myapp --execute "$1"; }
clean_up() { compose down --volumes --remove-orphans --timeout 5 > /dev/null 2>&1 || say "compose down failed"; }
now_ms() { date +%s%3N; }

# query SQL: the answer's first field.
query() {
  curl --silent --show-error --fail-with-body --max-time 5 "http://$address/api/query" \
    --header "Authorization: Bearer $DUCKLING_API_KEY" --header 'Content-Type: application/json' --data "{\"sql\":\"$1\"}" |
    sed -n 's/.*"result":\[{"answer":\([^}]*\)}.*/\1/p'
}

# await SECONDS WANT COMMAND...: until the command prints WANT.
await() {
  local limit=$(($(date +%s) + $1)) want=$2 got
  shift 2
  until got=$("$@" 2>&1) && [ "$got" = "$want" ]; do
    [ "$(date +%s)" -lt "$limit" ] || die "$* gives '$got', not '$want'"
    sleep 0.1
  done
}

build() {
  local log
  log=$(mktemp)
  progress=plain compose build > "$log" 2>&1 || { tail -30 "$log" >&2; die "the images could not be built; all of it is in $log"; }
  rm "$log"
}

start() {
  build
  compose up --detach mysql
  await 180 1 eval "sql 'SELECT 1' 2> /dev/null | tail -1"
  sql "CREATE TABLE parcel (id INT PRIMARY KEY, label VARCHAR(40)); INSERT INTO parcel VALUES (1, 'copied')"
  if [ "$front" = duckling-server ]; then load_shop; fi
  compose up --detach --wait --wait-timeout 180 || die "not every service became healthy"
  address=$(compose port "$front" 3001)
  say "every service is healthy; $front answers on $address"
}

rows_arrive() {
  local began
  await 60 '"copied"' query 'SELECT label AS answer FROM parcel WHERE id = 1'
  began=$(now_ms)
  sql "INSERT INTO parcel VALUES (2, 'streamed')"
  await 60 '"streamed"' query 'SELECT label AS answer FROM parcel WHERE id = 2'
  say "a copied row is there; an inserted one arrived within $(($(now_ms) - began)) ms, mysql client and curl included"
  [ "$(curl --silent --output /dev/null --write-out '%{http_code}' --max-time 5 "http://$address/api/query" \
    --header 'Content-Type: application/json' --data '{"sql":"SELECT 1"}')" = 401 ] || die "a query without a key was not refused"
}

nobody_is_root() {
  local service users
  for service in mysql "${own[@]}"; do
    users=$(docker top "$(compose ps --quiet "$service")" -eo pid,uid | awk 'NR > 1 { print $2 }' | sort -u | xargs)
    [[ -n $users && ! " $users " =~ " 0 " ]] || die "$service runs as ${users:-nobody}"
    say "$service runs as uid $users"
  done
}

gateway_cannot_write() {
  [ "$front" = gateway ] || return 0
  local answer
  [ "$(docker inspect --format '{{range .Mounts}}{{if eq .Destination "/app/data"}}{{.RW}}{{end}}{{end}}' "$(compose ps --quiet gateway)")" = false ] ||
    die "the gateway's data volume is mounted writable"
  if answer=$(compose exec -T gateway sh -c ': > /app/data/check' 2>&1); then die "the gateway can write to the data volume"; fi
  [[ $answer == *"Read-only file system"* ]] || die "writing in the gateway failed otherwise than by a read-only mount: $answer"
  compose exec -T loader sh -c ': > /app/data/check && rm /app/data/check' || die "the loader cannot write to the data volume"
  say "the gateway reads generations from a read-only mount, the loader writes to the same volume"
}

# Compose kills with 137 what outlives its grace period.
stops_cleanly() {
  local began service code
  began=$(now_ms)
  compose stop || die "docker compose stop failed"
  began=$(($(now_ms) - began))
  for service in mysql "${own[@]}"; do
    code=$(docker inspect --format '{{.State.ExitCode}}' "$(compose ps --all --quiet "$service")")
    [ "$code" = 0 ] || die "$service ended with $code on docker compose stop"
  done
  say "stopped within $began ms, every exit code 0"
}

starts_again() {
  compose up --detach --wait --wait-timeout 180 || die "not every service became healthy after a stop"
  address=$(compose port "$front" 3001)
  sql "INSERT INTO parcel VALUES (3, 'later')"
  await 60 3 query 'SELECT count(*) AS answer FROM parcel'
  say "started again on its volumes; all three rows are there"
}

if ! { docker compose version && docker version; } > /dev/null 2>&1; then
  echo "check: no Docker engine with Compose v2 answers; deploy/local-images/engine.sh can start one" >&2
  exit 1
fi
clean_up
trap clean_up EXIT
start
rows_arrive
if [ "$front" = duckling-server ]; then services_agree; fi
nobody_is_root
gateway_cannot_write
stops_cleanly
starts_again
say "passed"
