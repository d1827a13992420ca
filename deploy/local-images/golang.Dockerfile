# Stands in for golang:<version>-bookworm: the same layout and settings, and Debian's gcc.
FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates g++ gcc git libc6-dev make pkg-config \
 && rm -rf /var/lib/apt/lists/*
COPY go /usr/local/go
# The host's authorities, so that Go modules come the way the host gets them.
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
ENV GOPATH=/go GOTOOLCHAIN=local PATH=/go/bin:/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
RUN install -d -m 1777 /go/src /go/bin
WORKDIR /go
