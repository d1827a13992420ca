package sandbox

import "strings"

// Escapes is for the tests that run them on an engine.
var Escapes = append(faults, escapes...)

// Refused are the functions that the list names as not allowed.
func Refused() map[string]bool {
	refused := set()
	for _, name := range strings.Fields(callList) {
		if name[0] == '-' {
			refused[name[1:]] = true
		}
	}
	return refused
}
