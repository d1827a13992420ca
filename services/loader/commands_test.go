package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chittihq/duckling/services/loader/internal/filetest"
	"github.com/chittihq/duckling/services/loader/internal/s3test"
)

// asLoader has the test binary be the loader.
const asLoader = "DUCKLING_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asLoader) != "" {
		main()
	}
	os.Exit(m.Run())
}

// terminal is where the loader's commands are given: an environment for them.
type terminal struct {
	t   *testing.T
	env []string
}

func newTerminal(t *testing.T, data string, env ...string) *terminal {
	t.Helper()
	databases := filepath.Join(t.TempDir(), "databases.yaml")
	text := "databases:\n"
	for _, id := range []string{filetest.Database, "other"} {
		text += fmt.Sprintf("  - {id: %s, name: %s, connectionString: 'mysql://u:p@127.0.0.1:1/%s'}\n", id, id, id)
	}
	if err := os.WriteFile(databases, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return &terminal{t: t, env: append(env, "DATA_DIR="+data, "NATS_URL=nats://127.0.0.1:1", "DATABASES_FILE="+databases)}
}

// run gives a command, and fails the test unless it ends with code and says what the pattern, a regular expression, has.
func (c *terminal) run(code int, pattern, command string) string {
	c.t.Helper()
	cmd := exec.Command(os.Args[0], strings.Fields(command)...)
	cmd.Env = append(append(os.Environ(), asLoader+"=1"), c.env...)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	_ = cmd.Run() // the exit code says it
	said := out.String()
	if code != 0 {
		said = log.String()
	} else if log.Len() > 0 {
		c.t.Errorf("loader %s succeeded and logged %q", command, log.String())
	}
	if got := cmd.ProcessState.ExitCode(); got != code || !regexp.MustCompile(pattern).MatchString(said) {
		c.t.Fatalf("loader %s ended with %d and %q%q; %d and %q are due", command, got, out.String(), log.String(), code, pattern)
	}
	return said
}

// Backup, list and restore, as they are typed: what they say, and the exit codes that cron and scripts go by.
func TestBackupCommands(t *testing.T) {
	for name, env := range map[string]func(t *testing.T) []string{
		"directory": func(t *testing.T) []string { return []string{"BACKUP_TO=" + t.TempDir()} },
		"S3": func(t *testing.T) []string {
			endpoint := s3test.Start(t)
			return []string{"BACKUP_TO=s3://" + s3test.Bucket + "/x", "BACKUP_S3_ENDPOINT=" + endpoint, "BACKUP_S3_REGION=us-east-1"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := filetest.New(t, t.TempDir())
			b.Exec("CREATE TABLE t AS SELECT i AS id FROM range(1000) r(i)")
			c := newTerminal(t, b.Data, append(env(t), "BACKUP_KEEP=3")...)
			const one = `[0-9]{8}T[0-9]{6}Z-[0-9]+`

			c.run(1, `backing up database shop: no generation has been published yet`, "backup shop")
			c.run(0, `^database +backup +bytes +source time +position\n$`, "backups")
			c.run(1, `there is no backup of database shop in `, "restore shop")
			c.run(1, `there is no database \\"nope\\"`, "backup nope")

			b.Publish()
			want := b.Sum()
			said := c.run(0, `^shop: backup `+one+`, [0-9]+ bytes in [0-9.]+s\n$`, "backup shop")
			first := regexp.MustCompile(one).FindString(said)
			b.Exec("DELETE FROM t WHERE id % 2 = 0")
			b.Publish()
			less := b.Sum()
			c.run(0, `^shop: backup `+one+`-?`, "backup shop")
			list := c.run(0, `shop +`+one+` +[0-9]+ +[0-9T:-]+Z +g:1-7\n`, "backups shop")
			if n := strings.Count(list, "\nshop "); n != 2 {
				t.Fatalf("of two backups %d are listed:\n%s", n, list)
			}

			c.run(1, `another loader \(pid [0-9]+\) holds .*stop it, or set DATA_DIR`, "restore shop")
			b.Close()
			c.run(1, `there is no backup \\"20200101T000000Z-1\\" of database shop`, "restore shop 20200101T000000Z-1")
			c.run(0, `^shop: restored `+one+`, as of .*; start the loader to go on from there\n$`, "restore shop")
			b.Open()
			if got := b.Sum(); got != less {
				t.Fatalf("the newest backup has sum %d, and the file had %d", got, less)
			}
			b.Close()
			c.run(0, first, "restore shop "+first)
			b.Open()
			if got := b.Sum(); got != want {
				t.Fatalf("the older backup has sum %d, and the file had %d", got, want)
			}
			b.Publish()
			c.run(1, `backing up database other: no generation`, "backup") // of every database: that of shop is made, the other's cannot be
			if n := strings.Count(c.run(0, "", "backups"), "\nshop "); n != 3 {
				t.Fatalf("of three backups %d are listed", n)
			}
		})
	}
}

// What is wrong with a command or its settings ends with code 2 and says what to do, before anything is read.
func TestWrongCommands(t *testing.T) {
	c := newTerminal(t, t.TempDir())
	for _, command := range []string{"backup", "backups", "restore"} {
		c.run(2, `BACKUP_TO is not set: name a directory, or s3://bucket/prefix`, command)
	}
	c.run(2, `loader: unknown command "backp"`, "backp")
	c.env = append(c.env, "BACKUP_TO=/x", "BACKUP_KEEP=0", "BACKUP_MAX_AGE=-1s")
	c.run(2, `(?s)BACKUP_KEEP must be at least 1.*BACKUP_MAX_AGE must not be negative`, "backup")
	c.env = append(c.env, "BACKUP_KEEP=1", "BACKUP_MAX_AGE=1h", "BACKUP_TO=ftp://x")
	c.run(1, `BACKUP_TO`, "backup shop")
}
