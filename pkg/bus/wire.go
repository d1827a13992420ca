package bus

import (
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/nats-io/nats.go"
)

const (
	headerEncoding = "Duckling-Encoding"
	// headerPart is "i/n", from 1: the parts of one message are consecutive.
	headerPart = "Duckling-Part"
	// headerPrev is the Nats-Msg-Id of the message before this one in the stream,
	// by which a reader notices that a stream lost its tail and was written anew.
	headerPrev = "Duckling-Prev"

	encodingZstd = "zstd"

	// compressFrom is the size below which compressing costs more than it saves.
	compressFrom = 8 << 10
	// headerRoom is what headers take of max_payload at most, with ids of maxMessageID.
	headerRoom = 2 << 10
	// maxMessageID bounds the ids callers give.
	maxMessageID = 256
	// maxDecoded bounds what a compressed payload may unfold to.
	maxDecoded = 1 << 30
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Message is one payload as it stands in a stream.
type Message struct {
	// Seq is the sequence of the message's last part. A reader that has taken
	// the message goes on at Seq+1.
	Seq uint64
	// FirstSeq is the sequence of its first part; equal to Seq for most.
	FirstSeq uint64
	// ID names the message's place in the stream's history; ConsumerOptions.AfterID takes it.
	ID string
	// Stored is when the server took the last part, by its clock.
	Stored  time.Time
	Payload []byte
}

// part is one message of the stream as NATS knows it.
type part struct {
	seq      uint64
	stored   time.Time
	id       string
	prev     string
	encoding string
	index    int
	count    int
	data     []byte
}

func readPart(seq uint64, stored time.Time, header nats.Header, data []byte) (part, error) {
	p := part{
		seq:      seq,
		stored:   stored,
		id:       header.Get(nats.MsgIdHdr),
		prev:     header.Get(headerPrev),
		encoding: header.Get(headerEncoding),
		index:    1,
		count:    1,
		data:     data,
	}
	if text := header.Get(headerPart); text != "" {
		index, count, _ := strings.Cut(text, "/")
		var err1, err2 error
		p.index, err1 = strconv.Atoi(index)
		p.count, err2 = strconv.Atoi(count)
		if err1 != nil || err2 != nil || p.index < 1 || p.index > p.count {
			return part{}, fmt.Errorf("reading message %d: its part number %q makes no sense", seq, text)
		}
	}
	return p, nil
}

// assembler puts parts back together. A run of parts whose writer died is
// dropped when something else follows it.
type assembler struct {
	codec codec
	run   []part
}

// add takes the next part. It returns a message when that completes one, and
// how many parts were dropped.
func (a *assembler) add(p part) (message *Message, dropped int, err error) {
	switch {
	case p.index == 1:
		dropped = len(a.run)
		a.run = append(a.run[:0], p)
	case p.index == len(a.run)+1 && p.count == a.run[0].count:
		a.run = append(a.run, p)
	default:
		dropped = len(a.run) + 1
		a.run = a.run[:0]
		return nil, dropped, nil
	}
	if p.index < p.count {
		return nil, dropped, nil
	}
	message, err = a.codec.assemble(a.run)
	clear(a.run)
	a.run = a.run[:0]
	return message, dropped, err
}

// assemble makes the message of a complete run of parts.
func (c codec) assemble(run []part) (*Message, error) {
	last := run[len(run)-1]
	data := last.data
	if len(run) > 1 {
		size := 0
		for _, p := range run {
			size += len(p.data)
		}
		data = make([]byte, 0, size)
		for _, p := range run {
			data = append(data, p.data...)
		}
	}
	switch last.encoding {
	case "":
	case encodingZstd:
		var err error
		if data, err = c.decoder.DecodeAll(data, nil); err != nil {
			return nil, fmt.Errorf("decompressing message %d: %w", last.seq, err)
		}
	default:
		return nil, fmt.Errorf("reading message %d: its encoding %q is unknown; it was written by a newer version", last.seq, last.encoding)
	}
	return &Message{Seq: last.seq, FirstSeq: run[0].seq, ID: last.id, Stored: last.stored, Payload: data}, nil
}

// codec compresses and decompresses. Calls may run side by side.
type codec struct {
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

func newCodec() (codec, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2))
	if err != nil {
		return codec{}, fmt.Errorf("making a zstd encoder: %w", err)
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxDecoded), zstd.WithDecoderConcurrency(2))
	if err != nil {
		return codec{}, fmt.Errorf("making a zstd decoder: %w", err)
	}
	return codec{encoder: encoder, decoder: decoder}, nil
}

// compress returns what to send of payload, and its encoding.
func (c codec) compress(payload []byte) (data []byte, encoding string) {
	if len(payload) < compressFrom {
		return payload, ""
	}
	packed := c.encoder.EncodeAll(payload, make([]byte, 0, len(payload)/2))
	if len(packed) > len(payload)-len(payload)/8 {
		return payload, ""
	}
	return packed, encodingZstd
}

var errMessageID = fmt.Errorf("a message id has 1 to %d printable ASCII characters and no space", maxMessageID)

// validID says whether an id passes through a NATS header unchanged.
func validID(id string) bool {
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return id != "" && len(id) <= maxMessageID
}

// split makes the NATS messages of one payload, of which none with its headers
// exceeds maxPayload. first is the sequence the first of them will get, prev
// the id of the message before it.
//
// An id is the caller's id, the sequence and a checksum. The sequence keeps
// the server from taking a payload that is sent again at another place, as
// after a rewind, for a duplicate; the checksum tells apart what two writers
// sent under one id.
func (c codec) split(subject, id string, payload []byte, maxPayload int64, first uint64, prev string) ([]*nats.Msg, error) {
	if !validID(id) {
		return nil, errMessageID
	}
	if len(payload) > maxDecoded {
		return nil, fmt.Errorf("a payload of %d bytes exceeds the limit of %d", len(payload), maxDecoded)
	}
	data, encoding := c.compress(payload)
	room := int(maxPayload) - headerRoom
	count := max(1, (len(data)+room-1)/room)
	out := make([]*nats.Msg, 0, count)
	for index := range count {
		piece := data[index*room : min(len(data), (index+1)*room)]
		msg := nats.NewMsg(subject)
		msg.Data = piece
		own := fmt.Sprintf("%s/%d/%08x", id, first+uint64(index), crc32.Checksum(piece, castagnoli))
		msg.Header.Set(nats.MsgIdHdr, own)
		if prev != "" {
			msg.Header.Set(headerPrev, prev)
		}
		if encoding != "" {
			msg.Header.Set(headerEncoding, encoding)
		}
		if count > 1 {
			msg.Header.Set(headerPart, fmt.Sprintf("%d/%d", index+1, count))
		}
		out = append(out, msg)
		prev = own
	}
	return out, nil
}
