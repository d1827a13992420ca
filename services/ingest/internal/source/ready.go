package source

import "errors"

// Ready returns nil while the source is being followed, else why it is not.
func (s *Source) Ready() error {
	s.status.mu.Lock()
	defer s.status.mu.Unlock()
	switch {
	case s.status.connected:
		return nil
	case s.status.lastError != "":
		return errors.New(s.status.lastError)
	default:
		return errors.New("not connected to the source yet")
	}
}
