# Stands in for mysql:8.0: MySQL 9.7 from Debian sid, with as much of the official image's
# manner as compose.yaml and check.sh use.
FROM debian:sid-slim
RUN groupadd --gid 999 mysql \
 && useradd --uid 999 --gid 999 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin mysql \
 && apt-get update \
 && apt-get install -y --no-install-recommends mysql-client-core mysql-server-core \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o mysql -g mysql /var/lib/mysql /var/run/mysqld
COPY mysql-entrypoint /usr/local/bin/docker-entrypoint.sh
VOLUME /var/lib/mysql
EXPOSE 3306
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["mysqld"]
