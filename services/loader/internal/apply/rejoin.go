package apply

import (
	"fmt"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/services/loader/internal/schema"
)

// Rejoin gives up on the history so far: every table is stale until it is copied
// again, and what readers see stays as it is until then. The stream is followed from the frame after seq
// on. epoch 0 takes the epoch of whatever frame comes there.
//
// Frames that are read a second time after this do no harm, because no change is applied to a frozen table.
func (a *Applier) Rejoin(epoch, seq uint64, reason string) error {
	return a.apart(func() error {
		for _, t := range a.book.Tables() {
			if err := a.giveUp(t, reason); err != nil {
				return err
			}
		}
		a.next = schema.Progress{Source: a.book.Progress.Source, Epoch: epoch, Seq: seq, CopyAll: reason, Position: new(cdcv1.Position)}
		return nil
	})
}

// GiveUp freezes one table whose rows made a commit fail, until it is copied again.
func (a *Applier) GiveUp(source, reason string) error {
	return a.apart(func() error {
		t, err := a.book.Ensure(source)
		if err != nil {
			return err
		}
		return a.giveUp(t, reason)
	})
}

// Asked notes that ingest knows that everything is to be copied.
func (a *Applier) Asked() { a.next.CopyAll = "" }

// apart runs fn in a transaction of its own on an Applier that holds nothing.
func (a *Applier) apart(fn func() error) error {
	if a.rows > 0 || a.begun {
		return fmt.Errorf("a batch is under way")
	}
	if err := a.begin(); err != nil {
		return err
	}
	if err := fn(); err != nil {
		return a.rollback(err)
	}
	_, err := a.finish(a.next)
	return err
}
