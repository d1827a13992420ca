# Stands in for nats:<version>, which holds the server and little else.
ARG GO_IMAGE
FROM ${GO_IMAGE} AS build
ARG VERSION
RUN CGO_ENABLED=0 GOBIN=/out go install -p 1 -trimpath -ldflags="-s -w" "github.com/nats-io/nats-server/v2@v${VERSION}"

FROM scratch
COPY --from=build /out/nats-server /nats-server
ENTRYPOINT ["/nats-server"]
