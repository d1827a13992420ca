module github.com/chittihq/duckling/demo

go 1.25.0

require (
	github.com/chittihq/duckling/testkit v0.0.0
	github.com/go-sql-driver/mysql v1.10.1
	golang.org/x/sync v0.21.0
)

require (
	github.com/caarlos0/env/v11 v11.4.1
	github.com/coder/websocket v1.8.15 // indirect
	github.com/fsnotify/fsnotify v1.9.0 // indirect
	github.com/goccy/go-yaml v1.19.2 // indirect
	golang.org/x/sys v0.47.0 // indirect
)

require (
	filippo.io/edwards25519 v1.2.0 // indirect
	github.com/chittihq/duckling/pkg v0.0.0
	github.com/chittihq/duckling/sdk/go v0.0.0
)

replace github.com/chittihq/duckling/testkit => ../testkit

replace github.com/chittihq/duckling/pkg => ../pkg

replace github.com/chittihq/duckling/schemas => ../schemas

replace github.com/chittihq/duckling/sdk/go => ../sdk/go
