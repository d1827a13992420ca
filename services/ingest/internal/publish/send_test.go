package publish

import (
	"strings"
	"testing"
)

// Names of tables may hold any character; ids of messages may not.
func TestIDsOfAnyName(t *testing.T) {
	for _, part := range []string{"0", "3-17", "orders", "Order Lines", "a/b", "größe", strings.Repeat("表", 64), "%\x00\n"} {
		id := ID{Epoch: 1795763052358899, State: 12345678901234567890, What: "ddl:3E11FA47-71CA-11E1-9E33-C80AA9429562:a_tag_of_thirty_two_characters__:9223372036854775807", Part: part}
		text := id.String()
		if len(text) > 200 || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("%q has the id %q of %d bytes", part, text, len(text))
		}
		back, err := ParseID(text + "/17/af084b3c")
		if err != nil || back.Epoch != id.Epoch || back.State != id.State || back.What != id.What {
			t.Errorf("%q was read back as %+v: %v", text, back, err)
		}
	}
	if back, err := ParseID(ID{What: "ddl:x", Part: "3-17"}.String()); err != nil || back.Part != "3-17" {
		t.Errorf("a part was read back as %+v: %v", back, err)
	}
}
