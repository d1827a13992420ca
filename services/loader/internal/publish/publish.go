// Package publish gives readers copies of the live file: generations.
//
// Between two checkpoints DuckDB does not change a block that the file's header
// reaches: it writes new blocks to free places and frees old ones when the
// header has turned. So after a checkpoint the blocks can be copied while writing goes on,
// and only those have to be that differ from an older copy.
package publish

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/services/loader/internal/live"
)

// Keep is how many generations stay on disk besides those that readers hold: the
// newest, the one before it, which a reader may be about to open, and one to be brought up to date next.
const Keep = 3

// Most is how many generations there are on disk at most, those that readers hold among them. Beyond it publishing waits for readers.
const Most = Keep + 8

// CrowdedError says that there are as many generations as there may be, and that readers hold all that could make room.
type CrowdedError struct{ Generations int }

func (e *CrowdedError) Error() string {
	return fmt.Sprintf("readers hold so many older generations that there are %d, the most there may be; a new one waits until one of them is let go", e.Generations)
}

// building is the name of a generation that is not finished.
const building = "building.duckdb"

// Content is what a manifest says of the rows.
type Content struct {
	Position   generation.Position
	SourceTime time.Time
	Tables     []generation.Table
}

// Result tells what a publication took.
type Result struct {
	Generation uint64
	// Blocks is how many the file has, Copied how many had to be copied.
	Blocks, Copied int64
	// Full is true when no older copy could be brought up to date, Cloned when the file shares the live one's blocks and nothing was copied.
	Full, Cloned bool
	Took         time.Duration
}

// Publisher publishes the generations of one database. It is for one goroutine.
type Publisher struct {
	file     *live.File
	conn     *duck.Conn
	dir      string
	database string
	log      *slog.Logger

	// copies are the generations this process made, oldest first; the last one is the newest.
	copies []*copied
	// foreign are files of an earlier process. They are never brought up to date:
	// after a power cut their blocks may not be what they were.
	foreign []string
	// current is the file that the manifest names, which readers may be about to open. last is what it says, nil before this process's first.
	current string
	last    *generation.Manifest
	next    uint64
	clone   bool
	block   []byte
}

// copied is a generation's file and the checksum of each of its blocks.
type copied struct {
	path string
	sums []uint64
}

// New prepares publishing from file. conn must be a connection of its own.
func New(file *live.File, conn *duck.Conn, data, database string, log *slog.Logger) (*Publisher, error) {
	p := &Publisher{file: file, conn: conn, dir: generation.Dir(data, database), database: database, log: log, next: 1, clone: true}
	if err := os.MkdirAll(p.dir, 0o755); err != nil { //nolint:gosec // gateways of other users read it
		return nil, fmt.Errorf("creating directory for generations: %w", err)
	}
	if m, err := generation.Read(p.dir); err == nil {
		p.next, p.current = m.Generation+1, filepath.Join(p.dir, m.File)
	}
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return nil, fmt.Errorf("reading directory of generations: %w", err)
	}
	for _, e := range entries {
		var n uint64
		if _, err := fmt.Sscanf(e.Name(), "gen-%d.duckdb", &n); err != nil {
			continue
		}
		// A name is not used twice, even if the manifest was lost.
		p.next = max(p.next, n+1)
		p.foreign = append(p.foreign, filepath.Join(p.dir, e.Name()))
	}
	return p, nil
}

// Checkpoint moves what was committed from the log into the file. No
// transaction may be open on the file. Afterwards a copy of the file is whole without its log.
func (p *Publisher) Checkpoint() error {
	if err := p.conn.Exec("CHECKPOINT"); err != nil {
		return fmt.Errorf("writing a checkpoint: %w", err)
	}
	size, err := p.file.WALSize()
	if err != nil {
		return err
	}
	if size > 0 {
		return fmt.Errorf("the checkpoint left %d bytes in the log", size)
	}
	return nil
}

// Publish makes the file, as the last Checkpoint left it, the newest
// generation. The next Checkpoint must wait for its end; transactions need not.
// After an error the generation before is still the newest, and Publish may be called again. The error is a
// *CrowdedError while readers hold too many.
func (p *Publisher) Publish(content Content) (Result, error) {
	start := time.Now()
	raw := make([]byte, generation.HeaderSize)
	if _, err := p.file.Blocks.ReadAt(raw, 0); err != nil {
		return Result{}, fmt.Errorf("reading the header of %s: %w", p.file.Path(), err)
	}
	header, err := live.ParseHeader(raw)
	if err != nil {
		return Result{}, fmt.Errorf("reading the header of %s: %w", p.file.Path(), err)
	}
	size, err := p.file.Size()
	if err != nil {
		return Result{}, err
	}
	header.Blocks = min(header.Blocks, (size-generation.HeaderSize)/header.BlockSize)
	target, old, err := p.take()
	if err != nil {
		return Result{}, err
	}
	r := Result{Generation: p.next, Blocks: header.Blocks, Full: old == nil}
	done, err := p.fill(target, old, header, raw, &r)
	// The lock must be gone before readers learn the name.
	if cerr := target.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("closing generation: %w", cerr)
	}
	if err != nil {
		p.removeUnfinished()
		return Result{}, err
	}
	if err := p.announce(done, content, raw, header); err != nil {
		return Result{}, err
	}
	p.removeOld()
	r.Took = time.Since(start)
	return r, nil
}

// take claims an older generation that no reader has open, or makes a new file.
// Either has the name of an unfinished one afterwards.
func (p *Publisher) take() (*generation.Claim, *copied, error) {
	path := filepath.Join(p.dir, building)
	// The newest is in use, and the one before it may be by a reader who has just read its name.
	for i := len(p.copies) - Keep; i >= 0 && !p.clone; i-- {
		old := p.copies[i]
		claim, err := generation.TakeClaim(old.path, false)
		if errors.Is(err, generation.ErrHeld) {
			continue
		}
		p.copies = slices.Delete(p.copies, i, i+1)
		if err != nil {
			p.log.Warn("older generation cannot be reused", "file", old.path, "error", err)
			continue
		}
		if err := os.Rename(old.path, path); err != nil {
			claim.Close()
			return nil, nil, fmt.Errorf("renaming generation: %w", err)
		}
		return claim, old, nil
	}
	if n := p.Generations(); n >= Most {
		if p.removeOld(); p.Generations() >= Most {
			return nil, nil, &CrowdedError{Generations: n}
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, fmt.Errorf("removing an unfinished generation: %w", err)
	}
	claim, err := generation.TakeClaim(path, true)
	return claim, nil, err
}

// announce names the finished file and replaces the manifest.
func (p *Publisher) announce(done *copied, content Content, raw []byte, header live.Header) error {
	name := generation.FileName(p.next)
	done.path = filepath.Join(p.dir, name)
	if err := os.Rename(filepath.Join(p.dir, building), done.path); err != nil {
		return fmt.Errorf("naming generation: %w", err)
	}
	m := &generation.Manifest{
		Database: p.database, Generation: p.next, File: name, Size: fileSize(header), HeaderSHA256: generation.SumHeader(raw),
		Position: content.Position, SourceTime: content.SourceTime, PublishedAt: time.Now().UTC(), Tables: content.Tables, DuckDB: duck.Version(),
	}
	p.next++
	p.copies = append(p.copies, done)
	if err := generation.Write(p.dir, m); err != nil {
		// Nobody has heard of the file; it is as good as an older one, and its number stays unused.
		p.copies = slices.Insert(p.copies[:len(p.copies)-1], 0, done)
		return err
	}
	p.last, p.current = m, done.path
	return nil
}

func fileSize(h live.Header) int64 { return generation.HeaderSize + h.Blocks*h.BlockSize }

// Refresh tells readers that the newest generation is still what the source
// holds, at a later position or time. It does nothing before the first publication.
func (p *Publisher) Refresh(position generation.Position, sourceTime time.Time) error {
	if p.last == nil {
		return nil
	}
	m := *p.last
	m.Position, m.SourceTime = position, sourceTime
	if err := generation.Write(p.dir, &m); err != nil {
		return err
	}
	p.last = &m
	return nil
}

// Wait tells readers that the next generation waits until they let go of older ones.
func (p *Publisher) Wait() error {
	m, err := generation.Read(p.dir)
	if err != nil {
		return err
	}
	m.Waiting = true
	return generation.Write(p.dir, m)
}

// Generations is how many there are on disk.
func (p *Publisher) Generations() int { return len(p.copies) + len(p.foreign) }

// Room tells whether Publish would find a place for a generation.
func (p *Publisher) Room() bool {
	if p.Generations() < Most {
		return true
	}
	p.removeOld()
	reusable := func(c *copied) bool { return !held(c.path) }
	return p.Generations() < Most || !p.clone && slices.ContainsFunc(p.copies[:max(0, len(p.copies)-Keep+1)], reusable)
}

// Verify returns an error when the newest generation is not what was published, as readers would find. Then nothing
// is built on the others either: the next Publish copies the whole file.
func (p *Publisher) Verify() error {
	if p.last == nil {
		return nil
	}
	err := p.last.Check(p.dir)
	if err != nil {
		for _, c := range p.copies {
			p.foreign = append(p.foreign, c.path)
		}
		p.copies = nil
	}
	return err
}

// removeOld deletes what nobody holds and Keep does not cover.
func (p *Publisher) removeOld() {
	p.foreign = slices.DeleteFunc(p.foreign, func(path string) bool { return path != p.current && p.remove(path) })
	spare := false
	for i := len(p.copies) - Keep; i >= 0; i-- {
		switch {
		case !spare && !p.clone:
			spare = !held(p.copies[i].path)
		case p.remove(p.copies[i].path):
			p.copies = slices.Delete(p.copies, i, i+1)
		}
	}
}

// held tells whether a reader has the generation open.
func held(path string) bool {
	claim, err := generation.TakeClaim(path, false)
	if err == nil {
		claim.Close()
	}
	return err != nil
}

// remove deletes a generation unless a reader holds it.
func (p *Publisher) remove(path string) bool {
	claim, err := generation.TakeClaim(path, false)
	if errors.Is(err, os.ErrNotExist) {
		return true
	}
	if errors.Is(err, generation.ErrHeld) {
		return false
	}
	if err == nil {
		defer claim.Close()
		err = os.Remove(path)
	}
	if err != nil {
		p.log.Warn("older generation cannot be deleted", "file", path, "error", err)
		return false
	}
	return true
}

func (p *Publisher) removeUnfinished() {
	if err := os.Remove(filepath.Join(p.dir, building)); err != nil && !errors.Is(err, os.ErrNotExist) {
		p.log.Warn("unfinished generation cannot be deleted", "error", err)
	}
}
