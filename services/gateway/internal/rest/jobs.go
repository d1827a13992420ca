package rest

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"github.com/chittihq/duckling/services/gateway/internal/encode"
	"github.com/chittihq/duckling/services/gateway/internal/jobs"
)

// owner is whose jobs a request may see: the admin's are all.
func owner(c *fiber.Ctx) string {
	if who := identity(c); !who.Admin {
		return who.Name
	}
	return ""
}

func jobID(c *fiber.Ctx) string { return param(c, "job") }

// submitJob takes a statement as POST /api/query does and answers at once. The format is NDJSON unless the request names one.
func (s *Server) submitJob(c *fiber.Ctx) error {
	r, err := readQuery(c)
	if err != nil {
		return err
	}
	if r.Format == "" {
		r.Format = string(encode.FormatNDJSON)
	}
	t, err := s.task(c, r)
	if err != nil {
		return err
	}
	status, err := s.Jobs.Submit(jobs.Request{Database: t.database, Statement: t.statement, Format: t.format, Options: t.options, BOM: t.bom})
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderLocation, "/api/jobs/"+status.ID)
	return c.Status(fiber.StatusAccepted).JSON(status)
}

func (s *Server) listJobs(c *fiber.Ctx) error {
	return c.JSON(fiber.Map{"jobs": s.Jobs.List(owner(c))})
}

func (s *Server) jobStatus(c *fiber.Ctx) error {
	status, err := s.Jobs.Status(owner(c), jobID(c))
	if err != nil {
		return err
	}
	if status.FinishedAt == nil {
		c.Set(fiber.HeaderRetryAfter, "1")
	}
	return c.JSON(status)
}

func (s *Server) deleteJob(c *fiber.Ctx) error {
	if err := s.Jobs.Delete(owner(c), jobID(c)); err != nil {
		return err
	}
	return c.SendStatus(fiber.StatusNoContent)
}

// maxPageRows is how many rows a page may have.
const maxPageRows = 100000

// jobResult sends a job's result as it is, or with ?limit= a page of it.
func (s *Server) jobResult(c *fiber.Ctx) error {
	if c.Query("limit") != "" || c.Query("offset") != "" {
		return s.jobPage(c)
	}
	file, status, err := s.Jobs.Open(owner(c), jobID(c))
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, status.Format.MediaType())
	c.Set(trailerRows, strconv.FormatInt(status.Rows, 10))
	c.Set(headerGeneration, strconv.FormatUint(status.Generation, 10))
	c.Set(fiber.HeaderCacheControl, "private, no-cache")
	s.sendPatiently(c, file, int(status.Bytes)) // which closes the file
	return nil
}

func (s *Server) jobPage(c *fiber.Ctx) error {
	offset, limit, err := window(c, 1000, maxPageRows)
	if err != nil {
		return err
	}
	page, err := s.Jobs.Page(owner(c), jobID(c), offset, limit)
	if err != nil {
		return err
	}
	tail, err := json.Marshal(fiber.Map{"offset": offset, "total": page.Total, "hasMore": offset+page.Count < page.Total})
	if err != nil {
		return err
	}
	body := append([]byte(`{"result":[`), page.Rows...)
	body = append(body, `],`...)
	return s.sendJSON(c, append(body, tail[1:]...))
}

// window reads ?offset= and ?limit=; the limit is brought into its bounds.
func window(c *fiber.Ctx, usual, most int64) (offset, limit int64, err error) {
	read := func(name string, usual int64) (int64, error) {
		text := c.Query(name)
		if text == "" {
			return usual, nil
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return 0, invalid(fmt.Sprintf("%s must be a whole number, 0 or more", name))
		}
		return n, nil
	}
	if offset, err = read("offset", 0); err != nil {
		return 0, 0, err
	}
	if limit, err = read("limit", usual); err != nil {
		return 0, 0, err
	}
	return offset, min(max(limit, 1), most), nil
}
