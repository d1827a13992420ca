package query

import (
	"errors"
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"
)

// granted tells whether a waiter has its place, or why not.
func granted(w *waiter) (bool, error) {
	select {
	case err := <-w.granted:
		return err == nil, err
	default:
		return false, nil
	}
}

// One key with a hundred statements waiting costs another one a single turn.
func TestPlacesGoRoundTheKeys(t *testing.T) {
	a := newAdmission(4, 1000, NewMetrics(prometheus.NewRegistry()))
	var heavy []*waiter
	for range 103 {
		w, err := a.enter("heavy")
		if err != nil {
			t.Fatal(err)
		}
		if w != nil {
			heavy = append(heavy, w)
		}
	}
	if len(heavy) != 100 {
		t.Fatalf("%d of 103 wait; one key is to have three of four places", len(heavy))
	}
	if w, err := a.enter("light"); w != nil || err != nil {
		t.Fatal("the last place is not for another key")
	}
	second, _ := a.enter("light")
	if second == nil {
		t.Fatal("five run in four places")
	}
	third, _ := a.enter("light")
	a.leave("heavy")
	first, _ := granted(heavy[0])
	a.leave("heavy")
	light, _ := granted(second)
	if !first || !light {
		t.Errorf("after two turns: heavy %v, light %v", first, light)
	}
	if ok, _ := granted(third); ok {
		t.Error("light got two turns in a row")
	}
}

// A full queue makes room for a key that has less than its share, by the statement that came last.
func TestFullQueueIsShared(t *testing.T) {
	a := newAdmission(1, 4, NewMetrics(prometheus.NewRegistry()))
	var heavy []*waiter
	for range 5 {
		w, err := a.enter("heavy")
		if err != nil {
			t.Fatal(err)
		}
		if w != nil {
			heavy = append(heavy, w)
		}
	}
	_, err := a.enter("heavy")
	var e *Error
	if !errors.As(err, &e) || e.Code != CodeBusy || e.RetryAfter <= 0 || e.Message != "queue full: 4 queries are waiting" {
		t.Errorf("got %#v", err)
	}
	for i := range 2 {
		if w, err := a.enter("light"); w == nil || err != nil {
			t.Fatalf("light is turned away: %v", err)
		}
		if _, err := granted(heavy[3-i]); err == nil {
			t.Error("the last heavy statement waits on")
		}
	}
	if _, err := a.enter("light"); err == nil {
		t.Error("light got more than its share")
	}
}

// Whatever comes and goes, places are neither lost nor given twice, and a place is free only when nobody may have it.
func TestPlacesAreKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit, queue := rapid.IntRange(1, 6).Draw(t, "limit"), rapid.IntRange(0, 8).Draw(t, "queue")
		a := newAdmission(limit, queue, NewMetrics(prometheus.NewRegistry()))
		running := make(map[string]int)
		var waiters []*waiter
		settle := func() {
			kept := waiters[:0]
			for _, w := range waiters {
				if ok, err := granted(w); ok {
					running[w.line.key]++
				} else if err == nil {
					kept = append(kept, w)
				}
			}
			waiters = kept
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			key := fmt.Sprint(rapid.IntRange(1, 3).Draw(t, "key"))
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0:
				w, err := a.enter(key)
				if err == nil && w == nil {
					running[key]++
				} else if w != nil {
					waiters = append(waiters, w)
				}
			case 1:
				if running[key] > 0 {
					running[key]--
					a.leave(key)
				}
			case 2:
				if len(waiters) > 0 {
					i := rapid.IntRange(0, len(waiters)-1).Draw(t, "waiter")
					if !a.abandon(waiters[i]) {
						t.Fatal("a waiter that waits cannot be abandoned")
					}
					waiters = append(waiters[:i], waiters[i+1:]...)
				}
			}
			settle()
			sum := 0
			for _, n := range running {
				sum += n
				if n > a.perKey {
					t.Fatalf("a key holds %d of %d places", n, limit)
				}
			}
			if a.running != sum || a.waiting != len(waiters) || sum > limit || a.waiting > queue {
				t.Fatalf("running %d (counted %d), waiting %d (counted %d)", a.running, sum, a.waiting, len(waiters))
			}
			if sum < limit {
				for _, w := range waiters {
					if running[w.line.key] < a.perKey {
						t.Fatal("a place is free and a statement waits for it")
					}
				}
			}
		}
		for key, l := range a.keys {
			if l.running == 0 && l.waiters.Len() == 0 {
				t.Fatalf("key %s is kept for nothing", key)
			}
		}
	})
}
