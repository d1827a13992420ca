// Command bench measures what this client costs over a bare exchange of the same frames,
// and its row decoder beside encoding/json, in one run on one machine:
//
//	go run ./bench
//
// The server is a second process that answers at once with prepared frames, so that nothing
// but the client and the socket is measured. Ratios mean more than the times themselves.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

func main() {
	serve := flag.Bool("serve", false, "be the server; the bench starts it by itself")
	rounds := flag.Int("rounds", 20000, "exchanges of each kind")
	rows := flag.Int("rows", 100000, "rows of the large result")
	flag.Parse()
	run := func() error { return measure(context.Background(), *rounds, *rows) }
	if *serve {
		run = func() error { return server(context.Background(), *rows) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// measure starts the server, runs everything, and ends it.
func measure(ctx context.Context, rounds, rows int) (err error) {
	url, stop, err := startServer(ctx, rows)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	for _, step := range []func() error{
		func() error { return overhead(ctx, url, rounds) },
		func() error { return throughput(ctx, url, rounds) },
		func() error { return decoding(ctx, url) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// startServer runs this program again as the server. It prints its address, and ends when
// its standard input does.
func startServer(ctx context.Context, rows int) (url string, stop func() error, err error) {
	cmd := exec.CommandContext(ctx, os.Args[0], "-serve", fmt.Sprint("-rows=", rows))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, fmt.Errorf("starting the server: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, fmt.Errorf("starting the server: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("starting the server: %w", err)
	}
	stop = func() error { return errors.Join(in.Close(), cmd.Wait()) }
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("reading the server's address: %w", err), stop())
	}
	return strings.TrimSpace(line), stop, nil
}
