#!/usr/bin/env bash
# Real database servers for the tests, the benches and the demo: MySQL 9.7 with its mysqlbinlog, MariaDB 10.11,
# Redis for the integration guide's fallback, Chromium for the client's browser build, Python with requests for
# the samples of docs/rest.md, and mkfs.xfs for a file system on which files share blocks.
#
# All are Debian packages unpacked into a private folder, MySQL from sid, the others from
# bookworm, each with the C library it was built for. Nothing is installed on the host, no
# service is started, and root is not needed: apt works on private lists and an empty dpkg
# status, dpkg-deb unpacks, and the servers run under the ld.so that came with them.
#
#   testdb.sh install [mysql|mariadb|redis|chromium|python|xfs|all]   idempotent; a second run returns at once
#   testdb.sh env                           where the servers are, as shell assignments
#
# Each flavour's folder holds
#   server     starts it: server --datadir=... --port=... (any server option)
#   mysqlbinlog  (MySQL only) reads its binlog files, which MariaDB's does not
#   template   an initialised data directory to copy; root's password is "root", from 127.0.0.1
#              (Redis has none: it starts from an empty folder)
#   version    what the server says of itself; written last, so its presence means "complete"
#
# Settings:
#   DUCKLING_TESTDB         the folder (default ~/.cache/duckling/testdb)
#   DUCKLING_DEBIAN_MIRROR  a Debian mirror (default: the one the host's apt uses)
set -euo pipefail

target=$(realpath -m "${DUCKLING_TESTDB:-$HOME/.cache/duckling/testdb}")
# Raise one when what that installation holds changes: older ones are then made again.
declare -A recipe=([mysql]=2 [mariadb]=1 [redis]=1 [chromium]=1 [python]=1 [xfs]=1)

say() { echo "testdb: $*" >&2; }
die() { say "$*"; exit 1; }

# installed NAME: it is there, and made by this recipe.
installed() { [ "$(sed -n 2p "$target/$1/version" 2>/dev/null)" = "recipe ${recipe[$1]}" ]; }

# finish NAME: put NAME.partial, which has its version, in the place of what was there. Tests that run may be using that.
finish() {
  local name=$1
  echo "recipe ${recipe[$name]}" >> "$target/$name.partial/version"
  rm -rf "${target:?}/$name.old"
  if [ -e "$target/$name" ]; then mv "$target/$name" "$target/$name.old"; fi
  mv "$target/$name.partial" "$target/$name"
  rm -rf "${target:?}/$name.old"
}

# shellcheck disable=SC2016 # $(SITE) is apt's, not the shell's
mirror() {
  local site=${DUCKLING_DEBIAN_MIRROR:-} format='$(SITE)'
  # Origin and Label are known once the host has run apt-get update; before that the
  # address has to tell the archive from the security archive.
  [ -n "$site" ] || site=$(apt-get indextargets --format "$format" 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | sed -n 1p)
  [ -n "$site" ] || site=$(apt-get indextargets --format "$format" 'Created-By: Packages' | grep -E '/debian/?$' | sed -n 1p || true)
  [ -n "$site" ] || die "the host's apt names no Debian mirror; set DUCKLING_DEBIAN_MIRROR to one"
  echo "$site"
}

keyring() {
  local file
  for file in /usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do
    if [ -r "$file" ]; then echo "$file"; return; fi
  done
  die "no Debian archive keyring; install the package debian-archive-keyring"
}

# write_apt_config FOLDER SUITE: apt's own lists, cache and status below FOLDER. Of the host's
# configuration only how to fetch (proxies) is taken: its hooks would act on the host.
write_apt_config() {
  local dir=$1 suite=$2 site keys
  site=$(mirror)
  keys=$(keyring)
  mkdir -p "$dir"/{state/lists/partial,cache/archives/partial,etc/apt.conf.d,etc/preferences.d,etc/sources.list.d}
  : > "$dir/status"
  echo "deb [signed-by=$keys] $site $suite main" > "$dir/etc/sources.list"
  apt-config dump --format '%F "%v";%n' Acquire > "$dir/apt.conf"
  cat >> "$dir/apt.conf" <<CONF
Dir::Etc "$dir/etc";
Dir::State "$dir/state";
Dir::State::status "$dir/status";
Dir::Cache "$dir/cache";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
Debug::NoLocking "true";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "3";
CONF
}

# unpack SUITE PACKAGE FOLDER: the package and all it depends on, into FOLDER/root.
unpack() {
  local suite=$1 package=$2 folder=$3 apt=$3/apt deb
  mkdir "$folder/root"
  write_apt_config "$apt" "$suite"
  local -x APT_CONFIG=$apt/apt.conf
  say "fetching $package and its libraries from Debian $suite"
  if ! apt-get -qq update; then
    say "apt-get update failed; trying once more"
    apt-get -qq update || die "no package lists from $(mirror); check the network or set DUCKLING_DEBIAN_MIRROR"
  fi
  apt-get -qq --yes --download-only install "$package" || die "$package could not be fetched from $(mirror)"
  for deb in "$apt"/cache/archives/*.deb; do dpkg-deb -x "$deb" "$folder/root"; done
  rm -rf "$apt"
}

# prune FOLDER SERVER: drop what a server does not run on.
prune() {
  local root=$1/root server=$2
  rm -rf "${root:?}"/{etc,var,bin,sbin,usr/bin,usr/games,usr/include,usr/libexec}
  find "$root/usr/share" -mindepth 1 -maxdepth 1 ! -name mysql ! -name icu -exec rm -rf {} +
  find "$root"/usr/sbin -mindepth 1 ! -name "$server" -delete
  find "$root" -depth -type d \( -name gconv -o -name perl -o -name perl-base -o -name systemd \) -exec rm -rf {} +
  find "$root" -name 'libperl.so*' -delete
}

# write_launcher FOLDER COMMAND [LINE [NAME]]: a script that becomes the command (exec keeps its pid), with the libraries and the C library that
# came with it, after LINE. $here is FOLDER, wherever that is moved to.
write_launcher() {
  local folder=$1 command=$2 before=${3:-} name=${4:-server} loader libs
  loader=$(cd "$folder" && find root -path '*/lib/*-linux-gnu*/ld-linux*.so.*' | sed -n 1p)
  [ -n "$loader" ] || die "no dynamic loader among the unpacked packages"
  libs=$(basename "$(dirname "$loader")")
  cat > "$folder/$name" <<LAUNCHER
#!/bin/sh
here=\$(dirname "\$(readlink -f "\$0")")
$before
exec "\$here/$loader" --library-path "\$here/root/usr/lib/$libs:\$here/root/lib/$libs" $command "\$@"
LAUNCHER
  chmod +x "$folder/$name"
}

# write_server FOLDER SERVER: the launcher of a MySQL or MariaDB.
# shellcheck disable=SC2016 # $here is the launcher's, not this shell's
write_server() {
  write_launcher "$1" '"$here/root/usr/sbin/'"$2"'" --no-defaults --basedir="$here/root/usr" --plugin-dir="$here/root/usr/lib/mysql/plugin" --lc-messages-dir="$here/root/usr/share/mysql" --character-sets-dir="$here/root/usr/share/mysql/charsets"'
}

# Root gets a password (an empty one would hide faults in connection strings) and logs in
# over TCP without a name look-up.
root_account() {
  cat <<'SQL'
ALTER USER root@localhost IDENTIFIED BY 'root';
CREATE USER IF NOT EXISTS root@'127.0.0.1';
ALTER USER root@'127.0.0.1' IDENTIFIED BY 'root';
GRANT ALL PRIVILEGES ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;
SQL
}

as_root_user() { if [ "$(id -u)" = 0 ]; then echo --user=root; fi; }

# mkfs.xfs and what it runs on.
# shellcheck disable=SC2016 # $here is the launcher's
install_xfs() {
  local folder=$target/xfs.partial
  if installed xfs; then return; fi
  rm -rf "$folder"
  mkdir -p "$folder"
  unpack bookworm xfsprogs "$folder"
  mv "$(find "$folder/root" -name mkfs.xfs -type f)" "$folder/mkfs.xfs"
  find "$folder/root/usr" -mindepth 1 -maxdepth 1 ! -name 'lib*' -exec rm -rf {} +
  rm -rf "${folder:?}"/root/{etc,var,bin,sbin}
  write_launcher "$folder" '"$here/mkfs.xfs"'
  "$folder/server" -V > "$folder/version"
  finish xfs
  say "mkfs.xfs is ready: $(sed -n 1p "$target/xfs/version")"
}

# A Redis needs its binary and libraries only. redis-tools has the binary; redis-server, a link to it.
# shellcheck disable=SC2016
install_redis() {
  local folder=$target/redis.partial
  if installed redis; then return; fi
  rm -rf "$folder"
  mkdir -p "$folder"
  unpack bookworm redis-server "$folder"
  mv "$folder/root/usr/bin/redis-check-rdb" "$folder/redis-server"
  find "$folder/root/usr" -mindepth 1 -maxdepth 1 ! -name 'lib*' -exec rm -rf {} +
  rm -rf "${folder:?}"/root/{etc,var,bin,sbin}
  # Redis tells from the name it was called by that it is to be the server.
  write_launcher "$folder" '"$here/redis-server"'
  "$folder/server" --version > "$folder/version"
  finish redis
  say "redis is ready: $(sed -n 1p "$target/redis/version")"
}

# Python with requests, for the samples in docs/.
# shellcheck disable=SC2016
install_python() {
  local folder=$target/python.partial
  if installed python; then return; fi
  rm -rf "$folder"
  mkdir -p "$folder"
  unpack bookworm python3-requests "$folder"
  write_launcher "$folder" '"$here/root/usr/bin/python3.11"' \
    'export PYTHONHOME="$here/root/usr" PYTHONPATH="$here/root/usr/lib/python3/dist-packages" PYTHONDONTWRITEBYTECODE=1'
  "$folder/server" -c 'import requests' || die "Python cannot import requests"
  "$folder/server" --version > "$folder/version"
  finish python
  say "python is ready: $(sed -n 1p "$target/python/version")"
}

# Chromium starts itself again for its children, so it runs under the host's C library, with the other libraries
# it came with.
install_chromium() {
  local folder=$target/chromium.partial libs
  if installed chromium; then return; fi
  rm -rf "$folder"
  mkdir -p "$folder"
  unpack bookworm chromium-headless-shell "$folder"
  libs=$(cd "$folder" && find root -path '*/usr/lib/*' -name 'libnss3.so' -printf '%h\n' | sed -n 1p)
  [ -n "$libs" ] || die "no libnss3 among the unpacked packages"
  find "$folder/root" \( -name 'libc.so*' -o -name 'libm.so*' -o -name 'libpthread.so*' -o -name 'ld-linux*' -o -name 'libdl.so*' -o -name 'librt.so*' -o -name 'libresolv.so*' \) -delete
  find "$folder/root" \( -name 'libLLVM*' -o -name dri -o -name gconv \) -prune -exec rm -rf {} +
  find "$folder/root/usr/share" -mindepth 1 -maxdepth 1 ! -name chromium ! -name fonts ! -name fontconfig -exec rm -rf {} +
  cat > "$folder/server" <<LAUNCHER
#!/bin/sh
here=\$(dirname "\$(readlink -f "\$0")")
LD_LIBRARY_PATH="\$here/$libs:\$here/$libs/pulseaudio:\$here/root/lib/$(basename "$libs")" exec "\$here/root/usr/lib/chromium/chromium-headless-shell" "\$@"
LAUNCHER
  chmod +x "$folder/server"
  "$folder/server" --version > "$folder/version"
  finish chromium
  say "chromium is ready: $(sed -n 1p "$target/chromium/version")"
}

initialise_mysql() {
  local folder=$1
  root_account > "$folder/root.sql"
  # shellcheck disable=SC2046
  "$folder/server" $(as_root_user) --initialize-insecure --datadir="$folder/template" --init-file="$folder/root.sql" \
    --skip-log-bin --innodb-redo-log-capacity=8M --log-error="$folder/initialise.log" ||
    { cat "$folder/initialise.log" >&2; die "MySQL did not initialise its data directory"; }
  # The server makes a new one, so that each copy of the template has its own server_uuid.
  rm "$folder/template/auto.cnf" "$folder/root.sql" "$folder/initialise.log"
}

initialise_mariadb() {
  local folder=$1 sql=$1/root/usr/share/mysql
  mkdir "$folder/template"
  # --bootstrap ends a statement at a semicolon that ends its line, and knows no grants
  # before they are flushed.
  # shellcheck disable=SC2046
  {
    printf '%s;\n' "CREATE DATABASE mysql" "USE mysql" "SET @auth_root_socket = NULL"
    cat "$sql"/mysql_{system_tables,performance_tables,system_tables_data}.sql "$sql"/maria_add_gis_sp_bootstrap.sql "$sql"/mysql_sys_schema.sql
    echo "FLUSH PRIVILEGES;"
    root_account
  } | "$folder/server" $(as_root_user) --bootstrap --datadir="$folder/template" --innodb-log-file-size=8M \
    --skip-log-bin --log-warnings=0 > "$folder/initialise.log" 2>&1 ||
    { cat "$folder/initialise.log" >&2; die "MariaDB did not initialise its data directory"; }
  rm "$folder/initialise.log"
}

# keep_mysqlbinlog FOLDER: only a bench wants it, so that a package without it is as good.
# shellcheck disable=SC2016 # $here is the launcher's
keep_mysqlbinlog() {
  local folder=$1 program=$1/root/usr/bin/mysqlbinlog
  if [ ! -f "$program" ] || [ -L "$program" ]; then return; fi
  mv "$program" "$folder/root/mysqlbinlog"
  write_launcher "$folder" '"$here/root/mysqlbinlog"' '' mysqlbinlog
}

# install FLAVOUR SUITE PACKAGE SERVER
install() {
  local flavour=$1 suite=$2 package=$3 server=$4 folder=$target/$1.partial
  if installed "$flavour"; then return; fi
  rm -rf "$folder"
  mkdir -p "$folder"
  unpack "$suite" "$package" "$folder"
  keep_mysqlbinlog "$folder"
  prune "$folder" "$server"
  write_server "$folder" "$server"
  say "initialising a $flavour data directory"
  "initialise_$flavour" "$folder"
  "$folder/server" --version | sed 's/.*Ver /Ver /' > "$folder/version"
  finish "$flavour"
  say "$flavour is ready: $(sed -n 1p "$target/$flavour/version")"
}

install_all() {
  command -v apt-get dpkg-deb > /dev/null || die "this needs Debian's apt-get and dpkg-deb"
  umask 022
  mkdir -p "$target"
  # Two installs at once would unpack into one folder; the second waits, then finds it done.
  exec 9> "$target/.lock"
  flock 9
  case $1 in
    mysql | all) install mysql sid mysql-server-core mysqld ;;&
    mariadb | all) install mariadb bookworm mariadb-server-core mariadbd ;;&
    redis | all) install_redis ;;&
    chromium | all) install_chromium ;;&
    python | all) install_python ;;&
    xfs | all) install_xfs ;;&
    mysql | mariadb | redis | chromium | python | xfs | all) ;;
    *) die "no such server: $1 (mysql, mariadb, redis, chromium, python, xfs or all)" ;;
  esac
}

print_env() {
  local flavour
  printf 'DUCKLING_TESTDB=%q\n' "$target"
  for flavour in mysql mariadb redis chromium python xfs; do
    if [ -r "$target/$flavour/version" ]; then
      printf 'DUCKLING_TESTDB_%s=%q\n' "${flavour^^}" "$(sed -n 1p "$target/$flavour/version")"
    fi
  done
}

case ${1:-} in
  install) install_all "${2:-all}" ;;
  env) print_env ;;
  *) sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p}' "$0"; exit 2 ;;
esac
