// Package duckling queries a Duckling analytics server over its WebSocket.
//
//	client, err := duckling.Open(ctx, duckling.Config{URL: "ws://duckling-server:3001/ws", APIKey: key})
//	...
//	defer client.Close()
//	top, err := duckling.Select[Customer](ctx, client, "SELECT id, name FROM User LIMIT ?", 10)
//
// A [Client] is one connection that any number of goroutines share. Query, QueryBatch,
// Prepare, Stream and Subscribe are its requests; each takes a context, returns as soon as
// that ends, and tells the server to stop. A lost connection is made again by itself. A
// [Pool] spreads requests over several connections, and a [Breaker] stops asking a server that
// is down. The package sqldriver serves the same through database/sql.
//
// Values are exact: numbers travel as JSON numbers and are kept as text until they are
// scanned, so that neither a BIGINT nor a DECIMAL loses a digit on the way.
//
// Every failure but the end of the caller's own context is an [*Error] with a stable code.
package duckling
