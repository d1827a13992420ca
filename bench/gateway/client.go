package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"
)

// order is what a client process is to do.
type order struct {
	Address     string
	Statement   statement
	Connections int
	InFlight    int // statements on each connection
	Idle        int // further ones, that are open and do nothing
	Rows        int
	Seconds     float64
}

// wire is a WebSocket connection with as little work on the client's side as can be: frames are made by hand, masked
// with zero, and answers are looked at no further than for their success.
type wire struct {
	conn net.Conn
	in   *bufio.Reader
	out  []byte
}

func dial(addr string) (*wire, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	w := &wire{conn: conn, in: bufio.NewReaderSize(conn, 16<<10)}
	_, err = fmt.Fprintf(conn, "GET /ws?db=default&token=%s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", apiKey, addr)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	for {
		line, err := w.in.ReadSlice('\n')
		if err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		if len(bytes.TrimSpace(line)) == 0 {
			break
		}
	}
	if err := w.receive(); err != nil { // welcome
		return nil, errors.Join(err, conn.Close())
	}
	return w, nil
}

func (w *wire) send(payload []byte) error {
	w.put(payload)
	return w.flush()
}

func (w *wire) flush() error {
	_, err := w.conn.Write(w.out)
	w.out = w.out[:0]
	return err
}

// put makes a frame, which goes out with the next flush.
func (w *wire) put(payload []byte) {
	const final, text, masked = 0x80, 1, 0x80
	w.out = append(w.out, final|text)
	if len(payload) < 126 {
		w.out = append(w.out, masked|byte(len(payload)))
	} else {
		w.out = append(w.out, masked|126)
		w.out = binary.BigEndian.AppendUint16(w.out, uint16(len(payload)))
	}
	w.out = append(w.out, 0, 0, 0, 0)
	w.out = append(w.out, payload...)
}

// receive reads one answer.
func (w *wire) receive() error {
	_, err := w.answer()
	return err
}

// answer reads one answer and returns the number that is its id, or 0.
func (w *wire) answer() (id int, err error) {
	for {
		head, err := w.in.Peek(2)
		if err != nil {
			return 0, err
		}
		opcode, n, skip := head[0]&0xf, int(head[1]), 2
		if n >= 126 {
			size := 2
			if n == 127 {
				size = 8
			}
			if head, err = w.in.Peek(2 + size); err != nil {
				return 0, err
			}
			n, skip = 0, 2+size
			for _, b := range head[2:] {
				n = n<<8 | int(b)
			}
		}
		if _, err := w.in.Discard(skip); err != nil {
			return 0, err
		}
		start, err := w.in.Peek(min(n, 64))
		if err != nil {
			return 0, err
		}
		good := bytes.Contains(start, []byte(`"success":true`))
		shown, id := "", 0
		if !good {
			shown = string(start)
		}
		if digits, ok := bytes.CutPrefix(start, []byte(`{"id":"`)); ok {
			for i := 0; i < len(digits) && '0' <= digits[i] && digits[i] <= '9'; i++ {
				id = id*10 + int(digits[i]-'0')
			}
		}
		if _, err := io.CopyN(io.Discard, w.in, int64(n)); err != nil {
			return 0, err
		}
		if opcode != 1 {
			continue
		}
		if !good {
			return 0, fmt.Errorf("an answer that is no success: %s", shown)
		}
		return id, nil
	}
}

// runClient does what it is told and writes the outcome on standard output.
func runClient(text string) error {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	for range o.Idle {
		idle, err := dial(o.Address)
		if err != nil {
			return err
		}
		defer idle.conn.Close()
	}
	var (
		group  sync.WaitGroup
		mu     sync.Mutex
		all    []float64
		failed error
	)
	var wires []*wire
	for range o.Connections {
		w, err := dial(o.Address)
		if err != nil {
			return err
		}
		defer w.conn.Close()
		wires = append(wires, w)
	}
	began := time.Now()
	end := began.Add(time.Duration(o.Seconds * float64(time.Second)))
	for i, w := range wires {
		group.Go(func() {
			var mine timed
			err := w.drive(o, i, end, &mine)
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, err)
			all = append(all, mine.all...)
		})
	}
	group.Wait()
	if failed != nil {
		return failed
	}
	slices.Sort(all)
	result := outcome{Count: len(all), Seconds: time.Since(began).Seconds()}
	for q := range 1000 {
		if len(all) > 0 {
			result.Latencies = append(result.Latencies, all[q*len(all)/1000])
		}
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

// drive keeps as many statements in flight as it is told: it sends the next one for each answer, those of answers that came together in
// one write. The id is the statement's place among those in flight.
func (w *wire) drive(o order, worker int, end time.Time, mine *timed) error {
	sql, err := json.Marshal(o.Statement.SQL)
	if err != nil {
		return err
	}
	var frame []byte
	n := worker * 7919
	began := make([]time.Time, o.InFlight)
	next := func(place int) {
		n += 104729
		frame = append(frame[:0], `{"id":"`...)
		frame = strconv.AppendInt(frame, int64(place), 10)
		frame = append(frame, `","type":"query","sql":`...)
		frame = append(frame, sql...)
		if o.Statement.Key {
			frame = append(frame, `,"params":[`...)
			frame = strconv.AppendInt(frame, int64(n%o.Rows), 10)
			frame = append(frame, ']')
		}
		began[place] = time.Now()
		w.put(append(frame, '}'))
	}
	for place := range o.InFlight {
		next(place)
	}
	for open := o.InFlight; open > 0; {
		if len(w.out) > 0 && w.in.Buffered() == 0 {
			if err := w.flush(); err != nil {
				return err
			}
		}
		place, err := w.answer()
		if err != nil {
			return err
		}
		now := time.Now()
		mine.add(now.Sub(began[place]))
		if now.After(end) {
			open--
			continue
		}
		next(place)
	}
	return nil
}
