package binlog

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/go-mysql-org/go-mysql/replication"
)

// parse reads one event as the library does, and hands it to a decoder.
func (d *decoder) feed(t *testing.T, typ replication.EventType, flags uint16, end uint32, body []byte) error {
	t.Helper()
	raw := make([]byte, replication.EventHeaderSize, replication.EventHeaderSize+len(body))
	raw[4] = byte(typ)
	binary.LittleEndian.PutUint32(raw[9:], uint32(len(body)+replication.EventHeaderSize))
	binary.LittleEndian.PutUint32(raw[13:], end)
	binary.LittleEndian.PutUint16(raw[17:], flags)
	e, err := replication.NewBinlogParser().Parse(append(raw, body...))
	if err != nil {
		t.Fatal(err)
	}
	return d.HandleEvent(e)
}

// What a source says of a hole in its binlog stops the stream, with its words.
func TestIncident(t *testing.T) {
	d := &decoder{flavor: MySQL, file: "binlog.000007", offset: 100, send: func(*Event) error { return nil }}
	body := append([]byte{1, 0, 11}, "lost events"...)
	var incident *IncidentError
	if err := d.feed(t, replication.INCIDENT_EVENT, 0, 200, body); !errors.As(err, &incident) {
		t.Fatalf("got %v, want an incident", err)
	}
	if incident.File != "binlog.000007" || incident.Offset != 200 || incident.Message != "lost events" {
		t.Errorf("the incident is %+v", incident)
	}
}

// An event of a kind that this release does not know may hold changes; one that its writer calls ignorable does not.
func TestUnknownEvents(t *testing.T) {
	d := &decoder{flavor: MySQL, file: "binlog.000007", send: func(*Event) error { return nil }}
	const unknown = 172 // MariaDB's fragment of a row
	if err := d.feed(t, unknown, 0, 200, []byte{1, 2, 3}); err == nil {
		t.Error("an unknown event was passed over")
	}
	if err := d.feed(t, unknown, replication.LOG_EVENT_IGNORABLE_F, 300, []byte{1, 2, 3}); err != nil {
		t.Errorf("an event that may be ignored: %v", err)
	}
}

// A file beyond 4 GiB: its events tell the lower half of their place, and the protocol can start from no such place.
func TestFilesBeyondFourGiB(t *testing.T) {
	const giant = 1000 << 20 // no event is larger
	d := &decoder{flavor: MySQL, file: "binlog.000001", offset: 4, skipTo: 9 << 30}
	var sent []uint64
	d.send = func(e *Event) error {
		if e.Kind == End {
			sent = append(sent, e.Offset)
		}
		return nil
	}
	xid := make([]byte, 8)
	var at uint64 = 4
	for at < 14<<30 {
		at += giant
		if err := d.feed(t, replication.XID_EVENT, 0, uint32(at), xid); err != nil {
			t.Fatal(err)
		}
		if d.offset != at {
			t.Fatalf("an event that ends at %d was placed at %d", at, d.offset)
		}
		// One that the server makes up has no place.
		if err := d.feed(t, replication.XID_EVENT, replication.LOG_EVENT_ARTIFICIAL_F, 77, xid); err != nil || d.offset != at {
			t.Fatalf("a made-up event moved the place to %d (%v)", d.offset, err)
		}
	}
	if len(sent) == 0 || sent[0] != 4+10*giant || sent[len(sent)-1] != at {
		t.Errorf("sent the ends %v, want those after %d", sent, uint64(9<<30))
	}
	d.rotate(&replication.RotateEvent{NextLogName: []byte("binlog.000002"), Position: 4})
	sent = nil
	if err := d.feed(t, replication.XID_EVENT, 0, 500, xid); err != nil || len(sent) != 1 || sent[0] != 500 {
		t.Errorf("after the file's end: %v, %v, want what ends at 500", sent, err)
	}
}

// What stands in front of a statement may be anything, cut anywhere: it is read as far as it is known.
func TestSessionOfAStatement(t *testing.T) {
	whole := []byte{0, 1, 0, 0, 0, 1, 0, 0, 0x10, 0, 0, 0, 0, 0, 6, 3, 's', 't', 'd', 3, 2, 0, 1, 0, 4, 8, 0, 33, 0, 255, 0}
	for n := range len(whole) + 1 {
		collation, plain := session(whole[:n])
		if want := map[bool]uint64{true: 8}[n >= 27]; collation != want || plain != (n >= 14) {
			t.Errorf("of %d bytes: collation %d, backslashes for themselves: %v", n, collation, plain)
		}
	}
	if collation, _ := session(append([]byte{77, 1}, whole...)); collation != 0 {
		t.Errorf("after a value that is not known: collation %d", collation)
	}
}
