// Package seed gives random tests the number that makes their workload.
package seed

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// Variable names the environment variable that repeats a workload.
const Variable = "DUCKLING_TEST_SEED"

// For returns the seed in the environment, or a new one where there is none, and logs how to have it again.
// Moments at which processes are killed follow the clock all the same.
func For(t testing.TB) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv(Variable); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("%s is no number: %v", Variable, err)
		}
	}
	t.Logf("%s=%d", Variable, seed)
	return seed
}
