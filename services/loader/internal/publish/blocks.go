package publish

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/services/loader/internal/live"
)

// unknown marks a block whose content nothing is known of. A checksum of 0 is
// as rare as any other and only costs a copy.
const unknown = 0

// fill makes target a copy of the live file: its blocks first, the headers
// last. old is what target held before, or nil.
func (p *Publisher) fill(target *generation.Claim, old *copied, header live.Header, raw []byte, r *Result) (*copied, error) {
	if p.clone {
		err := p.file.CloneTo(target.File)
		if err == nil {
			r.Full, r.Cloned = false, true
			return &copied{}, p.finish(target, header, raw)
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			return nil, err
		}
		p.clone = false
	}
	done := &copied{sums: make([]uint64, header.Blocks)}
	if old != nil {
		copy(done.sums, old.sums)
	}
	if len(p.block) != int(header.BlockSize) {
		p.block = make([]byte, header.BlockSize)
	}
	for i := range header.Blocks {
		changed, err := p.copyBlock(target, done, i, header.BlockSize)
		if err != nil {
			return nil, err
		}
		if changed {
			r.Copied++
		}
	}
	return done, p.finish(target, header, raw)
}

// copyBlock brings one block up to date. What DuckDB keeps of a block in its
// first 8 bytes is the checksum of the rest, so equal ones mean equal blocks.
//
// A block that the header does not reach may be written to at this moment, by a
// transaction to come. Then it can arrive torn, and its checksum must not be taken for
// that of the whole block later.
func (p *Publisher) copyBlock(target *generation.Claim, done *copied, i, size int64) (bool, error) {
	offset := generation.HeaderSize + i*size
	if _, err := p.file.Blocks.ReadAt(p.block[:8], offset); err != nil {
		return false, fmt.Errorf("reading block %d: %w", i, err)
	}
	if sum := binary.LittleEndian.Uint64(p.block); sum == done.sums[i] && sum != unknown {
		return false, nil
	}
	if _, err := p.file.Blocks.ReadAt(p.block, offset); err != nil {
		return false, fmt.Errorf("reading block %d: %w", i, err)
	}
	if _, err := target.WriteAt(p.block, offset); err != nil {
		return false, fmt.Errorf("writing block %d: %w", i, err)
	}
	done.sums[i] = binary.LittleEndian.Uint64(p.block)
	if live.Checksum(p.block) != done.sums[i] {
		done.sums[i] = unknown
	}
	return true, nil
}

func (p *Publisher) finish(target *generation.Claim, header live.Header, raw []byte) error {
	if err := target.Truncate(fileSize(header)); err != nil {
		return fmt.Errorf("setting the size of a generation: %w", err)
	}
	if _, err := target.WriteAt(raw, 0); err != nil {
		return fmt.Errorf("writing the header of a generation: %w", err)
	}
	return nil
}
