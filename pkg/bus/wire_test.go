package bus

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"pgregory.net/rapid"
)

func testCodec(t interface{ Fatal(...any) }) codec {
	c, err := newCodec()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Whatever is split, with runs cut short in between, comes back whole and in
// order, and every part keeps below max_payload.
func TestSplitAndAssemble(t *testing.T) {
	codec := testCodec(t)
	rapid.Check(t, func(t *rapid.T) {
		maxPayload := int64(headerRoom + rapid.IntRange(1, 2000).Draw(t, "room"))
		a := assembler{codec: codec}
		var want, got [][]byte
		var cut, dropped int
		seq, prev := uint64(rapid.IntRange(1, 1e9).Draw(t, "first")), "start"
		for i := range rapid.IntRange(1, 8).Draw(t, "payloads") {
			payload := noise(rapid.IntRange(0, 6000).Draw(t, "size"))
			if rapid.Bool().Draw(t, "compressible") {
				payload = bytes.Repeat([]byte("ab"), rapid.IntRange(0, 100_000).Draw(t, "pairs"))
			}
			parts, err := codec.split("s", fmt.Sprint("id", i), payload, maxPayload, seq, prev)
			if err != nil {
				t.Fatal(err)
			}
			whole := rapid.Bool().Draw(t, "whole") || len(parts) == 1
			if !whole {
				parts = parts[:rapid.IntRange(1, len(parts)-1).Draw(t, "sent")]
				cut += len(parts)
			} else {
				want = append(want, payload)
			}
			for _, msg := range parts {
				if size := headerSize(msg.Header) + len(msg.Data); int64(size) > maxPayload {
					t.Fatalf("a part with its headers has %d bytes, more than %d", size, maxPayload)
				}
				p, err := readPart(seq, time.Time{}, msg.Header, msg.Data)
				if err != nil {
					t.Fatal(err)
				}
				if p.prev != prev {
					t.Fatalf("part %d was written after %q, want %q", seq, p.prev, prev)
				}
				message, n, err := a.add(p)
				if err != nil {
					t.Fatal(err)
				}
				dropped += n
				if message != nil {
					if message.Seq != seq || message.ID != p.id {
						t.Fatalf("message is %d %q, its last part %d %q", message.Seq, message.ID, seq, p.id)
					}
					got = append(got, message.Payload)
				}
				prev = p.id
				seq++
			}
		}
		if dropped+len(a.run) != cut {
			t.Fatalf("%d parts dropped and %d waiting, %d were sent of payloads cut short", dropped, len(a.run), cut)
		}
		if len(got) != len(want) {
			t.Fatalf("%d payloads came back of %d", len(got), len(want))
		}
		for i := range want {
			if !bytes.Equal(got[i], want[i]) {
				t.Fatalf("payload %d differs", i)
			}
		}
	})
}

// headerSize is what the headers take on the wire, with the two that Publisher adds.
func headerSize(header nats.Header) int {
	size := len("NATS/1.0\r\n\r\n") +
		len(nats.ExpectedLastSeqHdr+": 18446744073709551615\r\n") +
		len(nats.ExpectedLastMsgIdHdr+": \r\n") + maxMessageID + 40
	for key := range header {
		size += len(key) + len(header.Get(key)) + 4
	}
	return size
}

func TestLongestHeadersFit(t *testing.T) {
	id := strings.Repeat("i", maxMessageID)
	parts, err := testCodec(t).split("s", id, noise(200_000), 64<<10, 1<<63, id+"/9223372036854775808/01234567")
	if err != nil {
		t.Fatal(err)
	}
	if size := headerSize(parts[1].Header); size > headerRoom {
		t.Fatalf("headers take %d bytes of the %d kept for them", size, headerRoom)
	}
}

func TestBadIDs(t *testing.T) {
	for _, id := range []string{"", "a b", "a\nb", "ä", strings.Repeat("i", maxMessageID+1)} {
		if _, err := testCodec(t).split("s", id, nil, 1<<20, 1, ""); err == nil {
			t.Errorf("the id %q was taken", id)
		}
	}
}

func TestUnreadableParts(t *testing.T) {
	for _, text := range []string{"0/1", "2/1", "x/1", "1/x", "1", "-1/2"} {
		if _, err := readPart(1, time.Time{}, nats.Header{headerPart: {text}}, nil); err == nil {
			t.Errorf("the part number %q was taken", text)
		}
	}
	a := assembler{codec: testCodec(t)}
	if _, _, err := a.add(part{index: 1, count: 1, encoding: "future"}); err == nil {
		t.Error("an unknown encoding was taken")
	}
	if _, _, err := a.add(part{index: 1, count: 1, encoding: encodingZstd, data: []byte("not zstd")}); err == nil {
		t.Error("damaged data was taken")
	}
}
