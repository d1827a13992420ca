package binlog

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// A server that says nothing any longer is given up, however long it has been talking before.
func TestSilenceEndsReading(t *testing.T) {
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	go func() {
		for _, b := range []byte("abc") {
			if _, err := there.Write([]byte{b}); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	talking := patient{here, time.Minute}
	buffer := make([]byte, 1)
	for range 3 {
		if _, err := talking.Read(buffer); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := (patient{here, time.Millisecond}).Read(buffer); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("reading from one who is silent gave %d bytes and %v", n, err)
	}
}
