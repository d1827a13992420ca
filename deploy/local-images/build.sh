#!/usr/bin/env bash
# Makes the base images that ../Dockerfile, ../../examples/Dockerfile and the Compose files
# name, for a machine that cannot pull any: Debian by debootstrap, Go from the host's or the
# toolchain module, NATS from its Go module, Node from the host, Redis from Debian, and MySQL
# 9.7 under the name mysql:8.0. Needs root and a Docker engine (engine.sh); Debian packages,
# Go modules and npm packages come the way the host gets its own.
#
#   build.sh          makes what is missing
#   build.sh --all    makes every image anew
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
dockerfiles=("$here/../Dockerfile" "$here/../../examples/Dockerfile")
all=${1:-}
# Legacy builder: the host's docker client may have no buildx, and nothing here needs it.
export DOCKER_BUILDKIT=0

say() { echo "local-images: $*" >&2; }
die() { say "$*"; exit 1; }
# The names come from the Dockerfiles, so that a new pin there is a new image here.
pinned() { sed -n "s/^ARG $1=//p" "${dockerfiles[@]}"; }
missing() { [ "$all" = --all ] || ! docker image inspect "$1" > /dev/null 2>&1; }

# debian SUITE IMAGE
debian() {
  local suite=$1 image=$2 root=$work/$1 mirror
  missing "$image" || return 0
  # shellcheck disable=SC2016 # $(SITE) is apt's, not the shell's
  mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | sed -n 1p)
  [ -n "$mirror" ] || die "the host's apt names no Debian mirror; run apt-get update first"
  say "$image: debootstrap $suite"
  debootstrap --variant=minbase "$suite" "$root" "$mirror" > "$work/$suite.log" 2>&1 || { tail -20 "$work/$suite.log" >&2; die "debootstrap failed"; }
  # How to fetch (proxies, age of lists) is the host's knowledge.
  apt-config dump --format '%F "%v";%n' Acquire > "$root/etc/apt/apt.conf.d/90-as-the-host"
  tar -C "$root" --exclude='./dev/*' --exclude='./var/cache/apt/archives/*.deb' --exclude='./var/lib/apt/lists/*' \
    --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' -c . |
    docker import --change 'CMD ["bash"]' - "$image" > /dev/null
}

# from FOLDER IMAGE [BUILD ARGUMENT...]: the image that FOLDER's context and the Dockerfile of its name make.
from() {
  local folder=$1 image=$2
  shift 2
  say "$image: docker build"
  nice docker build --quiet --force-rm --file "$here/$folder.Dockerfile" --tag "$image" "$@" "$work/$folder" > "$work/$folder.log" 2>&1 ||
    { tail -20 "$work/$folder.log" >&2; die "$image could not be built"; }
}

golang() {
  local image version
  image=$(pinned GO_IMAGE)
  missing "$image" || return 0
  version=${image#*:}
  version=${version%-bookworm}
  mkdir -p "$work/golang"
  # The host's own Go if it is that version, else the toolchain module.
  cp -r "$(GOTOOLCHAIN=go$version go env GOROOT)" "$work/golang/go"
  chmod -R u+w "$work/golang/go"
  cp /etc/ssl/certs/ca-certificates.crt "$work/golang/"
  from golang "$image"
}

nats() {
  local image
  image=$(pinned NATS_IMAGE)
  missing "$image" || return 0
  mkdir -p "$work/nats"
  from nats "$image" --build-arg "GO_IMAGE=$(pinned GO_IMAGE)" --build-arg "VERSION=${image#*:}"
}

node() {
  local image major
  image=$(pinned NODE_IMAGE)
  missing "$image" || return 0
  major=${image#*:}
  major=${major%%-*}
  [[ $(command node --version) = v$major.* ]] || die "$image is made of the host's Node, which is $(command node --version)"
  mkdir -p "$work/node"
  cp "$(command node --print process.execPath)" "$work/node/node"
  cp -rL "$(npm root --global)/npm" "$work/node/npm"
  cp /etc/ssl/certs/ca-certificates.crt "$work/node/"
  from node "$image" --build-arg "REGISTRY=$(npm config get registry)"
}

redis() {
  missing redis:7-bookworm || return 0
  mkdir -p "$work/redis"
  from redis redis:7-bookworm
}

mysql() {
  missing mysql:8.0 || return 0
  debian sid debian:sid-slim
  mkdir -p "$work/mysql"
  cp "$here/mysql-entrypoint" "$work/mysql/"
  from mysql mysql:8.0
}

[ "$(id -u)" = 0 ] || die "debootstrap needs root"
command -v debootstrap > /dev/null || die "install the package debootstrap (engine.sh start does)"
docker version > /dev/null || die "no Docker engine answers; see engine.sh"
umask 022
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

debian bookworm "$(pinned RUNTIME_IMAGE)"
golang
nats
node
redis
mysql
docker image ls --format '{{.Repository}}:{{.Tag}} {{.ID}} {{.Size}}' | grep -E '^(debian|golang|nats|node|redis|mysql):' | sort
