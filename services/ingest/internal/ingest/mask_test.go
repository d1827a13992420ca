package ingest

import (
	"testing"

	"github.com/chittihq/duckling/pkg/config"
)

func TestMasksFindEverySpelling(t *testing.T) {
	find := masks(config.Database{Masks: []config.Mask{
		{Table: "users", Column: "email", Action: "hash", Salt: "s"}, {Table: "log_*", Column: "ip", Action: "drop"},
	}})
	for name, want := range map[[2]string]string{
		{"users", "email"}: "hash", {"Users", "EMAIL"}: "hash", {"_users_gho", "email"}: "hash", {"__users_old", "email"}: "hash",
		{"log_2024", "ip"}: "drop", {"users", "name"}: "", {"customers", "email"}: "", {"users_new", "email"}: "",
	} {
		got := ""
		if m := find(name[0], name[1]); m != nil {
			got = string(m.Action)
		}
		if got != want {
			t.Errorf("%v has mask %q, want %q", name, got, want)
		}
	}
	if masks(config.Database{}) != nil {
		t.Error("a database without masks has some")
	}
}
