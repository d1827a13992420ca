package jobs

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"

	"github.com/chittihq/duckling/services/gateway/internal/encode"
	"github.com/chittihq/duckling/services/gateway/internal/query"
)

// Open returns the result of a job that is done. The file must be closed, and stays readable when the job goes.
func (s *Service) Open(key, id string) (*os.File, Status, error) {
	file, status, _, err := s.open(key, id)
	return file, status, err
}

func (s *Service) open(key, id string) (*os.File, Status, []mark, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, err := s.find(key, id)
	if err != nil {
		return nil, Status{}, nil, err
	}
	switch {
	case j.err != nil:
		return nil, Status{}, nil, j.err
	case j.state != Done:
		return nil, Status{}, nil, &query.Error{Code: query.CodeNotReady, Message: "the job is " + string(j.state) + "; ask for its result when it is done", RetryAfter: retryAfter}
	}
	file, err := os.Open(j.path)
	if err != nil {
		return nil, Status{}, nil, fmt.Errorf("reading a result: %w", err)
	}
	return file, j.status(), j.marks, nil
}

// Page is a part of a result's rows, as JSON objects separated by commas.
type Page struct {
	Rows         []byte
	Count, Total int64
}

// Page reads up to limit rows of a result from row offset on. Only a result in NDJSON has pages.
func (s *Service) Page(key, id string, offset, limit int64) (Page, error) {
	file, status, marks, err := s.open(key, id)
	if err != nil {
		return Page{}, err
	}
	defer file.Close()
	if status.Format != encode.FormatNDJSON {
		return Page{}, &query.Error{Code: query.CodeInvalidRequest, Message: "only a job with format ndjson has pages; this one has " + string(status.Format)}
	}
	page := Page{Total: status.Rows, Count: max(0, min(limit, status.Rows-offset))}
	if page.Count == 0 {
		return page, nil
	}
	from := marks[sort.Search(len(marks), func(i int) bool { return marks[i].row > offset })-1]
	lines := bufio.NewReaderSize(io.NewSectionReader(file, from.offset, status.Bytes-from.offset), 64<<10)
	for row := from.row; row < offset+page.Count; row++ {
		start := len(page.Rows)
		if row > offset {
			page.Rows = append(page.Rows, ',')
		}
		if page.Rows, err = appendLine(page.Rows, lines); err != nil {
			return Page{}, fmt.Errorf("reading a result: %w", err)
		}
		if row < offset {
			page.Rows = page.Rows[:start]
		}
		if int64(len(page.Rows)) > maxPage {
			return Page{}, &query.Error{Code: query.CodeTooLarge, Message: fmt.Sprintf("the page has more than %d bytes; ask for fewer rows", maxPage)}
		}
	}
	return page, nil
}

// maxPage is how many bytes a page may have.
const maxPage = 64 << 20

func appendLine(dst []byte, lines *bufio.Reader) ([]byte, error) {
	for {
		part, err := lines.ReadSlice('\n')
		dst = append(dst, part...)
		switch {
		case err == nil:
			return dst[:len(dst)-1], nil
		case errors.Is(err, bufio.ErrBufferFull):
		default:
			return dst, err
		}
	}
}
