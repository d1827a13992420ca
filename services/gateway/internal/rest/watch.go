package rest

import (
	"net"
	"sync"
	"syscall"
	"time"
)

// glance is how often it is looked whether a client that waits is still there. Most requests are answered before the first look.
const glance = 100 * time.Millisecond

// watch calls gone once when the client closes its side of the connection, from another goroutine, until stop is called. The
// HTTP server does not tell this itself: it reads from the connection only between requests.
func watch(conn net.Conn, gone func()) (stop func()) {
	for { // TLS and what counts bytes
		around, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		conn = around.NetConn()
	}
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return func() {}
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return func() {}
	}
	var (
		mu      sync.Mutex
		stopped bool
		timer   *time.Timer
	)
	look := func() {
		mu.Lock()
		defer mu.Unlock()
		if stopped {
			return
		}
		if hungUp(raw) {
			stopped = true
			go gone()
			return
		}
		timer.Reset(glance)
	}
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(glance, look)
	return func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		timer.Stop()
	}
}
