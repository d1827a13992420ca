package binlog

import (
	"context"
	"net"
	"time"
)

// patient is a connection on which a read fails after so long without a word. The library would set that time anew for each packet's
// header and body, which costs more than decoding small transactions: a read of the socket brings hundreds of packets.
type patient struct {
	net.Conn
	silence time.Duration
}

func (c patient) Read(b []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.silence)); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return patient{conn, silence}, nil
}
