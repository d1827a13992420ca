#!/usr/bin/env bash
# A Docker engine and Compose for a machine that has neither and cannot pull images:
# Debian's docker.io, and Compose built from its Go module. Needs root.
#
#   engine.sh start   installs what is missing, starts dockerd, returns when it answers
#   engine.sh stop    ends that dockerd and its containers; images and volumes stay
#   engine.sh env     what to eval in a shell so that `docker` talks to it
#
# Everything it writes is below DUCKLING_DOCKER (default /tmp/duckling-docker), apart from
# the Debian packages and .bin/docker-compose. dockerd adds its own bridge and firewall
# rules to the host; they last until the next boot.
set -euo pipefail

repository=$(cd "$(dirname "$0")/../.." && pwd)
home=${DUCKLING_DOCKER:-/tmp/duckling-docker}
compose_version=v2.40.3
export DOCKER_HOST=unix://$home/docker.sock DOCKER_CONFIG=$home/config

say() { echo "engine: $*" >&2; }
die() { say "$*"; exit 1; }
answers() { docker version > /dev/null 2>&1; }

install_packages() {
  local missing=()
  command -v dockerd > /dev/null || missing+=(docker.io)
  command -v debootstrap > /dev/null || missing+=(debootstrap)
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${missing[*]}"
  apt-get -qq update
  # Debian's way to say that a package must not start its service: dockerd is started below.
  local policy=/usr/sbin/policy-rc.d
  if [ -e "$policy" ]; then policy=''; else install -m 0755 <(printf '#!/bin/sh\nexit 101\n') "$policy"; fi
  DEBIAN_FRONTEND=noninteractive apt-get -qq --yes --no-install-recommends install "${missing[@]}"
  if [ -n "$policy" ]; then rm "$policy"; fi
}

# Built in a module of its own: it has more dependencies than the whole of Duckling.
install_compose() {
  local binary=$repository/.bin/docker-compose build=$home/compose-build
  if [ "$("$binary" version --short 2> /dev/null)" != "${compose_version#v}" ]; then
    say "building Compose $compose_version (minutes)"
    mkdir -p "$build" "$repository/.bin"
    cd "$build"
    printf 'module compose\n\ngo 1.25.0\n' > go.mod
    GOWORK=off nice go get "github.com/docker/compose/v2/cmd@$compose_version" 2> /dev/null
    GOWORK=off nice go build -p 1 -trimpath -o "$binary" \
      -ldflags "-s -w -X github.com/docker/compose/v2/internal.Version=$compose_version" github.com/docker/compose/v2/cmd
    cd "$repository"
    rm -rf "$build"
  fi
  mkdir -p "$DOCKER_CONFIG/cli-plugins"
  ln -sf "$binary" "$DOCKER_CONFIG/cli-plugins/docker-compose"
}

start() {
  [ "$(id -u)" = 0 ] || die "dockerd needs root"
  mkdir -p "$home"
  install_packages
  install_compose
  if answers; then return; fi
  say "starting dockerd; its log is $home/dockerd.log"
  # The storage driver is dockerd's choice: overlay2 where the file system has it, else vfs.
  nice setsid dockerd --host "$DOCKER_HOST" --data-root "$home/data" --exec-root "$home/exec" \
    --pidfile "$home/docker.pid" < /dev/null > "$home/dockerd.log" 2>&1 &
  local dockerd=$!
  for _ in $(seq 1 120); do
    if answers; then
      say "ready: $(docker info --format '{{.ServerVersion}}, {{.Driver}}, {{.NCPU}} cores'), $(docker compose version)"
      return
    fi
    kill -0 "$dockerd" 2> /dev/null || break
    sleep 0.5
  done
  tail -20 "$home/dockerd.log" >&2
  die "dockerd did not come up"
}

stop() {
  local pid
  [ -r "$home/docker.pid" ] || return 0
  pid=$(cat "$home/docker.pid")
  kill "$pid" 2> /dev/null || return 0
  for _ in $(seq 1 120); do
    kill -0 "$pid" 2> /dev/null || return 0
    sleep 0.5
  done
  die "dockerd ($pid) did not end"
}

case ${1:-} in
  start) start ;;
  stop) stop ;;
  env) printf 'export DOCKER_HOST=%q DOCKER_CONFIG=%q\n' "$DOCKER_HOST" "$DOCKER_CONFIG" ;;
  *) sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p}' "$0"; exit 2 ;;
esac
