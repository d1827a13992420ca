package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
)

// runEcho is the floor of every server that speaks WebSocket: it answers each frame with the same few bytes and knows no SQL. The
// address is written to standard output.
func runEcho() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	if err := os.Stdout.Close(); err != nil {
		return err
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			_ = echo(conn) // a client that leaves ends it
		}()
	}
}

func echo(conn net.Conn) error {
	in := bufio.NewReader(conn)
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(bytes.TrimSpace(line)) == 0 {
			break
		}
	}
	const text = `{"id":"0000000","success":true,"result":[{"a":1}],"duration":0.025}`
	frame := append([]byte{0x81, byte(len(text))}, text...)
	if _, err := conn.Write(append([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"), frame...)); err != nil {
		return err
	}
	for {
		head, err := in.Peek(4)
		if err != nil {
			return err
		}
		n, skip := int(head[1]&0x7f), 2+4
		if n == 126 {
			n, skip = int(binary.BigEndian.Uint16(head[2:])), 4+4
		}
		if _, err := io.CopyN(io.Discard, in, int64(skip+n)); err != nil {
			return err
		}
		if _, err := conn.Write(frame); err != nil {
			return err
		}
	}
}
